import Foundation
import Logging
import NIOConcurrencyHelpers
import NIOCore
import SallyportCore
import SallyportIdentity
import SallyportOversight
import SallyportWire

/// One request from its head to its answer: network, path, caller, right, body, record, work. Knows nothing of the server beneath.
struct ConsoleResponder: Sendable {
    struct Incoming: Sendable {
        let method: String
        let target: String
        /// `Host`, or the `:authority` that stands for it.
        let host: String?
        let headers: HeaderFields
        let peer: IPAddress?
        let isSecured: Bool
        let certificate: [UInt8]?
        /// Reads the body up to so many bytes.
        let body: @Sendable (Int) async throws -> [UInt8]
    }

    private let services: ConsoleServices
    private let router: ConsoleRouter
    private let door: ConsoleDoor
    private let underWay = NIOLockedValueBox(0)
    /// Requests with long bodies at one time: each is held in memory whole.
    private let longBodies = NIOLockedValueBox(0)
    private static let longBody = 2 << 20
    private static let mostLongBodies = 4

    /// Bodies that are waited for before anything is proved.
    private let strangers: StrangersBodies

    init(_ services: ConsoleServices, routes: [BoundRoute]) {
        self.services = services
        strangers = StrangersBodies(atMost: services.settings.maximumRequests / 2)
        router = ConsoleRouter(routes)
        door = ConsoleDoor(services: services)
    }

    func answer(to incoming: Incoming) async -> ConsoleAnswer {
        let id = UUID().uuidString.lowercased()
        var answer: ConsoleAnswer
        let isAdmitted = underWay.withLockedValue { count in
            guard count < services.settings.maximumRequests else { return false }
            count += 1
            return true
        }
        if isAdmitted {
            answer = await judged(incoming, id)
            underWay.withLockedValue { $0 -= 1 }
        } else {
            answer = ConsoleRefusal(503, "ServiceUnavailable", "Too many requests at once.", headers: [("retry-after", "1")]).answer
        }
        answer.headers.append(("x-request-id", id))
        Self.secure(&answer, services.settings)
        if incoming.method == "HEAD" { answer.body = ByteBuffer() }
        return answer
    }

    private func judged(_ incoming: Incoming, _ id: String) async -> ConsoleAnswer {
        do { return try await respond(to: incoming, id) } catch let refusal as ConsoleRefusal {
            return shown(refusal, incoming)
        } catch let fault as Fault {
            if fault.code == .internal || fault.cause != nil {
                services.logger.error(
                    "an administrative request failed",
                    metadata: [
                        "request.id": "\(id)", "fault.code": "\(fault.code.rawValue)",
                        "cause.type": "\(fault.cause.map { "\(type(of: $0))" } ?? "none")",
                    ])
            }
            return shown(ConsoleRefusal(fault), incoming)
        } catch {
            services.logger.error(
                "an administrative request failed", metadata: ["request.id": "\(id)", "error.type": "\(type(of: error))"])
            return shown(ConsoleRefusal(500, "InternalServerError", "The request failed; the operator's log has its id \(id)."), incoming)
        }
    }

    /// A browser that is not signed in is led to the sign-in page, and is told in a page what went wrong; programs get the error.
    private func shown(_ refusal: ConsoleRefusal, _ incoming: Incoming) -> ConsoleAnswer {
        let wantsPage = (incoming.headers.first("accept") ?? "").contains("text/html") && incoming.headers.first("authorization") == nil
        guard wantsPage, services.sessions != nil else { return refusal.answer }
        if refusal.status == 401, refusal.code != "InsufficientClaims", incoming.method == "GET" { return .redirect(to: "/signin") }
        let isForPrograms = ["/api/", "/scim/"].contains { incoming.target.hasPrefix($0) }
        return isForPrograms ? refusal.answer : refusal.page
    }

    private func respond(to incoming: Incoming, _ id: String) async throws -> ConsoleAnswer {
        // The first one was taken off; a second one means that somebody on the way may have read another.
        guard !incoming.headers.contains("host"), incoming.host != nil else {
            throw ConsoleRefusal(400, "InvalidRequest", "A request names its host once.")
        }
        let now = services.clock()
        let address = try services.callerAddress(incoming.peer, incoming.headers.all("x-forwarded-for"))
        if let fault = services.refusal(address) { throw fault }
        let path: CanonicalPath
        do { path = try CanonicalPath(parsing: incoming.target) } catch {
            throw ConsoleRefusal(400, "InvalidRequest", "The path is not written in its one plain form.")
        }
        guard !path.hasTrailingSlash else { throw Self.nothing }
        let finding = router.find(incoming.method, path.segments)
        let route: BoundRoute
        let parameters: [String: String]
        switch finding {
        case .found(let found, let values): (route, parameters) = (found, values)
        case .otherMethods(let methods):
            throw ConsoleRefusal(
                405, "MethodNotAllowed", "This path answers \(methods.joined(separator: ", ")).",
                headers: [("allow", methods.joined(separator: ", "))])
        case .nothing: throw Self.nothing
        }
        var caller: ConsoleDoor.Caller?
        if route.row.access != .open {
            caller = try await door.caller(incoming.headers, certificate: incoming.certificate, address: address, now: now)
            guard caller != nil else {
                throw ConsoleRefusal(
                    401, "AuthenticationFailed", "Authentication failed: show a key, a token, a client certificate or a session.",
                    headers: [("www-authenticate", "Bearer")])
            }
        }
        let needsToken = try checkBrowser(incoming, route, caller)
        if let caller, let session = caller.session {
            try await checkAge(
                of: session, caller.principal,
                services.context(of: caller.principal, operation: route.row.operation, parameters: parameters, address: address, now: now),
                id)
        }
        if let caller, route.row.action != nil || route.row.isProving {
            guard !services.settings.lacksFactor(caller.session) else { throw ConsoleRefusal.secondFactor }
            let context = services.context(
                of: caller.principal, operation: route.row.operation, parameters: parameters, address: address, now: now)
            if let action = route.row.action {
                guard caller.rights.decision(on: action, .management, in: context).isAllowed else {
                    throw ConsoleRefusal.lacks(action, caller.principal.id)
                }
            }
            try await checkConditions(caller.principal, context, id)
        }
        let isLong = route.row.isWrite && route.row.maximumBody > Self.longBody
        if isLong {
            let isAdmitted = longBodies.withLockedValue { count in
                guard count < Self.mostLongBodies else { return false }
                count += 1
                return true
            }
            guard isAdmitted else {
                throw ConsoleRefusal(503, "ServiceUnavailable", "Too many long requests at once.", headers: [("retry-after", "5")])
            }
        }
        defer { if isLong { longBodies.withLockedValue { $0 -= 1 } } }
        // Only now is anything read that a stranger sent.
        let body = route.row.isWrite ? try await read(incoming, route, isOpen: caller == nil, from: address) : []
        let call = ConsoleCall(
            id: id, row: route.row, path: path.segments, parameters: parameters, query: path.query, headers: incoming.headers, body: body,
            principal: caller?.principal, session: caller?.session, address: address, isSecured: incoming.isSecured, rights: caller?.rights,
            now: now, logger: services.logger, services: services)
        // The token is a second proof, for browsers that send no `Origin`: scripts carry it in a header, forms in a field.
        if needsToken, let session = caller?.session {
            let token = try call.headers.first("x-sallyport-csrf") ?? (call.isForm ? call.form()["csrf"] : nil)
            guard let token, session.accepts(csrf: token) else { throw Self.foreign }
        }
        let answer = try await route.answer(call)
        // What changed something without a record is a mistake of ours; nobody may build on it.
        if route.row.act != nil, route.row.isWrite, answer.status < 400, call.records.withLockedValue({ $0 }) == 0 {
            services.logger.error("an administrative act was not recorded", metadata: ["operation": "\(route.row.operation)"])
            throw Fault(.internal, "The act could not be put on record.")
        }
        return answer
    }

    private func read(_ incoming: Incoming, _ route: BoundRoute, isOpen: Bool, from address: IPAddress?) async throws -> [UInt8] {
        guard isOpen else { return try await incoming.body(route.row.maximumBody) }
        guard let place = strangers.enter(address) else {
            throw ConsoleRefusal(
                503, "ServiceUnavailable", "Too many requests of people who are not signed in, from this network or from all.",
                headers: [("retry-after", "5")])
        }
        defer { strangers.leave(place) }
        return try await incoming.body(route.row.maximumBody)
    }

    /// Sessions that conditional access allows for a while only, on every page: what is over is ended, and on record.
    private func checkAge(of session: ConsoleSession, _ principal: Principal, _ context: AccessContext, _ id: String) async throws {
        guard let policies = services.conditional.inForce, policies.limitsSessions, let sessions = services.sessions else { return }
        let roles = policies.asksForRoles ? services.access.snapshot.roles(of: principal, in: context) : principal.roles
        let endings = policies.endings(
            ofSession: context.now - session.begunAt, of: principal, roles: roles, in: ConditionalContext(.console, context))
        guard let ending = endings.first else { return }
        var record = AuditRecord(.adminAct, id: id)
        record.tenant = principal.tenant
        record.principal = principal.id
        record.sourceAddress = context.address.map { "\($0)" }
        record.operation = "session.end"
        record.details = [(name: "target", value: session.id), (name: "policy", value: ending.policy)]
        try await services.record(record)
        // Two requests at once: one of them ends it.
        _ = try? await services.pool.runIfActive { try sessions.end(id: session.id, tenant: principal.tenant) }
        throw ConsoleRefusal(
            401, "SessionOver", "The conditional access policy '\(ending.policy)' has ended this session: sign in anew.",
            headers: [("www-authenticate", "Bearer")])
    }

    /// Conditional access, for everything that takes an action or decides about others; a person's own pages stay open, so that he can bring
    /// what is demanded.
    private func checkConditions(_ principal: Principal, _ context: AccessContext, _ id: String) async throws {
        guard let policies = services.conditional.inForce else { return }
        let roles = policies.asksForRoles ? services.access.snapshot.roles(of: principal, in: context) : principal.roles
        let outcome = policies.outcome(for: principal, roles: roles, in: ConditionalContext(.console, context))
        for finding in outcome.reported where services.conditional.reports.isDue(finding, principal.id, at: context.now) {
            var record = AuditRecord(.accessReport, id: id)
            record.tenant = principal.tenant
            record.principal = principal.id
            record.sourceAddress = context.address.map { "\($0)" }
            record.operation = context.operation
            record.reason = finding.demand.rawValue
            record.details = [(name: "policy", value: finding.policy)]
            try await services.record(record)
        }
        guard !outcome.isAllowed else { return }
        guard let challenge = outcome.challenge(at: context.now) else { throw ConsoleRefusal(403, "AccessBlocked", outcome.sentence) }
        throw ConsoleRefusal(401, "InsufficientClaims", outcome.sentence, headers: [("www-authenticate", challenge)])
    }

    /// What a page of another site could make a browser do: everything that comes with a cookie or a client certificate, and the sign-in pages
    /// themselves. A program with a certificate says nothing of a page, and may know this surface by another name.
    /// - Returns: whether the request must carry the session's second token.
    private func checkBrowser(_ incoming: Incoming, _ route: BoundRoute, _ caller: ConsoleDoor.Caller?) throws -> Bool {
        // A browser sends cookies by itself, and client certificates too.
        let isByItself = try caller != nil && ConsoleDoor.presented(in: incoming.headers) == nil
        guard isByItself || route.row.operation.hasPrefix("SignIn_") else { return false }
        let isByCookie = isByItself && caller?.session != nil
        guard services.settings.accepts(host: incoming.host) || isByItself && !isByCookie else {
            throw ConsoleRefusal(421, "MisdirectedRequest", "This surface is not served under that name.")
        }
        guard route.row.isWrite else { return false }
        if let origin = incoming.headers.first("origin") {
            guard services.settings.accepts(origin: origin) else { throw Self.foreign }
        } else if let site = incoming.headers.first("sec-fetch-site") {
            guard site == "same-origin" || site == "none" else { throw Self.foreign }
        }
        return isByCookie
    }

    private static let foreign = ConsoleRefusal(403, "CrossSiteRequest", "The request does not come from a page of this site.")
    private static let nothing = ConsoleRefusal(404, "ResourceNotFound", "There is nothing here.")

    /// No answer of this surface is kept by anything on its way, framed, sniffed, or allowed to run a stranger's script.
    private static func secure(_ answer: inout ConsoleAnswer, _ settings: ConsoleSettings) {
        var fields = HeaderFields(answer.headers)
        fields.set("cache-control", "no-store")
        fields.set("x-content-type-options", "nosniff")
        fields.set("x-frame-options", "DENY")
        // Not `no-referrer`: with that, browsers send `Origin: null` with the forms of our own pages.
        fields.set("referrer-policy", "same-origin")
        fields.set("cross-origin-opener-policy", "same-origin")
        fields.set("cross-origin-resource-policy", "same-origin")
        fields.set(
            "permissions-policy",
            "camera=(), microphone=(), geolocation=(), publickey-credentials-get=(self), publickey-credentials-create=(self)")
        if !fields.contains("content-security-policy") {
            fields.set(
                "content-security-policy",
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
            )
        }
        if settings.isHTTPS { fields.set("strict-transport-security", "max-age=31536000") }
        answer.headers = fields.fields
    }
}
