/// How high the labels of conversations stand. They never fall. Every method blocks.
package protocol ConversationLabelStore: Sendable {
    /// - Parameter key: a keyed hash that names the conversation to nobody.
    func label(of key: String, tenant: TenantID) throws -> SensitivityLabel?
    /// Raises it; a lower label than what is there changes nothing.
    func raise(_ key: String, to label: SensitivityLabel, tenant: TenantID, at now: Int64) throws
    func isEmpty() throws -> Bool
    /// Forgets conversations that nobody has gone on with since then.
    func forget(before: Int64) throws
}

/// A label and why it is that high: for headers, annotations and records, never with text of the exchange.
package struct LabelFact: Sendable, Hashable {
    package let label: SensitivityLabel
    /// `declared`, `conversation`, `detected: CreditCardNumber`, `document`, `model`.
    package let reason: String
    package init(_ label: SensitivityLabel, _ reason: String) {
        self.label = label
        self.reason = reason
    }

    /// The higher one; of equals the first.
    package static func higher(_ a: LabelFact?, _ b: LabelFact?) -> LabelFact? {
        guard let a else { return b }
        guard let b else { return a }
        return b.label > a.label ? b : a
    }
}
