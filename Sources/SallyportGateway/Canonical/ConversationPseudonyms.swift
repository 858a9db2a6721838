import Crypto
import SallyportCore
import SallyportGuard

/// The pseudonyms of one caller's conversation: made on the way out, put back on the way in, for nobody else.
struct ConversationPseudonyms: Sendable {
    let mint: @Sendable (String, Finding.Category) -> [UInt8]?
    let restoring: @Sendable (Passage) -> [TextEdit]

    /// nil without the subject's key: then values are redacted instead.
    init?(runtime: GatewayRuntime, principal: Principal, conversation: String) {
        guard let key = runtime.parts.subjects.key(of: principal.id.rawValue, tenant: principal.tenant) else { return nil }
        let vault = runtime.parts.pseudonyms
        let scope = PseudonymScope(tenant: principal.tenant, principal: principal.id, conversation: conversation)
        mint = { value, category in vault.mint(value, category: category, scope: scope, key: key) }
        restoring = { passage in vault.restorations(in: passage, scope: scope) }
    }
}
