import CArgon2
import SallyportCore

/// Argon2id (RFC 9106) by the reference library. 64 MiB and three passes by default: the RFC's second recommendation, on one lane, since
/// hashes are made two at a time at most.
package struct Argon2idHasher: PasswordHashing {
    package struct Cost: Sendable, Hashable {
        /// KiB.
        package var memory: UInt32 = 65_536
        package var passes: UInt32 = 3
        package var lanes: UInt32 = 1
        package init(memory: UInt32 = 65_536, passes: UInt32 = 3, lanes: UInt32 = 1) {
            self.memory = memory
            self.passes = passes
            self.lanes = lanes
        }
    }

    private static let saltLength = 16
    private static let hashLength = 32
    private let cost: Cost
    private let random: @Sendable (Int) -> [UInt8]

    package init(cost: Cost = Cost(), random: @escaping @Sendable (Int) -> [UInt8] = Self.systemRandom) {
        self.cost = cost
        self.random = random
    }

    @Sendable package static func systemRandom(_ count: Int) -> [UInt8] {
        var generator = SystemRandomNumberGenerator()
        return (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    }

    /// - Returns: the hash with its parameters and salt, as `$argon2id$v=19$m=…,t=…,p=…$…$…`.
    package func hash(_ password: [UInt8]) throws -> String {
        let salt = random(Self.saltLength)
        let length = argon2_encodedlen(
            cost.passes, cost.memory, cost.lanes, UInt32(Self.saltLength), UInt32(Self.hashLength), Argon2_id)
        var encoded = [CChar](repeating: 0, count: length)
        let status = argon2id_hash_encoded(
            cost.passes, cost.memory, cost.lanes, password, password.count, salt, salt.count, Self.hashLength, &encoded, length)
        guard status == ARGON2_OK.rawValue else { throw Fault(.overloaded, "The password cannot be checked now.", retryAfter: .seconds(1)) }
        return String(decoding: encoded.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// - Throws: when there is no memory for it; that is neither yes nor no.
    package func verify(_ password: [UInt8], against hash: String) throws -> Bool {
        let status = argon2id_verify(hash, password, password.count)
        if status == ARGON2_OK.rawValue { return true }
        if status == ARGON2_VERIFY_MISMATCH.rawValue { return false }
        throw Fault(.overloaded, "The password cannot be checked now.", retryAfter: .seconds(1))
    }
}
