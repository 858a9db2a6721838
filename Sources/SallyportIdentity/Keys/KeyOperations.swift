import SallyportCore

/// What an operator does with keys. Every method blocks.
package struct KeyOperations<Generator: RandomNumberGenerator & Sendable>: Sendable {
    /// A key just made. The secret is nowhere else.
    package struct Issued: Sendable {
        package let record: KeyRecord
        package let key: APIKey
    }

    /// A key that took another's place.
    package struct Rotation: Sendable {
        package let issued: Issued
        package let replaced: KeyID
        /// Until when the replaced key works besides the new one; seconds since 1970.
        package let replacedWorksUntil: Int64
    }

    /// What a new key may do.
    package struct Settings: Sendable, Hashable {
        package var name: String
        /// nil: a principal of its own, named for the key.
        package var principal: PrincipalID?
        package var project: ProjectID
        package var team: String?
        package var roles: Set<Role>
        /// nil: every deployment.
        package var deployments: Set<DeploymentID>?
        package var grantedPolicies: Set<PolicyID>
        package var limits: LimitSet
        package var operations: Set<String>?
        package var labels: Set<String>?
        package var addresses: [String]?
        package var isHoney: Bool
        /// Seconds since 1970; nil: never.
        package var expiresAt: Int64?
        package init(
            name: String, principal: PrincipalID? = nil, project: ProjectID = .default, team: String? = nil,
            roles: Set<Role> = [.modelUser], deployments: Set<DeploymentID>? = nil, grantedPolicies: Set<PolicyID> = [],
            limits: LimitSet = LimitSet(), operations: Set<String>? = nil, labels: Set<String>? = nil, addresses: [String]? = nil,
            isHoney: Bool = false, expiresAt: Int64? = nil
        ) {
            self.operations = operations
            self.labels = labels
            self.addresses = addresses
            self.isHoney = isHoney
            self.name = name
            self.principal = principal
            self.project = project
            self.team = team
            self.roles = roles
            self.deployments = deployments
            self.grantedPolicies = grantedPolicies
            self.limits = limits
            self.expiresAt = expiresAt
        }
    }

    /// A day, in seconds.
    package static var defaultOverlap: Int64 { 86_400 }
    package static var maximumNameLength: Int { 128 }

    private let store: any KeyStore
    private let tenant: TenantID
    private let random: Generator

    package init(store: any KeyStore, tenant: TenantID = .default, random: Generator) {
        self.store = store
        self.tenant = tenant
        self.random = random
    }

    /// - Throws: ``Fault`` `.invalidRequest` for a name that cannot be shown or an expiry in the past.
    package func create(_ settings: Settings, at now: Int64) throws -> Issued {
        let name = settings.name
        guard !name.isEmpty, name.utf8.count <= Self.maximumNameLength,
            name.unicodeScalars.allSatisfy({ !$0.properties.isControlOrFormat })
        else { throw Fault(.invalidRequest, "A key's name has 1 to 128 bytes and no control characters.", param: "name") }
        if let expiry = settings.expiresAt, expiry <= now {
            throw Fault(.invalidRequest, "The key would have expired already.", param: "expires")
        }
        for text in settings.addresses ?? [] where AddressRange(text) == nil {
            throw Fault(.invalidRequest, "'\(text.prefix(64))' is not a network such as 10.0.0.0/8.", param: "from")
        }
        // A key without a principal named for it is one by itself.
        let room = settings.principal.map { _ in KeyRoom(most: Self.maximumLiveKeys, now: now) }
        return try issue(within: room) { key in
            KeyRecord(
                id: KeyID(key.id), tenant: tenant, project: settings.project, principal: settings.principal ?? PrincipalID("key:\(key.id)"),
                name: name, team: settings.team, roles: settings.roles, deployments: settings.deployments,
                grantedPolicies: settings.grantedPolicies, limits: settings.limits, operations: settings.operations,
                labels: settings.labels, addresses: settings.addresses, isHoney: settings.isHoney, secretHash: key.hash, createdAt: now,
                expiresAt: settings.expiresAt)
        }
    }

    /// In the order in which they were made, revoked ones included.
    package func list() throws -> [KeyRecord] { try store.keys(of: tenant) }

    /// A new key for the same principal with the same rights and limits. The old one works for `overlap` seconds more, so that
    /// callers can be moved one by one.
    /// - Parameter expiresAt: the new key's; nil keeps the old one's term, counted from now.
    package func rotate(_ id: KeyID, overlap: Int64 = Self.defaultOverlap, expiresAt: Int64? = nil, at now: Int64) throws -> Rotation {
        guard overlap >= 0, overlap <= 366 * 86_400 else {
            throw Fault(.invalidRequest, "The overlap is between nothing and a year.", param: "overlap")
        }
        let old = try record(id)
        guard isValid(old, at: now) else { throw Fault(.conflict, "This key has expired or was revoked; create a new one.") }
        if let expiresAt, expiresAt <= now { throw Fault(.invalidRequest, "The key would have expired already.", param: "expires") }
        // The replaced key counts no more when it ends at once.
        let room = KeyRoom(most: Self.maximumLiveKeys, replaced: overlap == 0 ? id : nil, now: now)
        let term = old.expiresAt.map { now + ($0 - old.createdAt) }
        let issued = try issue(within: room) { key in
            var record = old
            record.id = KeyID(key.id)
            record.secretHash = key.hash
            record.createdAt = now
            record.expiresAt = expiresAt ?? term
            record.revokedAt = nil
            return record
        }
        do {
            _ = try store.revoke(id, tenant: tenant, at: now + overlap)
        } catch {
            // Nobody has seen the new secret: taking it back leaves everything as it was.
            _ = try? store.revoke(issued.record.id, tenant: tenant, at: now)
            throw error
        }
        let end = min(now + overlap, old.expiresAt ?? .max, old.revokedAt ?? .max)
        return Rotation(issued: issued, replaced: id, replacedWorksUntil: end)
    }

    /// Ends a key at once.
    /// - Throws: ``Fault`` `.notFound` when there is no such key.
    package func revoke(_ id: KeyID, at now: Int64) throws {
        guard try store.revoke(id, tenant: tenant, at: now) else { throw Self.notFound }
    }

    package func record(_ id: KeyID) throws -> KeyRecord {
        guard let record = try store.keys(of: tenant).first(where: { $0.id == id }) else { throw Self.notFound }
        return record
    }

    package func isValid(_ record: KeyRecord, at now: Int64) -> Bool {
        now < min(record.expiresAt ?? .max, record.revokedAt ?? .max)
    }

    /// Two keys per principal, as with Azure's resources: one in use, and the one that takes its place.
    package static var maximumLiveKeys: Int { 2 }

    private func isFull(_ principal: PrincipalID, at now: Int64) throws -> Fault {
        let live = try store.keys(of: tenant).filter { $0.principal == principal && isValid($0, at: now) }
        return Fault(
            .conflict,
            "The principal '\(principal)' has \(live.count) live keys already (\(live.map(\.id.rawValue).joined(separator: ", "))): "
                + "revoke one first.")
    }

    private static var notFound: Fault { Fault(.notFound, "There is no key with this id.") }

    /// Eight characters of id can meet an existing one; the secret cannot.
    /// - Parameter room: nil: there is no need to ask.
    private func issue(within room: KeyRoom?, _ record: (APIKey) -> KeyRecord) throws -> Issued {
        var random = random
        for _ in 0..<4 {
            let key = APIKey.generate(random: &random)
            let record = record(key)
            do {
                guard let room else {
                    try store.insert(record)
                    return Issued(record: record, key: key)
                }
                if try store.insert(record, within: room) { return Issued(record: record, key: key) }
            } catch let fault as Fault where fault.code == .conflict {
                continue
            }
            throw try isFull(record.principal, at: room?.now ?? 0)
        }
        throw Fault(.conflict, "No free key id was found.")
    }
}

extension KeyOperations where Generator == SystemRandomNumberGenerator {
    package init(store: any KeyStore, tenant: TenantID = .default) {
        self.init(store: store, tenant: tenant, random: SystemRandomNumberGenerator())
    }
}

extension Unicode.Scalar.Properties {
    fileprivate var isControlOrFormat: Bool {
        switch generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate: true
        default: false
        }
    }
}
