import SallyportCore

/// What the routes of policies ask about documents before they are taken, put together by Server. Every method blocks.
package protocol PolicyDesk: Sendable {
    /// Policies of the policy directory.
    func files() throws -> [PolicyID]
    /// Reads a document as it would be in force beside all others.
    /// - Throws: ``Fault`` `.invalidRequest` with all that is wrong.
    func check(_ name: String, _ document: [UInt8]) throws -> PolicyFindings
    /// - Throws: ``Fault`` `.conflict` when others are based on it, or something names it.
    func checkRemoval(_ name: String) throws
}

/// A document that can be taken.
package struct PolicyFindings: Codable, Sendable {
    package let name: String
    package let rules: Int
    package let blocklists: Int
    /// `NAME:VERSION` of the policies behind it, the nearest first.
    package let basedOn: String?
    /// What may be meant so, or may not.
    package let notes: [String]

    package init(name: String, rules: Int, blocklists: Int, basedOn: String?, notes: [String]) {
        self.name = name
        self.rules = rules
        self.blocklists = blocklists
        self.basedOn = basedOn
        self.notes = notes
    }
}
