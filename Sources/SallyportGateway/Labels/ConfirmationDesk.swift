import NIOConcurrencyHelpers
import NIOCore
import SallyportCore
import SallyportGuard

/// A call that may not go out by itself.
struct HeldCall: Sendable, Hashable {
    let tool: String
    let effect: String
    let reason: String
    let isBlocked: Bool
}

/// Calls of outward tools that wait for somebody to confirm them. In memory: after a restart nothing was confirmed.
package final class ConfirmationDesk: Sendable {
    package struct Waiting: Sendable {
        let id: String
        let tenant: TenantID
        let principal: PrincipalID
        let exchange: String
        /// The calls that wait, and why.
        let calls: [HeldCall]
        /// The message (chat) or the output (responses) as the model made it.
        let answer: ByteBuffer
        let isResponse: Bool
        /// Under which the answer was made.
        let policy: GuardPolicy
        let expiresAt: Int64
    }

    private let waiting = NIOLockedValueBox<[String: Waiting]>([:])
    /// How long a call waits.
    static let patience: Int64 = 600
    private static let most = 10_000
    private static let largestCall = 262_144

    package init() {}

    /// - Returns: false when there is no room for it: the call must be blocked.
    func put(_ call: Waiting, now: Int64) -> Bool {
        guard call.answer.readableBytes <= ConfirmationDesk.largestCall else { return false }
        return waiting.withLockedValue { waiting in
            if waiting.count >= ConfirmationDesk.most { waiting = waiting.filter { $0.value.expiresAt > now } }
            // One caller must not take everybody's room.
            guard waiting.count < ConfirmationDesk.most,
                waiting.values.count(where: { $0.principal == call.principal && $0.tenant == call.tenant }) < 256
            else { return false }
            waiting[call.id] = call
            return true
        }
    }

    /// Only for who made the call; to others it is not there.
    func look(_ id: String, as principal: Principal, now: Int64) -> Waiting? {
        waiting.withLockedValue { waiting in
            guard let found = waiting[id], found.principal == principal.id, found.tenant == principal.tenant, found.expiresAt > now else {
                return nil
            }
            return found
        }
    }

    /// Once: a call is carried out by whoever got it, and never a second time from here.
    func take(_ id: String, as principal: Principal, now: Int64) -> Waiting? {
        waiting.withLockedValue { waiting in
            guard let found = waiting[id], found.principal == principal.id, found.tenant == principal.tenant else { return nil }
            waiting[id] = nil
            return found.expiresAt > now ? found : nil
        }
    }
}

/// What earlier responses of the Responses API had in them, since a request that goes on from one does not say it again, and the documents that
/// conversations were answered from. In memory: of a response that is not known, the worst is assumed.
package final class TaintMemory: Sendable {
    private struct State {
        var known: [String: TaintSources] = [:]
        var order: [String] = []
        var words = 0
    }
    private let state = NIOLockedValueBox(State())
    private static let most = 2_000
    /// About 60 bytes each.
    private static let mostWords = 1_500_000

    package init() {}

    func sources(before response: String) -> TaintSources? { state.withLockedValue { $0.known[response] } }

    func keep(_ sources: TaintSources, after response: String) {
        state.withLockedValue { state in
            if let before = state.known.updateValue(sources, forKey: response) {
                state.words -= before.words
            } else {
                state.order.append(response)
            }
            state.words += sources.words
            var gone = 0
            while gone < state.order.count, state.order.count - gone > TaintMemory.most || state.words > TaintMemory.mostWords {
                state.words -= state.known.removeValue(forKey: state.order[gone])?.words ?? 0
                gone += 1
            }
            state.order.removeFirst(gone)
        }
    }
}
