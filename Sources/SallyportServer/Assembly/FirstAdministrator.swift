import Foundation
import SallyportCore
import SallyportIdentity

/// The first start's administrator: an account without a password, and a link that works once, in a file that only the operator of the
/// machine can read. Whoever uses it first gets the role.
package struct FirstAdministrator: Sendable {
    package static let name = "admin"

    private let accounts: AccountOperations
    private let access: any AccessStore
    private let dataDirectory: String

    package init(accounts: AccountOperations, access: any AccessStore, dataDirectory: String) {
        self.accounts = accounts
        self.access = access
        self.dataDirectory = dataDirectory
    }

    package static func file(in dataDirectory: String) -> String { dataDirectory + "/first-administrator-link" }

    /// As long as no account has ever had a password or a passkey. Blocks.
    package func isNeeded() throws -> Bool {
        let known = try accounts.list()
        guard known.allSatisfy({ $0.passwordHash == nil }) else { return false }
        // Accounts made by hand are somebody's plan; only our own is offered again.
        return known.isEmpty || known.map(\.name) == [Self.name]
    }

    /// Gives the role, as long as nobody has ever signed in here: a link made later for this account gives nothing.
    package func grant(at now: Int64) throws {
        guard try isNeeded() else { return }
        let reference = PrincipalReference(.user, AccountRecord.principalPrefix + Self.name)
        let isGiven = try access.allAssignments().contains {
            $0.principal == reference && $0.role == .administrator && $0.scope == .organisation && $0.effect == .allow
        }
        guard !isGiven else { return }
        try access.insert(
            RoleAssignment(
                id: UUID().uuidString.lowercased(), principal: reference, role: .administrator, scope: .organisation, createdAt: now,
                note: "first start"))
    }

    /// Every start makes a new link; the former works no more. Blocks.
    /// - Returns: the file that the link was written to.
    package func offer(at now: Int64, publicURL: String) throws -> String {
        if try accounts.list().isEmpty { _ = try accounts.create(Self.name, displayName: "Administrator", at: now) }
        let link = "\(publicURL)/setup?link=\(try accounts.makeLink(for: Self.name, at: now))\n"
        let path = Self.file(in: dataDirectory)
        try? FileManager.default.removeItem(atPath: path)
        let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw Fault(.storeUnavailable, "The administrator's link cannot be written to \(path).") }
        defer { close(file) }
        let bytes = Array(link.utf8)
        guard write(file, bytes, bytes.count) == bytes.count else {
            throw Fault(.storeUnavailable, "The administrator's link cannot be written to \(path).")
        }
        return path
    }
}
