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
        /// The first choice's text is wanted when the stream is over.
        var keepsText = false
        /// Decides about calls of outward tools; nil when the policy watches none.
        var tools: ToolWatch?
    }

    /// Usage as the upstream counted it.
    struct Usage: Sendable, Equatable {
        var prompt = 0
        var completion = 0
    }

    var verdict = Verdict()
    var usage: Usage?
    /// UTF-8 bytes of the texts that the model made, for an estimate when no usage comes.
    var completionBytes = 0
    var findings: [Int: [DecidedFinding]] = [:]
    var finishReason: String?
    /// The stream was ended by us: nothing more is read from the upstream.
    var isTerminated = false
    var wasBlocked = false
    var createdID: String?
    /// What passed unread because the policy says so.
    var uninspected: Set<GuardPolicy.Uninspectable> = []
    /// Where tools of the response ran.
    var containers: Set<String> = []
    /// The first choice's text as the upstream wrote it, when it is wanted; at most ``longestKept`` bytes.
    var keptText = ByteBuffer()
    static let longestKept = 262_144
    var answerText: String { String(buffer: keptText) }

    let configuration: Configuration
    var inspector: BodyInspector
    var parser: SSEParser
    var queue: [HeldEvent] = []
    var head = 0
    /// Everything that waits, with its framing.
    var waitingBytes = 0
    var holds: [ChannelKey: StreamHold] = [:]
    /// The names of the functions that are being called, by their arguments' channel.
    var calledNames: [ChannelKey: ByteBuffer] = [:]
    /// Calls that were held against the request and may go; they come again in later events.
    var judgedCalls: Set<JudgedCall> = []
    /// Copies: a slice would hold on to all that was read with it.
    var seenTokens: Set<ByteBuffer> = []
    var blockedChoices: Set<Int> = []
    var template: JSONDocument?
    var isFirst = true
    var final: [ByteBuffer] = []
    /// Of the last event of the Responses API.
    var lastSequence = 0
    var policy: GuardPolicy { inspector.context.policy }
    var isAsynchronous: Bool { policy.streaming.isAsynchronous }
    let isSilent: Bool
    /// Calls that are not whole yet, by choice (output item) and place.
    var calls: [Int: [Int: GrowingCall]] = [:]
    /// What is said of the calls that end a choice, while it ends.
    var heldCalls: ByteBuffer?

    init(_ configuration: Configuration, inspector: BodyInspector) {
        self.configuration = configuration
        self.inspector = inspector
        parser = SSEParser(maximumEventBytes: configuration.maximumEventBytes)
        isSilent =
            inspector.context.policy.isSilent(for: .completion) && inspector.context.extraDetectors.isEmpty && configuration.restore == nil
            && configuration.tools == nil && !configuration.keepsText
    }

    /// Text waits for its sentence to end.
    var isHolding: Bool { holds.contains { $0.value.awaitsForce && !blockedChoices.contains($0.key.index) } }
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

    mutating func take(_ event: SSEEvent) throws {
        try readSurroundings(of: event)
        if isTerminated { return }
        guard let data = event.data, data.readableBytes > 0 else { return enqueue(HeldEvent(event: event)) }
        if data.readableBytes == 6, data.hasPrefix("[DONE]", at: 0) {
            try finishChannels { _ in true }
            var last = HeldEvent(event: event)
            last.isLast = true
            return enqueue(last)
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
        try noteCalls(document, type)
        if configuration.dialect == .responses { try prepareResponsesEvent(type, document, &held) }
        if isTerminated { return }
        annotateFirst(document, &held, type)
        if isSilent {
            noteTemplate(document)
            noteFinish(document)
            return enqueue(held)
        }
        try read(document, type, &held)
        if isTerminated { return }
        for choice in blockedChoices { held.remove(choice) }
        if !held.isDropped && !held.isRewritten { noteTemplate(document) }
        enqueue(held)
        if configuration.dialect != .responses { try finishChoices(document) }
    }

    /// Comments, names and ids travel beside the data: words in them are words too.
    mutating func readSurroundings(of event: SSEEvent) throws {
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
            words = StreamGate.linesBesideData(event.raw)
            if words.readableBytes == 0 { return }
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
        } else if seenTokens.count < 1024, words.readableBytes <= 256 {
            // Not what is long: it does not come twice, and would be kept to the stream's end.
            seenTokens.insert(ByteBuffer(buffer: words))
        }
    }

    /// Of an event whose data stands in several lines: the other ones.
    private static func linesBesideData(_ raw: ByteBuffer) -> ByteBuffer {
        var words = ByteBuffer()
        for line in raw.readableBytesView.split(whereSeparator: { $0 == 0x0A || $0 == 0x0D }) where !line.starts(with: "data:".utf8) {
            words.writeBytes(line)
            words.writeInteger(0x0A as UInt8)
        }
        return words
    }

    mutating func read(_ document: JSONDocument, _ type: String, _ held: inout HeldEvent) throws {
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
        uninspected.formUnion(reading.opaque)
        var standing: [TextSlot] = []
        for slot in reading.slots {
            if var channel = slot.channel {
                if configuration.dialect == .responses { channel = responsesChannel(channel, document, type) }
                try grow(channel, slot, &held)
                if isTerminated { return }
            } else if slot.kind == .token {
                // The same ids and enum values stand in every event: once is enough.
                guard !seenTokens.contains(slot.passage.text) else { continue }
                standing.append(slot)
            } else {
                standing.append(slot)
            }
        }
        guard !standing.isEmpty else { return }
        var inspector = inspector
        if configuration.dialect == .responses, inspector.context.evidence != nil { inspector.calls = wholeCalls(document, type) }
        var outcome = inspector.inspect(standing)
        verdict.merge(outcome.verdict)
        guard outcome.verdict.isComplete else { throw Fault.incompleteVerdict }
        for (choice, found) in outcome.findings { findings[choice, default: []] += found }
        if outcome.edits.isEmpty, !outcome.isBlocked {
            // What had to be changed must be changed in the next event, too.
            for slot in standing where slot.kind == .token && seenTokens.count < 1024 {
                seenTokens.insert(ByteBuffer(buffer: slot.passage.text))
            }
        }
        if outcome.isBlocked {
            if isAsynchronous { outcome.blocked = Set(outcome.blocked.map { max(0, $0) }) }
            if configuration.dialect == .responses || outcome.blocked.contains(-1) {
                // Whose words these are cannot be told: nobody's may go on.
                held.isDropped = true
                for choice in 0..<max(1, configuration.choices) where !isTerminated { try block(choice) }
            } else {
                for choice in outcome.blocked.sorted() where !isTerminated { try block(choice) }
            }
        }
        if configuration.dialect == .responses, !outcome.edits.isEmpty { AnswerEditor.takeOutLogprobs(of: document, &outcome.edits) }
        if let restore = configuration.restore {
            for slot in standing where slot.takesValues {
                slot.apply(restore(slot.passage), to: &outcome.edits)
            }
        }
        held.isRewritten = !outcome.edits.isEmpty
        held.edits.append(contentsOf: outcome.edits)
    }

    mutating func grow(_ channel: ChannelKey, _ slot: TextSlot, _ held: inout HeldEvent) throws {
        guard !blockedChoices.contains(channel.index) else { return }
        let isWhole = channel.isWhole
        // Another text of this choice begins: the ones before it have ended.
        if holds[channel].map({ $0.held == 0 }) ?? true {
            for other in holds.keys
            where other.index == channel.index && other != channel && !waitsForCall(other) && holds[other]?.held ?? 0 > 0 {
                try evaluate(other, isFinal: true, isForced: false)
                if isTerminated { return }
            }
        }
        var hold =
            holds[channel]
            ?? StreamHold(
                origin: slot.passage.origin, maximumBytes: isWhole ? 262_144 : policy.streaming.maximumBytes, isWhole: isWhole,
                reserve: reserve, goesOn: (inspector.context.blocklists as? BlocklistDetector)?.phraseWords)
        if channel.field == ChannelKey.name, inspector.context.evidence != nil {
            let arguments = ChannelKey(index: channel.index, part: channel.part, field: ChannelKey.arguments, origin: channel.origin)
            if calledNames[arguments, default: ByteBuffer()].readableBytes < 256 {
                calledNames[arguments, default: ByteBuffer()].writeImmutableBuffer(slot.passage.text)
            }
        }
        let start = hold.end
        hold.append(slot.passage.text, isASCII: slot.passage.isASCII)
        completionBytes += slot.passage.count
        if configuration.keepsText, channel.index == 0, channel.field == "content",
            keptText.readableBytes + slot.passage.count <= Self.longestKept
        {
            keptText.writeImmutableBuffer(slot.passage.text)
        }
        holds[channel] = hold
        held.pieces.append(HeldEvent.Piece(channel: channel, range: start..<hold.end, slot: slot))
    }

    /// Arguments have no meaning before they are whole; where calls are held against their request, a name waits for its arguments.
    private func waitsForCall(_ channel: ChannelKey) -> Bool {
        channel.field == ChannelKey.arguments || channel.field == ChannelKey.name && inspector.context.evidence != nil
    }

    /// What stays back when a limit forces a release. Items of a blocklist and canaries may be longer than what the built-in detectors look for.
    private var reserve: Int {
        inspector.context.blocklists == nil && inspector.context.extraDetectors.isEmpty ? StreamHold.shortReserve : GuardEngine.overlap
    }

    mutating func enqueue(_ held: HeldEvent) {
        waitingBytes += held.event.raw.readableBytes
        queue.append(held)
    }

    /// About what the stream takes in memory: each waiting event stands there as it came, and its texts once more as they are read.
    var heldBytes: Int { 2 * waitingBytes + parser.pendingBytes }
}
