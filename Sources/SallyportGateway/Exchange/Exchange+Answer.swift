import NIOCore
import NIOHTTP1
import NIOPosix
import SallyportCore
import SallyportGuard
import SallyportOversight
import SallyportWire

/// Answers that come in one piece: inspected whole, then sent.
extension Exchange {
    func inspectAnswer() throws {
        guard let operation = current?.operation, let context else { throw Fault(.internal, "No request.") }
        let type = answerHeaders.first("content-type")?.lowercased() ?? ""
        let isError = answerStatus >= 400
        summary.status = answerStatus
        if answerStatus >= 300 && answerStatus < 400 {
            throw Fault(.upstreamInvalid, "The upstream answered with a redirect, which is never followed.")
        }
        let isJSON = type.mentions("json")
        if !isError, operation.answersInJSON, operation.name != .service, answerStatus != 204, !looksLikeJSON(answerBody) {
            throw Fault(.upstreamInvalid, "The upstream's answer is not what this operation answers with.")
        }
        if answerBody.readableBytes == 0 { return finish(answerBody, type: type) }
        if awaitsGrounding { return try completeGrounding { [self] in try inspectAnswer() } }
        if isJSON || looksLikeJSON(answerBody), !isFileOfRows(operation) {
            return try inspectJSON(operation, isError: isError, context: context, type: type)
        }
        switch operation.answer {
        case .generatedAudio where !isError && !type.hasPrefix("text/"):
            try requireRecording(of: .generatedAudio)
            return finish(answerBody, type: type)
        case .file, .transcript: try inspectText(operation, context: context, type: type)
        default:
            if isJSON || type.hasPrefix("text/") || isError { return try inspectText(operation, context: context, type: type) }
            try requireRecording(of: .binary)
            finish(answerBody, type: type)
        }
    }

    private func isFileOfRows(_ operation: Operation) -> Bool {
        if case .file = operation.answer { return answerStatus < 300 }
        return false
    }

    private func looksLikeJSON(_ body: ByteBuffer) -> Bool {
        guard let first = body.readableBytesView.first(where: { $0 > 0x20 }) else { return false }
        return first == UInt8(ascii: "{") || first == UInt8(ascii: "[")
    }

    private func requireRecording(of kind: GuardPolicy.Uninspectable) throws {
        guard policy.action(onUninspectable: kind) == .record else {
            throw Fault(
                .uninspectable,
                "The answer holds content that cannot be inspected (\(kind.rawValue)), which the policy '\(policy.id)' refuses.")
        }
        uninspected.insert(kind)
    }

    // MARK: JSON

    private func inspectJSON(_ operation: Operation, isError: Bool, context: GuardEngine.Context, type: String) throws {
        var document: JSONDocument
        do { document = try JSONDocument(parsing: answerBody) } catch {
            throw Fault(.upstreamInvalid, "The upstream's answer is not valid JSON.", cause: error)
        }
        if let usage = UsageReading.usage(of: document) {
            count(usage, of: document.member("id", of: 0).flatMap(document.string))
        } else if !isError, operation.isDeploymentScoped {
            summary.promptTokens = TokenEstimate.tokens(bytes: summary.requestBytes)
            summary.completionTokens = TokenEstimate.tokens(bytes: answerBody.readableBytes)
        }
        guard !isError, let principal else { return try inspect(document, operation, isError: isError, context, type) }
        if let kind = operation.lists { return try cutDown(document, to: kind, operation, context, type, for: principal) }
        if operation.method == "DELETE", operation.innerResource == nil, let id = current?.ids.first {
            _ = runtime.parts.ownership.remove(id, for: principal, on: eventLoop)
        }
        claim(made(in: document, by: operation), for: principal) { [self] in
            try inspect(document, operation, isError: isError, context, type)
        }
    }

    /// What the answer says that the upstream has made for this caller.
    private func made(in document: JSONDocument, by operation: Operation) -> [Made] {
        // The embedded upstream keeps nothing that could be asked for later.
        guard upstreamKind != .embedded else { return [] }
        var made: [Made] = []
        if let kind = operation.creates, let id = document.member("id", of: 0).flatMap(document.string) {
            made.append(Made(kind: kind, id: id))
            if kind == .response { noteBackground(id, document) }
        }
        if operation.pathResource == .response || operation.creates == .response {
            made += Exchange.containers(in: document).map { Made(kind: .container, id: $0) }
        }
        if operation.pathResource == .batch || operation.pathResource == .fineTuningJob { made += Exchange.derived(in: document, 0) }
        return made
    }

    /// Where tools of a response ran: a next request may name them.
    static func containers(in document: JSONDocument, of response: Int = 0) -> [String] {
        guard let output = document.member("output", of: response), document.nodes[output].kind == .array else { return [] }
        var ids: [String] = []
        document.forEachElement(of: output) { _, item in
            if let id = document.member("container_id", of: item).flatMap(document.string), !ids.contains(id) { ids.append(id) }
        }
        return ids
    }

    /// Files and models that the upstream made for a job of the caller's are the caller's too.
    static func derived(in document: JSONDocument, _ job: Int) -> [Made] {
        var made = (["output_file_id", "error_file_id"] as [StaticString]).compactMap {
            document.member($0, of: job).flatMap(document.string)
        }
        .map { Made(kind: .file, id: $0) }
        if let results = document.member("result_files", of: job), document.nodes[results].kind == .array {
            document.forEachElement(of: results) { _, value in
                if let id = document.string(value) { made.append(Made(kind: .file, id: id)) }
            }
        }
        if let model = document.member("fine_tuned_model", of: job).flatMap(document.string) { made.append(Made(kind: .model, id: model)) }
        return made.filter { !$0.id.isEmpty }
    }

    func claim(_ made: [Made], for principal: Principal, then proceed: @escaping () throws -> Void) {
        guard let next = made.first else { return continuing(proceed) }
        claim(next.kind, next.id, for: principal) { [self] in claim(Array(made.dropFirst()), for: principal, then: proceed) }
    }

    /// A resource of the upstream's.
    struct Made {
        let kind: OwnedResource
        let id: String
    }

    /// The upstream's new id becomes the caller's, durably, before anybody can use it.
    func claim(_ kind: OwnedResource, _ id: String, for principal: Principal, then proceed: @escaping () throws -> Void) {
        let ownership = Ownership(
            tenant: principal.tenant, project: principal.project, principal: principal.id, kind: kind, id: id,
            upstream: summary.upstream ?? "", deployment: deployment?.id, createdAt: runtime.parts.clock().seconds)
        runtime.parts.ownership.record(ownership, on: eventLoop).assumeIsolated().whenComplete { [self] result in
            continuing {
                do { try result.get() } catch {
                    throw Fault(.storeUnavailable, "The new resource could not be recorded as yours. Please retry.", cause: error)
                }
                keepInheritance(of: id, kind, then: proceed)
            }
        }
    }

    func inspect(_ document: JSONDocument, _ operation: Operation, isError: Bool, _ context: GuardEngine.Context, _ type: String)
        throws
    {
        let shape: TextShape =
            switch operation.answer {
            case .json(let shape), .stream(_, let shape), .transcript(let shape): isError ? Shapes.errorAnswer : shape
            case .generatedAudio, .file: Shapes.anyAnswer
            }
        let isSilent = policyInForce.isSilent(for: .completion) && context.extraDetectors.isEmpty && pseudonyms == nil
        let reading = BodyReading(of: document, as: shape, direction: .completion, keepsTexts: !isSilent)
        for kind in reading.opaque.sorted(by: { $0.rawValue < $1.rawValue }) { try requireRecording(of: kind) }
        if isSilent { return conclude(document, BodyInspector.Outcome(), operation, isError: isError, type: type) }
        let slots = reading.slots
        let calls = context.evidence == nil || isError ? [] : Exchange.calls(in: document)
        inspect(slots, calls: calls, in: context) { [self] result in
            continuing { conclude(document, try result.get(), operation, isError: isError, type: type, slots: slots) }
        }
    }

    private func conclude(
        _ document: JSONDocument, _ outcome: BodyInspector.Outcome, _ operation: Operation, isError: Bool, type: String,
        slots: [TextSlot] = []
    ) {
        completionVerdict = outcome.verdict
        completionFindings = outcome.findings.values.flatMap { $0 }
        summary.guardNanoseconds += outcome.verdict.reports.values.reduce(0) { $0 + $1.nanoseconds }
        guard outcome.verdict.isComplete else { return refuse(Fault.incompleteVerdict) }
        var outcome = outcome
        let heldCalls = isError ? [:] : holdCalls(in: document, operation)
        outcome.blocked.formUnion(heldCalls.keys)
        var edits = outcome.edits
        if let pseudonyms {
            for slot in slots where slot.takesValues { slot.apply(pseudonyms.restoring(slot.passage), to: &edits) }
        }
        if isError {
            if outcome.isBlocked { return refuse(Fault(.upstreamInvalid, "The upstream reported an error whose text must not be shown.")) }
            return finish(edits.isEmpty ? answerBody : edits.apply(to: answerBody), type: type)
        }
        switch operation.answer {
        case .stream(.chat, _), .stream(.completions, _): finishChoices(document, outcome, heldCalls, operation, edits, type)
        case .stream(.responses, _): finishResponse(document, outcome, heldCalls, edits, type)
        default:
            if outcome.isBlocked {
                summary.wasBlocked = true
                promptFindings = completionFindings
                return refuse(Fault(.contentFiltered, "The answer was filtered due to the content management policy.", param: "completion"))
            }
            finish(edits.isEmpty ? answerBody : edits.apply(to: answerBody), type: type)
        }
    }

    private func finishChoices(
        _ document: JSONDocument, _ outcome: BodyInspector.Outcome, _ heldCalls: [Int: ByteBuffer], _ operation: Operation,
        _ edits: JSONEdits, _ type: String
    ) {
        var edits = edits
        let isChat = operation.name == .chatCompletions
        if let choices = document.member("choices", of: 0) {
            document.forEachElement(of: choices) { position, choice in
                let index = document.member("index", of: choice).flatMap(document.integer) ?? position
                let isBlocked = outcome.blocked.contains(index) || outcome.blocked.contains(-1)
                if isBlocked {
                    summary.wasBlocked = true
                    AnswerEditor.blockChoice(choice, of: document, isChat: isChat, &edits)
                    if let held = heldCalls[index] {
                        AnswerEditor.insertMember("sallyport_tool_calls", held, into: choice, of: document, &edits)
                    }
                }
                // The tokens spell what was masked in the text.
                if !isBlocked, (outcome.findings[index] ?? []).contains(where: { $0.mode == .enforce && $0.action.rewrites }),
                    let logprobs = document.member("logprobs", of: choice)
                {
                    edits.replace(document.rawRange(logprobs), with: "null")
                }
                if !isBlocked { takeOutSound(of: choice, in: document, outcome, index, &edits) }
                if policy.annotates || isBlocked {
                    let results = policyInForce.annotations((outcome.findings[index] ?? []) + (outcome.findings[-1] ?? []), .completion)
                    AnswerEditor.annotate("content_filter_results", results, in: choice, of: document, &edits)
                }
                if let reason = document.member("finish_reason", of: choice).flatMap(document.string) {
                    summary.finishReason = isBlocked ? "content_filter" : reason
                }
            }
        }
        if policy.annotates {
            AnswerEditor.annotatePrompt(policyInForce.annotations(promptFindings, .prompt), of: document, &edits)
        }
        annotateLabel(document, &edits)
        finish(edits.isEmpty ? answerBody : edits.apply(to: answerBody), type: type)
    }

    /// Sound says what its transcript says: where that was changed, it goes.
    private func takeOutSound(
        of choice: Int, in document: JSONDocument, _ outcome: BodyInspector.Outcome, _ index: Int, _ edits: inout JSONEdits
    ) {
        guard let message = document.member("message", of: choice), let audio = document.member("audio", of: message),
            let data = document.member("data", of: audio),
            (outcome.findings[index] ?? []).contains(where: { $0.mode == .enforce && $0.action.rewrites })
        else { return }
        edits.replace(document.rawRange(data), with: "\"\"")
    }

    private func finishResponse(
        _ document: JSONDocument, _ outcome: BodyInspector.Outcome, _ heldCalls: [Int: ByteBuffer], _ edits: JSONEdits, _ type: String
    ) {
        var edits = edits
        if !outcome.isBlocked, completionFindings.contains(where: { $0.mode == .enforce && $0.action.rewrites }) {
            AnswerEditor.takeOutLogprobs(of: document, &edits)
        }
        if outcome.isBlocked {
            summary.wasBlocked = true
            AnswerEditor.blockResponse(0, of: document, &edits)
            if let held = heldCalls[0] { AnswerEditor.insertMember("sallyport_tool_calls", held, into: 0, of: document, &edits) }
        }
        if policy.annotates || outcome.isBlocked {
            let filters = AnswerEditor.contentFilters(
                prompt: policyInForce.annotations(promptFindings, .prompt),
                completion: policyInForce.annotations(completionFindings, .completion),
                isBlocked: outcome.isBlocked)
            AnswerEditor.annotateResponse(filters, in: 0, of: document, &edits)
        }
        createdResponse = document.member("id", of: 0).flatMap(document.string)
        annotateLabel(document, &edits)
        summary.finishReason = document.member("status", of: 0).flatMap(document.string)
        finish(edits.isEmpty ? answerBody : edits.apply(to: answerBody), type: type)
    }

    // MARK: Text

    /// Plain text, or a file of JSON rows.
    private func inspectText(_ operation: Operation, context: GuardEngine.Context, type: String) throws {
        guard answerBody.withUnsafeReadableBytes({ UTF8Text.isValid($0) }) else {
            try requireRecording(of: .binary)
            return finish(answerBody, type: type)
        }
        var opaque: Set<GuardPolicy.Uninspectable> = []
        let slots = FileReading.slots(of: answerBody, at: 0, origin: .completion, opaque: &opaque)
        for kind in opaque.sorted(by: { $0.rawValue < $1.rawValue }) { try requireRecording(of: kind) }
        inspect(slots, in: context) { [self] result in
            continuing {
                let outcome = try result.get()
                completionVerdict = outcome.verdict
                completionFindings = outcome.findings.values.flatMap { $0 }
                guard outcome.verdict.isComplete else { throw Fault.incompleteVerdict }
                if outcome.isBlocked {
                    summary.wasBlocked = true
                    promptFindings = completionFindings
                    throw Fault(.contentFiltered, "The answer was filtered due to the content management policy.", param: "completion")
                }
                finish(outcome.edits.isEmpty ? answerBody : outcome.edits.apply(to: answerBody), type: type)
            }
        }
    }

    // MARK: The end

    /// The outcome goes on record, then the answer goes out.
    func finish(_ bytes: ByteBuffer, type: String) {
        guard phase != .ended else { return }
        // What was made here counts like what an upstream sent.
        do { try holdAnswer(max(bytes.readableBytes, answerBody.readableBytes)) } catch { return refuse(error) }
        phase = .answering
        var (bytes, type) = (bytes, type)
        let streams = grounding?.buffersStream == true && answerStatus < 300
        if streams, let events = Exchange.events(of: bytes, includesUsage: includesUsage) {
            (bytes, type) = (events, "text/event-stream; charset=utf-8")
            answerHeaders.remove("content-type")
        }
        answerBody = bytes
        summary.responseBytes = bytes.readableBytes
        keepLabel(ofResponse: createdResponse) { [self] in finishRecorded(bytes, type: type) }
    }

    private func finishRecorded(_ bytes: ByteBuffer, type: String) {
        recordOutcome(verdict: passedVerdict) { [self] isRecorded in
            guard phase != .ended else { return }
            guard isRecorded else { return refuseUnrecorded() }
            var headers = baseHeaders()
            HeaderRules.forCaller(answerHeaders, ownLimits: reservation?.status != nil, into: &headers)
            for (name, target) in resultLocations { headers.set(name, publicOrigin + target) }
            if !headers.contains("content-type") { headers.append("content-type", type.isEmpty ? "application/json" : type) }
            respond(status: answerStatus, headers: headers, body: bytes)
            conclude()
        }
    }
}
