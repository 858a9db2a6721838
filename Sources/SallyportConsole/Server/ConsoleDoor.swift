import NIOCore
import SallyportCore
import SallyportIdentity
import SallyportOversight

/// Who is calling the administrative surface: by the credentials of the data plane (key, token, client certificate), or by a session.
struct ConsoleDoor: Sendable {
    struct Caller: Sendable {
        let principal: Principal
        let session: ConsoleSession?
        let rights: AccessRights
    }

    let services: ConsoleServices

    /// - Returns: nil when nothing was shown.
    /// - Throws: ``ConsoleRefusal`` 401.
    func caller(_ headers: HeaderFields, certificate: [UInt8]?, address: IPAddress?, now: Int64) async throws -> Caller? {
        let presented = try Self.presented(in: headers)
        let cookie = Self.cookie(services.settings.sessionCookie, in: headers)
        var session: ConsoleSession?
        var principal: Principal
        if let presented {
            if presented.hasPrefix(ConsoleSession.tokenPrefix) {
                // The command line's session: a header, so no page of another site can send it.
                session = try await resume(String(presented), headers, address, now)
                guard let session else { throw Self.unknown }
                principal = session.principal
            } else {
                principal = try await holder(of: presented, at: now)
            }
        } else if let cookie, let found = try await resume(cookie, headers, address, now) {
            session = found
            principal = found.principal
        } else if let certificate {
            do { principal = try services.certificates.principal(presenting: certificate, at: now) } catch { throw Self.unknown }
        } else {
            return nil
        }
        let snapshot: AccessSnapshot
        do { snapshot = try services.access.check(principal, at: now) } catch let fault as Fault {
            throw ConsoleRefusal(fault)
        }
        principal = snapshot.complete(principal)
        if let session {
            let isRevoked = services.access.revocations.revokes(
                token: session.id, of: principal.id, issuedAt: session.createdAt, tenant: principal.tenant)
            guard !isRevoked else { throw Self.unknown }
        }
        let rights = snapshot.rights(of: principal)
        if rights.confinementByAddress(address) != nil {
            throw ConsoleRefusal(Fault(.networkDenied, "This credential may not be used from here."))
        }
        return Caller(principal: principal, session: session, rights: rights)
    }

    private func resume(_ token: String, _ headers: HeaderFields, _ address: IPAddress?, _ now: Int64) async throws -> ConsoleSession? {
        guard let sessions = services.sessions else { return nil }
        let browser = headers.first("user-agent") ?? ""
        return try await services.pool.runIfActive { try sessions.session(token: token, browser: browser, address: address, at: now) }
    }

    private func holder(of credential: Substring, at now: Int64) async throws -> Principal {
        if services.tokens.hasIssuers, TokenGate.isToken(credential) {
            for attempt in 0..<2 {
                let answer = services.tokens.answer(
                    to: credential, at: now, revocations: services.access.revocations, on: services.eventLoop, mayWait: attempt == 0)
                switch answer {
                case .accepted(let token): return token.principal
                case .waiting(let future): try? await future.get()
                case .refused(let refusal):
                    throw ConsoleRefusal(
                        401, "InvalidAuthenticationToken", "The access token is not accepted: \(refusal.rawValue).",
                        headers: [("www-authenticate", "Bearer error=\"invalid_token\", error_description=\"\(refusal.rawValue)\"")])
                }
            }
            throw Self.unknown
        }
        guard services.acceptsKeys() else { throw ConsoleRefusal(Fault(.keysDisabled, "API keys are switched off.")) }
        do { return try services.authenticator.principal(presenting: credential, at: now) } catch let used as HoneyKeyUsed {
            await note(used)
            throw Self.unknown
        } catch let fault as Fault {
            throw ConsoleRefusal(fault)
        }
    }

    private func note(_ used: HoneyKeyUsed) async {
        var record = AuditRecord(.securityAlert, id: used.key.rawValue)
        record.tenant = used.tenant
        record.principal = used.principal
        record.key = used.key
        record.operation = "honey-key.used"
        record.verdict = .refused
        record.details = [(name: "surface", value: "console")]
        // The answer must look like any other refusal; a record that fails must not change it.
        _ = try? await services.audit.append(record.encoded())
        services.logger.warning("a honey key was used", metadata: ["key.id": "\(used.key)"])
    }

    /// Two credentials that differ are no credential.
    static func presented(in headers: HeaderFields) throws -> Substring? {
        var found: Substring?
        for (name, value) in headers.fields {
            let candidate: Substring
            if HeaderFields.sameName(name, "api-key") {
                candidate = Substring(value)
            } else if HeaderFields.sameName(name, "authorization") {
                guard value.utf8.count > 7, HeaderFields.sameName(String(value.prefix(7)), "bearer ") else { throw unknown }
                candidate = value.dropFirst(7)
            } else {
                continue
            }
            guard !candidate.isEmpty, found == nil || found == candidate else { throw unknown }
            found = candidate
        }
        return found
    }

    /// A cookie that stands twice is none: nobody can say which one this site set.
    static func cookie(_ name: String, in headers: HeaderFields) -> String? {
        var found: String?
        for pair in headers.all("cookie").joined(separator: ";").split(separator: ";") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, parts[0].trimmed == name else { continue }
            guard found == nil else { return nil }
            found = String(parts[1].trimmed)
        }
        return found
    }

    private static let unknown = ConsoleRefusal(
        401, "InvalidAuthenticationToken", "The credential is not known, has ended, or was taken back.",
        headers: [("www-authenticate", "Bearer")])
}

extension ConsoleSettings {
    /// `__Host-`: the browser itself refuses it without TLS, for another path, or from a sibling domain.
    var sessionCookie: String { isHTTPS ? "__Host-sallyport-session" : "sallyport-session" }
    var signInCookie: String { isHTTPS ? "__Host-sallyport-signin" : "sallyport-signin" }

    func setCookie(_ name: String, _ value: String, sameSite: String, maximumAge: Int64?) -> String {
        var text = "\(name)=\(value); Path=/; HttpOnly; SameSite=\(sameSite)"
        if isHTTPS { text += "; Secure" }
        if let maximumAge { text += "; Max-Age=\(maximumAge)" }
        return text
    }
}
