import NIOCore
import SallyportCore
import SallyportGuard
import SallyportWire

/// Everything that guards must know of one JSON body: its texts, what it refers to, and what cannot be read.
struct BodyReading {
    private(set) var slots: [TextSlot] = []
    private(set) var references: [BodyReference] = []
    private(set) var opaque: Set<GuardPolicy.Uninspectable> = []

    /// A key that differs from a known one in case only: some upstreams take it for the known one.
    private(set) var ambiguousKey: String?

    /// It names more resources than are looked up for one request.
    private(set) var mentionsTooMuch = false

    private let document: JSONDocument
    private var mentioned: Set<String> = []
    private var object = 0
    /// Of the part being walked; growing texts are told apart by them.
    private var index = 0
    private var part = 0
    private var isInsideElement = false
    private var role: PassageOrigin = .user
    private var choice: Int? { isInsideElement ? index : nil }

    /// A longer string that is spelled like an identifier is none, and neither is one that decodes to a text.
    private static let longestToken = 96
    private static let nestedLimits = JSONLimits.standard

    /// Whose words the strings are that no shape speaks of.
    private let unnamed: PassageOrigin

    /// False when nobody will read the texts: only what cannot be read, and what is referred to, is of interest.
    private let keepsTexts: Bool

    /// - Parameter direction: an unknown member of an answer is the model's word, one of a request the caller's.
    init(of document: JSONDocument, as shape: TextShape, direction: Direction, keepsTexts: Bool = true) {
        self.document = document
        self.keepsTexts = keepsTexts
        unnamed = direction == .prompt ? .metadata : .completion
        walk(0, shape)
    }

    // MARK: Walking

    private mutating func walk(_ node: Int, _ shape: TextShape) {
        let kind = document.nodes[node].kind
        switch shape {
        // Below a speaker `.assistant` means "whoever speaks".
        case .text(let origin): allText(node, origin == .assistant ? role : origin == .metadata ? unnamed : origin)
        case .fields(let members):
            if kind == .object {
                walkObject(node, members)
            } else if kind == .array {
                eachElement(node, shape)
            } else {
                scalar(node, members.others)
            }
        case .array(let element):
            if kind == .array { eachElement(node, element) } else { walk(node, element) }
        case .token:
            if kind == .string { token(node) } else { allText(node, unnamed) }
        case .name(let origin):
            if kind == .string { key(node, origin) } else { allText(node, origin) }
        case .json(let origin):
            if kind == .string { nested(node, origin) } else { allText(node, origin) }
        case .reference(let resource):
            if kind == .string {
                if let id = document.string(node) { references.append(BodyReference(kind: resource, node: node, id: id)) }
                token(node)
            } else {
                allText(node, unnamed, reference: resource)
            }
        case .opaque(let what):
            let isEmpty = kind == .string && document.nodes[node].end == document.nodes[node].start
            if kind != .null, kind != .false, !isEmpty {
                opaque.insert(what)
                if kind != .string || document.nodes[node].end - document.nodes[node].start < 4096 { allText(node, unnamed) }
            }
        case .imageLink:
            if kind == .string {
                let isInline = document.bytes.hasPrefix("data:", at: document.nodes[node].start)
                opaque.insert(isInline ? .inlineImage : .remoteImage)
                if !isInline { prose(node, unnamed) }
            } else {
                allText(node, unnamed)
            }
        case .textOrTokens(let origin):
            if kind == .array, firstElementIsNumber(node) { opaque.insert(.tokenArray) } else { allText(node, origin) }
        case .growing(let origin, let field):
            if kind == .string { prose(node, origin, growing: "\(field)") } else { growingParts(node, origin, "\(field)") }
        case .growingMember(let origin): allText(node, origin)
        case .itemID:
            if let type = document.member("type", of: object), document.equals(type, "item_reference") { opaque.insert(.previousResponse) }
            if kind == .string { token(node) } else { allText(node, unnamed) }
        case .either(let text, let rest): walk(node, kind == .string ? text : rest)
        case .modelName:
            if kind == .string, let name = document.string(node) {
                references.append(BodyReference(kind: .model, node: node, id: name, certainty: .mayBeCommon))
                token(node)
            } else {
                allText(node, unnamed)
            }
        case .included:
            if kind == .string {
                if document.equals(node, "reasoning.encrypted_content") { opaque.insert(.encryptedContent) }
                token(node)
            } else {
                allText(node, unnamed)
            }
        case .toolType:
            if kind == .string {
                if !document.equals(node, "function") && !document.equals(node, "custom") { opaque.insert(.hostedTool) }
                token(node)
            } else {
                allText(node, unnamed)
            }
        case .numbers:
            // An encoding is long, has no blanks and is none of a text; anything else that stands here is text.
            if kind == .string, document.nodes[node].end - document.nodes[node].start > BodyReading.longestToken,
                EmbeddedMedia.isEncoded(document.text(node).bytes)
            {
                return
            }
            allText(node, unnamed)
        }
    }

    private mutating func scalar(_ node: Int, _ shape: TextShape) {
        if case .fields = shape { return allText(node, unnamed) }
        walk(node, shape)
    }

    private mutating func walkObject(_ object: Int, _ members: TextShape.Members) {
        let (outerRole, outerObject) = (role, self.object)
        self.object = object
        switch members.speaker {
        case .nobody: break
        case .role: role = speaker(of: object)
        case .item: role = isCall(object) ? .completionToolCall : .completion
        }
        var key = object + 1
        let end = document.nodes[object].next
        while key < end {
            let value = key + 1
            let match = document.match(key, among: members.names) { key in
                members.known.firstIndex { document.equals(key, $0.name) }
            }
            if case .name(let index) = match {
                walk(value, members.known[index].shape)
            } else {
                self.key(key)
                if case .spelledOtherwise = match, ambiguousKey == nil,
                    members.known.contains(where: { document.equalsIgnoringCase(key, $0.name) })
                {
                    ambiguousKey = document.string(key)
                }
                if case .growingMember(let origin) = members.others, let name = document.string(key) {
                    if document.nodes[value].kind == .string {
                        prose(value, origin, growing: name)
                    } else {
                        growingParts(value, origin, name)
                    }
                } else {
                    walk(value, members.others)
                }
            }
            key = document.nodes[key].next
        }
        (role, self.object) = (outerRole, outerObject)
    }

    /// A growing text that comes as a list of parts: their texts grow, the rest stands alone.
    private mutating func growingParts(_ node: Int, _ origin: PassageOrigin, _ field: String) {
        var index = node
        let end = document.nodes[node].next
        var grows = document.nodes[node].kind == .array
        while index < end {
            switch document.nodes[index].kind {
            case .key:
                key(index)
                grows = document.equals(index, "text") || document.equals(index, "content") || document.equals(index, "thinking")
            case .string: prose(index, origin, growing: grows ? field : nil)
            case .number: number(index, origin)
            default: break
            }
            index += 1
        }
    }

    /// The outermost array holds the choices; one further in holds tool calls or parts. Each element's own `index` goes before its position.
    private mutating func eachElement(_ array: Int, _ shape: TextShape) {
        let (outerIndex, outerPart, wasInside) = (index, part, isInsideElement)
        isInsideElement = true
        document.forEachElement(of: array) { position, value in
            let number = document.member("index", of: value).flatMap(document.integer) ?? position
            if wasInside { part = number } else { index = number }
            walk(value, shape)
        }
        (index, part, isInsideElement) = (outerIndex, outerPart, wasInside)
    }

    private func speaker(of message: Int) -> PassageOrigin {
        guard let node = document.member("role", of: message) else { return .user }
        if document.equals(node, "user") { return .user }
        if document.equals(node, "system") || document.equals(node, "developer") { return .system }
        if document.equals(node, "assistant") { return .assistant }
        if document.equals(node, "tool") || document.equals(node, "function") { return .toolResult }
        return .user
    }

    private func isCall(_ item: Int) -> Bool {
        document.member("type", of: item).flatMap(document.string)?.hasSuffix("_call") ?? false
    }

    private func firstElementIsNumber(_ array: Int) -> Bool {
        let first = array + 1
        guard first < document.nodes[array].next else { return false }
        if document.nodes[first].kind == .array { return firstElementIsNumber(first) }
        return document.nodes[first].kind == .number
    }

    /// Every string below, keys included. Iterative: the tape is in order.
    private mutating func allText(_ node: Int, _ origin: PassageOrigin, reference: OwnedResource? = nil) {
        var index = node
        let end = document.nodes[node].next
        while index < end {
            switch document.nodes[index].kind {
            case .string:
                if let reference, let id = document.string(index) { references.append(BodyReference(kind: reference, node: index, id: id)) }
                prose(index, origin)
            case .key: key(index)
            case .number: number(index, origin)
            default: break
            }
            index += 1
        }
    }

    // MARK: Slots

    private mutating func prose(_ node: Int, _ origin: PassageOrigin, growing field: String? = nil) {
        // A piece of a growing text is whatever its piece is.
        let range = document.nodes[node].start..<document.nodes[node].end
        let mayBeMedia = field == nil && EmbeddedMedia.mayBegin(document.bytes, range)
        noteMention(node)
        guard keepsTexts || mayBeMedia else { return }
        let text = document.text(node)
        if mayBeMedia { note(EmbeddedMedia(in: text.bytes)) }
        guard keepsTexts else { return }
        guard text.bytes.readableBytes > 0 || field != nil else { return }
        slots.append(
            TextSlot(
                kind: .prose, passage: Passage(text.bytes, origin: origin, isASCII: text.isASCII), text: text, outer: nil,
                choice: choice, channel: field.map { ChannelKey(index: index, part: part, field: $0, origin: origin) }))
    }

    private mutating func note(_ media: EmbeddedMedia?) {
        if let media { opaque.insert(media.uninspectable(unnamed.direction)) }
    }

    private mutating func key(_ node: Int, _ origin: PassageOrigin? = nil) {
        guard keepsTexts else { return }
        let text = document.text(node)
        guard text.bytes.readableBytes > 0 else { return }
        slots.append(
            TextSlot(
                kind: .key, passage: Passage(text.bytes, origin: origin ?? unnamed, isASCII: text.isASCII), text: text, outer: nil,
                choice: choice, channel: nil))
    }

    /// How upstreams spell the ids that they hand out.
    private static let idPrefixes: [(StaticString, OwnedResource)] = [
        ("file-", .file), ("file_", .file), ("assistant-", .file), ("batch_", .batch), ("batch-", .batch), ("resp_", .response),
        ("vs_", .vectorStore), ("vsfb_", .fileBatch), ("ftjob-", .fineTuningJob), ("ft:", .model), ("cntr_", .container),
    ]

    private static let firstOfIDs = Array("abcfrv".utf8)

    private mutating func noteMention(_ node: Int) {
        let (start, end) = (document.nodes[node].start, document.nodes[node].end)
        // Who reads the body further on reads the same id, however it was written: each of its bytes may be an escape of six.
        let hasEscapes = document.nodes[node].hasEscapes
        guard unnamed.direction == .prompt, end - start >= 6, end - start <= BodyReading.longestID * (hasEscapes ? 6 : 1) else { return }
        if !hasEscapes {
            guard let first = document.bytes.getInteger(at: document.bytes.readerIndex + start, as: UInt8.self),
                BodyReading.firstOfIDs.contains(first)
            else { return }
        }
        let text = document.text(node).bytes
        guard text.readableBytes >= 6, text.readableBytes <= BodyReading.longestID,
            let found = BodyReading.idPrefixes.first(where: { text.hasPrefix($0.0, at: 0) }), BodyReading.isSpelledLikeToken(text)
        else { return }
        let id = String(buffer: text)
        guard mentioned.insert(id).inserted else { return }
        guard mentioned.count <= BodyReading.mostMentions else { return mentionsTooMuch = true }
        references.append(BodyReference(kind: found.1, node: node, id: id, certainty: .mention))
    }

    private static let longestID = 128
    /// More than the texts that one request for embeddings may hold.
    private static let mostMentions = 4096

    private mutating func token(_ node: Int) {
        noteMention(node)
        guard keepsTexts else { return }
        let text = document.text(node)
        guard text.bytes.readableBytes > 0, !isKnownWord(node) else { return }
        let isToken =
            text.isASCII && text.bytes.readableBytes <= BodyReading.longestToken && BodyReading.isSpelledLikeToken(text.bytes)
            && !EncodedWord.holdsText(text.bytes)
        slots.append(
            TextSlot(
                kind: isToken ? .token : .prose, passage: Passage(text.bytes, origin: unnamed, isASCII: text.isASCII), text: text,
                outer: nil, choice: choice, channel: nil))
    }

    /// Long numbers can be card numbers; a short one is a count.
    private mutating func number(_ node: Int, _ origin: PassageOrigin) {
        guard keepsTexts else { return }
        let text = document.text(node)
        guard text.bytes.readableBytes >= 11 else { return }
        slots.append(
            TextSlot(
                kind: .number, passage: Passage(text.bytes, origin: origin, isASCII: true), text: text, outer: nil,
                choice: choice, channel: nil))
    }

    /// JSON within a string: its own strings are the texts, so that masking leaves valid JSON.
    private mutating func nested(_ node: Int, _ origin: PassageOrigin) {
        guard keepsTexts || document.nodes[node].end - document.nodes[node].start >= EmbeddedMedia.shortest else { return }
        let outer = document.text(node)
        guard let inner = try? JSONDocument(parsing: outer.bytes, limits: BodyReading.nestedLimits),
            inner.nodes[0].kind == .object || inner.nodes[0].kind == .array
        else {
            // Not JSON, or not unambiguous: read as it stands.
            return prose(node, origin)
        }
        for (index, node) in inner.nodes.enumerated() where node.kind == .string || node.kind == .key || node.kind == .number {
            let text = inner.text(index)
            if node.kind == .string, EmbeddedMedia.mayBegin(inner.bytes, node.start..<node.end) { note(EmbeddedMedia(in: text.bytes)) }
            if !keepsTexts || text.bytes.readableBytes < (node.kind == .number ? 11 : 1) { continue }
            slots.append(
                TextSlot(
                    kind: node.kind == .key ? .key : node.kind == .number ? .number : .prose,
                    passage: Passage(text.bytes, origin: origin, isASCII: text.isASCII), text: text, outer: outer,
                    choice: choice, channel: nil))
        }
    }

    /// Values of the API's own enumerations, which stand in every body: no list of words is about them.
    private static let knownWords: [StaticString] = [
        "safe", "stop", "user", "assistant", "system", "tool", "function", "text", "low", "medium", "high", "length", "message",
        "completed",
        "chat.completion", "chat.completion.chunk", "text_completion", "list", "embedding", "response", "output_text", "in_progress",
    ]

    private func isKnownWord(_ node: Int) -> Bool {
        let length = document.nodes[node].end - document.nodes[node].start
        return BodyReading.knownWords.contains { $0.utf8CodeUnitCount == length && document.equals(node, $0) }
    }

    static func isSpelledLikeToken(_ bytes: ByteBuffer) -> Bool {
        bytes.withUnsafeReadableBytes { bytes in
            bytes.allSatisfy { byte in
                (byte >= 0x61 && byte <= 0x7A) || (byte >= 0x41 && byte <= 0x5A) || (byte >= 0x30 && byte <= 0x3A) || byte == 0x2D
                    || byte == 0x2E
                    || byte == 0x5F || byte == 0x2F
            }
        }
    }
}

extension ByteBuffer {
    /// Whether the readable bytes have this ASCII text at an offset.
    func hasPrefix(_ text: StaticString, at offset: Int) -> Bool {
        withUnsafeReadableBytes { bytes in
            guard bytes.count - offset >= text.utf8CodeUnitCount else { return false }
            return text.withUTF8Buffer { wanted in wanted.indices.allSatisfy { wanted[$0] == bytes[offset + $0] } }
        }
    }
}

extension JSONDocument {
    /// ASCII letters of either case count alike.
    func equalsIgnoringCase(_ node: Int, _ text: StaticString) -> Bool {
        let bytes = self.text(node).bytes
        guard bytes.readableBytes == text.utf8CodeUnitCount else { return false }
        return bytes.withUnsafeReadableBytes { bytes in
            text.withUTF8Buffer { wanted in
                wanted.indices.allSatisfy { index in
                    let byte = bytes[index]
                    return (byte &- 0x41 < 26 ? byte | 0x20 : byte) == wanted[index]
                }
            }
        }
    }
}
