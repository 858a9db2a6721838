/// What a detector found, as a fact; a policy decides what follows from it.
package struct Finding: Sendable, Hashable {
    /// The kind of thing found: a group that policies address, and a name within it.
    package struct Category: Sendable, Hashable {
        package enum Group: String, Sendable, CaseIterable, Codable {
            case sensitive, secret, blocklist, output, invisible, attack, harm, protectedMaterial, groundedness
            /// Tool calls that do not serve what the user asked for; texts of a category of the organisation's own.
            case taskAdherence, category

            /// By the case: by the word that spells it would take ten times as long.
            package func hash(into hasher: inout Hasher) { withUnsafeBytes(of: self) { hasher.combine(bytes: $0) } }
        }
        package let group: Group
        /// Sensitive data: an Azure AI Language category (`CreditCardNumber`); a secret: its family; a blocklist: the list's name.
        package let name: String
        package init(_ group: Group, _ name: String) {
            self.group = group
            self.name = name
        }
    }

    package let detector: DetectorID
    package let category: Category
    /// UTF-8 byte offsets in the text that the detector was given.
    package let range: Range<Int>
    /// 0...1; for a severity category, severity / 7.
    package let confidence: Double
    /// A blocklist item's id, a link's host, a rule's name: never the text found.
    package let evidence: String?
    /// Of a learned detector: the lowest of its stated false-positive rates on benign texts at which this is still reported.
    package let falsePositiveRate: Double?

    package init(
        _ detector: DetectorID, _ category: Category, at range: Range<Int>, confidence: Double = 1, evidence: String? = nil,
        falsePositiveRate: Double? = nil
    ) {
        self.detector = detector
        self.category = category
        self.range = range
        self.confidence = (confidence * 1000).rounded() / 1000
        self.evidence = evidence
        self.falsePositiveRate = falsePositiveRate
    }

    /// The same fact at another place: used when a decoded text's offsets are taken back to the original.
    package func moved(to range: Range<Int>) -> Finding {
        Finding(detector, category, at: range, confidence: confidence, evidence: evidence, falsePositiveRate: falsePositiveRate)
    }
}
