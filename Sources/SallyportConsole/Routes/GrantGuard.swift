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

    /// What lets somebody see what people wrote or did. Whoever gives rights gives these to others too, but a credential for them, which he
    /// would hold in his own hands, is not his to make.
    static let sights = [
        "Sallyport/content/reveal/action", "Sallyport/content/quarantine/read", "Sallyport/pseudonyms/resolve/action",
        "Sallyport/subjects/export/action", "Sallyport/audit/export/action",
    ]

    let operations: AccessOperations

    package init(_ operations: AccessOperations) {
        self.operations = operations
    }

    package func isPrivileged(_ role: Role) -> Bool { permits(role, oneOf: Self.privileges) }

    /// A role that nobody knows here (any more) may have been any: a denial of it denies everything.
    private func permits(_ role: Role, oneOf actions: [String]) -> Bool {
        guard let definition = operations.catalog.definition(of: role) else { return true }
        return actions.contains { definition.permitsManagement($0) }
    }

    /// Giving or taking a role. Denials are as strong as grants: taking one away gives rights back.
    package func check(_ role: Role, for principal: PrincipalReference, by call: ConsoleCall) throws {
        guard !(try call.caller()).references.contains(principal) else {
            throw Self.ownRights
        }
        if isPrivileged(role) { try call.require(Self.privilegedAction) }
    }

    /// A key is as good as the one it speaks for, and lies in the hands of whoever makes it.
    package func checkKey(principal: PrincipalID?, roles: Set<Role>, by call: ConsoleCall) throws {
        var references: Set<PrincipalReference> = []
        if let principal { references = [.init(.user, principal.rawValue), .init(.service, principal.rawValue)] }
        let all = roles.union(try operations.roles(withinReachOf: references))
        if all.contains(where: { permits($0, oneOf: Self.privileges + Self.sights) }) { try call.require(Self.privilegedAction) }
    }

    /// A key of one's own carries no role that one does not hold.
    package func checkOwnKey(principal: PrincipalID?, roles: Set<Role>, by call: ConsoleCall) throws {
        let caller = try call.caller()
        guard caller.id == principal else { return }
        let held = try operations.roles(withinReachOf: Set(caller.references)).union(caller.roles)
        let definitions = Set(held.compactMap { operations.catalog.definition(of: $0)?.role })
        guard roles.isSubset(of: definitions) else { throw Self.ownRights }
    }

    private static let ownRights = ConsoleRefusal(403, "SelfAssignment", "Nobody changes his own rights: somebody else must do it.")
}
