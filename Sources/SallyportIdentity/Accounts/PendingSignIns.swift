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
        package var provider: Provider?

        /// What was sent along to an identity provider.
        package struct Provider: Sendable {
            package var name: String
            package var state: String
            package var nonce: String
            package var verifier: String
            package init(name: String, state: String, nonce: String, verifier: String) {
                self.name = name
                self.state = state
                self.nonce = nonce
                self.verifier = verifier
            }
        }

        init(createdAt: Int64) { self.createdAt = createdAt }
    }

    private struct State {
        var pending: [String: Pending] = [:]
        /// By age; ids that are gone stay until they come up.
        var order: [String] = []
    }

    package static let lifetime: Int64 = 600
    private let capacity: Int
    private let state = NIOLockedValueBox(State())

    package init(capacity: Int = 4096) { self.capacity = capacity }

    /// - Returns: the secret that goes into the browser's cookie.
    package func begin(at now: Int64) -> String {
        let secret = Base64URL.encode(AccountOperations.systemRandom(32))
        state.withLockedValue { state in
            // The oldest makes room: a flood ends other people's sign-ins before it fills the memory.
            while state.order.count >= capacity {
                let oldest = state.order.removeFirst()
                state.pending[oldest] = nil
            }
            state.pending[secret] = Pending(createdAt: now)
            state.order.append(secret)
        }
        return secret
    }

    package func pending(_ secret: String, at now: Int64) -> Pending? {
        state.withLockedValue { state in
            guard let found = state.pending[secret], now - found.createdAt < Self.lifetime else {
                state.pending[secret] = nil
                return nil
            }
            return found
        }
    }

    package func update(_ secret: String, _ change: (inout Pending) -> Void) {
        state.withLockedValue { state in
            guard var found = state.pending[secret] else { return }
            change(&found)
            state.pending[secret] = found
        }
    }

    /// Takes it out: what was asked for once is answered once.
    package func take(_ secret: String, at now: Int64) -> Pending? {
        state.withLockedValue { state in
            guard let found = state.pending.removeValue(forKey: secret), now - found.createdAt < Self.lifetime else { return nil }
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
        fileprivate var attempts = 0
    }

    package static let lifetime: Int64 = 600
    /// No vowels, so no words; nothing that looks like something else.
    private static let alphabet = Array("BCDFGHJKLMNPQRSTVWXZ")
    private let capacity: Int
    private let devices = NIOLockedValueBox<[String: Device]>([:])

    package init(capacity: Int = 256) { self.capacity = capacity }

    /// - Throws: ``Fault`` `.overloaded` when too many wait.
    package func begin(client: String, from address: IPAddress?, at now: Int64) throws -> (deviceCode: String, userCode: String) {
        let secret = Base64URL.encode(AccountOperations.systemRandom(32))
        var random = SystemRandomNumberGenerator()
        let letters = (0..<8).map { _ in Self.alphabet.randomElement(using: &random) ?? "B" }
        let userCode = String(letters[..<4]) + "-" + String(letters[4...])
        return try devices.withLockedValue { devices in
            devices = devices.filter { now - $0.value.createdAt < Self.lifetime }
            guard devices.count < capacity, !devices.values.contains(where: { $0.userCode == userCode }) else {
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
