import NIOCore
import SallyportCore
import SallyportGuard
import SallyportWire

/// The second gate for a streamed answer: events come in as they arrive, and leave, byte for byte and in order, once every text in them was read.
///
/// Used on one event loop. Knows nothing of sockets: bytes in, bytes out.
struct StreamGate {
    struct Configuration {
        var dialect: StreamDialect
        /// What the caller asked for (`n`); when so many choices are blocked, the stream is over.
        var choices: Int
        /// Annotations of the prompt, made already; nil when the policy does not annotate.
        var promptResults: ByteBuffer?
        /// Code points of the prompt: Azure's offsets in asynchronous mode count from its start.
        var promptCodePoints: Int
        var maximumEventBytes = 1_048_576
        /// Gives back what a pseudonym stands for; nil when none were made.
        var restore: (@Sendable (Passage) -> [TextEdit])?
    }

    /// Usage as the upstream counted it.
    struct Usage: Sendable, Equatable {
        var prompt = 0
        var completion = 0
    }

    private(set) var verdict = Verdict()
    private(set) var usage: Usage?
    /// UTF-8 bytes of the texts that the model made, for an estimate when no usage comes.
    private(set) var completionBytes = 0
    private(set) var findings: [Int: [DecidedFinding]] = [:]
    private(set) var finishReason: String?
    /// The stream was ended by us: nothing more is read from the upstream.
    private(set) var isTerminated = false
    private(set) var wasBlocked = false
    private(set) var upstreamReportedError = false
    private(set) var createdID: String?

    private let configuration: Configuration
    private let inspector: BodyInspector
    private var parser: SSEParser
    private var queue: [HeldEvent] = []
    private var head = 0
    private var holds: [ChannelKey: StreamHold] = [:]
    private var seenTokens: Set<ByteBuffer> = []
    private var blockedChoices: Set<Int> = []
    private var template: JSONDocument?
    private var isFirst = true
    private var final: [ByteBuffer] = []
    private var policy: GuardPolicy { inspector.context.policy }
    private var isAsynchronous: Bool { policy.streaming.isAsynchronous }
    private let isSilent: Bool

    private struct Piece {
        let channel: ChannelKey
        let range: Range<Int>
        let slot: TextSlot
    }
    private struct HeldEvent {
        var event: SSEEvent
        var document: JSONDocument?
        var edits = JSONEdits()
        var pieces: [Piece] = []
        var isDropped = false
        /// A guard changed a text that stands alone in it.
        var isRewritten = false
        /// `content_filter_results` by choice, written when the event goes.
        var annotations: [Int: ByteBuffer] = [:]
        /// A synthetic event, written by us.
        var own: ByteBuffer?
        var isLast = false
    }

    init(_ configuration: Configuration, inspector: BodyInspector) {
        self.configuration = configuration
        self.inspector = inspector
        parser = SSEParser(maximumEventBytes: configuration.maximumEventBytes)
        isSilent =
            inspector.context.policy.isSilent(for: .completion) && inspector.context.extraDetectors.isEmpty && configuration.restore == nil
    }

    /// Text waits for its sentence to end.
    var isHolding: Bool { holds.contains { $0.value.held > 0 && !blockedChoices.contains($0.key.index) } }
    var maximumDelay: Duration { policy.streaming.maximumDelay }

    // MARK: Feeding

    /// - Returns: what may be sent now.
    /// - Throws: ``Fault`` when the stream cannot be read, or a guard could not do its work: nothing more may be sent but an error event.
    mutating func receive(_ chunk: ByteBuffer) throws -> [ByteBuffer] {
        guard !isTerminated else { return [] }
        parser.append(chunk)
        do {
            while !isTerminated, let event = try parser.next() { try take(event) }
        } catch is SSEFault {
            throw Fault(.upstreamInvalid, "The upstream's event stream could not be read.")
        }
        try evaluate(isForced: false)
        return release()
    }

    /// The declared delay is over: everything held is evaluated.
    mutating func delayElapsed() throws -> [ByteBuffer] {
        guard !isTerminated else { return [] }
        try evaluate(isForced: true)
        return release()
    }

    /// The upstream's answer is complete. What this returns may be sent; ``finalBytes`` only when the outcome is on record.
    mutating func finish() throws -> [ByteBuffer] {
        if !isTerminated {
            do {
                if let rest = try parser.finish() { try take(rest) }
            } catch is SSEFault {
                throw Fault(.upstreamInvalid, "The upstream's event stream could not be read.")
            }
            try finishChannels { _ in true }
        }
        return release()
    }

    /// The last event; sent after the outcome is on record.
    mutating func finalBytes() -> [ByteBuffer] {
        defer { final = [] }
        return final
    }

    // MARK: One event

    private mutating func take(_ event: SSEEvent) throws {
        try readSurroundings(of: event)
        if isTerminated { return }
        guard let data = event.data, data.readableBytes > 0 else { return queue.append(HeldEvent(event: event)) }
        if data.readableBytes == 6, data.hasPrefix("[DONE]", at: 0) {
            try finishChannels { _ in true }
            var last = HeldEvent(event: event)
            last.isLast = true
            return queue.append(last)
        }
        let document: JSONDocument
        do { document = try JSONDocument(parsing: data) } catch {
            throw Fault(.upstreamInvalid, "The upstream sent an event that is not valid JSON.", cause: error)
        }
        noteUsage(document)
        var held = HeldEvent(event: event)
        held.document = document
        let type =
            configuration.dialect == .responses
            ? document.member("type", of: 0).flatMap(document.string) ?? event.name.map { String(buffer: $0) } ?? "" : ""
        if configuration.dialect == .responses { try prepareResponsesEvent(type, document, &held) }
        if isTerminated { return }
        annotateFirst(document, &held, type)
        if isSilent {
            noteTemplate(document)
            try noteFinish(document, &held, type)
            return queue.append(held)
        }
        try read(document, type, &held)
        if isTerminated { return }
        if !held.isDropped && !held.isRewritten { noteTemplate(document) }
        queue.append(held)
        if configuration.dialect != .responses { try finishChoices(document) }
    }

    /// Comments, names and ids travel beside the data: words in them are words too.
    private mutating func readSurroundings(of event: SSEEvent) throws {
        guard !isSilent else { return }
        let length = event.data?.readableBytes ?? 0
        // `data: …` and its line ends, and nothing else.
        if event.data != nil, event.raw.readableBytes <= length + 10, event.name == nil { return }
        var words = event.raw
        if let offset = event.dataOffset, let before = event.raw.getSlice(at: event.raw.readerIndex, length: offset) {
            words = before
            let end = offset + length
            if let after = event.raw.getSlice(at: event.raw.readerIndex + end, length: event.raw.readableBytes - end) {
                words.writeImmutableBuffer(after)
            }
        } else if event.data != nil {
            return
        }
        guard !seenTokens.contains(words) else { return }
        guard words.withUnsafeReadableBytes({ UTF8Text.isValid($0) }) else {
            throw Fault(.upstreamInvalid, "The upstream's event stream is not valid UTF-8.")
        }
        let text = DecodedText.plain(words)
        let slot = TextSlot(
            kind: .key, passage: Passage(words, origin: .completion, isASCII: text.isASCII), text: text, outer: nil, choice: nil,
            channel: nil,
            isOutside: true)
        let outcome = inspector.inspect([slot])
        verdict.merge(outcome.verdict)
        guard outcome.verdict.isComplete else { throw Fault.incompleteVerdict }
        for (choice, found) in outcome.findings { findings[choice, default: []] += found }
        if outcome.isBlocked {
            for choice in 0..<max(1, configuration.choices) where !isTerminated { try block(choice) }
        } else if seenTokens.count < 1024 {
            seenTokens.insert(words)
        }
    }

    private mutating func read(_ document: JSONDocument, _ type: String, _ held: inout HeldEvent) throws {
        let shape =
            switch configuration.dialect {
            case .chat: Shapes.chatEvent
            case .completions: Shapes.completionsEvent
            case .responses: Shapes.responsesEvent(type)
            }
        let reading = BodyReading(of: document, as: shape, direction: .completion)
        for kind in reading.opaque where policy.action(onUninspectable: kind) == .refuse {
            throw Fault(.uninspectable, "The answer holds content that cannot be inspected (\(kind.rawValue)), which the policy refuses.")
        }
        var standing: [TextSlot] = []
        for slot in reading.slots {
            if var channel = slot.channel {
                if configuration.dialect == .responses { channel = responsesChannel(channel, document) }
                try grow(channel, slot, &held)
                if isTerminated { return }
            } else if slot.kind == .token {
                // The same ids and enum values stand in every event: once is enough.
                guard !seenTokens.contains(slot.passage.text) else { continue }
                if seenTokens.count < 1024 { seenTokens.insert(slot.passage.text) }
                standing.append(slot)
            } else {
                standing.append(slot)
            }
        }
        guard !standing.isEmpty else { return }
        var outcome = inspector.inspect(standing)
        verdict.merge(outcome.verdict)
        guard outcome.verdict.isComplete else { throw Fault.incompleteVerdict }
        for (choice, found) in outcome.findings { findings[choice, default: []] += found }
        if outcome.isBlocked {
            if isAsynchronous { outcome.blocked = Set(outcome.blocked.map { max(0, $0) }) }
            for choice in outcome.blocked.sorted() { try block(max(0, choice)) }
            held.isDropped = true
        }
        if let restore = configuration.restore {
            for slot in standing where slot.kind == .prose && slot.passage.origin == .completion {
                slot.apply(restore(slot.passage), to: &outcome.edits)
            }
        }
        held.isRewritten = !outcome.edits.isEmpty
        held.edits.append(contentsOf: outcome.edits)
    }

    private mutating func grow(_ channel: ChannelKey, _ slot: TextSlot, _ held: inout HeldEvent) throws {
        guard !blockedChoices.contains(channel.index) else {
            held.isDropped = true
            return
        }
        let isWhole = channel.field == "arguments"
        // Another text of this choice begins: the ones before it have ended.
        if holds[channel].map({ $0.held == 0 }) ?? true {
            for other in holds.keys
            where other.index == channel.index && other != channel && other.field != "arguments" && holds[other]?.held ?? 0 > 0 {
                try evaluate(other, isFinal: true, isForced: false)
                if isTerminated { return }
            }
        }
        var hold =
            holds[channel]
            ?? StreamHold(origin: slot.passage.origin, maximumBytes: isWhole ? 262_144 : policy.streaming.maximumBytes, isWhole: isWhole)
        let start = hold.end
        hold.append(slot.passage.text, isASCII: slot.passage.isASCII)
        completionBytes += slot.passage.count
        holds[channel] = hold
        held.pieces.append(Piece(channel: channel, range: start..<hold.end, slot: slot))
    }

    /// Everything that waits, with its framing.
    private var queuedBytes: Int { queue.count - head > 256 ? queue[head...].reduce(0) { $0 + $1.event.raw.readableBytes } : 0 }

    // MARK: Evaluating

    private mutating func evaluate(isForced: Bool) throws {
        for channel in Array(holds.keys) where holds[channel].map({ isForced ? $0.held > 0 : $0.wantsEvaluation }) == true {
            if isTerminated { return }
            if blockedChoices.contains(channel.index) { continue }
            try evaluate(channel, isFinal: false, isForced: isForced)
        }
        if holds.values.contains(where: { $0.held > 1_048_576 }) || queuedBytes > 8_388_608 {
            throw Fault(.guardUnavailable, "The answer holds more unfinished text than may be held back.")
        }
    }

    private mutating func finishChannels(_ isDone: (ChannelKey) -> Bool) throws {
        for channel in holds.keys.filter(isDone) where !blockedChoices.contains(channel.index) {
            if isTerminated { return }
            try evaluate(channel, isFinal: true, isForced: false)
        }
    }

    private mutating func evaluate(_ channel: ChannelKey, isFinal: Bool, isForced: Bool) throws {
        guard var hold = holds[channel] else { return }
        var part = Verdict()
        let before = hold.cleared
        let release = hold.evaluate(isFinal: isFinal, isForced: isForced) { passage in
            inspector.inspectGrowing(passage, isWhole: channel.field == "arguments", verdict: &part)
        }
        holds[channel] = hold
        verdict.merge(part)
        guard part.isComplete else { throw Fault.incompleteVerdict }
        findings[channel.index, default: []] += release.findings
        if isAsynchronous { return annotateLate(channel, release, before: before) }
        if release.action == .block { return try block(channel.index) }
        for edit in release.edits { distribute(edit, over: channel) }
        restore(channel, before..<hold.cleared)
        if !release.findings.isEmpty { annotatePieces(of: channel, in: before..<hold.cleared) }
    }

    /// A change may lie across several events: the first takes the replacement, the others lose their part.
    private mutating func distribute(_ edit: TextEdit, over channel: ChannelKey) {
        var replacement = edit.replacement
        for index in head..<queue.count where !queue[index].isDropped {
            for piece in queue[index].pieces where piece.channel == channel && piece.range.overlaps(edit.range) {
                let part = edit.range.clamped(to: piece.range)
                let local = part.lowerBound - piece.range.lowerBound..<part.upperBound - piece.range.lowerBound
                piece.slot.apply([TextEdit(range: local, replacement: replacement)], to: &queue[index].edits)
                replacement = []
                // The tokens spell what was masked in the text.
                if let document = queue[index].document, let choice = choiceNode(channel.index, of: document),
                    let logprobs = document.member("logprobs", of: choice)
                {
                    queue[index].edits.replace(document.rawRange(logprobs), with: "null")
                }
            }
        }
    }

    /// Pseudonyms go back to what they stand for; never in tool arguments.
    private mutating func restore(_ channel: ChannelKey, _ range: Range<Int>) {
        guard let restore = configuration.restore, channel.origin != .completionToolCall, !range.isEmpty else { return }
        var text = ByteBuffer()
        for held in queue[head...] {
            for piece in held.pieces where piece.channel == channel { text.writeImmutableBuffer(piece.slot.passage.text) }
        }
        guard let start = queue[head...].lazy.flatMap(\.pieces).first(where: { $0.channel == channel })?.range.lowerBound else { return }
        for edit in restore(Passage(text, origin: channel.origin, isASCII: false)) {
            let absolute = edit.range.lowerBound + start..<edit.range.upperBound + start
            if range.contains(absolute.lowerBound), absolute.upperBound <= range.upperBound {
                distribute(TextEdit(range: absolute, replacement: edit.replacement), over: channel)
            }
        }
    }

    // MARK: Releasing

    private mutating func release() -> [ByteBuffer] {
        var out: [ByteBuffer] = []
        while head < queue.count {
            let held = queue[head]
            if !held.isDropped && !isAsynchronous && !held.pieces.allSatisfy({ $0.range.upperBound <= (holds[$0.channel]?.cleared ?? 0) }) {
                break
            }
            head += 1
            if held.isDropped { continue }
            var edits = held.edits
            if let document = held.document {
                for (choice, results) in held.annotations {
                    if let node = choiceNode(choice, of: document) {
                        AnswerEditor.annotate("content_filter_results", results, in: node, of: document, &edits)
                    }
                }
            }
            let bytes = held.own ?? StreamGate.bytes(of: held.event, edits: edits)
            if held.isLast { final.append(bytes) } else { out.append(bytes) }
        }
        if head > 64 && head * 2 > queue.count {
            queue.removeFirst(head)
            head = 0
        }
        return out
    }

    /// The event as it came, but for the edited ranges of its data.
    private static func bytes(of event: SSEEvent, edits: JSONEdits) -> ByteBuffer {
        guard !edits.isEmpty, let data = event.data else { return event.raw }
        let edited = edits.apply(to: data)
        var bytes = ByteBufferAllocator().buffer(capacity: event.raw.readableBytes + edited.readableBytes)
        if let offset = event.dataOffset {
            if let before = event.raw.getSlice(at: event.raw.readerIndex, length: offset) { bytes.writeImmutableBuffer(before) }
            bytes.writeImmutableBuffer(edited)
            let end = offset + data.readableBytes
            if let after = event.raw.getSlice(at: event.raw.readerIndex + end, length: event.raw.readableBytes - end) {
                bytes.writeImmutableBuffer(after)
            }
        } else {
            if let name = event.name {
                bytes.writeStaticString("event: ")
                bytes.writeImmutableBuffer(name)
                bytes.writeStaticString("\n")
            }
            bytes.writeStaticString("data: ")
            bytes.writeImmutableBuffer(edited)
            bytes.writeStaticString("\n\n")
        }
        return bytes
    }

    // MARK: Blocking

    private mutating func block(_ choice: Int) throws {
        guard blockedChoices.insert(choice).inserted else { return }
        wasBlocked = true
        finishReason = "content_filter"
        // What was cleared before the offence may still go; the rest of this choice never does.
        for index in head..<queue.count
        where queue[index].pieces.contains(where: { $0.channel.index == choice && $0.range.upperBound > (holds[$0.channel]?.cleared ?? 0) })
        {
            queue[index].isDropped = true
        }
        let results = Annotations.results(findings[choice] ?? findings[-1] ?? [], policy: policy, direction: .completion)
        switch configuration.dialect {
        case .chat, .completions:
            queue.append(own(choiceEvent(choice, results)))
            if blockedChoices.count >= configuration.choices {
                isTerminated = true
                // Whatever else is held belongs to nobody any more.
                for index in head..<queue.count where queue[index].own == nil && !queue[index].pieces.isEmpty {
                    queue[index].isDropped = queue[index].isDropped || !isClear(queue[index])
                }
                var done = own(ByteBuffer(string: "data: [DONE]\n\n"))
                done.isLast = true
                queue.append(done)
            }
        case .responses:
            isTerminated = true
            for index in head..<queue.count where !isClear(queue[index]) { queue[index].isDropped = true }
            var last = own(incompleteResponse(results))
            last.isLast = true
            queue.append(last)
        }
    }

    private func isClear(_ held: HeldEvent) -> Bool { held.pieces.allSatisfy { $0.range.upperBound <= (holds[$0.channel]?.cleared ?? 0) } }

    private func own(_ bytes: ByteBuffer) -> HeldEvent {
        HeldEvent(event: SSEEvent(raw: bytes, data: nil, dataOffset: nil, name: nil), own: bytes)
    }

    private func choiceEvent(_ choice: Int, _ results: ByteBuffer) -> ByteBuffer {
        var json = JSONWriter(capacity: 512)
        json.beginObject()
        for name in ["id", "object", "created", "model", "system_fingerprint"] as [StaticString] {
            guard let template, let value = template.member(name, of: 0) else { continue }
            json.key(name)
            json.raw(template.raw(value))
        }
        json.key("choices")
        json.beginArray()
        json.beginObject()
        json.key("index")
        json.int(choice)
        json.key("finish_reason")
        json.string("content_filter")
        if configuration.dialect == .chat {
            json.key("delta")
            json.raw("{}")
        } else {
            json.key("text")
            json.string("")
        }
        json.key("logprobs")
        json.null()
        json.key("content_filter_results")
        json.raw(results)
        json.endObject()
        json.endArray()
        json.endObject()
        return StreamGate.event(json.buffer)
    }

    private static func event(_ data: ByteBuffer, named name: StaticString? = nil) -> ByteBuffer {
        var bytes = ByteBuffer()
        if let name {
            bytes.writeStaticString("event: ")
            bytes.writeStaticString(name)
            bytes.writeStaticString("\n")
        }
        bytes.writeStaticString("data: ")
        bytes.writeImmutableBuffer(data)
        bytes.writeStaticString("\n\n")
        return bytes
    }

    private func incompleteResponse(_ results: ByteBuffer) -> ByteBuffer {
        var json = JSONWriter(capacity: 1024)
        json.beginObject()
        json.key("type")
        json.string("response.incomplete")
        json.key("sequence_number")
        json.int(sequence + 1)
        json.key("response")
        if let template, let response = template.member("response", of: 0), template.nodes[response].kind == .object,
            let inner = try? JSONDocument(parsing: template.raw(response))
        {
            var edits = JSONEdits()
            AnswerEditor.blockResponse(0, of: inner, &edits)
            AnswerEditor.annotateResponse(
                AnswerEditor.contentFilters(prompt: configuration.promptResults, completion: results, isBlocked: true), in: 0, of: inner,
                &edits)
            json.raw(edits.apply(to: inner.bytes))
        } else {
            json.raw(
                "{\"object\":\"response\",\"status\":\"incomplete\",\"incomplete_details\":{\"reason\":\"content_filter\"},\"output\":[]}")
        }
        json.endObject()
        return StreamGate.event(json.buffer, named: "response.incomplete")
    }

    // MARK: Annotating

    /// What our own events repeat of the upstream's (ids, names): only from events that were read and found fit to pass.
    private mutating func noteTemplate(_ document: JSONDocument) {
        if template == nil
            || (configuration.dialect != .responses
                && document.member("id", of: 0).map { document.nodes[$0].end > document.nodes[$0].start } == true && createdID == nil)
        {
            template = document
        }
        if createdID == nil {
            let holder = configuration.dialect == .responses ? document.member("response", of: 0) ?? 0 : 0
            if let id = document.member("id", of: holder).flatMap(document.string), !id.isEmpty { createdID = id }
        }
    }

    /// The first chunk carries the prompt's annotations: in the provider's own event, or in one of ours before it.
    private mutating func annotateFirst(_ document: JSONDocument, _ held: inout HeldEvent, _ type: String) {
        guard let results = configuration.promptResults else { return }
        if configuration.dialect == .responses {
            guard let response = document.member("response", of: 0), document.nodes[response].kind == .object else { return }
            let isEnd = type == "response.completed" || type == "response.incomplete" || type == "response.failed"
            guard type == "response.created" || isEnd else { return }
            let completion = isEnd ? Annotations.results(findings.values.flatMap { $0 }, policy: policy, direction: .completion) : nil
            AnswerEditor.annotateResponse(
                AnswerEditor.contentFilters(prompt: results, completion: completion, isBlocked: wasBlocked), in: response, of: document,
                &held.edits)
            return
        }
        guard isFirst else { return }
        isFirst = false
        if document.member("prompt_filter_results", of: 0) != nil {
            AnswerEditor.annotatePrompt(results, of: document, &held.edits)
        } else {
            var data = ByteBuffer(
                string: "{\"choices\":[],\"created\":0,\"id\":\"\",\"model\":\"\",\"object\":\"\",\"prompt_filter_results\":")
            data.writeImmutableBuffer(AnswerEditor.promptResults(results))
            data.writeStaticString("}")
            queue.append(own(StreamGate.event(data)))
        }
    }

    /// Events in which something was found say so.
    private mutating func annotatePieces(of channel: ChannelKey, in range: Range<Int>) {
        guard policy.annotates, configuration.dialect != .responses else { return }
        for index in head..<queue.count where queue[index].annotations[channel.index] == nil {
            guard let document = queue[index].document,
                queue[index].pieces.contains(where: { $0.channel == channel && $0.range.overlaps(range) }),
                choiceNode(channel.index, of: document) != nil
            else { continue }
            queue[index].annotations[channel.index] = Annotations.results(
                findings[channel.index] ?? [], policy: policy, direction: .completion)
            return
        }
    }

    private func choiceNode(_ choice: Int, of document: JSONDocument) -> Int? {
        guard let choices = document.member("choices", of: 0) else { return nil }
        var found: Int?
        document.forEachElement(of: choices) { position, value in
            if (document.member("index", of: value).flatMap(document.integer) ?? position) == choice { found = value }
        }
        return found
    }

    /// A choice's end: its texts are complete, and its last chunk says what was found in all of it.
    private mutating func finishChoices(_ document: JSONDocument) throws {
        guard let choices = document.member("choices", of: 0), document.nodes[choices].kind == .array else { return }
        var finished: [(Int, Int)] = []
        document.forEachElement(of: choices) { position, value in
            guard let reason = document.member("finish_reason", of: value), document.nodes[reason].kind == .string else { return }
            finished.append((document.member("index", of: value).flatMap(document.integer) ?? position, value))
        }
        for (choice, node) in finished {
            if let reason = document.member("finish_reason", of: node).flatMap(document.string), !wasBlocked { finishReason = reason }
            try finishChannels { $0.index == choice }
            if isTerminated || blockedChoices.contains(choice) {
                if let last = queue.indices.last(where: { queue[$0].document?.bytes == document.bytes }) { queue[last].isDropped = true }
                continue
            }
            guard policy.annotates, !isAsynchronous, let last = queue.indices.last(where: { queue[$0].document != nil }) else { continue }
            queue[last].annotations[choice] = Annotations.results(findings[choice] ?? [], policy: policy, direction: .completion)
        }
    }

    private mutating func noteFinish(_ document: JSONDocument, _ held: inout HeldEvent, _ type: String) throws {
        guard configuration.dialect != .responses, let choices = document.member("choices", of: 0) else { return }
        var reason: String?
        document.forEachElement(of: choices) { _, value in
            if let node = document.member("finish_reason", of: value), document.nodes[node].kind == .string {
                reason = document.string(node)
            }
            if let delta = document.member("delta", of: value), let content = document.member("content", of: delta) {
                completionBytes += document.nodes[content].end - document.nodes[content].start
            }
        }
        if let reason { finishReason = reason }
    }

    /// Azure's asynchronous mode: the text has gone; an annotation chunk says what was found, and a violation ends the stream.
    private mutating func annotateLate(_ channel: ChannelKey, _ release: StreamHold.Release, before: Int) {
        let isViolation = release.action == .block
        guard policy.annotates || isViolation, configuration.dialect != .responses else {
            if isViolation { try? block(channel.index) }
            return
        }
        let results = Annotations.results(findings[channel.index] ?? [], policy: policy, direction: .completion)
        let start = configuration.promptCodePoints + before
        let end = configuration.promptCodePoints + (holds[channel]?.end ?? before)
        var json = JSONWriter(capacity: 512)
        json.beginObject()
        for name in ["id", "object", "model"] as [StaticString] {
            json.key(name)
            json.string("")
        }
        json.key("created")
        json.int(0)
        json.key("choices")
        json.beginArray()
        json.beginObject()
        json.key("index")
        json.int(channel.index)
        json.key("finish_reason")
        if isViolation { json.string("content_filter") } else { json.null() }
        json.key("content_filter_results")
        json.raw(results)
        json.key("content_filter_offsets")
        json.beginObject()
        json.key("check_offset")
        json.int(start)
        json.key("start_offset")
        json.int(start)
        json.key("end_offset")
        json.int(end)
        json.endObject()
        json.endObject()
        json.endArray()
        json.key("usage")
        json.null()
        json.endObject()
        queue.append(own(StreamGate.event(json.buffer)))
        if isViolation {
            wasBlocked = true
            finishReason = "content_filter"
            isTerminated = true
            var done = own(ByteBuffer(string: "data: [DONE]\n\n"))
            done.isLast = true
            queue.append(done)
        }
    }

    // MARK: Responses API

    private var sequence: Int { lastSequence }
    private var lastSequence = 0

    private mutating func prepareResponsesEvent(_ type: String, _ document: JSONDocument, _ held: inout HeldEvent) throws {
        if let number = document.member("sequence_number", of: 0).flatMap(document.integer) { lastSequence = max(0, min(number, 1 << 53)) }
        if type.hasSuffix(".done") {
            let item = document.member("output_index", of: 0).flatMap(document.integer) ?? 0
            try finishChannels { $0.index == item }
        }
        if type == "response.completed" || type == "response.incomplete" || type == "response.failed" {
            try finishChannels { _ in true }
            held.isLast = true
            finishReason = type
        }
        if type == "error" || type == "response.failed" { upstreamReportedError = true }
    }

    private func responsesChannel(_ channel: ChannelKey, _ document: JSONDocument) -> ChannelKey {
        let item = document.member("output_index", of: 0).flatMap(document.integer) ?? 0
        let part =
            document.member("content_index", of: 0).flatMap(document.integer) ?? document.member("summary_index", of: 0).flatMap(
                document.integer) ?? 0
        return ChannelKey(index: item, part: part, field: channel.field, origin: channel.origin)
    }

    private mutating func noteUsage(_ document: JSONDocument) {
        if document.member("error", of: 0).map({ document.nodes[$0].kind == .object }) == true { upstreamReportedError = true }
        let holder = document.member("response", of: 0) ?? 0
        if let found = UsageReading.usage(of: document, in: holder) { usage = found }
    }
}

/// Reads `usage` in both spellings.
enum UsageReading {
    static func usage(of document: JSONDocument, in holder: Int = 0) -> StreamGate.Usage? {
        guard let usage = document.member("usage", of: holder), document.nodes[usage].kind == .object else { return nil }
        let prompt = document.member("prompt_tokens", of: usage) ?? document.member("input_tokens", of: usage)
        let completion = document.member("completion_tokens", of: usage) ?? document.member("output_tokens", of: usage)
        guard prompt != nil || completion != nil else { return nil }
        // An upstream's numbers are input like any other: bounded, so that sums of them cannot overflow.
        func bounded(_ node: Int?) -> Int { min(1_000_000_000, max(0, node.flatMap(document.integer) ?? 0)) }
        return StreamGate.Usage(prompt: bounded(prompt), completion: bounded(completion))
    }
}
