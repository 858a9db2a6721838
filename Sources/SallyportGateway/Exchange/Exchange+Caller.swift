import NIOCore
import SallyportCore
import SallyportIdentity
import SallyportOversight

/// Who is calling: a key, a token, or the certificate that the connection was opened with. All from memory; only an issuer's key that is not here
/// yet, or the first request of a principal, makes the head wait.
extension Exchange {
    /// - Returns: nil when the answer takes a while: ``begin()`` goes on then by itself.
    /// - Throws: ``Unauthenticated``.
    func recogniseCaller(mayWait: Bool) throws -> Principal? {
        let presented: Substring?
        do { presented = try HeaderRules.presented(in: head.headers) } catch { throw Unauthenticated(Fault.invalidKey, .unknownCredential) }
        let now = runtime.parts.clock().seconds
        let identity = runtime.parts.identity
        let principal: Principal
        if let presented {
            if identity.tokens.hasIssuers, TokenGate.isToken(presented) {
                guard let found = try holder(of: presented, at: now, mayWait: mayWait) else { return nil }
                principal = found
            } else {
                principal = try holder(ofKey: presented, at: now)
            }
        } else if let certificate = source.certificate {
            do { principal = try identity.certificates.principal(presenting: certificate, at: now) } catch {
                throw Unauthenticated(error as? Fault ?? Fault.invalidKey, .unknownCredential)
            }
        } else {
            throw Unauthenticated(Fault.invalidKey, .missingCredential)
        }
        do { rights = try identity.access.check(principal, at: now).rights(of: principal) } catch let fault as Fault {
            throw Unauthenticated(fault, .revokedCredential)
        }
        return principal
    }

    private func holder(ofKey key: Substring, at now: Int64) throws -> Principal {
        guard snapshot.configuration.acceptsKeys else { throw Unauthenticated(Fault.keysDisabled, .unknownCredential) }
        do { return try runtime.parts.authenticator.principal(presenting: key, at: now) } catch let used as HoneyKeyUsed {
            noteHoneyKey(used)
            throw Unauthenticated(used.fault, .unknownCredential)
        } catch {
            let fault = error as? Fault ?? Fault.invalidKey
            throw Unauthenticated(fault, fault.message.contains("expired") ? .expiredCredential : .unknownCredential)
        }
    }

    private func holder(of token: Substring, at now: Int64, mayWait: Bool) throws -> Principal? {
        let identity = runtime.parts.identity
        switch identity.tokens.answer(to: token, at: now, revocations: identity.access.revocations, on: eventLoop, mayWait: mayWait) {
        case .accepted(let token): return token.principal
        case .refused(let refusal):
            identity.counters.note(refusal)
            challenge = "Bearer error=\"invalid_token\", error_description=\"\(refusal.rawValue)\""
            switch refusal {
            case .keysUnavailable:
                throw Unauthenticated(
                    Fault(.storeUnavailable, "The keys of the token's issuer cannot be had at the moment.", retryAfter: .seconds(5)),
                    .unknownCredential)
            case .expired: throw Unauthenticated(Fault.invalidToken, .expiredCredential)
            case .revoked: throw Unauthenticated(Fault.invalidToken, .revokedCredential)
            case .overage:
                throw Unauthenticated(Fault(.invalidToken, "Unauthorized. Access denied: \(refusal.rawValue)."), .unknownCredential)
            default: throw Unauthenticated(Fault.invalidToken, .unknownCredential)
            }
        case .waiting(let future):
            isWaiting = true
            future.assumeIsolated().whenComplete { [self] _ in resume { try recogniseCaller(mayWait: false) } }
            return nil
        }
    }

    /// A principal that was never here has no secret for commitments yet: it is made before anything goes on record.
    /// - Returns: false when that takes a while.
    func prepareSubject(of principal: Principal) -> Bool {
        let (subjects, id, tenant) = (runtime.parts.subjects, principal.id.rawValue, principal.tenant)
        subjectKey = subjects.key(of: id, tenant: tenant)
        guard subjectKey == nil else { return true }
        isWaiting = true
        runtime.parts.pool.runIfActive(eventLoop: eventLoop) { try subjects.prepare([(id, tenant)]) }.assumeIsolated().whenComplete {
            [self] result in
            resume {
                do { try result.get() } catch {
                    // The vault says itself why it gives no key out.
                    throw error as? Fault
                        ?? Fault(.storeUnavailable, "The gateway's database is not available. Try again shortly.", retryAfter: .seconds(1))
                }
                return principal
            }
        }
        return false
    }

    /// Goes on with a head that waited.
    private func resume(_ step: () throws -> Principal?) {
        // The caller may have left meanwhile.
        guard phase == .head else { return }
        isWaiting = false
        do {
            guard let principal = try step(), try accept(principal) else { return }
            responder.headIsAccepted()
        } catch {
            refuse(error, bodyIsUnread: true)
        }
    }

    /// The use of a key that was laid out for thieves. The answer does not wait for the record: it must look like any other refusal.
    private func noteHoneyKey(_ used: HoneyKeyUsed) {
        runtime.parts.identity.counters.noteHoneyKey()
        var record = AuditRecord(.securityAlert, id: id)
        record.tenant = used.tenant
        record.principal = used.principal
        record.key = used.key
        record.sourceAddress = source.text
        record.userAgent = head.headers.first(name: "user-agent")
        record.operation = "honey-key.used"
        record.verdict = .refused
        _ = runtime.parts.audit.append(record.encoded(), on: eventLoop)
        runtime.parts.logger.warning("a honey key was used", metadata: ["key.id": "\(used.key)", "exchange.id": "\(id)"])
    }
}

/// Nobody was recognised: counted with others of its kind instead of recorded one by one.
struct Unauthenticated: Error {
    let fault: Fault
    let reason: RefusalAggregator.Reason

    init(_ fault: Fault, _ reason: RefusalAggregator.Reason) {
        self.fault = fault
        self.reason = reason
    }
}
