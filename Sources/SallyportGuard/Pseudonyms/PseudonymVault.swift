import Crypto
import NIOConcurrencyHelpers
import NIOCore
import SallyportCore

/// Which value a pseudonym stands for, in memory only: what is forgotten (by age, by number, on request, by a restart) cannot be put back.
///
/// A value that could not be kept still gets its pseudonym; it then stays in the answer. Nothing here is ever logged.
package final class PseudonymVault: Sendable {
    /// Bounds on what is remembered.
    package struct Limits: Sendable {
        package var conversations = 10_000
        package var entriesPerConversation = 4_096
        /// Of one value; longer ones are replaced but not remembered.
        package var valueBytes = 4_096
        /// Of all values together.
        package var totalBytes = 64 << 20
        /// Since a conversation was last used.
        package var lifetime: TimeAmount = .hours(30 * 24)
        package init() {}
    }

    private struct Conversation {
        var entries: [UInt64: Entry] = [:]
        var bytes = 0
        var lastUse = NIODeadline.uptimeNanoseconds(0)
    }

    private struct Entry {
        let label: [UInt8]
        let value: [UInt8]
    }

    private struct State {
        var conversations: [PseudonymScope: Conversation] = [:]
        var bytes = 0
    }

    private let limits: Limits
    private let now: @Sendable () -> NIODeadline
    private let state = NIOLockedValueBox(State())
    /// What an entry costs besides its value.
    private static let overhead = 96

    package init(limits: Limits = Limits(), now: @escaping @Sendable () -> NIODeadline = { .now() }) {
        self.limits = limits
        self.now = now
    }

    /// The pseudonym of a value, and remembers what it stands for.
    /// - Parameter key: the tenant's or subject's key for pseudonyms; whoever destroys it makes all of them meaningless.
    package func mint(_ value: String, category: Finding.Category, scope: PseudonymScope, key: SymmetricKey) -> [UInt8] {
        let bytes = Array(value.utf8)
        let label = PseudonymToken.label(of: category)
        // Two values with one code (1 in 2^50) would be confused; the second takes another.
        for attempt in UInt8(0)..<4 {
            let token = PseudonymToken(value, category: category, scope: scope, key: key, attempt: attempt)
            if remember(Entry(label: label, value: bytes), as: token.code, in: scope) { return token.bytes }
        }
        return Array("[".utf8) + label + Array("]".utf8)
    }

    /// - Returns: false when the code stands for something else.
    private func remember(_ entry: Entry, as code: UInt64, in scope: PseudonymScope) -> Bool {
        let time = now()
        return state.withLockedValue { state in
            if let known = state.conversations[scope]?.entries[code] {
                state.conversations[scope]?.lastUse = time
                return known.value == entry.value && known.label == entry.label
            }
            let cost = entry.value.count + Self.overhead
            guard entry.value.count <= limits.valueBytes, cost <= limits.totalBytes else { return true }
            if state.conversations[scope] == nil {
                if state.conversations.count >= limits.conversations { evict(&state, at: time, sparing: scope) }
                state.conversations[scope] = Conversation()
            }
            guard (state.conversations[scope]?.entries.count ?? 0) < limits.entriesPerConversation else { return true }
            if state.bytes + cost > limits.totalBytes { evict(&state, at: time, sparing: scope) }
            guard state.bytes + cost <= limits.totalBytes else { return true }
            state.conversations[scope]?.entries[code] = entry
            state.conversations[scope]?.bytes += cost
            state.conversations[scope]?.lastUse = time
            state.bytes += cost
            return true
        }
    }

    /// Drops what is too old and, where that does not do, the eighth that was not used for longest: seldom, so a sort is cheap enough.
    private func evict(_ state: inout State, at time: NIODeadline, sparing scope: PseudonymScope) {
        let oldest = state.conversations.filter { $0.key != scope }.sorted { $0.value.lastUse < $1.value.lastUse }
        var left = max(1, oldest.count / 8)
        for (key, conversation) in oldest {
            guard left > 0 || conversation.lastUse + limits.lifetime < time else { break }
            state.bytes -= conversation.bytes
            state.conversations[key] = nil
            left -= 1
        }
    }

    /// Edits that put the values back where a text holds this scope's pseudonyms, as they were made or as models spell them: lower
    /// case, without brackets, with `\_`. Never inside an address or a link's target, where the value would leave with the link.
    package func restorations(in text: Passage, scope: PseudonymScope) -> [TextEdit] {
        guard text.count > PseudonymToken.codeLength, let entries = entries(of: scope) else { return [] }
        return text.withBytes { bytes in
            var edits: [TextEdit] = []
            var cursor = 0
            while let place = PseudonymPlace.next(in: bytes, from: cursor) {
                cursor = place.range.upperBound
                guard let entry = entries[place.code], place.isLabelled(entry.label, in: bytes),
                    !LinkTarget.holds(place.range.lowerBound, in: bytes)
                else { continue }
                edits.append(TextEdit(range: place.range, replacement: entry.value))
            }
            return edits
        }
    }

    private func entries(of scope: PseudonymScope) -> [UInt64: Entry]? {
        let time = now()
        return state.withLockedValue { state in
            guard let conversation = state.conversations[scope], !conversation.entries.isEmpty else { return nil }
            guard conversation.lastUse + limits.lifetime >= time else {
                state.bytes -= conversation.bytes
                state.conversations[scope] = nil
                return nil
            }
            state.conversations[scope]?.lastUse = time
            return conversation.entries
        }
    }

    /// Forgets everything that was minted for a principal.
    package func forget(_ principal: PrincipalID, of tenant: TenantID) {
        state.withLockedValue { state in
            for (scope, conversation) in state.conversations where scope.principal == principal && scope.tenant == tenant {
                state.bytes -= conversation.bytes
                state.conversations[scope] = nil
            }
        }
    }

    /// How many values are remembered, for a gauge.
    package var count: Int { state.withLockedValue { $0.conversations.values.reduce(0) { $0 + $1.entries.count } } }
}
