import ArgumentParser
import Foundation
import SallyportCore
import SallyportIdentity
import SallyportStorage

extension AccessCommand {
    struct Conditional: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "conditional", abstract: "Conditional access policies.",
            subcommands: [List.self, Show.self, Put.self, Delete.self, Check.self], defaultSubcommand: List.self)

        static func read(_ file: String, named name: String? = nil) throws -> (policy: ConditionalPolicy, document: [UInt8]) {
            guard let bytes = FileManager.default.contents(atPath: file) else { throw ValidationError("\(file) cannot be read.") }
            let name = name ?? URL(fileURLWithPath: file).deletingPathExtension().lastPathComponent
            do { return (try ConditionalOperations.check(name, Array(bytes)), Array(bytes)) } catch let fault as Fault {
                throw ValidationError("\(file): \(fault.message)")
            }
        }

        struct List: AsyncParsableCommand {
            static let configuration = CommandConfiguration(commandName: "list", abstract: "All policies with their state.")
            @OptionGroup var store: StoreOptions
            @Flag(help: "Print JSON.") var json = false

            func run() async throws {
                let policies = try store.conditional().store.policies()
                print(
                    try json
                        ? AccessOutput.json(policies.map(ConditionalDocuments.Policy.init))
                        : policies.isEmpty
                            ? "There are no conditional access policies."
                            : policies.map { policy in
                                let state =
                                    (try? ConditionalPolicy(name: policy.name, parsing: policy.document))?.state.rawValue ?? "unreadable"
                                return "\(policy.name)  version \(policy.version)  \(state)"
                            }.joined(separator: "\n"))
            }
        }

        struct Show: AsyncParsableCommand {
            static let configuration = CommandConfiguration(commandName: "show", abstract: "Print a policy.")
            @Argument var name: String
            @OptionGroup var store: StoreOptions

            func run() async throws {
                do { print(String(decoding: try store.conditional().policy(name).document, as: UTF8.self)) } catch let fault as Fault {
                    throw ValidationError(fault.message)
                }
            }
        }

        struct Put: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                commandName: "put", abstract: "Add a policy, or a new version of it; it is in force within a second.")
            @Argument(help: "The document, named for the policy.") var file: String
            @OptionGroup var store: StoreOptions
            @Option(help: "The policy's name. Default: the file's.") var name: String?

            func run() async throws {
                let (policy, document) = try Conditional.read(file, named: name)
                let operations = try store.conditional()
                try store.refuseUnderFourEyes(.policies)
                let version = try store.recorded("conditional-access.put", target: policy.name) {
                    try operations.put(policy.name, document: document, at: Int64(Date().timeIntervalSince1970))
                }
                print("\(policy.name) is now version \(version), \(policy.state.rawValue).")
            }
        }

        struct Delete: AsyncParsableCommand {
            static let configuration = CommandConfiguration(commandName: "delete", abstract: "Remove a policy.")
            @Argument var name: String
            @OptionGroup var store: StoreOptions

            func run() async throws {
                let operations = try store.conditional()
                try store.refuseUnderFourEyes(.policies)
                try store.recorded("conditional-access.delete", target: name) { try operations.delete(name) }
                print("Removed \(name).")
            }
        }

        struct Check: AsyncParsableCommand {
            static let configuration = CommandConfiguration(commandName: "check", abstract: "Check a policy's document.")
            @Argument(help: "The document.") var file: String

            func run() async throws {
                let (policy, _) = try Conditional.read(file)
                print("\(policy.name): good, \(policy.state.rawValue).")
            }
        }
    }

    struct Devices: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "devices", abstract: "What is known of devices, for conditional access.",
            subcommands: [List.self, Set.self, Remove.self], defaultSubcommand: List.self)

        struct List: AsyncParsableCommand {
            static let configuration = CommandConfiguration(commandName: "list", abstract: "All devices.")
            @OptionGroup var store: StoreOptions
            func run() async throws {
                print(try AccessOutput.json(try store.conditional().store.devices().map(ConditionalDocuments.Device.init)))
            }
        }

        struct Set: AsyncParsableCommand {
            static let configuration = CommandConfiguration(commandName: "set", abstract: "Report a device's state.")
            @Argument(help: "Its id, as tokens name it (deviceid).") var id: String
            @OptionGroup var store: StoreOptions
            @Flag(inversion: .prefixedNo, help: "Whether it keeps the organisation's rules.") var compliant: Bool
            @Option(help: "windows, macos, linux, ios, android, virtualDesktop, server or networkDevice.") var platform: String?
            @Option(help: "The principal whose it is.") var owner: String?
            @Option(help: "How long the report is believed: 1h, or an ISO 8601 date. Default: until the next.") var expires: String?

            func run() async throws {
                let now = Int64(Date().timeIntervalSince1970)
                let known = try platform.map { text in
                    guard let platform = DevicePosture.Platform(rawValue: text) else {
                        throw ValidationError("'\(text)' is not a platform.")
                    }
                    return platform
                }
                let device = DevicePosture(
                    id: id, platform: known, isCompliant: compliant, owner: owner.map { PrincipalID($0) }, reportedAt: now,
                    validUntil: try expires.map { try KeyOptions.moment($0, now: now) })
                let operations = try store.conditional()
                try store.recorded("devices.put", target: id) { try operations.setDevice(device) }
                print("\(id) is \(compliant ? "compliant" : "not compliant").")
            }
        }

        struct Remove: ActCommand {
            static let configuration = CommandConfiguration(commandName: "remove", abstract: "Forget a device.")
            static let act = "devices.remove"
            @Argument var id: String
            @OptionGroup var store: StoreOptions
            var target: String { id }

            func perform(at now: Int64) throws -> String {
                try store.conditional().removeDevice(id)
                return "Forgotten."
            }
        }
    }

    struct Risks: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "risks", abstract: "How likely it is that somebody else acts in a principal's name.",
            subcommands: [List.self, Set.self, Clear.self], defaultSubcommand: List.self)

        struct List: AsyncParsableCommand {
            static let configuration = CommandConfiguration(commandName: "list", abstract: "All noted risks.")
            @OptionGroup var store: StoreOptions
            func run() async throws {
                print(try AccessOutput.json(try store.conditional().store.risks().map(ConditionalDocuments.Risk.init)))
            }
        }

        struct Set: AsyncParsableCommand {
            static let configuration = CommandConfiguration(commandName: "set", abstract: "Note a risk.")
            @Argument(help: "The principal's id, as records show it.") var principal: String
            @Argument(help: "none, low, medium or high.") var level: String
            @OptionGroup var store: StoreOptions
            @Option(help: "Why, for people.") var reason: String?
            @Option(help: "When it is forgotten: 12h, or an ISO 8601 date. Default: when it is cleared.") var expires: String?

            func run() async throws {
                let now = Int64(Date().timeIntervalSince1970)
                guard let known = PrincipalRisk.Level(rawValue: level) else {
                    throw ValidationError("'\(level)' is not none, low, medium or high.")
                }
                let risk = PrincipalRisk(
                    principal: PrincipalID(principal), level: known, reason: reason, setAt: now,
                    expiresAt: try expires.map { try KeyOptions.moment($0, now: now) })
                let operations = try store.conditional()
                try store.recorded("risks.put", target: principal) { try operations.setRisk(risk) }
                print("\(principal): \(level).")
            }
        }

        struct Clear: ActCommand {
            static let configuration = CommandConfiguration(commandName: "clear", abstract: "Forget a risk.")
            static let act = "risks.clear"
            @Argument var principal: String
            @OptionGroup var store: StoreOptions
            var target: String { principal }

            func perform(at now: Int64) throws -> String {
                try store.conditional().clearRisk(of: PrincipalID(principal))
                return "Cleared."
            }
        }
    }

    struct Elevations: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "elevations", abstract: "Roles that are taken up for a while.",
            discussion: "People ask, and are let, at the administrative surface: that takes knowing who they are.",
            subcommands: [List.self, Eligible.self, Add.self, Remove.self, End.self], defaultSubcommand: List.self)

        struct List: AsyncParsableCommand {
            static let configuration = CommandConfiguration(commandName: "list", abstract: "What was asked for, and what became of it.")
            @OptionGroup var store: StoreOptions
            func run() async throws {
                let now = Int64(Date().timeIntervalSince1970)
                print(try AccessOutput.json(try store.elevations().list(at: now).map(ConditionalDocuments.ElevationShown.init)))
            }
        }

        struct Eligible: AsyncParsableCommand {
            static let configuration = CommandConfiguration(commandName: "eligible", abstract: "Who may take up what.")
            @OptionGroup var store: StoreOptions
            func run() async throws {
                print(try AccessOutput.json(try store.elevations().eligible().map(ConditionalDocuments.Eligible.init)))
            }
        }

        struct Add: AsyncParsableCommand {
            static let configuration = CommandConfiguration(commandName: "add", abstract: "Let somebody take up a role.")
            @OptionGroup var store: StoreOptions
            @Option(help: "user:ID or group:ID.") var principal: String
            @Option(help: "The role.") var role: String
            @Option(help: "Where.") var scope = "/"
            @Option(help: "The longest time at once.") var maximumDuration = "8h"
            @Flag(help: "Nobody needs to approve.") var noApproval = false
            @Flag(help: "One factor is enough.") var noMfa = false
            @Option(
                parsing: .singleValue, help: "Who may approve besides those who hold the action: user:ID, group:ID; may be given again.")
            var approver: [String] = []
            @Option(help: "Why, for people.") var note: String?

            func run() async throws {
                let now = Int64(Date().timeIntervalSince1970)
                guard let who = PrincipalReference(principal) else { throw ValidationError("'\(principal)' is not user:ID or group:ID.") }
                guard let place = AccessScope(scope) else { throw ValidationError("'\(scope)' is not a scope.") }
                let approvers = try approver.map { text in
                    guard let reference = PrincipalReference(text) else { throw ValidationError("'\(text)' is not user:ID or group:ID.") }
                    return reference
                }
                let operations = try store.elevations()
                let longest = try KeyOptions.span(maximumDuration)
                let made = try store.recorded("elevations.eligible.add", target: "\(who) \(role) \(place)", result: { $0.id }) {
                    try operations.makeEligible(
                        who, role: Role(role), scope: place, maximumDuration: longest, needsApproval: !noApproval, needsMFA: !noMfa,
                        approvers: approvers, note: note, at: now)
                }
                print(try AccessOutput.json(ConditionalDocuments.Eligible(made)))
            }
        }

        struct Remove: ActCommand {
            static let configuration = CommandConfiguration(
                commandName: "remove", abstract: "Let him take it up no more; what is active runs out.")
            static let act = "elevations.eligible.remove"
            @Argument var id: String
            @OptionGroup var store: StoreOptions
            var target: String { id }

            func perform(at now: Int64) throws -> String {
                try store.elevations().removeEligible(id)
                return "Removed \(id)."
            }
        }

        struct End: ActCommand {
            static let configuration = CommandConfiguration(commandName: "end", abstract: "End an elevation now.")
            static let act = "elevations.end"
            @Argument var id: String
            @OptionGroup var store: StoreOptions
            var target: String { id }

            func perform(at now: Int64) throws -> String {
                _ = try store.elevations().end(id, by: PrincipalID(operatorName), at: now)
                return "Ended \(id)."
            }
        }
    }
}

extension StoreOptions {
    func conditional() throws -> ConditionalOperations { ConditionalOperations(store: SQLConditionalAccessStore(try identity().database)) }
    func elevations() throws -> ElevationOperations {
        ElevationOperations(store: SQLElevationStore(try identity().database), catalog: try access().catalog)
    }

    /// For acts that only the command line does: asks for a second person's approval, or uses it.
    func awaitSecondPerson(_ area: FourEyes.Area, _ act: String, target: String) throws {
        guard try isUnderFourEyes(area) else { return }
        let (database, vault) = try opened()
        let eyes = FourEyes(areas: [area], store: SQLChangeStore(database), sealing: vault)
        do {
            try eyes.awaitApproval(
                of: act, target: target, by: PrincipalID("os-user:\(NSUserName())"), at: Int64(Date().timeIntervalSince1970))
        } catch let fault as Fault { throw ValidationError(fault.message) }
    }

    /// By the configuration that was named, or by the one of the gateway whose data it is: leaving it out must not leave the second person out.
    private func isUnderFourEyes(_ area: FourEyes.Area) throws -> Bool {
        let named = try config.map { try LoadedConfiguration.required($0).plan.access.fourEyes } ?? []
        if named.contains(area) { return true }
        return FourEyesMarker.areas(in: try directory()).contains(area.rawValue)
    }

    /// Where a change takes two people, one at the command line is not enough.
    func refuseUnderFourEyes(_ area: FourEyes.Area) throws {
        guard try isUnderFourEyes(area) else { return }
        throw ValidationError(
            "This takes a second person ('access.fourEyes' holds '\(area.rawValue)'): ask for it at the administrative surface.")
    }
}
