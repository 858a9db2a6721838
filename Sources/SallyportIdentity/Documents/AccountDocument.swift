import SallyportCore

/// A local account as it is written in JSON: nothing of what it signs in with but how much there is of it.
package struct AccountDocument: Codable, Sendable {
    package let name: String
    package let displayName: String
    package let principal: String
    package let hasPassword: Bool
    package let passkeys: Int
    package let totp: Bool
    package let recoveryCodes: Int
    package let createdAt: String
    package let disabledAt: String?

    package init(_ account: AccountRecord, factors: [AccountFactor]) {
        name = account.name
        displayName = account.displayName
        principal = account.principal.rawValue
        hasPassword = account.passwordHash != nil
        passkeys = factors.filter { $0.kind == .passkey }.count
        totp = factors.contains { $0.kind == .totp }
        recoveryCodes = factors.filter { $0.kind == .recovery }.count
        createdAt = Moments.date(account.createdAt)
        disabledAt = account.disabledAt.map(Moments.date)
    }
}
