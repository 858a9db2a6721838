/// Within what a value has one pseudonym: the same everywhere in a conversation, unrelated to any other's.
package struct PseudonymScope: Sendable, Hashable {
    package let tenant: TenantID
    package let principal: PrincipalID
    package let conversation: String

    package init(tenant: TenantID, principal: PrincipalID, conversation: String) {
        self.tenant = tenant
        self.principal = principal
        self.conversation = conversation
    }
}

/// What a pseudonym stands for.
package struct PseudonymRecord: Sendable, Hashable {
    package let scope: PseudonymScope
    /// The pseudonym's 50 bits.
    package let code: UInt64
    /// The category's name in it.
    package let label: [UInt8]
    package let value: [UInt8]
    package init(scope: PseudonymScope, code: UInt64, label: [UInt8], value: [UInt8]) {
        self.scope = scope
        self.code = code
        self.label = label
        self.value = value
    }
}

/// Pseudonyms at rest, each sealed under its principal's key. Every method blocks.
package protocol PseudonymStore: Sendable {
    /// - Parameter now: seconds since 1970; what was there already is only noted as used.
    func put(_ records: [PseudonymRecord], at now: Int64) throws
    /// Those whose key was destroyed are left out.
    func records(in scope: PseudonymScope, limit: Int) throws -> [PseudonymRecord]
    /// - Returns: how many were removed.
    func remove(of principal: PrincipalID, tenant: TenantID) throws -> Int
    /// - Returns: how many were removed.
    func removeUnused(since moment: Int64) throws -> Int
}
