import SallyportCore

/// Requests of people about their data (GDPR articles 15 to 21): received, identity checked, searched, answered, reported. Every method
/// blocks.
package struct SubjectRequests: Sendable {
    package struct Parts: Sendable {
        package var store: any PrivacyStore
        package var index: any SubjectIndex
        /// What stands for a subject where its name must not.
        package var pseudonym: @Sendable (_ subject: String, _ tenant: TenantID) throws -> String
        /// Destroys the subject's own keys: what was sealed under them is gone, in backups too.
        package var destroyKeys: @Sendable (_ subject: String, _ tenant: TenantID) throws -> Bool
        package var makeID: @Sendable () -> String
        /// What the subject wrote and was answered, where it is stored and can be opened.
        package var texts: @Sendable (_ subject: String, _ tenant: TenantID) throws -> [SubjectRow] = { _, _ in [] }

        package init(
            store: any PrivacyStore, index: any SubjectIndex,
            pseudonym: @escaping @Sendable (_ subject: String, _ tenant: TenantID) throws -> String,
            destroyKeys: @escaping @Sendable (_ subject: String, _ tenant: TenantID) throws -> Bool,
            makeID: @escaping @Sendable () -> String
        ) {
            self.store = store
            self.index = index
            self.pseudonym = pseudonym
            self.destroyKeys = destroyKeys
            self.makeID = makeID
        }
    }

    private let parts: Parts
    private let tenant: TenantID

    package init(_ parts: Parts, tenant: TenantID = .default) {
        self.parts = parts
        self.tenant = tenant
    }

    // MARK: Receiving

    /// - Parameter subject: a principal's id, or a pseudonym of one that something is kept of.
    package func receive(_ kind: SubjectRequest.Kind, subject: String, detail: String?, receivedAt: Int64, at now: Int64) throws
        -> SubjectRequest
    {
        guard receivedAt <= now else {
            throw Fault(.invalidRequest, "A request cannot have been received in the future.", param: "received")
        }
        let subject = try named(subject)
        if kind == .objection || kind == .rectification, (detail ?? "").isEmpty {
            throw Fault(
                .invalidRequest,
                kind == .objection ? "An objection names the purpose that it is against." : "A rectification says what is to be put right.",
                param: "detail")
        }
        if let detail, detail.utf8.count > 2048 { throw Fault(.invalidRequest, "The detail has at most 2,048 bytes.", param: "detail") }
        let request = SubjectRequest(
            id: parts.makeID(), tenant: tenant, kind: kind, subject: subject, pseudonym: try parts.pseudonym(subject, tenant),
            detail: detail, receivedAt: receivedAt, dueAt: CivilDate(secondsSince1970: receivedAt).adding(months: 1))
        try parts.store.insert(request)
        return request
    }

    /// The principal that a pseudonym stands for, looked for among all of whom something is kept.
    package func named(_ text: String) throws -> String {
        guard (1...256).contains(text.utf8.count), text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F }) else {
            throw Fault(.invalidRequest, "A subject is named by 1 to 256 bytes without control characters.", param: "subject")
        }
        guard text.hasPrefix(Self.pseudonymPrefix) else { return text }
        for subject in try parts.index.subjects(of: tenant).sorted() where try parts.pseudonym(subject, tenant) == text { return subject }
        throw Fault(.notFound, "Nothing is kept of anybody with this pseudonym.")
    }

    package static let pseudonymPrefix = "subject-"

    /// Two months more, told to the subject with the reason within the first (art. 12(3)).
    package func extend(_ id: String, because reason: String, at now: Int64) throws -> SubjectRequest {
        var request = try open(id)
        guard !reason.isEmpty, reason.utf8.count <= 2048 else {
            throw Fault(.invalidRequest, "An extension has a reason.", param: "reason")
        }
        guard request.extendedBecause == nil else { throw Fault(.conflict, "This request was extended already.") }
        guard now <= request.dueAt else { throw Fault(.conflict, "The first month is over: it can no longer be extended.") }
        request.extendedBecause = reason
        request.dueAt = CivilDate(secondsSince1970: request.receivedAt).adding(months: 3)
        return try moved(request, from: request.status)
    }

    /// Says how it was made sure that the subject itself is asking. Nothing is searched or told before.
    package func verify(_ id: String, method: String, by checker: String, at now: Int64) throws -> SubjectRequest {
        var request = try open(id)
        guard request.status == .received else { throw Fault(.conflict, "The identity was checked already.") }
        guard !method.isEmpty, method.utf8.count <= 256 else {
            throw Fault(.invalidRequest, "Say how the identity was checked.", param: "method")
        }
        request.status = .verified
        request.identityMethod = method
        request.identityCheckedBy = checker
        request.verifiedAt = now
        return try moved(request, from: .received)
    }

    // MARK: Answering

    /// Looks through every store.
    package func search(_ id: String) throws -> SubjectRequest {
        var request = try open(id)
        guard request.status == .verified || request.status == .searched else { throw Self.unverified }
        let old = request.status
        request.findings = try parts.index.findings(about: request.subject, tenant: tenant)
        request.status = .searched
        return try moved(request, from: old)
    }

    /// Refuses with the reason that the subject is told (art. 12(4)).
    package func refuse(_ id: String, because reason: String, by handler: String, at now: Int64) throws -> SubjectRequest {
        var request = try open(id)
        guard !reason.isEmpty, reason.utf8.count <= 2048 else { throw Fault(.invalidRequest, "A refusal has a reason.", param: "reason") }
        let old = request.status
        request.status = .refused
        request.refusal = reason
        request.closedAt = now
        request.handledBy = handler
        return try moved(request, from: old)
    }

    private static func check(_ corrections: [SubjectCorrection], of kind: SubjectRequest.Kind) throws {
        guard kind == .rectification || corrections.isEmpty else {
            throw Fault(.invalidRequest, "Corrections belong to a rectification.", param: "corrections")
        }
        guard corrections.count <= 64 else { throw Fault(.invalidRequest, "At most 64 corrections at a time.", param: "corrections") }
        for correction in corrections
        where !(1...256).contains(correction.value.utf8.count)
            || !correction.value.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F })
        {
            throw Fault(.invalidRequest, "What is right has 1 to 256 bytes without control characters.", param: "corrections")
        }
    }

    /// Does what was asked for.
    /// - Parameters:
    ///   - corrections: for a rectification, what is put right in place; none: the correction stands beside what is kept.
    ///   - note: puts each act on record before it is done; throws when that cannot be, and then nothing is done.
    /// - Returns: the request, and for access and export what is told.
    package func fulfil(
        _ id: String, by handler: String, at now: Int64, corrections: [SubjectCorrection] = [],
        note: (_ act: String, _ pseudonym: String, _ details: [(name: String, value: String)]) throws -> Void
    ) throws -> (request: SubjectRequest, rows: [SubjectRow]) {
        var request = try open(id)
        guard request.status == .searched else {
            throw request.status == .received ? Self.unverified : Fault(.conflict, "Search the stores first.")
        }
        try Self.check(corrections, of: request.kind)
        var rows: [SubjectRow] = []
        request.findings = try parts.index.findings(about: request.subject, tenant: tenant)
        switch request.kind {
        case .access, .export:
            try note("privacy.disclose", request.pseudonym, [("request", id)])
            rows = try parts.index.rows(about: request.subject, tenant: tenant, limit: 100_000)
            rows += try parts.texts(request.subject, tenant)
        case .erasure:
            let holds = try parts.store.holds(of: tenant).filter {
                $0.releasedAt == nil && ($0.subject.map { $0 == request.subject } ?? true)
            }
            guard holds.isEmpty else {
                throw Fault(
                    .conflict,
                    "A legal hold (\(holds.map(\.id).sorted().joined(separator: ", "))) keeps this subject's data: it must be released first, or the request refused (article 17(3))."
                )
            }
            try note("privacy.erase", request.pseudonym, [("request", id)])
            // The keys first: should the rest fail, what they sealed is unreadable already, and the request can be fulfilled again.
            let destroyed = try parts.destroyKeys(request.subject, tenant)
            request.outcomes = try parts.index.erase(request.subject, tenant: tenant, at: now)
            request.outcomes.append(.init(store: "keys of the subject", removed: destroyed ? 1 : 0))
            try note(
                "privacy.erased", request.pseudonym,
                [("request", id)] + request.outcomes.filter { $0.removed > 0 }.map { ($0.store, "\($0.removed)") })
        case .restriction:
            try note("privacy.restrict", request.pseudonym, [("request", id)])
            try parts.store.put(
                Consent(
                    tenant: tenant, subject: request.subject, kind: .restriction, purpose: "*", version: "", givenAt: now,
                    evidence: "request \(id)"))
        case .objection:
            let purpose = request.detail ?? ""
            try note("privacy.object", request.pseudonym, [("request", id), ("purpose", purpose)])
            try parts.store.put(
                Consent(
                    tenant: tenant, subject: request.subject, kind: .objection, purpose: purpose, version: "", givenAt: now,
                    evidence: "request \(id)"))
        case .rectification:
            // What is evidence is not changed: there the correction stands beside it and is told with it.
            try note(
                "privacy.rectify", request.pseudonym,
                [("request", id)]
                    + (corrections.isEmpty ? [] : [("fields", corrections.map { "\($0.store).\($0.field)" }.joined(separator: " "))]))
            if !corrections.isEmpty { request.outcomes = try parts.index.correct(request.subject, tenant: tenant, corrections) }
        }
        request.status = .done
        request.closedAt = now
        request.handledBy = handler
        return (try moved(request, from: .searched), rows)
    }

    package func note(report digest: String, for id: String) throws {
        var request = try found(id)
        request.reportDigest = digest
        _ = try moved(request, from: request.status)
    }

    // MARK: Looking

    package func list() throws -> [SubjectRequest] { try parts.store.requests(of: tenant) }

    package func found(_ id: String) throws -> SubjectRequest {
        guard let request = try parts.store.requests(of: tenant).first(where: { $0.id == id }) else {
            throw Fault(.notFound, "There is no request with this id.")
        }
        return request
    }

    private func open(_ id: String) throws -> SubjectRequest {
        let request = try found(id)
        guard request.isOpen else { throw Fault(.conflict, "This request was closed already.") }
        return request
    }

    private func moved(_ request: SubjectRequest, from old: SubjectRequest.Status) throws -> SubjectRequest {
        guard try parts.store.update(request, from: old) else {
            throw Fault(.conflict, "Somebody else has changed this request meanwhile. Try again.")
        }
        return request
    }

    private static let unverified = Fault(.conflict, "The identity of who is asking has not been checked.")
}
