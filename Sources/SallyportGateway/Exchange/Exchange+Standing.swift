import NIOCore
import SallyportCore
import SallyportIdentity

/// Continuous evaluation: who was let in must still be who would be let in while his exchange is under way. Asked twice a second, from memory.
extension Exchange {
    /// Ends the exchange when its caller was disabled, revoked, erased, blocked or stripped of the right to it since: a stream by an error
    /// event, what has not begun to be answered by a refusal.
    func confirmCaller() {
        guard isUnderWay, let principal else { return }
        do {
            try confirm(principal)
            try confirmSubject(principal)
        } catch { cut(error) }
    }

    /// Waiting for the upstream, or streaming. A whole answer that is here is judged and sent in one go.
    private var isUnderWay: Bool {
        !outcomeIsBegun && !isCut && (gate != nil ? phase == .answering : phase == .upstream && call != nil)
    }

    private func cut(_ error: any Error) {
        runtime.parts.logger.notice("an exchange under way was cut off: its caller is no longer let in", metadata: ["exchange.id": "\(id)"])
        // First: a call on the way to an answer from documents reports that it was cancelled, and the next step must not be taken.
        isCut = true
        call?.cancel()
        call = nil
        notes.append((name: "cut", value: "the caller is no longer let in"))
        // Not as a credential that was never good: there is an intent on record, and the outcome belongs to it.
        failStream((error as? Unauthenticated)?.fault ?? error)
    }

    private func confirm(_ principal: Principal) throws {
        let now = runtime.parts.clock().seconds
        let configuration = runtime.snapshot.configuration
        if let refusal = configuration.network.refusal(of: source.ip) { throw refusal }
        let identity = runtime.parts.identity
        let access = try identity.access.check(principal, at: now)
        switch principal.credential {
        case .key:
            guard configuration.acceptsKeys else { throw Fault.keysDisabled }
            guard let presented = try HeaderRules.presented(in: head.headers) else { throw Fault.invalidKey }
            do { _ = try runtime.parts.authenticator.principal(presenting: presented, at: now) } catch let fault as Fault {
                // One that ran out was good when it was used; it is taken back that ends what is under way.
                guard principal.expiresAt.map({ $0 <= now && fault.message == KeyDirectory.expired.message }) ?? false else { throw fault }
            }
        case .token:
            guard let presented = try HeaderRules.presented(in: head.headers) else { throw Fault.invalidToken }
            let answer = identity.tokens.answer(
                to: presented, at: now, revocations: identity.access.revocations, on: eventLoop, mayWait: false)
            // The same for tokens; and that an issuer's keys are not here says nothing against one that was verified with them.
            if case .refused(let refusal) = answer, ![.expired, .keysUnavailable, .unknownKey].contains(refusal) {
                throw Fault.invalidToken
            }
        case .certificate:
            guard principal.expiresAt.map({ now < $0 }) ?? true else { break }
            guard let certificate = source.certificate else { throw Fault.invalidKey }
            _ = try identity.certificates.principal(presenting: certificate, at: now)
        case .session: break
        }
        try confirmRight(access.rights(of: principal))
    }

    /// The key that commitments are made with is the caller's as long as nobody erased him; with the vault locked there is none.
    private func confirmSubject(_ principal: Principal) throws {
        let (subjects, id, tenant) = (runtime.parts.subjects, principal.id.rawValue, principal.tenant)
        guard let known = subjectKey, !isConfirmingSubject else { return }
        if let key = subjects.key(of: id, tenant: tenant) {
            guard key == known else { throw Exchange.erased }
            return
        }
        // Thrown out of memory since: whether it still exists the vault knows.
        isConfirmingSubject = true
        runtime.parts.pool.runIfActive(eventLoop: eventLoop) { try subjects.prepare([(id, tenant)]) }.assumeIsolated().whenComplete {
            [self] result in
            isConfirmingSubject = false
            guard isUnderWay else { return }
            switch result {
            case .success: confirmCaller()
            case .failure(let error):
                cut(
                    error as? Fault
                        ?? Fault(.storeUnavailable, "The gateway's database is not available. Try again shortly.", retryAfter: .seconds(1)))
            }
        }
    }

    private static let erased = Fault(.unauthenticated, "Access denied: this principal was erased.")
}
