import NIOCore
import NIOPosix
import SallyportCore
import SallyportGuard
import SallyportOversight
import SallyportWire

/// From a complete request to a verdict on it.
extension Exchange {
    func decide(_ operation: Operation, form: RequestTarget.Form, named: String?, ids: [String]) throws {
        guard let principal else { throw Fault.invalidKey }
        if !operation.isDeploymentScoped, operation.name != .responsesCreate { try authorise() }
        try parseBody(operation)
        if operation.name == .modelsList || operation.name == .modelsGet {
            // The classic form also describes base models, which only the upstream knows.
            let isDeployment = ids.first.map { snapshot.deployments[DeploymentID($0)] != nil } ?? true
            if isDeployment || form == .v1 || snapshot.resourceUpstream == nil { return try answerModels(ids.first, principal) }
        }
        if let index = ownVectorStore(operation, ids) { return try answerVectorStoreSearch(index) }
        try resolveDeployment(operation, named: named, by: principal)
        let selected = head.headers.first(name: "x-policy-id")
        if let deployment {
            policyInForce = try snapshot.policyInForce(floor: deployment.policy, selected: selected, by: principal)
        } else {
            policy = try snapshot.resourcePolicy(selected: selected, for: principal, at: snapshot.resourceUpstream?.id, using: mayUse)
        }
        noteStream(operation)
        if operation.name == .chatCompletions { try readDataSource() }
        try judge(operation, form: form, ids: ids, for: principal)
    }

    /// A call of a service that we know by its prefix only.
    func decideUnnamed(_ operation: Operation, for principal: Principal, isText: Bool) throws {
        if isText { try parseBody(operation) }
        try judge(operation, form: .v1, ids: [], for: principal)
    }

    private func judge(_ operation: Operation, form: RequestTarget.Form, ids: [String], for principal: Principal) throws {
        try reserve(operation, for: principal)
        let reading = try read(operation)
        let references = ids.enumerated().compactMap { position, id -> BodyReference? in
            (position == 0 ? operation.pathResource : operation.innerResource).map {
                BodyReference(kind: $0, node: 0, id: id, certainty: $0 == .model ? .mayBeCommon : .certain)
            }
        }
        checkOwnership(references + reading.references, of: principal) { [self] owners in
            try adoptPolicies(of: owners, for: principal, opaque: reading.opaque)
            if targets.isEmpty { targets = try chooseTargets(operation, owners: owners) }
            try checkPrivacy(principal)
            try checkFilters()
            let trainsOn = operation.name == .fineTuningCreate ? reading.references.filter { $0.kind == .file }.map(\.id) : []
            checkTrainingFiles(trainsOn, for: principal) { [self] in
                inheritLabels(of: owners.map(\.id), for: principal) { [self] in
                    prepareContext(for: principal) { [self] in
                        inspect(reading.slots) { [self] in try ground(operation, form: form, ids: ids) }
                    }
                }
            }
        }
    }

    // MARK: Reading

    private func parseBody(_ operation: Operation) throws {
        switch operation.body {
        case .none:
            // An action without parameters: an empty object at most.
            guard body.readableBytes > 0 else { return }
            document = try parse(body)
        case .json, .any:
            let spelled = try contentType()
            guard !(spelled?.utf8.contains(UInt8(ascii: ",")) ?? false) else {
                throw Fault(.invalidRequest, "The request has more than one Content-Type.")
            }
            if let type = spelled.flatMap({ HeaderParameters(parsing: $0) }),
                !type.value.mentions("json") || !(["utf-8", "utf8", nil] as [String?]).contains(type["charset"]?.lowercased())
            {
                throw Fault(.invalidRequest, "This operation takes application/json in UTF-8.")
            }
            document = try parse(body)
        case .multipart:
            guard let type = try contentType(), let boundary = MultipartBody.boundary(fromContentType: type) else {
                throw Fault(.invalidRequest, "This operation takes multipart/form-data with a boundary.")
            }
            do { multipart = try MultipartBody(parsing: body, boundary: boundary) } catch {
                throw Fault(.invalidRequest, "The multipart body is not well formed.", cause: error)
            }
            // One reading only: of two fields with one name nobody knows which the upstream takes.
            var names: Set<String> = []
            for part in multipart?.parts ?? [] where !part.name.hasSuffix("[]") && !names.insert(part.name.lowercased()).inserted {
                throw Fault(.invalidRequest, "The form has two fields of the same name.", param: "\(part.name.prefix(64))")
            }
        }
    }

    /// Of two nobody knows which one an upstream reads the body by.
    private func contentType() throws -> String? {
        let types = head.headers["content-type"]
        guard types.count <= 1 else { throw Fault(.invalidRequest, "The request has more than one Content-Type.") }
        return types.first
    }

    func parse(_ body: ByteBuffer) throws -> JSONDocument {
        do {
            return try JSONDocument(parsing: body, limits: JSONLimits(maximumDepth: snapshot.configuration.jsonDepth))
        } catch {
            let reason =
                switch error.reason {
                case .empty: "The request body is empty; a JSON object is expected."
                case .depth: "The request body is nested more than \(snapshot.configuration.jsonDepth) levels deep."
                case .duplicateKey: "The request body has the same key twice in one object (at byte \(error.offset))."
                case .invalidUTF8: "The request body is not valid UTF-8 (at byte \(error.offset))."
                case .loneSurrogate: "The request body has half of a surrogate pair (at byte \(error.offset))."
                case .tooManyNodes: "The request body has too many values."
                case .trailingBytes: "The request body goes on after its JSON value (at byte \(error.offset))."
                case .syntax: "The request body is not valid JSON (at byte \(error.offset))."
                }
            throw Fault(.invalidJSON, reason)
        }
    }

    private func resolveDeployment(_ operation: Operation, named: String?, by principal: Principal) throws {
        var name = named
        if let document {
            guard document.nodes[0].kind == .object else {
                throw Fault(.invalidRequest, "The request body must be a JSON object.")
            }
            try RequestChecks.check(document, for: operation.name)
            if name == nil { name = document.member("model", of: 0).flatMap(document.string) }
        } else if name == nil, let multipart, let part = multipart.parts(named: "model").first {
            name = body.getString(at: body.readerIndex + part.bodyRange.lowerBound, length: part.bodyRange.count)
        }
        let needsDeployment = operation.isDeploymentScoped || operation.name == .responsesCreate
        guard let name else {
            if needsDeployment { throw Fault(.invalidRequest, "'model' is missing: it names the deployment.", param: "model") }
            return
        }
        if operation.name == .fineTuningCreate {
            // Its model is a base model of the upstream, not a deployment: not for callers who are confined to some.
            guard principal.deployments == nil else {
                throw Fault.lacks(operation.dataAction, for: "POST /openai/fine_tuning/jobs", principal: principal.id)
            }
            return
        }
        guard let found = snapshot.deployments[DeploymentID(name)] else { throw Fault.deploymentNotFound }
        try authorise(found)
        deployment = found
        summary.deployment = found.id
    }

    private func noteStream(_ operation: Operation) {
        guard case .stream = operation.answer else { return }
        if let document {
            isStreamRequested = document.member("stream", of: 0).flatMap(document.bool) ?? false
            requestedChoices = max(1, min(128, document.member("n", of: 0).flatMap(document.integer) ?? 1))
        } else {
            isStreamRequested = path?.queryValue("stream") == "true"
        }
        summary.isStreaming = isStreamRequested
    }

    /// All texts of the request, what it refers to; throws for what cannot be read and the policy refuses.
    private func read(
        _ operation: Operation
    ) throws -> (slots: [TextSlot], references: [BodyReference], opaque: Set<GuardPolicy.Uninspectable>) {
        var slots: [TextSlot] = []
        var references: [BodyReference] = []
        var opaque: Set<GuardPolicy.Uninspectable> = []
        if let document {
            let shape: TextShape =
                if case .json(let shape) = operation.body { shape } else { Shapes.anyRequest }
            let reading = BodyReading(of: document, as: shape, direction: .prompt)
            if let key = reading.ambiguousKey {
                throw Fault(
                    .invalidRequest, "'\(key)' is written in other letters than the API's: upstreams read such keys differently.",
                    param: key)
            }
            if reading.mentionsTooMuch {
                throw Fault(.invalidRequest, "The request names more files, responses and other resources than can be looked up.")
            }
            slots = reading.slots
            references = reading.references
            opaque = reading.opaque
            if hasForeignDataSource { opaque.insert(.hostedTool) }
        } else if let multipart {
            let reading = MultipartReading(of: multipart, in: body, operation: operation.name)
            slots = reading.slots
            opaque = reading.opaque
            if operation.name == .filesUpload {
                let rows = try BatchRows(of: multipart, in: body, deployments: snapshot.deployments, may: may)
                references += rows.references
                opaque.formUnion(rows.opaque)
                uploadEdits = rows.edits
            }
        }
        if operation.name == .service { for segment in path?.segments ?? [] { slots.append(.query(segment)) } }
        for (name, value) in path?.query ?? [] where name != "api-version" {
            // Words may travel in the query too.
            slots.append(.query(value))
            if !RequestChecks.plainQuery.contains(name) { slots.append(.query(name)) }
        }
        for text in HeaderRules.texts(forUpstream: head.headers) { slots.append(.query(text)) }
        try refuseOpaque(opaque)
        return (slots, references, opaque)
    }

    // MARK: Limits

    private func reserve(_ operation: Operation, for principal: Principal) throws {
        let estimate = TokenEstimate.of(
            body.readableBytes, document, operation.name, unstated: snapshot.configuration.unstatedAnswerTokens)
        estimatedPromptTokens = estimate.prompt
        let cost = Exchange.cost(prompt: estimate.prompt, completion: estimate.completion, deployment?.price)
        try reserve(for: principal, tokens: estimate.prompt + estimate.completion, costMicros: cost, named: operation.name.rawValue)
    }

    /// Takes a call's share of everything that has limits for this caller.
    func reserve(for principal: Principal, tokens: Int, costMicros: Int64, named operation: String) throws {
        var scopes: [LimitLedger.Scope] = []
        func add(_ kind: String, _ name: String, _ own: LimitSet?) {
            if own == nil && snapshot.limits.isEmpty { return }
            if let limits = own ?? snapshot.limits["\(kind):\(name)"] ?? snapshot.limits["\(kind):*"], !limits.isEmpty {
                scopes.append(LimitLedger.Scope(name: "\(kind):\(name)", limits: limits))
            }
        }
        if let key = principal.key { add("key", key.rawValue, principal.limits.isEmpty ? nil : principal.limits) }
        add("user", principal.id.rawValue, nil)
        if let team = principal.team { add("team", team, nil) }
        if let deployment { add("deployment", deployment.id.rawValue, deployment.limits.isEmpty ? nil : deployment.limits) }
        do {
            reservation = try runtime.parts.limits.reserve(
                scopes, tokens: tokens, costMicros: costMicros, now: runtime.parts.clock().seconds)
        } catch {
            throw limitFault(error, operation)
        }
    }

    private func limitFault(_ refusal: LimitLedger.Refusal, _ operation: String) -> Fault {
        let seconds = max(1, Int(refusal.retryAfter.components.seconds))
        let what =
            switch refusal.kind {
            case .requestsPerMinute: "call rate limit"
            case .tokensPerMinute: "token rate limit"
            case .tokensPerDay, .tokensPerMonth: "token quota"
            case .costPerDay, .costPerMonth: "spend budget"
            }
        let message =
            "Requests to the \(operation) Operation under \(dialect == .openAI ? "Azure OpenAI " : "")API version \(summary.apiVersion) "
            + "have exceeded \(what) of your current tier (\(refusal.kind.rawValue)). Please retry after \(seconds) seconds."
        let isRate = refusal.kind == .requestsPerMinute || refusal.kind == .tokensPerMinute
        return Fault(isRate ? .rateLimited : .quotaExceeded, message, retryAfter: refusal.retryAfter)
    }

    /// Once, and before the answer's last byte: the caller's next call finds it done.
    func settle() {
        guard let reservation else { return }
        self.reservation = nil
        let isAnswered = summary.upstreamHeadAt > 0 && summary.status < 500
        // What was asked on the way to the answer is paid for too.
        let prompt = summary.promptTokens + (grounding?.extraPromptTokens ?? 0)
        let completion = summary.completionTokens + (grounding?.extraCompletionTokens ?? 0)
        let tokens = isAnswered || intentIsRecorded ? prompt + completion : 0
        let cost = Exchange.cost(prompt: prompt, completion: completion, deployment?.price)
        runtime.parts.limits.settle(reservation, tokens: tokens, costMicros: cost, now: runtime.parts.clock().seconds)
    }

    static func cost(prompt: Int, completion: Int, _ price: Price?) -> Int64 {
        guard let price else { return 0 }
        func times(_ tokens: Int, _ micros: Int64) -> Int64 {
            let (product, isTooLarge) = Int64(tokens).multipliedReportingOverflow(by: micros)
            return isTooLarge ? .max / 4 : min(product, .max / 4)
        }
        return (times(prompt, price.promptMicrosPer1K) + times(completion, price.completionMicrosPer1K) + 999) / 1000
    }

    // MARK: Ownership and targets

    private func checkOwnership(
        _ references: [BodyReference], of principal: Principal, then proceed: @escaping ([Ownership]) throws -> Void
    ) {
        guard !references.isEmpty else { return continuing { try proceed([]) } }
        runtime.parts.ownership.owner(of: references.map(\.id), for: principal, on: eventLoop).assumeIsolated().whenComplete {
            [self] result in
            continuing {
                let found: [Ownership?]
                do { found = try result.get() } catch {
                    throw Fault(.storeUnavailable, "The ownership ledger cannot be read. Please retry.", cause: error)
                }
                var owners: [Ownership] = []
                for (reference, owner) in zip(references, found) {
                    guard owner?.belongs(to: principal) ?? (reference.certainty != .certain) else { throw Fault.resourceNotFound }
                    if let owner, reference.certainty != .mention { owners.append(owner) }
                }
                try proceed(owners)
            }
        }
    }

    /// A resource is under the policy of the deployment that made it, wherever it is asked for.
    private func adoptPolicies(of owners: [Ownership], for principal: Principal, opaque: Set<GuardPolicy.Uninspectable>) throws {
        for owner in owners {
            if let id = owner.deployment, let made = snapshot.deployments[id] {
                guard mayUse(id) else { throw Fault.resourceNotFound }
                policy = policy.tightened(by: try snapshot.policy(floor: made.policy, selected: nil, by: principal))
            } else {
                policy = policy.tightened(by: try snapshot.resourcePolicy(selected: nil, for: principal, at: owner.upstream, using: mayUse))
            }
        }
        try refuseOpaque(opaque)
    }

    private func refuseOpaque(_ opaque: Set<GuardPolicy.Uninspectable>) throws {
        for kind in opaque.sorted(by: { $0.rawValue < $1.rawValue }) where policy.action(onUninspectable: kind) == .refuse {
            throw Fault(
                .uninspectable,
                "The request holds content that cannot be inspected (\(kind.rawValue)), which the policy '\(policy.id)' refuses.")
        }
        uninspected.formUnion(opaque)
    }

    /// Where this request may go: the deployment's targets, the owner's upstream, or the upstream for resources.
    private func chooseTargets(_ operation: Operation, owners: [Ownership]) throws -> [DeploymentTarget] {
        let upstreams = Set(owners.map(\.upstream))
        guard upstreams.count <= 1 else {
            throw Fault(.invalidRequest, "The request refers to resources of different upstreams, which no upstream can serve together.")
        }
        if let owner = upstreams.first {
            let model = deployment?.targets.first { $0.upstream == owner }?.model ?? deployment?.id.rawValue ?? ""
            return [DeploymentTarget(upstream: owner, model: model)]
        }
        if let deployment { return deployment.targets }
        guard let upstream = snapshot.resourceUpstream else {
            throw Fault(.upstreamUnavailable, "No upstream is configured that can hold this kind of resource.")
        }
        return [DeploymentTarget(upstream: upstream.id, model: "")]
    }

    /// Filters that the policy wants and nobody here can run: refused, unless every target runs them itself or the policy fails open.
    private func checkFilters() throws {
        let missing = policyInForce.missingFilters(in: snapshot.engine)
        guard !missing.isEmpty else { return }
        let isDelegated = targets.allSatisfy { snapshot.upstreams[$0.upstream]?.kind == .azureOpenAI }
        if isDelegated { return leaveOut(missing) }
        for filter in missing.sorted() where policy.settings(for: DetectorID(filter)).onFailure == .closed {
            throw Fault(
                .guardUnavailable,
                "The policy '\(policy.id)' demands the content filter '\(filter)', which neither this gateway nor the upstream of this deployment runs."
            )
        }
        leaveOut(missing)
    }

    /// What nobody here looks for is not annotated as not found.
    private func leaveOut(_ missing: Set<String>) {
        let engine = snapshot.engine
        let named = policy
        policy.leaveOut(missing) { engine.mayReport($0, under: named) }
    }

    // MARK: Inspecting

    private func prepareContext(for principal: Principal, then proceed: @escaping () throws -> Void) {
        let names = Set(policy.blocklists.map(\.name))
        // Shared by all contexts that are made below.
        let extras = materialDetectors(for: principal)
        if policy.rules.contains(where: { $0.action == .pseudonymise }) {
            let vault = runtime.parts.pseudonyms
            let scope = vault.beginning(
                of: PseudonymScope(tenant: principal.tenant, principal: principal.id, conversation: conversation(of: principal)))
            guard vault.isReady(scope) else {
                // A conversation that is not in memory: what was made in it before is read first.
                runtime.parts.pool.runIfActive(eventLoop: eventLoop) { try vault.load(scope) }.assumeIsolated().whenComplete {
                    [self] result in
                    continuing {
                        do { try result.get() } catch {
                            throw error as? Fault
                                ?? Fault(.guardUnavailable, "The pseudonyms of this conversation cannot be read.", cause: error)
                        }
                        prepareContext(for: principal, then: proceed)
                    }
                }
                return
            }
            pseudonyms = ConversationPseudonyms(runtime: runtime, scope: scope)
        }
        guard !names.isEmpty else {
            context = GuardEngine.Context(policy: policy, extraDetectors: extras, mint: pseudonyms?.mint)
            return continuing(proceed)
        }
        let library = runtime.parts.blocklists
        if let index = library.preparedIndex(of: names, tenant: principal.tenant) {
            context = GuardEngine.Context(
                policy: policy, blocklists: BlocklistDetector(index), extraDetectors: extras, mint: pseudonyms?.mint)
            return continuing(proceed)
        }
        runtime.parts.pool.runIfActive(eventLoop: eventLoop) { try library.index(of: names, tenant: principal.tenant) }
            .assumeIsolated().whenComplete { [self] result in
                continuing {
                    do {
                        context = GuardEngine.Context(
                            policy: policy, blocklists: BlocklistDetector(try result.get()), extraDetectors: extras,
                            mint: pseudonyms?.mint)
                    } catch {
                        throw Fault(.guardUnavailable, "A blocklist that the policy '\(policy.id)' names is not available.", cause: error)
                    }
                    try proceed()
                }
            }
    }

    /// Which conversation this is: the previous response's, a configured header's, or the same beginning by the same caller.
    func conversation(of principal: Principal) -> String {
        if let document, let previous = document.member("previous_response_id", of: 0).flatMap(document.string) {
            return "response:\(previous)"
        }
        if case .openAI(let operation, _, _, let ids)? = target, operation.pathResource == .response, let id = ids.first {
            return "response:\(id)"
        }
        if let name = snapshot.configuration.conversationHeader, let value = head.headers.first(name: name) { return "header:\(value)" }
        var prefix = ByteBuffer()
        if let document, let messages = document.member("messages", of: 0) {
            var isOver = false
            document.forEachElement(of: messages) { _, message in
                if isOver { return }
                prefix.writeImmutableBuffer(document.raw(message))
                if let role = document.member("role", of: message), document.equals(role, "user") { isOver = true }
            }
        } else {
            prefix = body
        }
        return runtime.parts.subjects.commitment(to: prefix, by: principal) ?? id
    }

    /// The guards read while the intent goes on record; both must end well before anything else happens.
    private func inspect(_ slots: [TextSlot], then proceed: @escaping () throws -> Void) {
        guard let context else { return refuse(Fault(.internal, "No policy.")) }
        summary.upstream = targets.first?.upstream
        let intent = recordIntent()
        let isSilent = policyInForce.isSilent(for: .prompt)
        // A canary in the system prompt must not come back in the answer.
        let canaries = slots.filter { $0.passage.origin == .system }.flatMap { $0.passage.withBytes { Canary.tokens(in: $0) } }
        if !canaries.isEmpty { self.context?.extraDetectors.append(CanaryDetector(tokens: canaries)) }
        self.context?.evidence = gatherEvidence(slots)
        promptCodePoints = slots.reduce(0) {
            $0 + ($1.passage.isASCII ? $1.passage.count : $1.passage.codePoints(in: 0..<$1.passage.count))
        }
        if isSilent { return afterBoth(intent, BodyInspector.Outcome(), slots, proceed) }
        inspect(slots, in: context) { [self] result in
            switch result {
            case .success(let outcome): afterBoth(intent, outcome, slots, proceed)
            // The intent is on its way: the outcome follows it.
            case .failure(let error): intent.assumeIsolated().whenComplete { [self] _ in refuse(error) }
            }
        }
    }

    private func afterBoth(
        _ intent: EventLoopFuture<AuditReceipt>, _ outcome: BodyInspector.Outcome, _ slots: [TextSlot],
        _ proceed: @escaping () throws -> Void
    ) {
        promptVerdict = outcome.verdict
        promptFindings = outcome.findings.values.flatMap { $0 }
        promptEdits = outcome.edits
        promptEdits.append(contentsOf: uploadEdits)
        summary.guardNanoseconds += outcome.verdict.reports.values.reduce(0) { $0 + $1.nanoseconds }
        let began = Exchange.nanoseconds()
        intent.assumeIsolated().whenComplete { [self] result in
            summary.auditNanoseconds += UInt64(max(0, Exchange.nanoseconds() - began))
            guard case .success = result else { return refuse(Fault.auditUnavailable) }
            intentIsRecorded = true
            continuing { [self] in
                guard outcome.verdict.isComplete else { throw Fault.incompleteVerdict }
                if outcome.isBlocked {
                    summary.promptTokens = TokenEstimate.tokens(bytes: summary.requestBytes)
                    if let file = uploadedFile { return scan(file, outcome) { throw Fault.promptFiltered } }
                    throw Fault.promptFiltered
                }
                try classify(outcome, slots, then: proceed)
            }
        }
    }

    /// Runs a step; what it throws is the answer. Does nothing when the caller has left meanwhile.
    func continuing(_ step: () throws -> Void) {
        guard phase != .ended, !isCut else { return }
        do { try step() } catch { refuse(error) }
    }
}

extension TextSlot {
    /// A text outside of the body: it can be blocked, not rewritten.
    static func query(_ text: String) -> TextSlot {
        let passage = Passage(text, origin: .user)
        return TextSlot(
            kind: .key, passage: passage, text: DecodedText.plain(passage.text), outer: nil, choice: nil, channel: nil, isOutside: true)
    }
}
