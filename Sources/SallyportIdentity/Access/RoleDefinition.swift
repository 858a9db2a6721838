import SallyportCore

/// What a role may do, in the shape of Azure's role definitions.
///
/// `notActions` are subtracted from what this definition grants; they take nothing away that another role gives.
package struct RoleDefinition: Sendable, Hashable {
    /// A UUID for Azure's roles and ours, the name for custom ones.
    package let id: String
    /// How it is written in keys, tokens and assignments.
    package let role: Role
    /// Azure's `roleName`.
    package let name: String
    package let description: String
    package let isBuiltIn: Bool
    package let actions: [ActionPattern]
    package let notActions: [ActionPattern]
    package let dataActions: [ActionPattern]
    package let notDataActions: [ActionPattern]
    package let assignableScopes: [AccessScope]

    package init(
        id: String, role: Role, name: String, description: String, isBuiltIn: Bool = false, actions: [String] = [],
        notActions: [String] = [], dataActions: [String] = [], notDataActions: [String] = [],
        assignableScopes: [AccessScope] = [.organisation]
    ) {
        self.id = id
        self.role = role
        self.name = name
        self.description = description
        self.isBuiltIn = isBuiltIn
        self.actions = actions.map(ActionPattern.init)
        self.notActions = notActions.map(ActionPattern.init)
        self.dataActions = dataActions.map(ActionPattern.init)
        self.notDataActions = notDataActions.map(ActionPattern.init)
        self.assignableScopes = assignableScopes
    }

    /// An action on what the gateway serves.
    package func permitsData(_ action: String) -> Bool {
        dataActions.contains { $0.matches(action) } && !notDataActions.contains { $0.matches(action) }
    }

    /// An action on how it is set up.
    package func permitsManagement(_ action: String) -> Bool {
        actions.contains { $0.matches(action) } && !notActions.contains { $0.matches(action) }
    }

    /// Whether it may be assigned there: at one of its scopes, or below one.
    package func isAssignable(at scope: AccessScope) -> Bool {
        assignableScopes.contains { $0 == .organisation || $0 == scope }
    }

    /// Whether a text means this role: its short name, its id, or its full name.
    package func answers(to text: String) -> Bool {
        text == role.rawValue || text.lowercased() == id.lowercased() || text.lowercased() == name.lowercased()
    }
}

/// All roles there are: the built-in ones and the configuration's.
package struct RoleCatalog: Sendable {
    package let definitions: [RoleDefinition]
    private let byName: [String: Int]

    package init(custom: [RoleDefinition] = []) {
        definitions = BuiltInRoles.all + custom
        var names: [String: Int] = [:]
        // What is built in comes first and stays: nobody redefines an Azure role under its own name.
        for (index, definition) in definitions.enumerated() {
            for name in [definition.role.rawValue, definition.id.lowercased(), definition.name.lowercased()] where names[name] == nil {
                names[name] = index
            }
        }
        byName = names
    }

    package func definition(of role: Role) -> RoleDefinition? { index(of: role).map { definitions[$0] } }

    func index(of role: Role) -> Int? { byName[role.rawValue] ?? byName[role.rawValue.lowercased()] }
}
