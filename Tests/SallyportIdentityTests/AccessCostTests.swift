import Crypto
import Foundation
import NIOCore
import NIOPosix
import SallyportCore
import SwiftASN1
import Testing
import X509

@testable import SallyportIdentity

/// What it costs to learn who is calling and whether he may, with 10,000 role assignments and 100,000 keys: how much is looked at, counted. How
/// long it takes is measured by `make bench-auth`, which runs the same calls thousands of times and prints the numbers.
@Suite(.serialized) struct AccessCostTests {
    private static let action = "Microsoft.CognitiveServices/accounts/OpenAI/deployments/chat/completions/action"
    private static let isMeasured = ProcessInfo.processInfo.environment["BENCH_AUTH"] != nil
    private let loop = MultiThreadedEventLoopGroup.singleton.next()

    /// 10,000 assignments: people, groups, services and keys, at every kind of scope, some with conditions, some denials.
    private static let assignments: [RoleAssignment] = {
        var assignments: [RoleAssignment] = []
        for number in 0..<10_000 {
            let principal: PrincipalReference =
                switch number % 4 {
                case 0: PrincipalReference(.user, "idp:person-\(number)")
                case 1: PrincipalReference(.group, "idp:group-\(number % 500)")
                case 2: PrincipalReference(.service, "app-\(number)")
                default: PrincipalReference(.key, "key\(number)")
                }
            let scope: AccessScope =
                switch number % 3 {
                case 0: .organisation
                case 1: .project(.default)
                default: .deployment(DeploymentID("deployment-\(number % 50)"))
                }
            assignments.append(
                RoleAssignment(
                    id: "a\(number)", principal: principal, role: number % 5 == 0 ? "auditor" : "openai-user", scope: scope,
                    effect: number % 388 == 0 ? .deny : .allow))
        }
        for name in ["idp:asked", "mesh:spiffe://corp/asked"] {
            assignments.append(
                RoleAssignment(id: name, principal: PrincipalReference(.user, name), role: "openai-user", scope: .organisation))
        }
        return assignments
    }()

    private static let directory: AccessDirectory = {
        let directory = AccessDirectory(actions: [action, "Microsoft.CognitiveServices/accounts/OpenAI/models/read"])
        directory.configure(RoleCatalog(), assignments: assignments)
        return directory
    }()

    /// Those above what is asked for.
    private static let scopes: [AccessScope] = [.deployment("deployment-7"), .project(.default), .organisation]

    /// What an exchange asks once it knows the principal: is he disabled, what are his rights, might he at all, may he at this deployment.
    private func mayCall(_ principal: Principal) throws -> Bool {
        let rights = try Self.directory.check(principal, at: 1500).rights(of: principal)
        guard rights.confinementByAddress(nil) == nil, rights.mightPermit(Self.action) else { return false }
        let context = AccessContext(
            deployment: "deployment-7", project: .default, operation: "ChatCompletions_Create", label: nil, client: principal.client,
            address: nil, now: 1500)
        return rights.decision(on: Self.action, in: context).isAllowed
    }

    private static let warmUp = 200

    /// Once, that it is right; for the benchmark many times, how long it takes.
    private func measure(_ name: String, rounds: Int = 2000, _ work: () throws -> Bool) throws {
        try #require(try work())
        guard Self.isMeasured else { return }
        let clock = ContinuousClock()
        var times: [Duration] = []
        for _ in 0..<Self.warmUp { try #require(try work()) }
        for _ in 0..<rounds {
            let began = clock.now
            let isAllowed = try work()
            times.append(clock.now - began)
            try #require(isAllowed)
        }
        times.sort()
        func shown(_ time: Duration) -> String { String(format: "%.2f", Double(time.components.attoseconds) / 1e12) }
        print("bench-auth | \(name) | \(shown(times[rounds / 2])) | \(shown(times[rounds * 99 / 100]))")
    }

    /// Assignments of others, however many, add nothing to what a decision looks at.
    @Test func aDecisionLooksAtWhatIsSaidOfTheCallerAlone() throws {
        let groups = (0..<50).map { "idp:group-\($0)" }
        let caller = Principal(id: "idp:asked", credential: .token(issuer: "idp"), isService: false, groups: groups, roles: [])
        func lookedAt(_ assignments: [RoleAssignment]) -> (holders: Int, grants: Int) {
            let rights = AccessSnapshot(assignments: assignments, actions: [Self.action]).rights(of: caller)
            let grants = rights.holders.flatMap { holder in Self.scopes.flatMap { (holder.denied[$0] ?? []) + (holder.allowed[$0] ?? []) } }
            return (rights.holders.count, grants.count)
        }
        let names = Set(caller.references)
        let ofOthers = Self.assignments.filter { !names.contains($0.principal) }
        #expect(ofOthers.count > 9000)
        let (alone, among) = (lookedAt(Self.assignments.filter { names.contains($0.principal) }), lookedAt(Self.assignments))
        #expect(alone == among)
        // He himself, and 13 of his 50 groups: assignments name every fourth one, each twenty times, a few at other deployments.
        #expect(among.holders == 14)
        #expect((100...261).contains(among.grants))
        let stranger = Principal(id: "idp:stranger", credential: .token(issuer: "idp"), isService: false, groups: [], roles: [])
        #expect(AccessSnapshot(assignments: Self.assignments, actions: [Self.action]).rights(of: stranger).holders.isEmpty)
    }

    @Test func aKeyAmongAHundredThousand() throws {
        let store = BulkKeyStore(count: 100_000)
        let directory = KeyDirectory(maximumAge: nil)
        let took = try ContinuousClock().measure { try directory.reload(from: store, at: 1500) }
        if Self.isMeasured { print("bench-auth | 100,000 keys into memory | \(took) |") }
        #expect(directory.count == 100_000)
        let secret = store.key.reveal()[...]
        #expect(try directory.principal(presenting: secret, at: 1500).key == "key50000")
        try measure("key, of 100,000") { try mayCall(try directory.principal(presenting: secret, at: 1500)) }
    }

    @Test func aTokenThatWasVerifiedBefore() throws {
        let idp = TestIssuer()
        let keys = try idp.keys()
        let gate = TokenGate()
        let source = IssuerKeys { loop in loop.makeSucceededFuture(keys) }
        gate.configure([TokenGate.Source(idp.issuer, keys: source)])
        let token = try idp.token(["sub": "asked", "groups": (0..<50).map { "group-\($0)" }])
        func principal(_ token: Substring) throws -> Principal {
            switch gate.answer(to: token, at: 1500, revocations: Self.directory.revocations, on: loop) {
            case .accepted(let verified): return verified.principal
            case .waiting(let future):
                try future.wait()
                return try principal(token)
            case .refused(let refusal): throw refusal
            }
        }
        try measure("token, verified before, 50 groups") { try mayCall(try principal(token[...])) }
        guard Self.isMeasured else { return }
        var fresh: [String] = []
        let rounds = 500
        for number in 0..<(1 + Self.warmUp + rounds) { fresh.append(try idp.token(["sub": "asked", "jti": "j\(number)"])) }
        var next = 0
        try measure("token, new, ES256", rounds: rounds) {
            next += 1
            return try mayCall(try principal(fresh[next - 1][...]))
        }
    }

    @Test func aCertificateThatWasSeenBefore() throws {
        let now = Date(timeIntervalSince1970: 0)
        let key = Certificate.PrivateKey(P256.Signing.PrivateKey())
        let name = try DistinguishedName { CommonName("mesh") }
        func certificate(_ subject: DistinguishedName, _ extensions: Certificate.Extensions) throws -> Certificate {
            try Certificate(
                version: .v3, serialNumber: .init(), publicKey: key.publicKey, notValidBefore: now, notValidAfter: now + 1_000_000,
                issuer: name, subject: subject, signatureAlgorithm: .ecdsaWithSHA256, extensions: extensions, issuerPrivateKey: key)
        }
        let authority = try certificate(
            name, Certificate.Extensions { Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0)) })
        let leaf = try certificate(
            DistinguishedName { CommonName("asked") },
            Certificate.Extensions { SubjectAlternativeNames([.uniformResourceIdentifier("spiffe://corp/asked")]) })
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("mesh-\(UUID().uuidString).pem")
        try authority.serializeAsPEM().pemString.write(to: file, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(at: file) }
        let directory = CertificateDirectory()
        directory.replace(try ClientAuthorities([ClientAuthority(name: "mesh", certificatesFile: file.path, roles: ["openai-user"])]))
        var serializer = DER.Serializer()
        try serializer.serialize(leaf)
        let bytes = serializer.serializedBytes
        try measure("certificate, seen before") { try mayCall(try directory.principal(presenting: bytes, at: 1500)) }
    }
}

/// Keys as a database would give them.
private struct BulkKeyStore: KeyStore {
    let records: [KeyRecord]
    /// One of them.
    let key = APIKey.generate()

    init(count: Int) {
        let key = key
        records = (0..<count).map { number in
            KeyRecord(
                id: KeyID("key\(number)"), principal: PrincipalID("app-\(number)"), name: "n\(number)", roles: [.modelUser],
                secretHash: number == count / 2 ? key.hash : Array(SHA256.hash(data: Array("\(number)".utf8))), createdAt: 0)
        }
    }

    func keys(of tenant: TenantID) throws -> [KeyRecord] { records }
    func allKeys() throws -> [KeyRecord] { records }
    func revision() throws -> Int64 { 1 }
    func insert(_ key: KeyRecord) throws { throw Fault(.notFound, "read only") }
    func insert(_ key: KeyRecord, within room: KeyRoom) throws -> Bool { throw Fault(.notFound, "read only") }
    func revoke(_ id: KeyID, tenant: TenantID, at now: Int64) throws -> Bool { false }
    func noteUses(_ uses: [KeyUse]) throws {}
    func uses(of tenant: TenantID) throws -> [KeyUse] { [] }
}
