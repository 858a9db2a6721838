import SallyportCore
import SallyportIdentity
import SallyportOversight

/// What the routes of privacy stand on, put together by Server. Every method blocks.
package protocol PrivacyServing: Sendable {
    var requests: SubjectRequests { get }
    func pseudonym(of subject: String) throws -> String
    func give(_ purpose: String, version: String, subject: String, evidence: String, at now: Int64) throws
    func withdraw(_ kind: Consent.Kind, purpose: String, subject: String, at now: Int64) throws
    func consents(of subject: String?) throws -> [Consent]
    func publish(_ name: String, text: String, at now: Int64) throws -> Int
    func notices() throws -> [PrivacyNotice]
    func acknowledgements() throws -> [NoticeAcknowledgement]
    func acknowledge(_ name: String, version: Int?, subject: String, at now: Int64) throws -> Int
    func hold(subject: String?, policy: String?, reason: String, by placer: String, reviewAt: Int64, at now: Int64) throws -> LegalHold
    func release(_ id: String, at now: Int64) throws
    func holds() throws -> [LegalHold]
    func stored(of subject: String?, limit: Int) throws -> [StoredExchange]
    func reveal(_ id: String, at now: Int64) throws -> StoredExchange
    /// The record of processing, the data-sharing register, the statistics: JSON.
    func processingJSON() throws -> [UInt8]
    func sharingJSON() throws -> [UInt8]
    func statisticsJSON(by grouping: String, days: Int, at now: Int64) throws -> [UInt8]
    /// The signed report of a request that is over.
    func report(on request: SubjectRequest, rows: [SubjectRow], at now: Int64) throws -> (text: String, digest: String)
}

/// Consents, notices, holds, requests of data subjects, registers: what `sallyport privacy` does. What is everybody's own is under `/api/my`.
package struct PrivacyRoutes: ConsoleRouteGroup {
    /// As the configuration is now.
    let privacy: @Sendable () -> any PrivacyServing

    package init(privacy: @escaping @Sendable () -> any PrivacyServing) { self.privacy = privacy }

    private static let read = ConsoleRow.Access.action("Sallyport/privacy/read")
    private static let write = ConsoleRow.Access.action("Sallyport/privacy/write")

    package static let routes: [ConsoleRoute<Self>] = [
        .init("Privacy_Consents", "GET", "/api/privacy/consents", read, consents),
        .init("Privacy_Consent", "POST", "/api/privacy/consents", write, act: "privacy.consent.give", give),
        .init("Privacy_Withdraw", "POST", "/api/privacy/consents/withdraw", write, act: "privacy.consent.withdraw", withdraw),
        .init("Privacy_Notices", "GET", "/api/privacy/notices", .known, notices),
        .init(
            "Privacy_Publish", "PUT", "/api/privacy/notices/{name}", write, act: "privacy.notices.publish", maximumBody: 1 << 20, publish),
        .init("Privacy_Holds", "GET", "/api/privacy/holds", read, holds),
        .init("Privacy_Hold", "POST", "/api/privacy/holds", write, act: "privacy.holds.place", hold),
        .init("Privacy_Release", "POST", "/api/privacy/holds/{id}/release", write, act: "privacy.holds.release", release),
        .init("Privacy_Requests", "GET", "/api/privacy/requests", read, requests),
        .init("Privacy_Open", "POST", "/api/privacy/requests", write, act: "privacy.requests.open", open),
        .init("Privacy_Request", "GET", "/api/privacy/requests/{id}", read, request),
        .init("Privacy_Verify", "POST", "/api/privacy/requests/{id}/verify", write, act: "privacy.requests.verify", verify),
        .init("Privacy_Search", "POST", "/api/privacy/requests/{id}/search", write, act: "privacy.requests.search", search),
        .init("Privacy_Extend", "POST", "/api/privacy/requests/{id}/extend", write, act: "privacy.requests.extend", extend),
        .init("Privacy_Refuse", "POST", "/api/privacy/requests/{id}/refuse", write, act: "privacy.requests.refuse", refuse),
        .init(
            "Privacy_Fulfil", "POST", "/api/privacy/requests/{id}/fulfil", .action("Sallyport/subjects/export/action"),
            act: "privacy.requests.fulfil", fulfil),
        .init("Privacy_Processing", "GET", "/api/privacy/processing", read, processing),
        .init("Privacy_Sharing", "GET", "/api/privacy/sharing", read, sharing),
        .init("Privacy_Statistics", "GET", "/api/privacy/statistics", read, statistics),
        .init("Privacy_Stored", "GET", "/api/privacy/stored", read, stored),
        .init(
            "Privacy_Reveal", "POST", "/api/privacy/stored/{id}/reveal", .action("Sallyport/content/reveal/action"), act: "content.reveal",
            reveal),
        .init("My_Consents", "GET", "/api/my/consents", .known, myConsents),
        .init("My_Consent", "POST", "/api/my/consents", .known, act: "privacy.consent.give", giveOwn),
        .init("My_Withdraw", "POST", "/api/my/consents/withdraw", .known, act: "privacy.consent.withdraw", withdrawOwn),
        .init("My_Acknowledge", "POST", "/api/my/notices/{name}/acknowledge", .known, act: "privacy.notices.acknowledge", acknowledge),
        .init("My_Request", "POST", "/api/my/requests", .known, act: "privacy.requests.open", openOwn),
        .init("My_Requests", "GET", "/api/my/requests", .known, ownRequests),
    ]

    // MARK: Consents

    private func consents(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (privacy, subject) = (privacy(), call.queryValue("subject"))
        return try .list(try await call.blocking { try privacy.consents(of: subject).map(PrivacyDocuments.ConsentShown.init) })
    }

    private struct Given: Decodable {
        let subject: String
        let purpose: String
        let version: String
        let evidence: String?
    }

    private func give(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let given: Given = try call.json(allowing: ["subject", "purpose", "version", "evidence"])
        return try await give(call, given.subject, given.purpose, given.version, given.evidence ?? "by \(try call.caller().id)")
    }

    private func give(_ call: ConsoleCall, _ subject: String, _ purpose: String, _ version: String, _ evidence: String) async throws
        -> ConsoleAnswer
    {
        try Texts.check(purpose, "purpose", maximum: 256, mayBeEmpty: false)
        let privacy = privacy()
        let pseudonym = try await call.blocking { try privacy.pseudonym(of: subject) }
        try await call.act(on: "\(pseudonym) \(purpose)") {
            try privacy.give(purpose, version: version, subject: subject, evidence: evidence, at: call.now)
        }
        return .empty
    }

    private struct Taken: Decodable {
        let subject: String
        let purpose: String
        let kind: String?
    }

    private func withdraw(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let taken: Taken = try call.json(allowing: ["subject", "purpose", "kind"])
        guard let kind = Consent.Kind(rawValue: taken.kind ?? "consent") else {
            throw Fault(.invalidRequest, "'kind' is consent, objection or restriction.")
        }
        return try await withdraw(call, kind, taken.subject, taken.purpose)
    }

    private func withdraw(_ call: ConsoleCall, _ kind: Consent.Kind, _ subject: String, _ purpose: String) async throws -> ConsoleAnswer {
        try Texts.check(purpose, "purpose", maximum: 256, mayBeEmpty: false)
        let privacy = privacy()
        let pseudonym = try await call.blocking { try privacy.pseudonym(of: subject) }
        try await call.act(on: "\(pseudonym) \(purpose)") { try privacy.withdraw(kind, purpose: purpose, subject: subject, at: call.now) }
        return .empty
    }

    // MARK: One's own

    private struct Own: Decodable {
        let purpose: String
        let version: String?
    }

    private func myConsents(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (privacy, subject) = (privacy(), try call.caller().id.rawValue)
        return try .list(try await call.blocking { try privacy.consents(of: subject).map(PrivacyDocuments.ConsentShown.init) })
    }

    private func giveOwn(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let own: Own = try call.json(allowing: ["purpose", "version"])
        let caller = try call.caller()
        return try await give(
            call, caller.id.rawValue, own.purpose, own.version ?? "", "by the subject itself, with \(caller.credential.name)")
    }

    private func withdrawOwn(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let own: Own = try call.json(allowing: ["purpose"])
        return try await withdraw(call, .consent, try call.caller().id.rawValue, own.purpose)
    }

    private struct Version: Codable { let version: Int? }

    private func acknowledge(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (privacy, name, subject) = (privacy(), try call.parameter("name"), try call.caller().id.rawValue)
        let version = call.body.isEmpty ? nil : try call.json(Version.self, allowing: ["version"]).version
        let pseudonym = try await call.blocking { try privacy.pseudonym(of: subject) }
        let known = try await call.act(on: "\(name) \(pseudonym)") {
            try privacy.acknowledge(name, version: version, subject: subject, at: call.now)
        }
        return try .json(Version(version: known))
    }

    private struct OwnRequest: Decodable {
        let kind: String
        let detail: String?
    }

    private func openOwn(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let wanted: OwnRequest = try call.json(allowing: ["kind", "detail"])
        return try await open(call, wanted.kind, subject: try call.caller().id.rawValue, detail: wanted.detail, receivedAt: call.now)
    }

    private func ownRequests(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (privacy, subject) = (privacy(), try call.caller().id.rawValue)
        return try .list(
            try await call.blocking {
                try privacy.requests.list().filter { $0.subject == subject }.map { PrivacyDocuments.RequestShown($0, at: call.now) }
            })
    }

    // MARK: Notices

    private func notices(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let privacy = privacy()
        return try .list(try await call.blocking { try privacy.notices().map(PrivacyDocuments.NoticeText.init) })
    }

    private struct Text: Decodable { let text: String }

    private func publish(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (privacy, name) = (privacy(), try call.parameter("name"))
        try Texts.check(name, "name", maximum: 128, mayBeEmpty: false)
        let text = try call.json(Text.self, allowing: ["text"]).text
        let version = try await call.act(on: name, made: { "\($0)" }) { try privacy.publish(name, text: text, at: call.now) }
        return try .json(Version(version: version))
    }

    // MARK: Holds

    private func holds(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let privacy = privacy()
        return try .list(try await call.blocking { try privacy.holds().map(PrivacyDocuments.HoldShown.init) })
    }

    private struct NewHold: Decodable {
        let subject: String?
        let policy: String?
        let reason: String
        let review: String?
    }

    private func hold(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let new: NewHold = try call.json(allowing: ["subject", "policy", "reason", "review"])
        try Texts.check(new.reason, "reason", maximum: 2048, mayBeEmpty: false)
        try Texts.check(new.policy, "policy", maximum: 128)
        guard let review = Moments.end(new.review ?? "180d", from: call.now) else {
            throw Fault(.invalidRequest, "'review' is a span such as 90d or an ISO 8601 date.")
        }
        let (privacy, caller) = (privacy(), try call.caller())
        let who = try await call.blocking { try new.subject.map { try privacy.pseudonym(of: $0) } ?? "everybody" }
        let hold = try await call.act(on: "\(who) \(new.policy ?? "every policy")", made: { $0.id }) {
            try privacy.hold(
                subject: new.subject, policy: new.policy, reason: new.reason, by: caller.id.rawValue, reviewAt: review, at: call.now)
        }
        return try .json(PrivacyDocuments.HoldShown(hold), status: 201)
    }

    private func release(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (privacy, id, caller) = (privacy(), try call.parameter("id"), try call.caller())
        try await call.act(on: id) {
            guard try privacy.holds().first(where: { $0.id == id })?.subject != caller.id.rawValue else {
                throw Fault(.permissionDenied, "Nobody lifts a hold on his own data: somebody else has to.")
            }
            try privacy.release(id, at: call.now)
        }
        return .empty
    }

    // MARK: Requests

    private func requests(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let privacy = privacy()
        return try .list(try await call.blocking { try privacy.requests.list().map { PrivacyDocuments.RequestShown($0, at: call.now) } })
    }

    private func request(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (privacy, id) = (privacy(), try call.parameter("id"))
        return try .json(try await call.blocking { PrivacyDocuments.RequestShown(try privacy.requests.found(id), at: call.now) })
    }

    private struct NewRequest: Decodable {
        let kind: String
        let subject: String
        let detail: String?
        let received: String?
    }

    private func open(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let new: NewRequest = try call.json(allowing: ["kind", "subject", "detail", "received"])
        let received = try new.received.map { text in
            guard let moment = Moments.moment(text) else { throw Fault(.invalidRequest, "'received' is an ISO 8601 date.") }
            return moment
        }
        return try await open(call, new.kind, subject: new.subject, detail: new.detail, receivedAt: received ?? call.now)
    }

    private func open(_ call: ConsoleCall, _ kind: String, subject: String, detail: String?, receivedAt: Int64) async throws
        -> ConsoleAnswer
    {
        guard let kind = SubjectRequest.Kind(rawValue: kind) else {
            throw Fault(.invalidRequest, "'kind' is one of \(SubjectRequest.Kind.allCases.map(\.rawValue).joined(separator: ", ")).")
        }
        try Texts.check(detail, "detail", maximum: 2048)
        let privacy = privacy()
        let (name, pseudonym) = try await call.blocking {
            let name = try privacy.requests.named(subject)
            return (name, try privacy.pseudonym(of: name))
        }
        let request = try await call.act(on: "\(kind.rawValue) \(pseudonym)", made: { $0.id }) {
            try privacy.requests.receive(kind, subject: name, detail: detail, receivedAt: receivedAt, at: call.now)
        }
        return try .json(PrivacyDocuments.RequestShown(request, at: call.now), status: 201)
    }

    private struct Method: Decodable { let method: String }
    private struct Reason: Decodable { let reason: String }

    private func verify(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (privacy, id, caller) = (privacy(), try call.parameter("id"), try call.caller())
        let method = try call.json(Method.self, allowing: ["method"]).method
        try Texts.check(method, "method", maximum: 256, mayBeEmpty: false)
        let request = try await call.act(on: id) {
            // Who is the subject cannot be the one who says so.
            guard try privacy.requests.found(id).subject != caller.id.rawValue else {
                throw Fault(.permissionDenied, "Nobody confirms his own identity: somebody else has to.")
            }
            return try privacy.requests.verify(id, method: method, by: caller.id.rawValue, at: call.now)
        }
        return try .json(PrivacyDocuments.RequestShown(request, at: call.now))
    }

    private func search(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (privacy, id) = (privacy(), try call.parameter("id"))
        let request = try await call.act(on: id) { try privacy.requests.search(id) }
        return try .json(PrivacyDocuments.RequestShown(request, at: call.now))
    }

    private func extend(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (privacy, id) = (privacy(), try call.parameter("id"))
        let reason = try call.json(Reason.self, allowing: ["reason"]).reason
        try Texts.check(reason, "reason", maximum: 2048, mayBeEmpty: false)
        let request = try await call.act(on: id) { try privacy.requests.extend(id, because: reason, at: call.now) }
        return try .json(PrivacyDocuments.RequestShown(request, at: call.now))
    }

    private func refuse(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (privacy, id, caller) = (privacy(), try call.parameter("id"), try call.caller())
        let reason = try call.json(Reason.self, allowing: ["reason"]).reason
        try Texts.check(reason, "reason", maximum: 2048, mayBeEmpty: false)
        let report = try await call.act(on: id, made: Self.digest) { () throws -> Report in
            let request = try privacy.requests.refuse(id, because: reason, by: caller.id.rawValue, at: call.now)
            return try privacy.report(on: request, rows: [], at: call.now)
        }
        return ConsoleAnswer(headers: [("content-type", "text/plain; charset=utf-8")], body: .init(string: report.text))
    }

    private typealias Report = (text: String, digest: String)
    @Sendable private static func digest(_ report: Report) -> String? { "sha256:\(report.digest)" }

    private struct Corrections: Decodable { let corrections: [SubjectCorrection] }

    /// The answer is the signed report; it is kept nowhere else.
    private func fulfil(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (privacy, id, caller) = (privacy(), try call.parameter("id"), try call.caller())
        let corrections = call.body.isEmpty ? [] : try call.json(Corrections.self, allowing: ["corrections"]).corrections
        let report = try await call.act(on: id, made: Self.digest) { () throws -> Report in
            let (request, rows) = try privacy.requests.fulfil(id, by: caller.id.rawValue, at: call.now, corrections: corrections) {
                act, pseudonym, details in
                try call.recordWaiting(act, target: pseudonym, details: details)
            }
            return try privacy.report(on: request, rows: rows, at: call.now)
        }
        return ConsoleAnswer(headers: [("content-type", "text/plain; charset=utf-8")], body: .init(string: report.text))
    }

    // MARK: Registers

    private func processing(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let privacy = privacy()
        return .json(bytes: try await call.blocking { try privacy.processingJSON() })
    }

    private func sharing(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let privacy = privacy()
        return .json(bytes: try await call.blocking { try privacy.sharingJSON() })
    }

    private func statistics(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (privacy, grouping) = (privacy(), call.queryValue("by") ?? "deployment")
        guard let days = Int(call.queryValue("days") ?? "90"), (1...400).contains(days) else {
            throw Fault(.invalidRequest, "'days' is 1 to 400.")
        }
        return .json(bytes: try await call.blocking { try privacy.statisticsJSON(by: grouping, days: days, at: call.now) })
    }

    private func stored(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (privacy, subject) = (privacy(), call.queryValue("subject"))
        return try .list(
            try await call.blocking { try privacy.stored(of: subject, limit: 1000).map { PrivacyDocuments.ExchangeShown($0) } })
    }

    private func reveal(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (privacy, id) = (privacy(), try call.parameter("id"))
        let reason = try call.json(Reason.self, allowing: ["reason"]).reason
        try Texts.check(reason, "reason", maximum: 256, mayBeEmpty: false)
        let exchange = try await call.act(on: id, details: [("reason", reason)]) { try privacy.reveal(id, at: call.now) }
        return try .json(PrivacyDocuments.ExchangeShown(exchange))
    }
}
