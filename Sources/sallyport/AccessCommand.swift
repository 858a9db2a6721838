import ArgumentParser
import Foundation
import SallyportCore
import SallyportIdentity
import SallyportServer
import SallyportStorage

struct AccessCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "access", abstract: "Who may do what: roles, assignments, revocations, and why.",
        subcommands: [
            Roles.self, Assignments.self, Explain.self, Who.self, Usage.self, Conflicts.self, RevokeTokens.self, Principals.self,
            Conditional.self, Devices.self, Risks.self, Elevations.self, Matrix.self,
        ])

    // MARK: Roles

    struct Roles: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "roles", abstract: "Role definitions.", subcommands: [List.self], defaultSubcommand: List.self)

        struct List: AsyncParsableCommand {
            static let configuration = CommandConfiguration(commandName: "list", abstract: "All roles, built in and configured.")
            @Option(help: "The configuration file, for its own roles.") var config: String?
            @Flag(help: "Print JSON, in the shape of Azure's role definitions.") var json = false

            func run() async throws {
                let custom = try config.map { try LoadedConfiguration.required($0).plan.access.roles } ?? []
                let roles = RoleCatalog(custom: custom).definitions
                print(
                    try json
                        ? AccessOutput.json(roles.map(AccessOutput.Definition.init)) : roles.map(AccessOutput.line).joined(separator: "\n"))
            }
        }
    }

    // MARK: Assignments

    struct Assignments: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "assignments", abstract: "Role assignments.", subcommands: [List.self, Add.self, Remove.self],
            defaultSubcommand: List.self)

        struct List: AsyncParsableCommand {
            static let configuration = CommandConfiguration(commandName: "list", abstract: "Those of the configuration and those stored.")
            @OptionGroup var store: StoreOptions
            @Flag(help: "Print JSON.") var json = false

            func run() async throws {
                let assignments = try store.access().assignments()
                print(
                    try json
                        ? AccessOutput.json(assignments.map(AccessOutput.Assignment.init))
                        : assignments.isEmpty
                            ? "There are no assignments." : assignments.map(AccessOutput.line).joined(separator: "\n"))
            }
        }

        struct Add: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                commandName: "add", abstract: "Give a role to a principal at a scope, or deny what it would give.")
            @OptionGroup var store: StoreOptions
            @Option(help: "user:ID, group:ID, service:ID or key:ID.") var principal: String
            @Option(help: "A role's short name, Azure name or id.") var role: String
            @Option(help: "/, /projects/NAME, /deployments/NAME or /indexes/NAME.") var scope = "/"
            @Flag(help: "Deny what the role would give.") var deny = false
            @Option(help: "When it holds, such as: network in [\"10.0.0.0/8\"] and time == \"08:00-18:00\"") var condition: String?
            @Option(help: "When it ends: 30d, 12h, or an ISO 8601 date. Default: never.") var expires: String?
            @Option(help: "Why, for people.") var note: String?
            @Flag(help: "Print JSON.") var json = false

            func run() async throws {
                let now = Int64(Date().timeIntervalSince1970)
                guard let reference = PrincipalReference(principal) else {
                    throw ValidationError("'\(principal)' is not user:ID, group:ID, service:ID or key:ID.")
                }
                guard let place = AccessScope(scope) else {
                    throw ValidationError("'\(scope)' is not /, /projects/NAME, /deployments/NAME or /indexes/NAME.")
                }
                let assignment = RoleAssignment(
                    id: UUID().uuidString.lowercased(), principal: reference, role: Role(role), scope: place,
                    effect: deny ? .deny : .allow, condition: condition, expiresAt: try expires.map { try KeyOptions.moment($0, now: now) },
                    createdAt: now, note: note)
                let access = try store.access()
                try store.recorded("access.assignments.add", target: "\(reference) \(role) \(place)", result: { _ in assignment.id }) {
                    try access.add(assignment, at: now)
                }
                print(try json ? AccessOutput.json(AccessOutput.Assignment(assignment)) : AccessOutput.line(assignment))
            }
        }

        struct Remove: AsyncParsableCommand {
            static let configuration = CommandConfiguration(commandName: "remove", abstract: "Take an assignment away.")
            @Argument(help: "The assignment's id.") var id: String
            @OptionGroup var store: StoreOptions

            func run() async throws {
                let access = try store.access()
                try store.recorded("access.assignments.remove", target: id) { try access.remove(id) }
                print("Removed \(id).")
            }
        }
    }

    // MARK: Revocations

    struct RevokeTokens: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "revoke-tokens", abstract: "Stop one token, or a principal's tokens so far. Takes effect within a second.")
        @OptionGroup var store: StoreOptions
        @Option(help: "One token, by its jti.") var jti: String?
        @Option(help: "The principal's id, as records show it (issuer:subject).") var principal: String?
        @Option(help: "Tokens issued before this moment (ISO 8601). Default: now.") var issuedBefore: String?
        @Option(help: "Why, for people.") var note: String?

        func run() async throws {
            let now = Int64(Date().timeIntervalSince1970)
            let revocation: Revocation
            switch (jti, principal) {
            case (let jti?, nil): revocation = Revocation(kind: .token, subject: jti, createdAt: now, note: note)
            case (nil, let principal?):
                let before = try issuedBefore.map { try KeyOptions.moment($0, now: now) } ?? now
                revocation = Revocation(kind: .issuedBefore, subject: principal, before: before, createdAt: now, note: note)
            default: throw ValidationError("Say which: --jti ID or --principal ID.")
            }
            let access = try store.access()
            try store.recorded("access.tokens.revoke", target: "\(revocation.kind.rawValue) \(revocation.subject)") {
                try access.revoke(revocation)
            }
            print("Revoked.")
        }
    }

    struct Principals: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "principals", abstract: "Disable a principal with all its keys and tokens, and enable it again.",
            subcommands: [List.self, Disable.self, Enable.self], defaultSubcommand: List.self)

        struct List: AsyncParsableCommand {
            static let configuration = CommandConfiguration(commandName: "list", abstract: "Disabled principals and revoked tokens.")
            @OptionGroup var store: StoreOptions
            @Flag(help: "Print JSON.") var json = false

            func run() async throws {
                let revocations = try store.access().revocations()
                print(
                    try json
                        ? AccessOutput.json(revocations.map(AccessOutput.Revoked.init))
                        : revocations.isEmpty
                            ? "Nobody is disabled, nothing is revoked." : revocations.map(AccessOutput.line).joined(separator: "\n"))
            }
        }

        struct Disable: AsyncParsableCommand {
            static let configuration = CommandConfiguration(commandName: "disable", abstract: "Takes effect within a second.")
            @Argument(help: "The principal's id, as records show it.") var id: String
            @OptionGroup var store: StoreOptions
            @Option(help: "Why, for people.") var note: String?

            func run() async throws {
                let now = Int64(Date().timeIntervalSince1970)
                let access = try store.access()
                try store.recorded("access.principals.disable", target: id) {
                    try access.revoke(Revocation(kind: .principal, subject: id, createdAt: now, note: note))
                }
                print("Disabled \(id).")
            }
        }

        struct Enable: AsyncParsableCommand {
            static let configuration = CommandConfiguration(commandName: "enable", abstract: "Trust a principal again.")
            @Argument(help: "The principal's id.") var id: String
            @OptionGroup var store: StoreOptions

            func run() async throws {
                let access = try store.access()
                try store.recorded("access.principals.enable", target: id) { try access.restore(.principal, subject: id) }
                print("Enabled \(id).")
            }
        }
    }

    struct Matrix: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "matrix", abstract: "Every route with the data action that it needs and the roles that give it.")
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            print(try json ? AccessAdministration.matrixJSON() : AccessAdministration.matrix, terminator: json ? "\n" : "")
        }
    }
}

extension StoreOptions {
    /// With the configuration when one is named: its roles and assignments count too.
    func access() throws -> AccessOperations {
        AccessAdministration.operations(
            plan: try config.map { try LoadedConfiguration.required($0).plan }, store: SQLAccessStore(try identity().database))
    }
}
