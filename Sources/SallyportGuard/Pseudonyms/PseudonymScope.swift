import SallyportCore

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
