import SallyportCore

/// Who can do what, and why: every assignment that speaks of a principal, with what it says of one action.
package struct AccessExplanation: Sendable {
    package struct Line: Sendable {
        package enum Outcome: String, Sendable {
            case allows, denies
            case otherScope = "other scope"
            case otherAction = "other action"
            case expired
            case conditionNotMet = "condition not met"
            case unusable
        }
        /// The assignment's id, or `credential` for a role that the credential carries.
        package let source: String
        package let role: Role
        package let scope: AccessScope
        package let effect: RoleAssignment.Effect
        package let principal: PrincipalReference?
        package let outcome: Outcome
        package let condition: String?
    }

    package let decision: AccessDecision
    package let lines: [Line]

    package init(
        of action: String, _ plane: ActionPlane = .data, for principal: Principal, in context: AccessContext, by snapshot: AccessSnapshot
    ) {
        decision = snapshot.rights(of: principal).decision(on: action, plane, in: context)
        func permits(_ definition: RoleDefinition) -> Bool {
            plane == .data ? definition.permitsData(action) : definition.permitsManagement(action)
        }
        let catalog = snapshot.catalog
        let references = Set(principal.references)
        var lines = principal.roles.sorted().map { role in
            Line(
                source: "credential", role: role, scope: .organisation, effect: .allow, principal: nil,
                outcome: catalog.definition(of: role).map { permits($0) ? .allows : .otherAction } ?? .unusable, condition: nil)
        }
        let above: Set<AccessScope> = Set(
            [context.deployment.map { .deployment($0) }, context.index.map { .index($0) }, .project(context.project), .organisation]
                .compactMap { $0 })
        let unusable = Set(snapshot.mistakes.map(\.id))
        for assignment in snapshot.assignments where assignment.tenant == principal.tenant && references.contains(assignment.principal) {
            let outcome: Line.Outcome
            if unusable.contains(assignment.id) {
                if case .deniedByAssignment(assignment.id) = decision { outcome = .denies } else { outcome = .unusable }
            } else if !above.contains(assignment.scope) {
                outcome = .otherScope
            } else if catalog.definition(of: assignment.role).map(permits) != true {
                outcome = .otherAction
            } else if let expiry = assignment.expiresAt, expiry <= context.now {
                outcome = .expired
            } else if let text = assignment.condition, let condition = try? AccessCondition(text), !condition.holds(in: context) {
                outcome = .conditionNotMet
            } else {
                outcome = assignment.effect == .allow ? .allows : .denies
            }
            lines.append(
                Line(
                    source: assignment.id, role: assignment.role, scope: assignment.scope, effect: assignment.effect,
                    principal: assignment.principal, outcome: outcome, condition: assignment.condition))
        }
        self.lines = lines
    }
}
