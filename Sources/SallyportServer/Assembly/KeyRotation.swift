import Foundation
import SallyportCore
import SallyportEgress
import SallyportStorage
import SallyportVault

/// How an upstream's two keys are rotated at the provider.
package struct KeyRotationPlan: Sendable, Hashable {
    package var upstream: UpstreamID
    /// The secret of the vault that holds the key in use.
    package var secret: String
    package var resource: String
    package var every: Duration?
    package var overlap: Duration
    package var endpoint: String
    package var authority: String
    package var tenant: String
    package var clientID: String
    package var clientSecret: SecretText?
    package var federatedTokenFile: String?
    package var scope: String
    package var authoritiesFile: String?
}

/// Rotates both keys of an account in Azure's way, and never without a good one in use: the key that is not in use is made anew and put
/// into the vault, where the gateway takes it up; when everybody has it, the other one is made anew too.
///
/// What was begun stands in the secret's note, so that another process, or the next start, goes on.
package struct KeyRotation: Sendable {
    package enum Step: Sendable, Hashable {
        /// A new key is in use; the old one is still good, until the next step.
        case begun(key: String)
        /// Both keys are new.
        case finished(key: String)
        case nothing
    }

    package struct Failure: Error, CustomStringConvertible { package let description: String }

    /// What a secret's note says.
    struct Note: Codable, Hashable {
        /// The key in use.
        var key: String
        /// The key that is still to be made anew.
        var pending: String?
        /// When both were new, in seconds since 1970.
        var rotatedAt: Int64?

        init(key: String, pending: String? = nil, rotatedAt: Int64? = nil) {
            self.key = key
            self.pending = pending
            self.rotatedAt = rotatedAt
        }

        init?(_ text: String) {
            guard let note = try? JSONDecoder().decode(Note.self, from: Data(text.utf8)), Self.names.contains(note.key) else { return nil }
            self = note
        }

        var text: String {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys]
            return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? ""
        }

        static let names = ["Key1", "Key2"]
    }

    private static let version = "2024-10-01"
    private let plan: KeyRotationPlan
    private let secrets: any SecretStore
    private let transport: any KeyServiceTransport
    private let clock: @Sendable () -> Int64

    init(_ plan: KeyRotationPlan, secrets: any SecretStore, transport: any KeyServiceTransport, clock: @escaping @Sendable () -> Int64) {
        self.plan = plan
        self.secrets = secrets
        self.transport = transport
        self.clock = clock
    }

    package init(_ plan: KeyRotationPlan, secrets: any SecretStore) throws {
        let credential = EntraCredential(
            authority: try EndpointURL(parsing: plan.authority), tenant: plan.tenant, clientID: plan.clientID,
            clientSecret: Redacted(plan.clientSecret?.reveal() ?? ""), federatedTokenFile: plan.federatedTokenFile, scope: plan.scope,
            egress: EgressPolicy(allowPrivate: true), tls: UpstreamTLS(authoritiesFile: plan.authoritiesFile))
        self.init(
            plan, secrets: secrets,
            transport: try KeyServiceClient(endpoint: plan.endpoint, credential: .entra(credential), authoritiesFile: plan.authoritiesFile),
            clock: { ServerProcess.wallTime().seconds })
    }

    /// Does what is due. Blocks for a call or two.
    /// - Parameters:
    ///   - isWanted: begin also when the schedule does not ask for it.
    ///   - isTakenUp: whether the gateway sends this key. Until it does, the one that it still sends is not made anew, however long that takes:
    ///     a configuration file with a mistake keeps it from taking up anything.
    package func advance(isWanted: Bool, isTakenUp: (Redacted<String>) -> Bool = { _ in true }) throws -> Step {
        let secret = try secrets.secret(plan.secret, of: .default)
        let note = secret.flatMap { Note($0.note) }
        let now = clock()
        if let secret, let note, let pending = note.pending {
            guard now >= secret.changedAt + plan.overlap.components.seconds, isTakenUp(secret.value) else { return .begun(key: note.key) }
            _ = try regenerate(pending)
            try put(secret.value, Note(key: note.key, rotatedAt: now), now)
            return .finished(key: note.key)
        }
        let isDue = plan.every.map { every in (note?.rotatedAt ?? 0) + every.components.seconds <= now } ?? false
        guard isWanted || isDue else { return .nothing }
        let inUse = try note?.key ?? keyInUse(secret?.value)
        let other = inUse == "Key1" ? "Key2" : "Key1"
        let fresh = try regenerate(other)
        try put(fresh, Note(key: other, pending: inUse), now)
        return .begun(key: other)
    }

    private func put(_ value: Redacted<String>, _ note: Note, _ now: Int64) throws {
        try secrets.put(StoredSecret(name: plan.secret, value: value, note: note.text, changedAt: now), of: .default)
    }

    // MARK: The resource manager

    private struct Keys: Decodable {
        let key1: String
        let key2: String

        func value(_ name: String) -> String { name == "Key1" ? key1 : key2 }
    }

    /// Which of the two the gateway uses now; the first where it uses neither.
    private func keyInUse(_ value: Redacted<String>?) throws -> String {
        let keys = try call("listKeys", body: [])
        return keys.key2 == value?.reveal() ? "Key2" : "Key1"
    }

    private func regenerate(_ name: String) throws -> Redacted<String> {
        Redacted(try call("regenerateKey", body: Array(#"{"keyName":"\#(name)"}"#.utf8)).value(name))
    }

    private func call(_ action: String, body: [UInt8]) throws -> Keys {
        // Not sent again by itself: a key that was made anew without being known would be no harm, but two of them would be confusing.
        let answer = try transport.send(
            KeyServiceRequest(
                method: "POST", target: "\(plan.resource)/\(action)?api-version=\(Self.version)",
                headers: [(name: "accept", value: "application/json")]
                    + (body.isEmpty ? [] : [(name: "content-type", value: "application/json")]), body: body))
        guard answer.status == 200 else { throw Failure(description: "the provider answered \(action) with \(answer.status)") }
        guard let keys = try? JSONDecoder().decode(Keys.self, from: Data(answer.body)), !keys.key1.isEmpty, !keys.key2.isEmpty else {
            throw Failure(description: "the provider answered \(action) with something else than two keys")
        }
        return keys
    }
}
