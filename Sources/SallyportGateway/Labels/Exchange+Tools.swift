import NIOCore
import NIOHTTP1
import SallyportCore
import SallyportGuard
import SallyportWire

/// Calls of tools that act outward: what an untrusted text had a hand in is confirmed by somebody first, or does not go at all.
extension Exchange {
    // MARK: What the request brings

    /// Notes the untrusted and the trusted texts of the request, where the policy watches tools; long ones off the event loop.
    func noteUntrusted(_ slots: [TextSlot], then proceed: @escaping () throws -> Void) throws {
        guard !policy.outwardTools.isEmpty else { return try proceed() }
        // What an earlier response had in it is not said again.
        var earlier: [String] = []
        if let document, let previous = document.member("previous_response_id", of: 0).flatMap(document.string) { earlier.append(previous) }
        if case .openAI(let operation, _, _, let ids)? = target, operation.pathResource == .response { earlier += ids.prefix(1) }
        var before = TaintSources()
        // Documents that an earlier answer of the conversation rested on: the answer may say them again, and its words are in the history.
        if let key = conversationKey(), let known = runtime.parts.taints.sources(before: key) { before.formUnion(known) }
        for id in earlier {
            if let known = runtime.parts.taints.sources(before: id) { before.formUnion(known) } else { before.addUnknown() }
        }
        let size = slots.reduce(0) { $0 + $1.passage.count }
        if size <= snapshot.configuration.inlineInspectionBytes {
            taint = Exchange.sources(of: slots, after: before)
            return try proceed()
        }
        runtime.parts.pool.runIfActive(eventLoop: eventLoop) { [before] in Exchange.sources(of: slots, after: before) }
            .assumeIsolated().whenComplete { [self] result in
                continuing {
                    do { taint = try result.get() } catch {
                        throw Fault(.guardUnavailable, "The content guards are not available.", cause: error)
                    }
                    try proceed()
                }
            }
    }

    private static func sources(of slots: [TextSlot], after before: TaintSources) -> TaintSources {
        var sources = before
        let normaliser = Normaliser()
        for slot in slots where slot.kind == .prose || slot.kind == .number || slot.kind == .key {
            switch slot.passage.origin {
            case .toolResult, .document, .file: sources.addUntrusted(ToolCallGuard.readings(of: slot.passage.text, by: normaliser))
            case .user, .system:
                let (outside, inside) = taggedDocuments(in: slot.passage.text)
                for text in inside { sources.addUntrusted(ToolCallGuard.readings(of: text, by: normaliser)) }
                // In the same readings: what the user wrote is as free reversed or encoded as it stands.
                for text in outside { sources.addTrusted(ToolCallGuard.readings(of: text, by: normaliser)) }
            default: break
            }
        }
        return sources
    }

    /// More untrusted texts go to the model: retrieved documents. They stay what they are for the rest of the conversation.
    func addUntrusted(_ texts: [ByteBuffer]) {
        guard var sources = taint else { return }
        let normaliser = Normaliser()
        let key = conversationKey()
        var documents = key.flatMap { runtime.parts.taints.sources(before: $0) } ?? TaintSources()
        for text in texts {
            let readings = ToolCallGuard.readings(of: text, by: normaliser)
            sources.addUntrusted(readings)
            documents.addUntrusted(readings)
        }
        taint = sources
        if let key { runtime.parts.taints.keep(documents, after: key) }
    }

    /// Azure's delimiters: what stands between `<documents>` and `</documents>` is nobody's word.
    static func taggedDocuments(in text: ByteBuffer) -> (outside: [ByteBuffer], inside: [ByteBuffer]) {
        let words = String(buffer: text)
        guard words.contains("<documents>") else { return ([text], []) }
        var (outside, inside): ([ByteBuffer], [ByteBuffer]) = ([], [])
        var rest = words[...]
        while let open = rest.range(of: "<documents>") {
            outside.append(ByteBuffer(substring: rest[..<open.lowerBound]))
            // One that nobody closes goes on to the end.
            let close = rest[open.upperBound...].range(of: "</documents>")
            inside.append(ByteBuffer(substring: rest[open.upperBound..<(close?.lowerBound ?? rest.endIndex)]))
            rest = close.map { rest[$0.upperBound...] } ?? rest[rest.endIndex...]
        }
        outside.append(ByteBuffer(substring: rest))
        return (outside, inside)
    }

    var toolGuard: ToolCallGuard? { ToolCallGuard(policy: policy, sources: taint) }

    /// For a stream.
    var toolWatch: StreamGate.ToolWatch? {
        toolGuard.map { toolGuard in
            StreamGate.ToolWatch(toolGuard: toolGuard) { [self] calls, answer, choice, isResponse, toolGuard in
                hold(calls, answer: answer, choice: choice, isResponse: isResponse, by: toolGuard)
            }
        }
    }

    /// What a next response that goes on from this one must know of it.
    func keepTaint(ofResponse id: String?) {
        guard let id, let taint, current?.operation.creates == .response else { return }
        runtime.parts.taints.keep(taint, after: id)
    }

    // MARK: What the answer asks for

    /// Looks at the calls of a whole answer.
    /// - Returns: by choice (0 for a response) what is said of the calls that are held back.
    func holdCalls(in document: JSONDocument, _ operation: Operation) -> [Int: ByteBuffer] {
        guard let toolGuard else { return [:] }
        var held: [Int: ByteBuffer] = [:]
        if operation.name == .chatCompletions, let choices = document.member("choices", of: 0) {
            document.forEachElement(of: choices) { position, choice in
                let index = document.member("index", of: choice).flatMap(document.integer) ?? position
                guard let message = document.member("message", of: choice) else { return }
                var calls: [ToolCall] = []
                if let list = document.member("tool_calls", of: message) {
                    document.forEachElement(of: list) { _, call in
                        for part in ["function", "custom"] as [StaticString] {
                            if let function = document.member(part, of: call) { calls.append(ToolCall(of: function, in: document)) }
                        }
                    }
                }
                if let function = document.member("function_call", of: message) { calls.append(ToolCall(of: function, in: document)) }
                held[index] = hold(calls, answer: document.raw(message), choice: index, isResponse: false, by: toolGuard)
            }
        } else if operation.creates == .response || operation.pathResource == .response, let output = document.member("output", of: 0) {
            var calls: [ToolCall] = []
            document.forEachElement(of: output) { _, item in
                guard let type = document.member("type", of: item).flatMap(document.string), type.hasSuffix("_call") else { return }
                calls.append(ToolCall(of: item, in: document))
            }
            held[0] = hold(calls, answer: document.raw(output), choice: 0, isResponse: true, by: toolGuard)
        }
        return held.compactMapValues { $0 }
    }

    /// - Returns: nil when all of them may go.
    func hold(_ calls: [ToolCall], answer: ByteBuffer, choice: Int, isResponse: Bool, by toolGuard: ToolCallGuard) -> ByteBuffer? {
        if let already = heldCalls[choice] { return already }
        let decided = calls.compactMap { call in
            toolGuard.decision(on: call.name, arguments: call.texts, label: label?.label).map { decision in
                (
                    HeldCall(
                        tool: call.name, effect: decision.effect.rawValue, reason: decision.reason, isBlocked: decision.reaction == .block),
                    decision.reaction
                )
            }
        }
        let stopped = decided.filter { $0.1 > .allow }.map(\.0)
        for (call, reaction) in decided { notes.append(("tool", "\(call.tool.prefix(64)): \(reaction.rawValue) (\(call.reason))")) }
        guard !stopped.isEmpty, let principal else { return nil }
        var confirmation: ConfirmationDesk.Waiting?
        if !stopped.contains(where: \.isBlocked) {
            let now = runtime.parts.clock().seconds
            var generator = SystemRandomNumberGenerator()
            let random = (0..<4).map { _ in String(UInt64.random(in: 0...UInt64.max, using: &generator), radix: 36) }.joined()
            let waiting = ConfirmationDesk.Waiting(
                id: "conf_" + random, tenant: principal.tenant, principal: principal.id, exchange: id, calls: stopped, answer: answer,
                isResponse: isResponse, policy: policy, expiresAt: now + ConfirmationDesk.patience)
            if runtime.parts.confirmations.put(waiting, now: now) { confirmation = waiting }
        }
        var json = JSONWriter(capacity: 256)
        json.beginObject()
        json.key("status")
        json.string(confirmation == nil ? "blocked" : "confirmation_required")
        if let confirmation {
            json.key("id")
            json.string(confirmation.id)
            json.key("expires_at")
            json.int(confirmation.expiresAt)
        }
        json.key("calls")
        Exchange.write(stopped, &json)
        json.endObject()
        notes.append(("confirmation", confirmation?.id ?? "blocked"))
        heldCalls[choice] = json.buffer
        return json.buffer
    }

    private static func write(_ calls: [HeldCall], _ json: inout JSONWriter) {
        json.beginArray()
        for call in calls {
            json.beginObject()
            json.key("tool")
            json.string(call.tool)
            json.key("effect")
            json.string(call.effect)
            json.key("reason")
            json.string(call.reason)
            json.endObject()
        }
        json.endArray()
    }

    // MARK: Confirmation

    /// `GET` shows what waits; `POST` with `{"decision":"approve"}` gives the message out, once, or with `"deny"` throws it away.
    func answerConfirmation(_ name: String) throws {
        guard let principal else { throw Fault.invalidKey }
        let isLook = head.method == .GET
        var word = "approve"
        if !isLook {
            let document = try parse(body)
            guard document.nodes[0].kind == .object, let said = document.member("decision", of: 0).flatMap(document.string),
                said == "approve" || said == "deny"
            else { throw Fault(.invalidRequest, "'decision' must be 'approve' or 'deny'.", param: "decision") }
            word = said
        }
        let unknown = Fault(.notFound, "There is no such confirmation, or it is over.")
        let desk = runtime.parts.confirmations
        guard let waiting = desk.look(name, as: principal, now: runtime.parts.clock().seconds) else { throw unknown }
        let document = try JSONDocument(parsing: waiting.answer)
        // A confirmed call leaves by another door: the guards of its policy stand there too.
        var context = GuardEngine.Context(policy: waiting.policy)
        let lists = Set(waiting.policy.blocklists.map(\.name))
        if !lists.isEmpty {
            guard let index = runtime.parts.blocklists.preparedIndex(of: lists, tenant: principal.tenant) else {
                throw Fault(.guardUnavailable, "A blocklist that the policy '\(waiting.policy.id)' names is not available.")
            }
            context.blocklists = BlocklistDetector(index)
        }
        let slots = BodyReading(of: document, as: .text(.completionToolCall), direction: .completion).slots
        inspect(slots, in: context) { [self] result in
            continuing {
                let outcome = try result.get()
                guard outcome.verdict.isComplete else { throw Fault.incompleteVerdict }
                completionVerdict = outcome.verdict
                completionFindings = outcome.findings.values.flatMap { $0 }
                if outcome.isBlocked, word == "approve" {
                    throw Fault(.contentFiltered, "The call was filtered due to the content management policy.", param: "completion")
                }
                guard isLook || desk.take(name, as: principal, now: runtime.parts.clock().seconds) != nil else { throw unknown }
                answer(waiting, outcome.edits.isEmpty ? waiting.answer : outcome.edits.apply(to: waiting.answer), isLook: isLook, word)
            }
        }
    }

    private func answer(_ waiting: ConfirmationDesk.Waiting, _ call: ByteBuffer, isLook: Bool, _ word: String) {
        var json = JSONWriter(capacity: 1024)
        describe(waiting, isLook ? "waiting" : word == "approve" ? "approved" : "denied", &json)
        if isLook {
            json.key("answer")
            json.raw(call)
        } else {
            notes.append(("confirmation", "\(waiting.id): \(word)"))
            notes.append(("exchange", waiting.exchange))
            if word == "approve" {
                if waiting.isResponse { json.key("output") } else { json.key("message") }
                json.raw(call)
            }
        }
        json.endObject()
        answerStatus = 200
        summary.operation = "confirmations"
        finish(json.buffer, type: "application/json")
    }

    private func describe(_ waiting: ConfirmationDesk.Waiting, _ status: StaticString, _ json: inout JSONWriter) {
        json.beginObject()
        json.key("id")
        json.string(waiting.id)
        json.key("status")
        json.string(status)
        json.key("expires_at")
        json.int(waiting.expiresAt)
        json.key("calls")
        Exchange.write(waiting.calls, &json)
    }
}

/// A call of a tool: its name, and the texts of its arguments.
struct ToolCall {
    var name: String
    var texts: [ByteBuffer]

    init(name: String, texts: [ByteBuffer]) {
        self.name = name
        self.texts = texts
    }

    /// A function of a chat message, or an item of a response's output.
    init(of call: Int, in document: JSONDocument) {
        name = document.member("name", of: call).flatMap(document.string) ?? ""
        texts = []
        for member in ["arguments", "input", "action", "query", "queries"] as [StaticString] {
            guard let value = document.member(member, of: call) else { continue }
            if document.nodes[value].kind == .string {
                texts += ToolCall.texts(of: document.text(value).bytes)
            } else {
                texts += ToolCall.strings(below: value, in: document)
            }
        }
        if name.isEmpty, let type = document.member("type", of: call).flatMap(document.string) { name = type }
    }

    /// Arguments are JSON in a string; where they are none, they are one text.
    static func texts(of arguments: ByteBuffer) -> [ByteBuffer] {
        guard let inner = try? JSONDocument(parsing: arguments) else { return [arguments] }
        return strings(below: 0, in: inner)
    }

    private static func strings(below node: Int, in document: JSONDocument) -> [ByteBuffer] {
        (node..<document.nodes[node].next).compactMap { index in
            let kind = document.nodes[index].kind
            return kind == .string || kind == .number || kind == .key ? document.text(index).bytes : nil
        }
    }
}
