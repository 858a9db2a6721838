import NIOConcurrencyHelpers
import NIOCore
import NIOEmbedded
import SallyportCore
import SallyportGuard
import SallyportPatterns
import Testing

struct OpinionReaderTests {
    /// Says that texts with `BAD` in them are attacks; fails on `BROKEN`.
    private final class WordGuard: RemoteGuard {
        struct Broken: Error {}
        let id: DetectorID = "word"
        let upstream: UpstreamID = "words"
        let categories = [Finding.Category(.attack, "jailbreak")]
        let maximumText: Int
        let asked = NIOLockedValueBox<[String]>([])

        init(maximumText: Int = 1000) { self.maximumText = maximumText }

        func reads(_ origin: PassageOrigin) -> Bool { origin == .user }

        func findings(in passages: [Passage], on eventLoop: any EventLoop) -> EventLoopFuture<[[Finding]]> {
            let texts = passages.map { String(buffer: $0.text) }
            asked.withLockedValue { $0 += texts }
            if texts.contains(where: { $0.contains("BROKEN") }) { return eventLoop.makeFailedFuture(Broken()) }
            return eventLoop.makeSucceededFuture(
                texts.map { text in
                    guard let place = text.firstRange(of: "BAD") else { return [] }
                    let start = text[..<place.lowerBound].utf8.count
                    return [Finding(id, categories[0], at: start..<start + 3, confidence: 0.9)]
                })
        }
    }

    private let loop = EmbeddedEventLoop()

    private func inspect(
        _ text: String, _ remote: WordGuard, _ reader: OpinionReader, settings: GuardPolicy.GuardSettings? = GuardPolicy.GuardSettings()
    ) throws -> (PassageVerdict, Verdict) {
        let engine = try GuardEngine(detectors: [], compiler: HyperscanCompiler(), normaliser: Normaliser(), remotes: [remote])
        var policy = GuardPolicy(id: "Test", rules: [.init(.attack, names: ["jailbreak"], minimumConfidence: 0.5, action: .block)])
        if let settings { policy.settings["word"] = settings }
        var context = GuardEngine.Context(policy: policy)
        for _ in 1...2 {
            var verdict = Verdict()
            let result = engine.inspect(Passage(text, origin: .user), in: context, verdict: &verdict)
            guard verdict.lacks else { return (result, verdict) }
            let entries = try reader.ask(verdict.unasked, for: "t", on: loop).wait()
            for (question, entry) in zip(verdict.unasked, entries) { context.opinions[question] = entry }
        }
        Issue.record("the opinion was never enough")
        return (PassageVerdict(), Verdict())
    }

    private func reader(_ remote: WordGuard, _ change: (inout OpinionReader.Budget) -> Void = { _ in }) -> OpinionReader {
        var budget = OpinionReader.Budget()
        change(&budget)
        return OpinionReader([(remote, budget)]) { 0 }
    }

    @Test func blocksByWhatTheRemoteGuardSays() throws {
        let remote = WordGuard()
        let reader = reader(remote)
        #expect(try inspect("this is BAD indeed", remote, reader).0.action == .block)
        #expect(try inspect("this is fine", remote, reader).0.action == .allow)
    }

    @Test func asksNobodyWhereThePolicyDoesNotNameIt() throws {
        let remote = WordGuard()
        #expect(try inspect("this is BAD indeed", remote, reader(remote), settings: nil).0.action == .allow)
        #expect(remote.asked.withLockedValue { $0 }.isEmpty)
    }

    @Test func remembersOpinionsButNoFailures() throws {
        let remote = WordGuard()
        let reader = reader(remote)
        for _ in 1...3 { _ = try inspect("the same", remote, reader) }
        for _ in 1...2 { #expect(try !inspect("BROKEN", remote, reader).1.isComplete) }
        #expect(remote.asked.withLockedValue { $0 } == ["the same", "BROKEN", "BROKEN"])
    }

    @Test func leavesAFailureToThePolicy() throws {
        let remote = WordGuard()
        var open = GuardPolicy.GuardSettings()
        open.onFailure = .open
        let (result, verdict) = try inspect("BROKEN", remote, reader(remote), settings: open)
        #expect(verdict.isComplete && result.action == .allow && verdict.reports["word"]?.outcome == .failed)
    }

    @Test func failsWhenItsCallsForTheMinuteAreUsedUp() throws {
        let remote = WordGuard()
        let reader = reader(remote) { $0.callsPerMinute = 1 }
        #expect(try inspect("first", remote, reader).1.isComplete)
        #expect(try !inspect("second", remote, reader).1.isComplete)
    }

    @Test func findsWhatStandsInAnyPartOfALongText() throws {
        let remote = WordGuard(maximumText: 500)
        let filler = String(repeating: "äöü wörter ohne belang ", count: 60)
        let text = filler + "BAD" + filler
        let (result, _) = try inspect(text, remote, reader(remote))
        let start = filler.utf8.count
        #expect(result.findings.map(\.finding.range) == [start..<start + 3])
        #expect(remote.asked.withLockedValue { $0 }.allSatisfy { $0.unicodeScalars.count <= 500 })
    }

    @Test func shadowsWithoutActing() throws {
        let remote = WordGuard()
        var shadow = GuardPolicy.GuardSettings()
        shadow.mode = .shadow
        let (result, _) = try inspect("BAD", remote, reader(remote), settings: shadow)
        #expect(result.action == .allow && result.findings.first?.mode == .shadow)
    }
}
