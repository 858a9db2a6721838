import NIOCore
import NIOHTTP1
import SallyportCore
import SallyportGuard
import SallyportWire

/// How sensitive an exchange is: the highest label of all that goes to the model. It decides where the request may go, is told to the caller, and
/// stays with the conversation.
extension Exchange {
    static let labelHeader = "x-sallyport-label"

    /// The guards have read the prompt: its label is taken, and what the policy says of it is done before a byte leaves.
    func classify(_ outcome: BodyInspector.Outcome, _ slots: [TextSlot], then proceed: @escaping () throws -> Void) throws {
        guard let file = uploadedFile else { return try takeLabel(outcome, slots, then: proceed) }
        scan(file, outcome) { [self] in try takeLabel(outcome, slots, then: proceed) }
    }

    private func takeLabel(_ outcome: BodyInspector.Outcome, _ slots: [TextSlot], then proceed: @escaping () throws -> Void) throws {
        if let declared = head.headers.first(name: Exchange.labelHeader) {
            guard let declaredLabel = SensitivityLabel(declared) else {
                throw Fault(
                    .invalidRequest,
                    "The header '\(Exchange.labelHeader)' is not one of \(SensitivityLabel.allCases.map(\.description).joined(separator: ", "))."
                )
            }
            standingLabel = LabelFact.higher(standingLabel, LabelFact(declaredLabel, "declared"))
        }
        try noteUntrusted(slots) { [self] in try decideLabel(outcome, slots, then: proceed) }
    }

    private func decideLabel(_ outcome: BodyInspector.Outcome, _ slots: [TextSlot], then proceed: @escaping () throws -> Void) throws {
        let detected = Exchange.detected(outcome.findings.values.flatMap { $0 })
        recallLabel { [self] in
            label = LabelFact.higher(standingLabel, detected)
            fileReport?.label = label?.label.description
            guard let label, let action = policy.labelAction(at: label.label) else { return try admitLabel(then: proceed) }
            switch action.kind {
            case .refuse: throw labelFault("which the policy '\(policy.id)' refuses")
            case .route:
                guard let name = action.deployment, let other = snapshot.deployments[name], mayUse(name) else {
                    throw labelFault("for which the policy '\(policy.id)' names no deployment that you may use")
                }
                targets = other.targets
                tried = []
                notes.append(("label.route", name.rawValue))
                try admitLabel(then: proceed)
            case .redact: redactForLabel(slots, from: action.from, then: proceed)
            }
        }
    }

    /// The prompt is read once more, under rules that take sensitive data out; what remains decides.
    private func redactForLabel(_ slots: [TextSlot], from limit: SensitivityLabel, then proceed: @escaping () throws -> Void) {
        guard var context else { return refuse(Fault(.internal, "No policy.")) }
        context.policy = policy.redactingSensitiveData()
        inspect(slots, in: context) { [self] result in
            continuing {
                let outcome = try result.get()
                guard outcome.verdict.isComplete else { throw Fault.incompleteVerdict }
                if outcome.isBlocked { throw Fault.promptFiltered }
                let rest = Exchange.detected(outcome.findings.values.flatMap { $0 })
                // What was detected has gone; what was declared, or stands in documents and in the conversation, has not.
                let standing = LabelFact.higher(standingLabel, rest)
                if let standing, standing.label >= limit { throw labelFault("which redacting does not lower") }
                promptVerdict = outcome.verdict
                promptFindings = outcome.findings.values.flatMap { $0 }
                promptEdits = outcome.edits
                promptEdits.append(contentsOf: uploadEdits)
                label = standing
                notes.append(("label.redacted", "true"))
                try admitLabel(then: proceed)
            }
        }
    }

    /// More that goes to the model (retrieved documents) has this label.
    /// - Throws: ``Fault`` when none of the targets may receive it.
    func raiseLabel(to raised: SensitivityLabel, because reason: String) throws {
        let before = label
        standingLabel = LabelFact.higher(standingLabel, LabelFact(raised, reason))
        label = LabelFact.higher(label, standingLabel)
        guard label != before else { return }
        if let label, policy.labelAction(at: label.label)?.kind == .refuse { throw labelFault("which the policy '\(policy.id)' refuses") }
        try keepClearedTargets()
        keepLabel()
    }

    /// What is left of a prompt that goes nowhere it may not: only targets that are cleared for its label.
    private func keepClearedTargets() throws {
        guard let label else { return }
        let cleared = targets.filter { target in
            snapshot.upstreams[target.upstream]?.clearance.map { label.label <= $0 } ?? true
        }
        guard !cleared.isEmpty || targets.isEmpty else { throw labelFault("and no upstream of this deployment is cleared for it") }
        if cleared.count != targets.count {
            targets = cleared
            tried = []
            summary.upstream = targets.first?.upstream
        }
    }

    private func admitLabel(then proceed: @escaping () throws -> Void) throws {
        guard let label else { return try proceed() }
        try keepClearedTargets()
        guard let ledger = runtime.parts.labels, let principal, label.label > .general, let conversation = conversationKey() else {
            return try proceed()
        }
        ledger.raise(conversation, to: label.label, tenant: principal.tenant, on: eventLoop).assumeIsolated().whenComplete {
            [self] result in
            continuing {
                do { try result.get() } catch {
                    throw Fault(.storeUnavailable, "The conversation's label cannot be kept. Please retry.", cause: error)
                }
                try proceed()
            }
        }
    }

    /// Raised in the middle: nothing waits for it but the answer's end.
    private func keepLabel() {
        guard let ledger = runtime.parts.labels, let principal, let label, label.label > .general, let conversation = conversationKey()
        else {
            return
        }
        pendingLabel = ledger.raise(conversation, to: label.label, tenant: principal.tenant, on: eventLoop)
    }

    /// The conversation's own label: never lower than it was.
    private func recallLabel(then proceed: @escaping () throws -> Void) {
        guard let ledger = runtime.parts.labels, !ledger.isEmpty, let principal, let conversation = conversationKey() else {
            return continuing(proceed)
        }
        ledger.label(of: conversation, tenant: principal.tenant, on: eventLoop).assumeIsolated().whenComplete { [self] result in
            continuing {
                do {
                    if let before = try result.get() {
                        standingLabel = LabelFact.higher(LabelFact(before, "conversation"), standingLabel)
                    }
                } catch {
                    throw Fault(.storeUnavailable, "The conversation's label cannot be read. Please retry.", cause: error)
                }
                try proceed()
            }
        }
    }

    /// A response of the Responses API is what a next request goes on from: its label is kept under its id before the caller has it.
    func keepLabel(ofResponse id: String?, then proceed: @escaping () throws -> Void) {
        keepTaint(ofResponse: id)
        if let id, current?.operation.creates == .response { pseudonyms?.goesOn("response:\(id)") }
        let pending = pendingLabel
        pendingLabel = nil
        var futures = pending.map { [$0] } ?? []
        if let id, let ledger = runtime.parts.labels, let principal, let label, label.label > .general,
            current?.operation.creates == .response,
            let key = commitment("response:\(id)")
        {
            futures.append(ledger.raise(key, to: label.label, tenant: principal.tenant, on: eventLoop))
        }
        guard !futures.isEmpty else { return continuing(proceed) }
        EventLoopFuture.andAllSucceed(futures, on: eventLoop).assumeIsolated().whenComplete { [self] result in
            continuing {
                do { try result.get() } catch {
                    throw Fault(.storeUnavailable, "The conversation's label cannot be kept. Please retry.", cause: error)
                }
                try proceed()
            }
        }
    }

    func conversationKey() -> String? {
        guard document != nil, let principal,
            current == nil || current?.operation.isDeploymentScoped == true || current?.operation.name == .responsesCreate
        else { return nil }
        return commitment(conversation(of: principal))
    }

    private func commitment(_ name: String) -> String? {
        principal.flatMap { runtime.parts.subjects.commitment(to: ByteBuffer(string: "label:" + name), by: $0) }
    }

    private func labelFault(_ why: String) -> Fault {
        Fault(.labelTooHigh, "The request holds data with the label '\(label?.label.description ?? "")' (\(label?.reason ?? "")), \(why).")
    }

    /// The label that findings speak for; what a guard takes out before it leaves does not count.
    private static func detected(_ findings: [DecidedFinding]) -> LabelFact? {
        var found: [String: Int] = [:]
        for decided in findings where !(decided.mode == .enforce && decided.action.rewrites) {
            switch decided.finding.category.group {
            case .secret: found["secret", default: 0] += 1
            case .sensitive where decided.finding.confidence >= 0.75: found[decided.finding.category.name, default: 0] += 1
            default: break
            }
        }
        return LabelProposal.label(for: found).map { LabelFact($0.label, $0.origin.description) }
    }

    // MARK: Telling

    func addLabel(to headers: inout HeaderFields) {
        guard let label else { return }
        headers.append(Exchange.labelHeader, label.label.description)
        headers.append("x-sallyport-label-reason", label.reason)
    }

    /// `"sallyport":{"label":…,"label_reason":…}` in the answer's body.
    func annotateLabel(_ document: JSONDocument, _ edits: inout JSONEdits) {
        guard let label, document.nodes[0].kind == .object, document.member("sallyport", of: 0) == nil else { return }
        var json = JSONWriter(capacity: 96)
        json.beginObject()
        json.key("label")
        json.string(label.label.description)
        json.key("label_reason")
        json.string(label.reason)
        json.endObject()
        AnswerEditor.insertMember("sallyport", json.buffer, into: 0, of: document, &edits)
    }
}
