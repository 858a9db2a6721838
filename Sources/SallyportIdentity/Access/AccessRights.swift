import SallyportCore

/// A decision, with what it rests on.
package enum AccessDecision: Sendable, Hashable {
    /// By a role that the credential itself carries.
    case allowedByCredential(Role)
    /// By the assignment of this id.
    case allowedByAssignment(String)
    /// No role gives the action here.
    case lacking
    /// The assignment of this id takes it away.
    case deniedByAssignment(String)
    /// The credential was made for less: see ``Confinement``.
    case outsideCredential(Confinement)

    package enum Confinement: String, Sendable { case deployments, operations, labels, addresses }

    package var isAllowed: Bool {
        switch self {
        case .allowedByCredential, .allowedByAssignment: true
        case .lacking, .deniedByAssignment, .outsideCredential: false
        }
    }
}

/// Whether an action is one on what the gateway serves, or on how it is set up: a role names the two apart, and neither gives the other.
package enum ActionPlane: Sendable, Hashable { case data, management }

/// What one principal may do. Made once per request, asked as often as needed.
package struct AccessRights: Sendable {
    private let snapshot: AccessSnapshot
    private let principal: Principal
    let holders: [AccessSnapshot.Holder]
    private let ownRoles: [Int]

    init(snapshot: AccessSnapshot, principal: Principal, holders: [AccessSnapshot.Holder], ownRoles: [Int]) {
        self.snapshot = snapshot
        self.principal = principal
        self.holders = holders
        self.ownRoles = ownRoles
    }

    /// The order: what the credential is confined to; denials; then roles. All three must agree.
    package func decision(on action: String, _ plane: ActionPlane = .data, in context: AccessContext) -> AccessDecision {
        if let confinement = confinement(of: context) { return .outsideCredential(confinement) }
        let index = plane == .data ? snapshot.index(ofAction: action) : nil
        for holder in holders where !holder.denied.isEmpty {
            if let grant = first(holder.denied, action, index, plane, context) { return .deniedByAssignment(grant.id) }
        }
        for role in ownRoles where snapshot.role(role, permits: action, index, plane) {
            return .allowedByCredential(snapshot.catalog.definitions[role].role)
        }
        for holder in holders {
            if let grant = first(holder.allowed, action, index, plane, context) { return .allowedByAssignment(grant.id) }
        }
        return .lacking
    }

    /// Whether the action might be allowed somewhere: what is not can be refused before its body is read.
    package func mightPermit(_ action: String) -> Bool {
        let index = snapshot.index(ofAction: action)
        if ownRoles.contains(where: { snapshot.role($0, permits: action, index) }) { return true }
        if let index { return holders.contains { $0.union.contains(index) } }
        return holders.contains { holder in
            holder.allowed.values.contains { $0.contains { snapshot.role($0.role, permits: action, nil) } }
        }
    }

    private func first(
        _ grants: [AccessScope: [AccessSnapshot.Grant]], _ action: String, _ index: Int?, _ plane: ActionPlane, _ context: AccessContext
    ) -> AccessSnapshot.Grant? {
        func live(_ scope: AccessScope) -> AccessSnapshot.Grant? {
            grants[scope]?.first { snapshot.role($0.role, permits: action, index, plane) && $0.isLive(in: context) }
        }
        if let deployment = context.deployment, let grant = live(.deployment(deployment)) { return grant }
        if let name = context.index, let grant = live(.index(name)) { return grant }
        return live(.project(context.project)) ?? live(.organisation)
    }

    private func confinement(of context: AccessContext) -> AccessDecision.Confinement? {
        if let deployments = principal.deployments, let deployment = context.deployment, !deployments.contains(deployment) {
            return .deployments
        }
        guard !principal.scope.isUnbounded else { return nil }
        if let operations = principal.scope.operations, !operations.contains(context.operation) { return .operations }
        if let labels = principal.scope.labels, context.deployment != nil, !(context.label.map(labels.contains) ?? false) { return .labels }
        return confinementByAddress(context.address)
    }

    /// The one confinement that can be judged before anything of the request is known.
    package func confinementByAddress(_ address: IPAddress?) -> AccessDecision.Confinement? {
        guard let addresses = principal.scope.addresses else { return nil }
        guard let address, addresses.contains(where: { $0.contains(address) }) else { return .addresses }
        return nil
    }

    /// Whether any of the actions may be allowed at a deployment, whatever the conditions and operations: for what must be judged by every
    /// deployment that the principal has to do with.
    package func reaches(_ deployment: DeploymentID, project: ProjectID, with actions: [String]) -> Bool {
        if let deployments = principal.deployments, !deployments.contains(deployment) { return false }
        return actions.contains { action in
            let index = snapshot.index(ofAction: action)
            return ownRoles.contains { snapshot.role($0, permits: action, index) }
                || holders.contains { holder in
                    [.deployment(deployment), .project(project), .organisation].contains { scope in
                        holder.allowed[scope]?.contains { snapshot.role($0.role, permits: action, index) } ?? false
                    }
                }
        }
    }
}
