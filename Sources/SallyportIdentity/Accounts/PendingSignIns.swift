import Crypto
import NIOConcurrencyHelpers
import SallyportCore

/// Sign-ins that have begun: what was proved so far, and what was asked. In memory, for some minutes: who waits longer begins again.
package final class PendingSignIns: Sendable {
    package struct Pending: Sendable {
        package var createdAt: Int64
        /// The account whose password was right.
        package var account: String?
        package var methods: Set<String> = []
        /// What a passkey must answer.
        package var challenge: [UInt8]?
        /// A seed that is being added to the account: no sign-in at all.
        package var seed: [UInt8]?
        package var provider: Provider?

        /// What was sent along to an identity provider.
        package struct Provider: Sendable {
            package var name: String
            package var state: String
            package var nonce: String
            package var verifier: String
            /// Whether the person is to prove anew who he is, also where the provider knows him still.
            package var isFresh: Bool
            package init(name: String, state: String, nonce: String, verifier: String, isFresh: Bool = false) {
                self.isFresh = isFresh
                self.name = name
                self.state = state
                self.nonce = nonce
                self.verifier = verifier
            }
        }

        init(createdAt: Int64) { self.createdAt = createdAt }
    }

    private struct Entry {
        var pending: Pending
        let place: String
    }

    private struct State {
        var entries: [String: Entry] = [:]
        /// Secrets by where they were begun, the oldest first; those that were taken stay until they come up.
        var places: [String: [String]] = [:]
        /// How many secrets stand in ``places``.
        var count = 0
        var cleanedAt = Int64.min

        mutating func dropOldest(of place: String) {
            guard var secrets = places[place], !secrets.isEmpty else { return }
            entries[secrets.removeFirst()] = nil
            places[place] = secrets.isEmpty ? nil : secrets
            count -= 1
        }

        /// Once a second at most: a flood must not make everybody wait for it.
        mutating func dropEnded(at now: Int64) {
            guard now > cleanedAt else { return }
            cleanedAt = now
            for (place, secrets) in places {
                let left = secrets.filter { secret in
                    guard let entry = entries[secret] else { return false }
                    guard now - entry.pending.createdAt >= lifetime else { return true }
                    entries[secret] = nil
                    return false
                }
                count -= secrets.count - left.count
                places[place] = left.isEmpty ? nil : left
            }
        }
    }

    package static let lifetime: Int64 = 600
    private let capacity: Int
    private let share: Int
    private let state = NIOLockedValueBox(State())

    /// - Parameter share: how many one network may have begun at a time.
    package init(capacity: Int = 8192, share: Int = 512) {
        self.capacity = capacity
        self.share = share
    }

    /// How many there are; bounded by the capacity.
    package var count: Int { state.withLockedValue { $0.entries.count } }

    /// A flood of one network ends that network's own sign-ins alone; one of many networks ends those of the network with the most.
    /// - Returns: the secret that goes into the browser's cookie.
    package func begin(from address: IPAddress?, at now: Int64) -> String {
        let secret = Base64.encode(AccountOperations.systemRandom(32), alphabet: .urlSafe)
        let place = address.map { NetworkPlace($0).text } ?? "local"
        state.withLockedValue { state in
            if state.places[place]?.count ?? 0 >= share || state.count >= capacity { state.dropEnded(at: now) }
            while let own = state.places[place], own.count >= share { state.dropOldest(of: place) }
            while state.count >= capacity, let largest = state.places.max(by: { $0.value.count < $1.value.count })?.key {
                state.dropOldest(of: largest)
            }
            state.entries[secret] = Entry(pending: Pending(createdAt: now), place: place)
            state.places[place, default: []].append(secret)
            state.count += 1
        }
        return secret
    }

    package func pending(_ secret: String, at now: Int64) -> Pending? {
        state.withLockedValue { state in
            guard let found = state.entries[secret]?.pending, now - found.createdAt < Self.lifetime else {
                state.entries[secret] = nil
                return nil
            }
            return found
        }
    }

    package func update(_ secret: String, _ change: (inout Pending) -> Void) {
        state.withLockedValue { state in
            guard var found = state.entries[secret] else { return }
            change(&found.pending)
            state.entries[secret] = found
        }
    }

    /// Takes it out: what was asked for once is answered once.
    package func take(_ secret: String, at now: Int64) -> Pending? {
        state.withLockedValue { state in
            guard let found = state.entries.removeValue(forKey: secret)?.pending, now - found.createdAt < Self.lifetime else { return nil }
            return found
        }
    }

    /// A token for the forms of a sign-in page: whoever cannot read the cookie cannot make it.
    package static func csrf(for secret: String) -> String { ConsoleSession.csrf(for: "signin:\(secret)") }
}

/// Programs that wait for a person to let them in (RFC 8628): a short code that the person types in a browser where he is signed in, and a
/// long one that only the program knows.
package final class DeviceSignIns: Sendable {
    package enum State: Sendable {
        case waiting
        case approved(SessionDesk.Opening)
        case denied
    }

    package struct Device: Sendable {
        package let userCode: String
        package let client: String
        package let address: IPAddress?
        package let createdAt: Int64
        package var state: State = .waiting
    }

    package static let lifetime: Int64 = 600
    /// No vowels, so no words; nothing that looks like something else.
    private static let alphabet = Array("BCDFGHJKLMNPQRSTVWXZ")
    private let capacity: Int
    private let share: Int
    private let devices = NIOLockedValueBox<[String: Device]>([:])

    /// - Parameter share: how many programs of one network may wait at a time.
    package init(capacity: Int = 2048, share: Int = 16) {
        self.capacity = capacity
        self.share = share
    }

    /// - Throws: ``Fault`` `.overloaded` when too many wait, everywhere or where this one is.
    package func begin(client: String, from address: IPAddress?, at now: Int64) throws -> (deviceCode: String, userCode: String) {
        let secret = Base64.encode(AccountOperations.systemRandom(32), alphabet: .urlSafe)
        var random = SystemRandomNumberGenerator()
        let letters = (0..<8).map { _ in Self.alphabet.randomElement(using: &random) ?? "B" }
        let userCode = String(letters[..<4]) + "-" + String(letters[4...])
        return try devices.withLockedValue { devices in
            if devices.count >= share { devices = devices.filter { now - $0.value.createdAt < Self.lifetime } }
            let place = address.map { NetworkPlace($0) }
            let isRoom = devices.count < capacity && devices.values.count { $0.address.map { NetworkPlace($0) } == place } < share
            guard isRoom, !devices.values.contains(where: { $0.userCode == userCode }) else {
                throw Fault(.overloaded, "Too many programs wait to be let in.", retryAfter: .seconds(30))
            }
            devices[secret] = Device(userCode: userCode, client: client, address: address, createdAt: now)
            return (secret, userCode)
        }
    }

    /// The program that a person has typed the code of.
    package func device(userCode: String, at now: Int64) -> Device? {
        let plain = Self.plain(userCode)
        return devices.withLockedValue { $0.values.first { Self.plain($0.userCode) == plain && now - $0.createdAt < Self.lifetime } }
    }

    /// - Returns: false when the code is unknown, over, or answered already.
    package func decide(userCode: String, _ state: State, at now: Int64) -> Bool {
        let plain = Self.plain(userCode)
        return devices.withLockedValue { devices in
            guard
                let secret = devices.first(where: { Self.plain($0.value.userCode) == plain && now - $0.value.createdAt < Self.lifetime })?
                    .key,
                case .waiting? = devices[secret]?.state
            else { return false }
            devices[secret]?.state = state
            return true
        }
    }

    /// What became of it; an answer is given once. nil: unknown, or over.
    package func poll(_ deviceCode: String, at now: Int64) -> State? {
        devices.withLockedValue { devices in
            guard let device = devices[deviceCode], now - device.createdAt < Self.lifetime else {
                devices[deviceCode] = nil
                return nil
            }
            if case .waiting = device.state { return .waiting }
            devices[deviceCode] = nil
            return device.state
        }
    }

    private static func plain(_ code: String) -> String { code.uppercased().filter { $0.isASCII && $0.isLetter } }
}
