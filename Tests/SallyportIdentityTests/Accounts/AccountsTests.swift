import SallyportCore
import SallyportStorage
import Testing

@testable import SallyportIdentity

/// Hashes at once, and lets a test do what somebody else does while a real one takes its time.
private struct QuickHasher: PasswordHashing {
    var meanwhile: @Sendable () throws -> Void = {}

    func hash(_ password: [UInt8]) throws -> String {
        try meanwhile()
        return "hash of " + String(decoding: password, as: UTF8.self)
    }

    func verify(_ password: [UInt8], against hash: String) throws -> Bool { hash == "hash of " + String(decoding: password, as: UTF8.self) }
}

@Suite struct AccountsTests {
    private let store: SQLAccountStore
    private let sessions: SessionDesk
    private let now: Int64 = 1_767_000_000
    private let password = "correct horse battery"

    init() throws {
        let database = try SQLiteDatabase(.temporary)
        store = SQLAccountStore(database)
        sessions = SessionDesk(store: SQLSessionStore(database), accounts: store, sealing: ClearSealer())
    }

    private func accounts(_ meanwhile: @escaping @Sendable () throws -> Void = {}) -> AccountOperations {
        AccountOperations(store: store, sealing: ClearSealer(), hashing: QuickHasher(meanwhile: meanwhile))
    }

    private func made(_ name: String = "ann") throws {
        _ = try accounts().create(name, displayName: nil, at: now)
        _ = try accounts().redeem(try accounts().makeLink(for: name, at: now), password: password, at: now)
    }

    // MARK: What happens meanwhile

    @Test func whoIsDisabledWhileHisPasswordIsHashedStaysSo() throws {
        try made()
        let store = store
        let disabling = accounts { _ = try store.setDisabled(5, of: "ann", tenant: .default) }
        #expect(throws: Fault.self) { try disabling.setPassword("another horse battery", of: "ann") }
        #expect(try store.account("ann", tenant: .default)?.disabledAt == 5)
        #expect(try accounts().verify("ann", password: password) == nil)
        try accounts().enable("ann")
        #expect(try accounts().verify("ann", password: password) != nil, "the former password")
    }

    @Test func aLinkIsWorthNothingToWhoIsDisabledMeanwhile() throws {
        _ = try accounts().create("ann", displayName: nil, at: now)
        let link = try accounts().makeLink(for: "ann", at: now)
        let store = store
        let disabling = accounts { _ = try store.setDisabled(5, of: "ann", tenant: .default) }
        #expect(throws: Fault.self) { try disabling.redeem(link, password: password, at: now) }
        #expect(try store.account("ann", tenant: .default)?.passwordHash == nil)
        #expect(try store.account("ann", tenant: .default)?.disabledAt == 5)
    }

    @Test func aPasswordThatWasTakenAwayMeanwhileDoesNotComeBack() throws {
        try made()
        let store = store
        let resetting = accounts { _ = try store.reset("ann", tenant: .default) }
        #expect(throws: Fault.self) { try resetting.setPassword("another horse battery", of: "ann") }
        #expect(try store.account("ann", tenant: .default)?.passwordHash == nil)
    }

    @Test func aResetTakesEverythingAway() throws {
        try made()
        _ = try accounts().makeRecoveryCodes(for: "ann", at: now)
        let link = try accounts().makeLink(for: "ann", at: now)
        let opened = try open()
        try accounts().reset("ann")
        #expect(try store.factors(of: "ann", tenant: .default).isEmpty)
        #expect(throws: Fault.self) { try accounts().account(ofLink: link, at: now) }
        #expect(try sessions.session(token: opened.token, browser: "b", address: nil, at: now) == nil)
        #expect(throws: Fault.self) { try accounts().reset("nobody") }
    }

    @Test func whatWasAddedSinceTheLinkWasMadeIsNotItsHolders() throws {
        try made()
        try accounts().reset("ann")
        let link = try accounts().makeLink(for: "ann", at: now)
        _ = try accounts().makeRecoveryCodes(for: "ann", at: now)
        _ = try accounts().redeem(link, password: password, at: now)
        #expect(try store.factors(of: "ann", tenant: .default).isEmpty)
    }

    // MARK: Sessions

    private func open(at moment: Int64? = nil, signedIn: Int64? = nil) throws -> (token: String, session: ConsoleSession) {
        let principal = Principal(
            id: "local:ann", credential: .session(issuer: nil), isService: false, roles: [], authenticatedAt: signedIn)
        return try sessions.open(
            .init(principal: principal, name: "Ann", account: "ann", methods: ["pwd"], browser: "b", address: nil), at: moment ?? now)
    }

    @Test func whatFollowsFromASessionIsAsOldAndOverWhenItIs() throws {
        try made()
        var (token, session) = try open()
        for step in 1...5 {
            let moment = now + Int64(step) * 1000
            let opening = SessionDesk.Opening(following: session, methods: ["pwd"], browser: "b", address: nil)
            let next = try sessions.open(opening, at: moment)
            try sessions.end(token: token)
            (token, session) = next
            #expect(session.createdAt == moment && session.begunAt == now && session.principal.authenticatedAt == now)
            #expect(session.principal.expiresAt == now + sessions.policy.absolute)
        }
        let read = try #require(try sessions.session(token: token, browser: "b", address: nil, at: now + 6000))
        #expect(read.begunAt == now && read.principal.authenticatedAt == now && read.principal.expiresAt == now + sessions.policy.absolute)
    }

    @Test func nothingFollowsFromASessionThatIsOver() throws {
        try made()
        let (token, session) = try open()
        let opening = SessionDesk.Opening(following: session, methods: ["pwd"], browser: "b", address: nil)
        try sessions.end(token: token)
        #expect(throws: Fault.self) { try sessions.open(opening, at: now + 1) }
    }

    @Test func aSignInElsewhereIsAsOldAsItsProviderSays() throws {
        try made()
        #expect(try open(signedIn: now - 7200).session.principal.authenticatedAt == now - 7200)
        #expect(try open(signedIn: now + 7200).session.principal.authenticatedAt == now, "nobody signs in tomorrow")
    }

    // MARK: Guessing

    private let address = IPAddress("192.0.2.1")

    private func wait(_ throttle: SignInThrottle, _ name: String, _ guess: SignInThrottle.Guess = .password) -> Bool {
        do { try throttle.begin(name, guessing: guess, from: address, at: now) } catch { return true }
        return false
    }

    @Test func aNameWithTheMarkOfACodeInFrontIsNoGuessAtCodes() throws {
        try made()
        let throttle = SignInThrottle(store)
        for _ in 0..<40 { try? throttle.begin("code:ann", from: address, at: now) }
        #expect(wait(throttle, "code:ann"), "it is counted as the name that it is")
        #expect(!wait(throttle, "ann", .code) && !wait(throttle, "ann"))
        for _ in 0..<40 { try? throttle.begin("ann", guessing: .code, from: address, at: now) }
        #expect(wait(throttle, "ann", .code) && !wait(throttle, "ann"))
        // Nor does success with it forgive guesses at codes.
        try throttle.succeeded("code:ann", from: address)
        #expect(wait(throttle, "ann", .code))
    }

    @Test func unlockingForgetsGuessesAtPasswordsAndCodesFromEverywhere() throws {
        try made()
        try made("anna")
        let throttle = SignInThrottle(store)
        for name in ["ann", "anna"] {
            for guess in [SignInThrottle.Guess.password, .code] {
                for _ in 0..<6 { try? throttle.begin(name, guessing: guess, from: address, at: now) }
                #expect(wait(throttle, name, guess))
            }
        }
        try accounts().unlock("ann")
        #expect(!wait(throttle, "ann") && !wait(throttle, "ann", .code))
        #expect(wait(throttle, "anna") && wait(throttle, "anna", .code), "another account whose name begins so")
    }
}
