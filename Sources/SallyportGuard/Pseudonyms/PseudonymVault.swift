import Crypto
import NIOConcurrencyHelpers
import NIOCore
import SallyportCore

/// Which value a pseudonym stands for: in memory, and in a store that is written a moment later and read when a conversation that is not in
/// memory goes on. What is forgotten (by age, by number, on request) cannot be put back.
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
        /// What the store has of it is here.
        var isLoaded = false
    }

    private struct Entry {
        let label: [UInt8]
        let value: [UInt8]
    }

    private struct State {
        var conversations: [PseudonymScope: Conversation] = [:]
        var bytes = 0
        /// Not in the store yet.
        var pending: [PseudonymRecord] = []
    }

    /// Of what waits for the store; beyond it new pseudonyms live in memory only, until the store works again.
    private static let maximumPending = 100_000
    private let limits: Limits
    private let store: (any PseudonymStore)?
    private let now: @Sendable () -> NIODeadline
    private let state = NIOLockedValueBox(State())
    /// What an entry costs besides its value.
    private static let overhead = 96

    /// - Parameter store: nil: memory only.
    package init(
        limits: Limits = Limits(), store: (any PseudonymStore)? = nil, now: @escaping @Sendable () -> NIODeadline = { .now() }
    ) {
        self.limits = limits
        self.store = store
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
            if store != nil, state.pending.count < Self.maximumPending {
                state.pending.append(PseudonymRecord(scope: scope, code: code, label: entry.label, value: entry.value))
            }
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

    // MARK: Conversations that go on under another name

    /// No category's: those are in upper case.
    private static let beginningLabel = Array("beginning".utf8)

    /// What comes after this conversation is known by another name (a response's id) and has the same pseudonyms.
    package func goOn(from scope: PseudonymScope, as conversation: String) {
        let next = PseudonymScope(tenant: scope.tenant, principal: scope.principal, conversation: conversation)
        guard next != scope else { return }
        _ = remember(Entry(label: Self.beginningLabel, value: Array(scope.conversation.utf8)), as: 0, in: next)
        // Nobody else has written there.
        state.withLockedValue { $0.conversations[next]?.isLoaded = true }
    }

    /// The conversation whose pseudonyms this one has: its own, or those of the one that it goes on. The name must have been loaded.
    package func beginning(of scope: PseudonymScope) -> PseudonymScope {
        state.withLockedValue { state in
            guard let entry = state.conversations[scope]?.entries[0], entry.label == Self.beginningLabel else { return scope }
            return PseudonymScope(
                tenant: scope.tenant, principal: scope.principal, conversation: String(decoding: entry.value, as: UTF8.self))
        }
    }

    // MARK: The store

    /// False: ``load(_:)`` must come before pseudonyms of this conversation are put back.
    package func isReady(_ scope: PseudonymScope) -> Bool {
        store == nil || state.withLockedValue { $0.conversations[scope]?.isLoaded == true }
    }

    /// Reads what the store has of a conversation. Blocks.
    package func load(_ scope: PseudonymScope) throws {
        guard let store else { return }
        let records = try store.records(in: scope, limit: limits.entriesPerConversation)
        let time = now()
        state.withLockedValue { state in
            if state.conversations[scope] == nil {
                if state.conversations.count >= limits.conversations { evict(&state, at: time, sparing: scope) }
                state.conversations[scope] = Conversation(lastUse: time)
            }
            for record in records where state.conversations[scope]?.entries[record.code] == nil {
                let cost = record.value.count + Self.overhead
                if state.bytes + cost > limits.totalBytes { evict(&state, at: time, sparing: scope) }
                guard state.bytes + cost <= limits.totalBytes else { break }
                state.conversations[scope]?.entries[record.code] = Entry(label: record.label, value: record.value)
                state.conversations[scope]?.bytes += cost
                state.bytes += cost
            }
            state.conversations[scope]?.isLoaded = true
        }
    }

    /// Writes what has gathered. Blocks; called several times a second, by one caller at a time.
    /// - Throws: and then it is tried again with the next call.
    package func flush(at wall: Int64) throws {
        guard let store else { return }
        let gathered = state.withLockedValue { state in
            defer { state.pending = [] }
            return state.pending
        }
        guard !gathered.isEmpty else { return }
        do { try store.put(gathered, at: wall) } catch {
            state.withLockedValue { state in
                state.pending = Array((gathered + state.pending).prefix(Self.maximumPending))
            }
            throw error
        }
    }

    /// Removes what was not used for as long as pseudonyms live. Blocks.
    package func expire(at wall: Int64) throws -> Int {
        try store?.removeUnused(since: wall - limits.lifetime.nanoseconds / 1_000_000_000) ?? 0
    }

    /// Throws everything out of memory; conversations that go on are read again. For when keys were destroyed.
    package func unload() {
        guard store != nil else { return }
        state.withLockedValue { state in
            state.conversations = [:]
            state.bytes = 0
            state.pending = []
        }
    }

    /// Forgets everything that was minted for a principal.
    package func forget(_ principal: PrincipalID, of tenant: TenantID) {
        state.withLockedValue { state in
            for (scope, conversation) in state.conversations where scope.principal == principal && scope.tenant == tenant {
                state.bytes -= conversation.bytes
                state.conversations[scope] = nil
            }
            state.pending.removeAll { $0.scope.principal == principal && $0.scope.tenant == tenant }
        }
    }

    /// How many values are remembered, for a gauge.
    package var count: Int { state.withLockedValue { $0.conversations.values.reduce(0) { $0 + $1.entries.count } } }
}
