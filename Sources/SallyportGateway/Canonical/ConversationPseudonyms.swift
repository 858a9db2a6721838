import SallyportCore
import SallyportGuard

/// The pseudonyms of one caller's conversation.
struct ConversationPseudonyms: Sendable {
    let mint: @Sendable (String, Finding.Category) -> [UInt8]?
    let restoring: @Sendable (Passage) -> [TextEdit]

    init(runtime: GatewayRuntime, principal: Principal, conversation: String) {
        mint = { _, _ in nil }
        restoring = { _ in [] }
    }
}
