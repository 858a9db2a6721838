import NIOCore
import SallyportCore

/// States facts about a text; never decides. Synchronous, over bytes, free of side effects: the same text gives the same findings.
package protocol Detector: Sendable {
    var id: DetectorID { get }
    /// The readings of a text that this detector wants to see.
    var layers: TextLayer.Kinds { get }
    /// Expressions that the shared scan looks for on the detector's behalf. All detectors' patterns are one database, scanned once per layer.
    var patterns: [Pattern] { get }
    /// - Parameters:
    ///   - passage: one reading of a text.
    ///   - hits: where the detector's own patterns matched in it, numbered as in `patterns`, in order of their ends. May overlap.
    /// - Throws: when it could not do its work; the text then counts as not cleared.
    func findings(in passage: Passage, hits: [PatternHit]) throws -> [Finding]
    /// The same, with what the policy knows and the detector cannot: which hosts are the organisation's own. What follows from a finding is
    /// still the policy's to say.
    func findings(in passage: Passage, hits: [PatternHit], under policy: GuardPolicy) throws -> [Finding]
}

extension Detector {
    package var patterns: [Pattern] { [] }

    package func findings(in passage: Passage, hits: [PatternHit], under policy: GuardPolicy) throws -> [Finding] {
        try findings(in: passage, hits: hits)
    }
}
