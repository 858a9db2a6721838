import SallyportCore
import SallyportGuard
import SallyportPatterns

/// Runs one detector the way the engine does: its own patterns in one scan, then the detector.
struct DetectorRunner {
    let detector: any Detector
    private let database: any PatternDatabase

    init(_ detector: any Detector) throws {
        self.detector = detector
        database = try HyperscanCompiler().compile(detector.patterns)
    }

    func findings(in text: String, origin: PassageOrigin = .user) throws -> [Finding] {
        let passage = Passage(text, origin: origin)
        var hits: [PatternHit] = []
        try passage.withBytes { bytes in
            try database.scan(bytes) { hit in
                hits.append(hit)
                return true
            }
        }
        return try detector.findings(in: passage, hits: hits)
    }
}

extension String {
    /// The text at a range of UTF-8 offsets.
    func text(at range: Range<Int>) -> String {
        String(decoding: Array(utf8)[range], as: UTF8.self)
    }
}
