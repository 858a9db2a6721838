import SallyportCore
import SallyportIdentity

/// What the routes of access governance stand on, put together by Server. Every method blocks.
package protocol GovernanceServing: Sendable {
    var reviews: AccessReviews { get }
    func collect(most batches: Int, at now: Int64) throws
    func leastPrivilege(lookBackDays days: Int, of holder: PrincipalReference?, at now: Int64) throws -> (
        LeastPrivilege, [LeastPrivilege.Report]
    )
    func conflicts(at now: Int64) throws -> [SeparationConflict]
    func createReview(_ settings: AccessReviews.Settings, at now: Int64) throws -> (campaign: ReviewCampaign, status: ReviewCampaign.Status)
    func apply(
        _ id: String, at now: Int64,
        note: (_ operation: String, _ target: String, _ details: [(name: String, value: String)]) throws -> Void
    ) throws -> [ReviewItem]
    /// A signed report, and its digest.
    func signed(_ content: some Encodable & Sendable) throws -> (text: String, digest: String)
}

/// Access reviews, least privilege, separation of duty: what `sallyport reviews` and `sallyport access usage|conflicts` do.
package struct ReviewRoutes: ConsoleRouteGroup {
    /// As the configuration is now.
    let governance: @Sendable () -> any GovernanceServing
    /// Groups that are provisioned here, for who a reviewer is.
    let groups: @Sendable (Principal) throws -> [String]

    package init(governance: @escaping @Sendable () -> any GovernanceServing, groups: @escaping @Sendable (Principal) throws -> [String]) {
        self.governance = governance
        self.groups = groups
    }

    private static let read = ConsoleRow.Access.action("Sallyport/reviews/read")
    private static let write = ConsoleRow.Access.action("Sallyport/reviews/write")

    package static let routes: [ConsoleRoute<Self>] = [
        .init("Access_Usage", "GET", "/api/access/usage", .action("Sallyport/access/read"), usage),
        .init("Access_Conflicts", "GET", "/api/access/conflicts", .action("Sallyport/access/read"), conflicts),
        .init("Reviews_List", "GET", "/api/reviews", read, list),
        .init("Reviews_Create", "POST", "/api/reviews", write, act: "reviews.create", create),
        .init("Reviews_Show", "GET", "/api/reviews/{id}", read, show),
        .init("Reviews_Preview", "GET", "/api/reviews/{id}/preview", read, preview),
        .init("Reviews_Start", "POST", "/api/reviews/{id}/start", write, act: "reviews.start", start),
        .init("Reviews_Close", "POST", "/api/reviews/{id}/close", write, act: "reviews.close", close),
        .init("Reviews_Apply", "POST", "/api/reviews/{id}/apply", write, act: "reviews.apply", apply),
        .init("Reviews_Export", "POST", "/api/reviews/{id}/export", read, act: "reviews.export", export),
        // Who is a reviewer is the review's matter, not a role's.
        .init("Reviews_Mine", "GET", "/api/my/reviews", .known, mine),
        .init("Reviews_Decide", "POST", "/api/my/reviews/{id}/items/{item}", .known, act: "reviews.decide", proving: true, decide),
    ]

    // MARK: Advice

    private func days(_ call: ConsoleCall) throws -> Int {
        guard let text = call.queryValue("days") else { return 90 }
        guard let days = Int(text), (1...400).contains(days) else { throw Fault(.invalidRequest, "'days' is 1 to 400.") }
        return days
    }

    private func usage(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (governance, days) = (governance(), try days(call))
        let holder = try call.queryValue("principal").map { text in
            guard let reference = PrincipalReference(text) else {
                throw Fault(.invalidRequest, "'principal' is user:ID, group:ID, service:ID or key:ID.")
            }
            return reference
        }
        return try .json(
            try await call.blocking {
                try governance.collect(most: 5, at: call.now)
                let (advice, reports) = try governance.leastPrivilege(lookBackDays: days, of: holder, at: call.now)
                return GovernanceDocuments.Usage(advice, reports)
            })
    }

    private func conflicts(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let governance = governance()
        return try .list(try await call.blocking { try governance.conflicts(at: call.now).map(GovernanceDocuments.Conflict.init) })
    }

    // MARK: Reviews

    private func list(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let reviews = governance().reviews
        return try .list(
            try await call.blocking { try reviews.list().map { GovernanceDocuments.Review($0.campaign, $0.status, items: nil) } })
    }

    private struct New: Decodable {
        let name: String
        let reviewers: [String]
        let fallbackReviewers: [String]?
        let ends: String?
        let kinds: [String]?
        let roles: [String]?
        let lookBackDays: Int?
        let requireReason: Bool?
        let applyAtEnd: Bool?
        let removeUnanswered: Bool?
        let recursAfterDays: Int?
    }

    private func create(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let new: New = try call.json(
            allowing: [
                "name", "reviewers", "fallbackReviewers", "ends", "kinds", "roles", "lookBackDays", "requireReason", "applyAtEnd",
                "removeUnanswered", "recursAfterDays",
            ])
        try Texts.check(new.name, "name", maximum: 128, mayBeEmpty: false)
        guard let end = Moments.end(new.ends ?? "14d", from: call.now) else {
            throw Fault(.invalidRequest, "'ends' is a span such as 14d or an ISO 8601 date.")
        }
        var settings = AccessReviews.Settings(
            name: new.name, reviewers: new.reviewers, endsAt: end, createdBy: "user:\(try call.caller().id)")
        settings.kinds = new.kinds.map(Set.init) ?? settings.kinds
        settings.roles = new.roles.map(Set.init)
        settings.fallbackReviewers = new.fallbackReviewers ?? []
        settings.lookBackDays = new.lookBackDays ?? settings.lookBackDays
        settings.requiresReason = new.requireReason ?? false
        settings.onSilence = new.removeUnanswered ?? false ? .remove : .keep
        settings.appliesAtEnd = new.applyAtEnd ?? false
        settings.recursAfterDays = new.recursAfterDays
        let governance = governance()
        let made = try await call.act(on: new.name, made: { $0.campaign.id }) { [settings] in
            try governance.collect(most: 5, at: call.now)
            return try governance.createReview(settings, at: call.now)
        }
        let items = try await call.blocking { try governance.reviews.items(of: made.campaign.id) }
        return try .json(GovernanceDocuments.Review(made.campaign, made.status, items: items), status: 201)
    }

    private func show(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (reviews, id) = (governance().reviews, try call.parameter("id"))
        return try .json(try await call.blocking { try Self.document(id, reviews) })
    }

    private static func document(_ id: String, _ reviews: AccessReviews) throws -> GovernanceDocuments.Review {
        let (campaign, status) = try reviews.found(id)
        return GovernanceDocuments.Review(campaign, status, items: try reviews.items(of: id))
    }

    private func preview(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (reviews, id) = (governance().reviews, try call.parameter("id"))
        return try .json(try await call.blocking { GovernanceDocuments.Preview(try reviews.preview(id)) })
    }

    private struct Digest: Decodable { let preview: String }

    private func start(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (reviews, id) = (governance().reviews, try call.parameter("id"))
        let digest = try call.json(Digest.self, allowing: ["preview"]).preview
        let campaign = try await call.act(on: id) { try reviews.start(id, previewed: digest, at: call.now) }
        return try .json(GovernanceDocuments.Review(campaign, .open, items: nil))
    }

    private func close(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (reviews, id) = (governance().reviews, try call.parameter("id"))
        let campaign = try await call.act(on: id) { try reviews.close(id, at: call.now) }
        return try .json(GovernanceDocuments.Review(campaign, .closed, items: nil))
    }

    private func apply(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (governance, id) = (governance(), try call.parameter("id"))
        let done = try await call.act(on: id) {
            try governance.apply(id, at: call.now) { operation, target, details in
                try call.recordWaiting(operation, target: target, details: details)
            }
        }
        return try .list(done.map(GovernanceDocuments.Item.init))
    }

    private func export(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (governance, id) = (governance(), try call.parameter("id"))
        let report = try await call.act(on: id, made: { (report: (text: String, digest: String)) in "sha256:\(report.digest)" }) {
            try governance.signed(try Self.document(id, governance.reviews))
        }
        return ConsoleAnswer(headers: [("content-type", "text/plain; charset=utf-8")], body: .init(string: report.text))
    }

    // MARK: Reviewers

    private func names(of principal: Principal) throws -> Set<PrincipalReference> {
        Set(principal.references + (try groups(principal)).map { PrincipalReference(.group, $0) })
    }

    private func mine(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (reviews, caller) = (governance().reviews, try call.caller())
        return try .list(
            try await call.blocking { [self] in
                let names = Set(try names(of: caller).map(\.description))
                return try reviews.list().filter { entry in
                    entry.status == .open && !names.isDisjoint(with: entry.campaign.reviewers + entry.campaign.fallbackReviewers)
                }.map { GovernanceDocuments.Review($0.campaign, $0.status, items: try reviews.items(of: $0.campaign.id)) }
            })
    }

    private struct Answer: Decodable {
        let decision: String
        let reason: String?
    }

    private func decide(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (reviews, caller) = (governance().reviews, try call.caller())
        let (id, item) = (try call.parameter("id"), try call.parameter("item"))
        let answer: Answer = try call.json(allowing: ["decision", "reason"])
        guard let decision = ReviewItem.Decision(rawValue: answer.decision) else {
            throw Fault(.invalidRequest, "'decision' is approve, remove or unsure.")
        }
        try Texts.check(answer.reason, "reason", maximum: 2048)
        let reviewer = PrincipalReference(caller.isService ? .service : .user, caller.id.rawValue)
        let decided = try await call.act(on: "\(id) \(item) \(decision.rawValue)") { [self] in
            try reviews.decide(
                id, item: item, decision, reason: answer.reason, by: reviewer, names: try names(of: caller), at: call.now)
        }
        return try .json(GovernanceDocuments.Item(decided))
    }
}
