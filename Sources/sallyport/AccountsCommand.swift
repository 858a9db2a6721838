import ArgumentParser
import Foundation
import SallyportCore
import SallyportIdentity
import SallyportServer
import SallyportStorage

struct AccountsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "accounts", abstract: "Local accounts of the administrative surface, and sessions.",
        discussion: "People set their own passwords and second factors: an account is given to its person by a link that works once.",
        subcommands: [
            List.self, Create.self, Link.self, Disable.self, Enable.self, Unlock.self, Delete.self, Sessions.self, EndSessions.self,
        ])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "All accounts, with how much each signs in with.")
        @OptionGroup var store: StoreOptions
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            let accounts = try store.accounts()
            let found = try accounts.list().map { ($0, try accounts.factors(of: $0.name)) }
            if json { return print(try AccessOutput.json(found.map { AccountDocument($0.0, factors: $0.1) })) }
            guard !found.isEmpty else { return print("There are no accounts. A gateway that starts offers the first one by a link.") }
            for (account, factors) in found {
                let kinds = Set(factors.map(\.kind.rawValue)).sorted().joined(separator: "+")
                print(
                    [
                        account.name, account.displayName, account.passwordHash == nil ? "no password" : "password",
                        kinds.isEmpty ? "no second factor" : kinds, account.disabledAt == nil ? "" : "disabled",
                    ].filter { !$0.isEmpty }.joined(separator: "  "))
            }
        }
    }

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make an account, and a link that its person sets it up with.",
            discussion: "It holds no rights: give it a role with 'sallyport access assignments add --principal user:local:NAME'.")
        @Argument(help: "What is typed at sign-in: small letters, digits and . _ - @.") var name: String
        @OptionGroup var store: StoreOptions
        @Option(help: "What people see.") var displayName: String?

        func run() async throws {
            let now = Int64(Date().timeIntervalSince1970)
            let accounts = try store.accounts()
            let secret = try store.recorded("accounts.create", target: name) {
                _ = try accounts.create(name, displayName: displayName, at: now)
                return try accounts.makeLink(for: name, at: now)
            }
            print(try store.link(secret))
        }
    }

    struct Link: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "For whoever lost what he signs in with: takes password, factors and sessions away, and makes a new link.")
        @Argument var name: String
        @OptionGroup var store: StoreOptions

        func run() async throws {
            let now = Int64(Date().timeIntervalSince1970)
            let (accounts, sessions) = (try store.accounts(), try store.sessions())
            let secret = try store.recorded("accounts.link", target: name) {
                try accounts.reset(name)
                try sessions.endAll(of: PrincipalID(AccountRecord.principalPrefix + name))
                return try accounts.makeLink(for: name, at: now)
            }
            print(try store.link(secret))
        }
    }

    struct Disable: ActCommand {
        static let configuration = CommandConfiguration(abstract: "Nobody signs in with it; its sessions end.")
        static let act = "accounts.disable"
        @Argument var name: String
        @OptionGroup var store: StoreOptions
        var target: String { name }

        func perform(at now: Int64) throws -> String {
            try store.accounts().disable(name, at: now)
            try store.sessions().endAll(of: PrincipalID(AccountRecord.principalPrefix + name))
            return "Disabled \(name)."
        }
    }

    struct Enable: ActCommand {
        static let configuration = CommandConfiguration(abstract: "Let it sign in again.")
        static let act = "accounts.enable"
        @Argument var name: String
        @OptionGroup var store: StoreOptions
        var target: String { name }

        func perform(at now: Int64) throws -> String {
            try store.accounts().enable(name)
            return "Enabled \(name)."
        }
    }

    struct Unlock: ActCommand {
        static let configuration = CommandConfiguration(abstract: "Forget the account's failed sign-ins.")
        static let act = "accounts.unlock"
        @Argument var name: String
        @OptionGroup var store: StoreOptions
        var target: String { name }

        func perform(at now: Int64) throws -> String {
            try store.accounts().unlock(name)
            return "Unlocked \(name)."
        }
    }

    struct Delete: ActCommand {
        static let configuration = CommandConfiguration(abstract: "Remove an account with its factors and sessions.")
        static let act = "accounts.delete"
        @Argument var name: String
        @OptionGroup var store: StoreOptions
        var target: String { name }

        func perform(at now: Int64) throws -> String {
            try store.accounts().remove(name)
            return "Removed \(name)."
        }
    }

    struct Sessions: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Who is signed in.")
        @OptionGroup var store: StoreOptions

        private struct Line: Encodable {
            let id: String
            let principal: String
            let createdAt: String
            let lastUsedAt: String
        }

        func run() async throws {
            let sessions = try store.sessions().list(of: nil, at: Int64(Date().timeIntervalSince1970))
            print(
                try AccessOutput.json(
                    sessions.map {
                        Line(
                            id: $0.id, principal: $0.principal.rawValue, createdAt: Moments.date($0.createdAt),
                            lastUsedAt: Moments.date($0.lastUsedAt))
                    }))
        }
    }

    struct EndSessions: ActCommand {
        static let configuration = CommandConfiguration(abstract: "Sign somebody out everywhere.")
        static let act = "session.end-all"
        @Argument(help: "The principal's id, as records show it (local:NAME, issuer:subject).") var principal: String
        @OptionGroup var store: StoreOptions
        var target: String { principal }

        func perform(at now: Int64) throws -> String { "Ended \(try store.sessions().endAll(of: PrincipalID(principal)))." }
    }
}

extension StoreOptions {
    /// What the command line does needs no sealed value, so no vault is opened for it.
    func accounts() throws -> AccountOperations {
        AccountOperations(store: SQLAccountStore(try identity().database), sealing: ClosedSealer(), hashing: NoPasswords())
    }

    func sessions() throws -> SessionDesk {
        let database = try identity().database
        return SessionDesk(store: SQLSessionStore(database), accounts: SQLAccountStore(database), sealing: ClosedSealer())
    }

    /// Where the link leads; without a configuration only its end is known.
    func link(_ secret: String) throws -> String {
        guard let config, let console = try LoadedConfiguration.required(config).plan.console else { return "/setup?link=\(secret)" }
        let plan = try LoadedConfiguration.required(config).plan
        let base = console.publicURL ?? "\(plan.tls == nil ? "http" : "https")://localhost:\(console.listen.port)"
        return "\(base)/setup?link=\(secret)"
    }

    /// Nobody types a password at the command line.
    private struct NoPasswords: PasswordHashing {
        func hash(_ password: [UInt8]) throws -> String { throw Fault(.internal, "Passwords are set in a browser.") }
        func verify(_ password: [UInt8], against hash: String) throws -> Bool { throw Fault(.internal, "Passwords are set in a browser.") }
    }
}
