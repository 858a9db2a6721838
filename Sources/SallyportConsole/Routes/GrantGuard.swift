import SallyportCore
import SallyportIdentity

/// Keeps who may give rights from giving himself, or a friend, more than he is trusted with.
///
/// A privileged role is one that can change who may do what, or what is guarded. Giving one, or anything that speaks for somebody who
/// holds one (a key, a new password), takes an action of its own. And nobody changes his own rights, whatever he holds: another must.
package struct GrantGuard: Sendable {
    package static let privilegedAction = "Sallyport/access/privileged/action"
    /// What makes a role a privileged one.
    static let privileges = [
        "Sallyport/access/write", "Sallyport/access/delete", "Sallyport/keys/write", "Sallyport/keys/rotate/action",
        "Sallyport/accounts/write",
        "Sallyport/policies/write", "Sallyport/policies/delete", "Sallyport/conditionalAccess/write", "Sallyport/changes/approve/action",
        // Whoever says who is in a group gives what the group holds.
        "Sallyport/elevations/approve/action", "Sallyport/scim/write", privilegedAction,
    ]

    let operations: AccessOperations

    package init(_ operations: AccessOperations) {
        self.operations = operations
    }

    package func isPrivileged(_ role: Role) -> Bool {
        guard let definition = operations.catalog.definition(of: role) else { return false }
        return Self.privileges.contains { definition.permitsManagement($0) }
    }

    /// Whether somebody holds, or could come to hold, a privileged role.
    package func isPrivileged(_ references: Set<PrincipalReference>, roles: Set<Role> = []) throws -> Bool {
        if roles.contains(where: isPrivileged) { return true }
        return try operations.roles(withinReachOf: references).contains(where: isPrivileged)
    }

    /// Giving or taking a role. Denials are as strong as grants: taking one away gives rights back.
    package func check(_ role: Role, for principal: PrincipalReference, by call: ConsoleCall) throws {
        guard !(try call.caller()).references.contains(principal) else {
            throw ConsoleRefusal(403, "SelfAssignment", "Nobody changes his own rights: somebody else must do it.")
        }
        if isPrivileged(role) { try call.require(Self.privilegedAction) }
    }

    /// A key is as good as the one it speaks for.
    package func checkKey(principal: PrincipalID?, roles: Set<Role>, by call: ConsoleCall) throws {
        var references: Set<PrincipalReference> = []
        if let principal { references = [.init(.user, principal.rawValue), .init(.service, principal.rawValue)] }
        if try isPrivileged(references, roles: roles) { try call.require(Self.privilegedAction) }
    }
}
