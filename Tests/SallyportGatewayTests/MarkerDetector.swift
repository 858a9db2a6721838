import NIOCore
import SallyportCore
import SallyportGuard
import SallyportPatterns

/// Finds one word in every reading of a text: what tests plant to see whether a text was read.
struct MarkerDetector: Detector {
    static let word = "zyxwombat"
    let id: DetectorID = "marker"
    let layers = TextLayer.Kinds.all
    let patterns = [Pattern(MarkerDetector.word, isLiteral: true, ignoresCase: true)]

    func findings(in passage: Passage, hits: [PatternHit]) throws -> [Finding] {
        hits.map { Finding(id, .init(.attack, "Marker"), at: $0.range.upperBound - MarkerDetector.word.utf8.count..<$0.range.upperBound) }
    }
}

/// Cannot do its work.
struct BrokenDetector: Detector {
    struct Failure: Error {}
    let id: DetectorID = "broken"
    let layers: TextLayer.Kinds = [.original]
    func findings(in passage: Passage, hits: [PatternHit]) throws -> [Finding] { throw Failure() }
}

enum Fixture {
    static func engine(_ detectors: [any Detector] = [MarkerDetector()]) throws -> GuardEngine {
        try GuardEngine(detectors: detectors, compiler: HyperscanCompiler(), normaliser: Normaliser())
    }

    static func policy(_ action: GuardAction, asynchronous: Bool = false, annotates: Bool = false) -> GuardPolicy {
        var streaming = GuardPolicy.Streaming()
        streaming.isAsynchronous = asynchronous
        let record = Dictionary(uniqueKeysWithValues: GuardPolicy.Uninspectable.allCases.map { ($0, UninspectableAction.record) })
        return GuardPolicy(
            id: "Test", rules: [.init(.attack, minimumConfidence: 0.5, action: action)], streaming: streaming, uninspectable: record,
            annotates: annotates)
    }

    static func context(_ action: GuardAction, asynchronous: Bool = false, annotates: Bool = false) -> GuardEngine.Context {
        GuardEngine.Context(policy: policy(action, asynchronous: asynchronous, annotates: annotates))
    }
}
