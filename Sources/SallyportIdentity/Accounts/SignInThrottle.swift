import Crypto
import Foundation
import SallyportCore

/// Makes guessing slow: failures of an account, of an address, and of the two together are counted, and each beyond what happens to honest
/// people doubles the wait. An account is never locked for good, else locking out others would be the attack.
package struct SignInThrottle: Sendable {
    struct Rule: Sendable {
        /// So many failures are free.
        let free: Int
        let longest: Int64
    }

    /// What is tried: each is counted apart.
    package enum Guess: String, Sendable {
        case password = ""
        case code = "code:"
        /// A device's code, by the session that types it.
        case device = "device:"
    }

    static let pair = Rule(free: 5, longest: 900)
    static let account = Rule(free: 20, longest: 60)
    static let address = Rule(free: 30, longest: 900)
    /// What lies further back counts no more.
    static let memory: Int64 = 86_400

    private let store: any AccountStore
    private let tenant: TenantID
    /// What stands for names that no account has: people type passwords into the wrong field, and nobody is to read or try them out here.
    private let key = SymmetricKey(size: .bits256)

    package init(_ store: any AccountStore, tenant: TenantID = .default) {
        self.store = store
        self.tenant = tenant
    }

    static func wait(_ failures: SignInFailures, _ rule: Rule, at now: Int64) -> Int64 {
        guard failures.count >= rule.free, now - failures.lastAt < memory else { return 0 }
        let span = min(rule.longest, 1 << Int64(min(failures.count - rule.free, 20)))
        return max(0, failures.lastAt + span - now)
    }

    /// Counts an attempt before it is judged, so that many at once gain nothing.
    /// - Throws: ``Fault`` `.rateLimited` while the caller must wait, whether the account exists or not.
    package func begin(_ name: String, guessing guess: Guess = .password, from address: IPAddress?, at now: Int64) throws {
        let subjects = try subjects(name, guess, address)
        var wait: Int64 = 0
        for (subject, rule) in subjects {
            wait = max(wait, Self.wait(try store.failures(of: subject, tenant: tenant), rule, at: now))
        }
        guard wait == 0 else {
            throw Fault(.rateLimited, "Too many failed sign-ins. Try again in \(wait) seconds.", retryAfter: .seconds(wait))
        }
        // The address is counted when the attempt has failed: many honest people share one.
        for (subject, rule) in subjects where rule.free != Self.address.free {
            try store.addFailure(of: subject, tenant: tenant, at: now, since: now - Self.memory)
        }
    }

    /// The attempt was wrong: its address is told apart from those that are right.
    package func failed(_ name: String, guessing guess: Guess = .password, from address: IPAddress?, at now: Int64) throws {
        for (subject, rule) in try subjects(name, guess, address) where rule.free == Self.address.free {
            try store.addFailure(of: subject, tenant: tenant, at: now, since: now - Self.memory)
        }
    }

    /// The attempt was good: the account is nobody's target any more. The address keeps what it did to others.
    package func succeeded(_ name: String, guessing guess: Guess = .password, from address: IPAddress?) throws {
        for (subject, rule) in try subjects(name, guess, address) where rule.free != Self.address.free {
            try store.clearFailures(of: subject, tenant: tenant)
        }
    }

    /// Forgets what was guessed at an account, from everywhere. A network keeps what it did to others.
    package func unlock(_ name: String) throws {
        for guess in [Guess.password, .code] {
            let counted = guess.rawValue + Self.folded(name)
            try store.clearFailures(of: "account:\(counted)", tenant: tenant)
            try store.clearFailures(beginning: "pair:\(counted) ", tenant: tenant)
        }
    }

    private func subjects(_ typed: String, _ guess: Guess, _ address: IPAddress?) throws -> [(String, Rule)] {
        let account = Self.folded(typed)
        let counted = guess.rawValue + account
        let isKnown = try store.account(account, tenant: tenant) != nil
        let name =
            isKnown ? counted : "unknown:" + Hex.encode(HMAC<SHA256>.authenticationCode(for: Data(counted.utf8), using: key).prefix(16))
        let place = address.map { NetworkPlace($0).text } ?? "local"
        return [("pair:\(name) \(place)", Self.pair), ("account:\(name)", Self.account), ("address:\(place)", Self.address)]
    }

    /// What is typed may be anything; what is stored is short.
    private static func folded(_ name: String) -> String { String(decoding: name.lowercased().utf8.prefix(128), as: UTF8.self) }
}

/// Where somebody is, as coarse as providers move people about: a /24, or a /64.
package struct NetworkPlace: Sendable, Hashable {
    package let text: String

    package init(_ address: IPAddress) {
        switch address.unmapped {
        case .v4(let value): text = "4:\(String(value >> 8, radix: 16))"
        case .v6(let high, _): text = "6:\(String(high, radix: 16))"
        }
    }
}
