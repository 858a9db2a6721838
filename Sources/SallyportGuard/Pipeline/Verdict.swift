import SallyportCore

/// A finding with what the policy decided about it.
package struct DecidedFinding: Sendable, Hashable {
    /// Offsets in the original text.
    package let finding: Finding
    package let action: GuardAction
    package let mode: GuardMode
    /// The reading in which it was found.
    package let layer: TextLayer.Kind

    package init(finding: Finding, action: GuardAction, mode: GuardMode, layer: TextLayer.Kind) {
        self.finding = finding
        self.action = action
        self.mode = mode
        self.layer = layer
    }
}

extension DecidedFinding {
    /// The same with its place in the answer, in code points: `12-40`.
    package func placed(at codePoints: Range<Int>) -> DecidedFinding {
        let finding = Finding(
            finding.detector, finding.category, at: finding.range, confidence: finding.confidence,
            evidence: "\(codePoints.lowerBound)-\(codePoints.upperBound)", falsePositiveRate: finding.falsePositiveRate)
        return DecidedFinding(finding: finding, action: action, mode: mode, layer: layer)
    }

    /// What ``placed(at:)`` noted.
    package var place: Range<Int>? {
        guard finding.category.group == .groundedness, let numbers = finding.evidence?.split(separator: "-").compactMap({ Int($0) }),
            numbers.count == 2, numbers[0] <= numbers[1]
        else { return nil }
        return numbers[0]..<numbers[1]
    }
}

/// A change to one text: the range is UTF-8 bytes of the passage, the replacement is plain text (not yet escaped for JSON).
package struct TextEdit: Sendable, Hashable {
    package let range: Range<Int>
    package let replacement: [UInt8]
    package init(range: Range<Int>, replacement: [UInt8]) {
        self.range = range
        self.replacement = replacement
    }
}

/// What came of one text.
package struct PassageVerdict: Sendable {
    /// The strictest action in force (shadow decisions excluded).
    package var action = GuardAction.allow
    package var findings: [DecidedFinding] = []
    /// Sorted, not overlapping. Empty when `action` does not rewrite.
    package var edits: [TextEdit] = []

    package init() {}
}

/// One guard's part in an exchange, as it goes on record.
package struct GuardReport: Sendable {
    package enum Outcome: String, Sendable { case completed, failed, timedOut }
    package let detector: DetectorID
    package var outcome = Outcome.completed
    package var mode = GuardMode.enforce
    package var action = GuardAction.allow
    /// By category name.
    package var counts: [String: Int] = [:]
    package var topScore = 0.0
    package var nanoseconds: UInt64 = 0
    /// Digest of the model that spoke; nil for a detector without one.
    package var model: String?
    package init(_ detector: DetectorID) { self.detector = detector }

    package mutating func add(_ decided: DecidedFinding) {
        counts[decided.finding.category.name, default: 0] += 1
        topScore = max(topScore, decided.finding.confidence)
        mode = decided.mode
        action = max(action, decided.action)
    }
}

/// What came of many texts together. Grows while an exchange goes on.
package struct Verdict: Sendable {
    /// The strictest action in force.
    package var action = GuardAction.allow
    /// False when a guard that must not fail did: the exchange is refused.
    package var isComplete = true
    package var reports: [DetectorID: GuardReport] = [:]
    package var bytesInspected = 0
    package var layersInspected = 0
    /// Texts that learned guards want read and that the inspection had no reading of: the verdict stands only when there are none.
    package var unread: [ReadingRequest] = []
    /// Questions to remote guards that have no answer yet: the same.
    package var unasked: [OpinionRequest] = []
    /// How likely each text of the user's is an attack, in order: what each says alone may be little.
    package var suspicions: [Double] = []

    package init() {}

    /// It does not stand: readings or opinions are missing.
    package var lacks: Bool { !unread.isEmpty || !unasked.isEmpty }

    package mutating func merge(_ other: Verdict) {
        action = max(action, other.action)
        isComplete = isComplete && other.isComplete
        bytesInspected += other.bytesInspected
        layersInspected += other.layersInspected
        unread += other.unread
        unasked += other.unasked
        suspicions += other.suspicions
        for (id, theirs) in other.reports {
            guard var ours = reports[id] else {
                reports[id] = theirs
                continue
            }
            if theirs.outcome != .completed { ours.outcome = theirs.outcome }
            ours.action = max(ours.action, theirs.action)
            ours.mode = theirs.mode
            ours.model = ours.model ?? theirs.model
            ours.topScore = max(ours.topScore, theirs.topScore)
            ours.nanoseconds += theirs.nanoseconds
            for (name, count) in theirs.counts { ours.counts[name, default: 0] += count }
            reports[id] = ours
        }
    }
}
