import Crypto
import SallyportCore
import SallyportGuard

/// The pseudonyms of one caller's conversation: made on the way out, put back on the way in, for nobody else.
struct ConversationPseudonyms: Sendable {
    let mint: @Sendable (String, Finding.Category) -> [UInt8]?
    let restoring: @Sendable (Passage) -> [TextEdit]
    /// What was made from this conversation under that name goes on with its pseudonyms.
    let goesOn: @Sendable (_ conversation: String) -> Void

    /// nil without the subject's key: then values are redacted instead.
    init?(runtime: GatewayRuntime, scope: PseudonymScope) {
        guard let key = runtime.parts.subjects.key(of: scope.principal.rawValue, tenant: scope.tenant) else { return nil }
        let vault = runtime.parts.pseudonyms
        mint = { value, category in vault.mint(value, category: category, scope: scope, key: key) }
        goesOn = { vault.goOn(from: scope, as: $0) }
        restoring = { passage in vault.restorations(in: passage, scope: scope) }
    }
}
