import Foundation
import SallyportIdentity

/// Who could reach a provider's account without the gateway: from exports of Azure's role assignments and of the account itself, never
/// from Azure directly.
package struct BypassReport: Sendable, Codable {
    package struct Finding: Sendable, Codable, Hashable {
        package enum Way: String, Sendable, Codable {
            /// May read or renew the account's keys, or give itself the right to.
            case keys
            /// May call models with a token of its own.
            case token
            /// The network lets others in.
            case network
            /// Keys are accepted at all.
            case setting
        }
        package let way: Way
        package let principal: String?
        package let principalName: String?
        package let principalType: String?
        package let role: String?
        package let scope: String?
        package let reason: String
    }

    package struct Mistake: Error, CustomStringConvertible { package let description: String }

    package private(set) var findings: [Finding] = []
    /// Roles of assignments that are neither built in here nor in the file of definitions: their rights are not known.
    package private(set) var unknownRoles: [String] = []

    private static let readsKeys = [
        "Microsoft.CognitiveServices/accounts/listKeys/action", "Microsoft.CognitiveServices/accounts/regenerateKey/action",
    ]
    private static let givesRights = "Microsoft.Authorization/roleAssignments/write"
    private static let calls = [
        "Microsoft.CognitiveServices/accounts/OpenAI/deployments/chat/completions/action",
        "Microsoft.CognitiveServices/accounts/OpenAI/deployments/completions/action",
        "Microsoft.CognitiveServices/accounts/OpenAI/deployments/embeddings/action",
        "Microsoft.CognitiveServices/accounts/OpenAI/responses/write",
    ]

    /// - Parameters:
    ///   - assignments: as `az role assignment list --all --include-inherited --output json` writes them.
    ///   - definitions: as `az role definition list --output json` writes them; for custom roles.
    ///   - account: as `az cognitiveservices account show --output json` writes it; nil: its network and settings are not judged.
    ///   - gateway: ids of the gateway's own principals, which may call and rotate.
    package init(assignments: Data, definitions: Data?, account: Data?, gateway: Set<String>) throws {
        let known = try Self.roles(definitions)
        let settings = try account.map { try Self.decode(Account.self, $0, "the account") }
        let keysAreOff = settings?.properties.disableLocalAuth == true
        for assignment in try Self.decode([Assignment].self, assignments, "the role assignments") {
            guard !gateway.contains(assignment.principalId ?? ""), assignment.concerns(settings?.id) else { continue }
            guard let role = known[assignment.roleKey] ?? known[(assignment.roleDefinitionName ?? "").lowercased()] else {
                let name = assignment.roleDefinitionName ?? assignment.roleKey
                if !unknownRoles.contains(name) { unknownRoles.append(name) }
                continue
            }
            func note(_ way: Finding.Way, _ reason: String) {
                findings.append(
                    Finding(
                        way: way, principal: assignment.principalId, principalName: assignment.principalName,
                        principalType: assignment.principalType, role: assignment.roleDefinitionName ?? role.name, scope: assignment.scope,
                        reason: reason))
            }
            if role.permitsManagement(Self.givesRights) { note(.keys, "may give itself any role") }
            if Self.readsKeys.contains(where: role.permitsManagement) {
                note(
                    .keys,
                    keysAreOff ? "may read the keys, which are not accepted while disableLocalAuth is set" : "may read or renew the keys")
            }
            if Self.calls.contains(where: role.permitsData) { note(.token, "may call models with a token") }
        }
        if let settings { findings += Self.network(settings) }
    }

    /// Something besides the gateway gets through.
    package var isOpen: Bool { !findings.isEmpty || !unknownRoles.isEmpty }

    private static func network(_ account: Account) -> [Finding] {
        func finding(_ way: Finding.Way, _ reason: String) -> Finding {
            Finding(way: way, principal: nil, principalName: nil, principalType: nil, role: nil, scope: account.id, reason: reason)
        }
        var findings: [Finding] = []
        let properties = account.properties
        if properties.publicNetworkAccess?.lowercased() != "disabled" {
            if properties.networkAcls?.defaultAction?.lowercased() != "deny" {
                findings.append(finding(.network, "every network may reach the account"))
            }
            for rule in properties.networkAcls?.ipRules ?? [] {
                findings.append(finding(.network, "the network \(rule.value) may reach the account: is it the gateway's alone?"))
            }
            for rule in properties.networkAcls?.virtualNetworkRules ?? [] {
                findings.append(finding(.network, "the subnet \(rule.id) may reach the account: is it the gateway's alone?"))
            }
            if let bypass = properties.networkAcls?.bypass, bypass.lowercased() != "none" {
                findings.append(finding(.network, "services of Azure pass the network rules (\(bypass))"))
            }
        }
        if properties.disableLocalAuth != true { findings.append(finding(.setting, "keys are accepted: disableLocalAuth is not set")) }
        return findings
    }

    // MARK: Roles

    private static func roles(_ definitions: Data?) throws -> [String: RoleDefinition] {
        var roles: [String: RoleDefinition] = [:]
        for role in azure + BuiltInRoles.all {
            for key in [role.id.lowercased(), role.name.lowercased()] where roles[key] == nil { roles[key] = role }
        }
        for definition in try definitions.map({ try decode([Definition].self, $0, "the role definitions") }) ?? [] {
            let name = definition.roleName ?? definition.properties?.roleName ?? definition.name ?? ""
            let permissions = definition.permissions ?? definition.properties?.permissions ?? []
            let role = RoleDefinition(
                id: definition.name ?? name, role: .init(name), name: name, description: "",
                actions: permissions.flatMap { $0.actions ?? [] }, notActions: permissions.flatMap { $0.notActions ?? [] },
                dataActions: permissions.flatMap { $0.dataActions ?? [] }, notDataActions: permissions.flatMap { $0.notDataActions ?? [] })
            for key in [definition.name, name].compactMap({ $0?.lowercased() }) where !key.isEmpty { roles[key] = role }
        }
        return roles
    }

    /// General roles of Azure that reach into every account below their scope.
    private static let azure = [
        RoleDefinition(id: "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", role: "azure-owner", name: "Owner", description: "", actions: ["*"]),
        RoleDefinition(
            id: "b24988ac-6180-42a0-ab88-20f7382dd24c", role: "azure-contributor", name: "Contributor", description: "", actions: ["*"],
            notActions: [
                "Microsoft.Authorization/*/Delete", "Microsoft.Authorization/*/Write", "Microsoft.Authorization/elevateAccess/Action",
            ]),
        RoleDefinition(
            id: "acdd72a7-3385-48ef-bd42-f606fba81ae7", role: "azure-reader", name: "Reader", description: "", actions: ["*/read"]),
        RoleDefinition(
            id: "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9", role: "azure-user-access-administrator", name: "User Access Administrator",
            description: "", actions: ["*/read", "Microsoft.Authorization/*", "Microsoft.Support/*"]),
        RoleDefinition(
            id: "f58310d9-a9f6-439a-9e8d-f62e7b41a168", role: "azure-rbac-administrator", name: "Role Based Access Control Administrator",
            description: "",
            actions: [
                "Microsoft.Authorization/roleAssignments/write", "Microsoft.Authorization/roleAssignments/delete", "*/read",
                "Microsoft.Support/*",
            ]),
        RoleDefinition(
            id: "25fbc0a9-bd7c-42a3-aa1a-3b75d497ee68", role: "azure-cs-contributor", name: "Cognitive Services Contributor",
            description: "", actions: ["Microsoft.CognitiveServices/*"]),
        RoleDefinition(
            id: "a97b65f3-24c7-4388-baec-2e87135dc908", role: "azure-cs-user", name: "Cognitive Services User", description: "",
            actions: ["Microsoft.CognitiveServices/*/read", "Microsoft.CognitiveServices/accounts/listkeys/action"],
            dataActions: ["Microsoft.CognitiveServices/*"]),
        RoleDefinition(
            id: "a001fd3d-188f-4b5d-821b-7da978bf7442", role: "azure-cs-openai-contributor", name: "Cognitive Services OpenAI Contributor",
            description: "",
            actions: [
                "Microsoft.CognitiveServices/*/read", "Microsoft.CognitiveServices/accounts/deployments/write",
                "Microsoft.CognitiveServices/accounts/deployments/delete", "Microsoft.CognitiveServices/accounts/raiPolicies/*",
            ], dataActions: ["Microsoft.CognitiveServices/accounts/OpenAI/*"]),
        RoleDefinition(
            id: "5e0bd9bd-7b93-4f28-af87-19fc36ad61bd", role: "azure-cs-openai-user", name: "Cognitive Services OpenAI User",
            description: "", actions: ["Microsoft.CognitiveServices/*/read"],
            dataActions: [
                "Microsoft.CognitiveServices/accounts/OpenAI/*/read",
                "Microsoft.CognitiveServices/accounts/OpenAI/engines/completions/action",
                "Microsoft.CognitiveServices/accounts/OpenAI/engines/search/action",
                "Microsoft.CognitiveServices/accounts/OpenAI/engines/generate/action",
                "Microsoft.CognitiveServices/accounts/OpenAI/deployments/*/action",
                "Microsoft.CognitiveServices/accounts/OpenAI/responses/*",
            ]),
    ]

    // MARK: Files

    private struct Assignment: Decodable {
        let principalId: String?
        let principalName: String?
        let principalType: String?
        let roleDefinitionId: String?
        let roleDefinitionName: String?
        let scope: String?

        /// The role's UUID: the last part of its id.
        var roleKey: String { (roleDefinitionId ?? "").split(separator: "/").last.map { $0.lowercased() } ?? "" }

        /// Assignments at the account, above it and below it.
        func concerns(_ account: String?) -> Bool {
            guard let account = account?.lowercased(), let scope = scope?.lowercased() else { return true }
            if scope == "/" || scope.hasPrefix("/providers/microsoft.management/") { return true }
            return account == scope || account.hasPrefix(scope + "/") || scope.hasPrefix(account + "/")
        }
    }
    private struct Permissions: Decodable {
        let actions: [String]?
        let notActions: [String]?
        let dataActions: [String]?
        let notDataActions: [String]?
    }
    private struct Definition: Decodable {
        struct Properties: Decodable {
            let roleName: String?
            let permissions: [Permissions]?
        }
        let name: String?
        let roleName: String?
        let permissions: [Permissions]?
        let properties: Properties?
    }
    private struct Account: Decodable {
        struct Rule: Decodable { let value: String }
        struct Subnet: Decodable { let id: String }
        struct Rules: Decodable {
            let defaultAction: String?
            let bypass: String?
            let ipRules: [Rule]?
            let virtualNetworkRules: [Subnet]?
        }
        struct Properties: Decodable {
            let publicNetworkAccess: String?
            let disableLocalAuth: Bool?
            let networkAcls: Rules?
        }
        let id: String?
        let properties: Properties
    }

    private static func decode<T: Decodable>(_ type: T.Type, _ data: Data, _ what: String) throws -> T {
        do { return try JSONDecoder().decode(type, from: data) } catch {
            throw Mistake(description: "\(what) are not what Azure's command line writes")
        }
    }
}
