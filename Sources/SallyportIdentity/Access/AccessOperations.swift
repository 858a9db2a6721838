import SallyportCore

/// What is done with roles, assignments and revocations, by the command line and the administrative surface alike: over the configuration
/// and the database together. Every method blocks.
package struct AccessOperations: Sendable {
    package let catalog: RoleCatalog
    private let configured: [RoleAssignment]
    private let deployments: [Deployment]?
    private let actions: [String]
    private let store: any AccessStore
    private let reach: Reach

    /// How people come by roles besides by assignments in their own name.
    package struct Reach: Sendable {
        /// Groups that are provisioned here and have somebody in them, directly or by another group.
        package var groups: @Sendable (_ principal: String) throws -> [String]
        /// Roles that somebody may take up for a while.
        package var eligible: @Sendable () throws -> [EligibleAssignment]

        package init(
            groups: @escaping @Sendable (_ principal: String) throws -> [String] = { _ in [] },
            eligible: @escaping @Sendable () throws -> [EligibleAssignment] = { [] }
        ) {
            self.groups = groups
            self.eligible = eligible
        }
    }

    /// - Parameters:
    ///   - configured: the configuration's assignments.
    ///   - deployments: those that there are; nil: unknown, any is accepted.
    ///   - actions: the data actions that requests are judged by.
    package init(
        catalog: RoleCatalog = RoleCatalog(), configured: [RoleAssignment] = [], deployments: [Deployment]? = nil, actions: [String] = [],
        store: any AccessStore, reach: Reach = Reach()
    ) {
        self.reach = reach
        self.catalog = catalog
        self.configured = configured
        self.deployments = deployments
        self.actions = actions
        self.store = store
    }

    package func assignments() throws -> [RoleAssignment] { configured + (try store.allAssignments()) }

    /// Every role that whoever bears one of these names holds or could take up, now or when a condition is met: by assignments, by the groups
    /// that a provider put him in, by elevation.
    package func roles(withinReachOf references: Set<PrincipalReference>) throws -> Set<Role> {
        var names = references
        for reference in references where reference.kind == .user || reference.kind == .service {
            for group in try reach.groups(reference.id) { names.insert(PrincipalReference(.group, group)) }
        }
        let held = try assignments().filter { $0.effect == .allow && names.contains($0.principal) }.map(\.role)
        return Set(held + (try reach.eligible()).filter { names.contains($0.principal) }.map(\.role))
    }

    /// - Throws: ``Fault`` `.invalidRequest` for a role, scope or condition that cannot be.
    package func add(_ assignment: RoleAssignment, at now: Int64) throws {
        if let expiry = assignment.expiresAt, expiry <= now { throw Fault(.invalidRequest, "The assignment would have expired already.") }
        if let deployments, case .deployment(let id) = assignment.scope, !deployments.contains(where: { $0.id == id }) {
            throw Fault(.invalidRequest, "The deployment '\(id)' is not configured.")
        }
        do { try AccessSnapshot.check(assignment, in: catalog) } catch { throw Fault(.invalidRequest, "\(error.description).") }
        try store.insert(assignment)
    }

    package func remove(_ id: String) throws {
        guard !id.hasPrefix("config-") else {
            throw Fault(.invalidRequest, "'\(id)' stands in the configuration file: take it out there.")
        }
        guard try store.removeAssignment(id, tenant: .default) else { throw Fault(.notFound, "There is no assignment with this id.") }
    }

    package func revocations() throws -> [Revocation] { try store.allRevocations() }
    /// - Throws: ``Fault`` `.invalidRequest` for a subject that nothing can have.
    package func revoke(_ revocation: Revocation) throws {
        guard (1...512).contains(revocation.subject.utf8.count),
            revocation.subject.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F })
        else { throw Fault(.invalidRequest, "Say whom or what: 1 to 512 bytes without control characters.", param: "subject") }
        try store.put(revocation)
    }

    package func restore(_ kind: Revocation.Kind, subject: String) throws {
        guard try store.removeRevocation(kind, subject: subject, tenant: .default) else {
            throw Fault(.notFound, "There is no such revocation.")
        }
    }

    /// The principal that a key speaks for, or one that a token would name.
    /// - Parameter text: `key:ID`, `user:ID` or `service:ID`.
    package func principal(_ text: String, groups: [String], roles: [String], keys: any KeyStore) throws -> Principal {
        guard let reference = PrincipalReference(text), reference.kind != .group else {
            throw Fault(.invalidRequest, "Say whom you mean: key:ID, user:ID or service:ID.")
        }
        if reference.kind == .key {
            guard let record = try keys.keys(of: .default).first(where: { $0.id.rawValue == reference.id }) else {
                throw Fault(.notFound, "There is no key with this id.")
            }
            return Principal(
                tenant: record.tenant, project: record.project, id: record.principal, key: record.id, team: record.team, groups: groups,
                roles: record.roles.union(roles.map { Role($0) }), deployments: record.deployments,
                scope: CredentialScope(
                    operations: record.operations, labels: record.labels,
                    addresses: record.addresses.map { $0.compactMap { AddressRange($0) } }),
                expiresAt: record.expiresAt)
        }
        return Principal(
            id: PrincipalID(reference.id), credential: .token(issuer: "any"), isService: reference.kind == .service, groups: groups,
            roles: Set(roles.map { Role($0) }))
    }

    package struct Question: Sendable {
        package var action: String
        package var scope: AccessScope
        package var operation: String
        package var address: IPAddress?
        package var now: Int64
        package var plane: ActionPlane
        package init(
            action: String, _ plane: ActionPlane = .data, scope: AccessScope, operation: String = "", address: IPAddress? = nil, now: Int64
        ) {
            self.action = action
            self.plane = plane
            self.scope = scope
            self.operation = operation
            self.address = address
            self.now = now
        }
    }

    /// What would be different, for questions about it.
    package struct Change: Sendable {
        package var adding: [RoleAssignment]
        package var removing: Set<String>
        package init(adding: [RoleAssignment] = [], removing: Set<String> = []) {
            self.adding = adding
            self.removing = removing
        }
    }

    /// Roles and assignments as they are now, or would be.
    /// - Throws: ``Fault`` `.invalidRequest` for an assignment that cannot be, `.notFound` for one that is not there to be left out.
    package func snapshot(_ change: Change = Change()) throws -> AccessSnapshot {
        let known = try assignments()
        for id in change.removing.sorted() where !known.contains(where: { $0.id == id }) {
            throw Fault(.notFound, "There is no assignment '\(id)'.")
        }
        for assignment in change.adding {
            do { try AccessSnapshot.check(assignment, in: catalog) } catch { throw Fault(.invalidRequest, "\(error.description).") }
        }
        return AccessSnapshot(
            catalog: catalog, assignments: known.filter { !change.removing.contains($0.id) } + change.adding, actions: actions)
    }

    package func label(of deployment: DeploymentID) -> String? { deployments?.first { $0.id == deployment }?.label }

    package func explain(_ principal: Principal, _ question: Question, _ change: Change = Change()) throws -> AccessExplanation {
        AccessExplanation(
            of: question.action, question.plane, for: principal, in: context(of: principal, question), by: try snapshot(change))
    }

    /// Everybody whom roles let do it: keys with their own roles, and whom assignments name.
    package func who(_ question: Question, keys: any KeyStore) throws -> [(principal: PrincipalReference, decision: AccessDecision)] {
        let snapshot = try snapshot()
        var found: [(principal: PrincipalReference, decision: AccessDecision)] = []
        func ask(_ principal: Principal, as reference: PrincipalReference) {
            let decision = snapshot.rights(of: principal).decision(
                on: question.action, question.plane, in: context(of: principal, question))
            if decision.isAllowed { found.append((reference, decision)) }
        }
        for record in try keys.keys(of: .default) where min(record.expiresAt ?? .max, record.revokedAt ?? .max) > question.now {
            let reference = PrincipalReference(.key, record.id.rawValue)
            ask(try self.principal(reference.description, groups: [], roles: [], keys: keys), as: reference)
        }
        let named = Set(snapshot.assignments.map(\.principal)).sorted { $0.description < $1.description }
        for reference in named where reference.kind != .key {
            let isGroup = reference.kind == .group
            ask(
                Principal(
                    id: PrincipalID(isGroup ? "" : reference.id), credential: .token(issuer: "any"), isService: reference.kind == .service,
                    groups: isGroup ? [reference.id] : [], roles: []), as: reference)
        }
        return found
    }

    /// What a question is about, in the words of conditions.
    package func context(of principal: Principal, _ question: Question, client: String? = nil) -> AccessContext {
        var context = AccessContext(
            project: principal.project, operation: question.operation, client: client ?? principal.client, address: question.address,
            now: question.now)
        switch question.scope {
        case .organisation: break
        case .project(let id): context.project = id
        case .index(let name): context.index = name
        case .deployment(let id):
            context.deployment = id
            if let deployment = deployments?.first(where: { $0.id == id }) {
                context.project = deployment.project
                context.label = deployment.label
            }
        }
        return context
    }
}
