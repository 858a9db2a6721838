import NIOCore
import SallyportCore
import SallyportGuard
import SallyportWire

/// Reads all texts of one body through the guards and turns what the policy decided into edits of that body.
struct BodyInspector: Sendable {
    let engine: GuardEngine
    var context: GuardEngine.Context
    /// Tool calls of the body, to be held against what the user asked for.
    var calls: [ToolCall] = []

    struct ToolCall: Sendable {
        let choice: Int?
        let name: String
        let arguments: Passage
    }

    /// What came of a body.
    struct Outcome: Sendable {
        var verdict = Verdict()
        var edits = JSONEdits()
        /// Decided findings by choice; -1 for what stands outside of any.
        var findings: [Int: [DecidedFinding]] = [:]
        /// Choices with a text that must not be shown; -1 for the body as a whole.
        var blocked: Set<Int> = []

        var isBlocked: Bool { !blocked.isEmpty }
    }

    func inspect(_ slots: [TextSlot]) -> Outcome {
        var outcome = Outcome()
        var all = Tail()
        var user = Tail()
        // Categories found at the very end and start of texts, by slot.
        var reachesEnd: [Int: Set<Finding.Category>] = [:]
        var startsWith: [Int: Set<Finding.Category>] = [:]
        for (index, slot) in slots.enumerated() where slot.passage.count > 0 {
            let result: PassageVerdict
            switch slot.kind {
            case .token: result = engine.inspectToken(slot.passage, in: context, verdict: &outcome.verdict)
            case .prose: result = engine.inspect(slot.passage, in: context, verdict: &outcome.verdict)
            // A number means nothing, and a member's name only when it is long enough to say something.
            case .number: result = engine.inspect(slot.passage, meaningFrom: nil, in: context, verdict: &outcome.verdict)
            case .key:
                let saysSomething = slot.passage.count >= 32
                result = engine.inspect(slot.passage, meaningFrom: saysSomething ? 0 : nil, in: context, verdict: &outcome.verdict)
            }
            note(result, slot, &outcome)
            if slot.kind == .prose, slot.passage.origin == .user || slot.passage.origin == .system { inspectTagged(slot, &outcome) }
            for found in result.findings {
                if found.finding.range.upperBound >= slot.passage.count - 1 {
                    reachesEnd[index, default: []].insert(found.finding.category)
                }
                if found.finding.range.lowerBound <= 1 { startsWith[index, default: []].insert(found.finding.category) }
            }
            guard slot.kind == .prose, slot.outer == nil else { continue }
            // A payload may be split over several texts, or over those of one speaker with answers between them.
            if all.choice != slot.choice, slot.passage.origin.direction == .completion { all = Tail() }
            all.choice = slot.choice
            inspectBorder(all, index, slots, reachesEnd, startsWith, &outcome)
            if slot.passage.origin == .user {
                if !user.isSame(as: all) { inspectBorder(user, index, slots, reachesEnd, startsWith, &outcome) }
                user.append(slot.passage, of: index)
            }
            all.append(slot.passage, of: index)
        }
        for call in calls {
            guard let found = engine.checkCall(call.name, arguments: call.arguments, in: context, verdict: &outcome.verdict) else {
                continue
            }
            outcome.findings[call.choice ?? -1, default: []].append(found)
            // A call cannot be rewritten into one that serves.
            guard found.mode == .enforce, found.action > .annotate else { continue }
            outcome.blocked.insert(call.choice ?? -1)
            outcome.verdict.action = .block
        }
        if let escalation = engine.escalation(in: context, verdict: &outcome.verdict) {
            outcome.findings[-1, default: []].append(escalation)
            if escalation.mode == .enforce, escalation.action == .block { outcome.blocked.insert(-1) }
        }
        return outcome
    }

    /// The last bytes of the texts so far, and whose they are.
    private struct Tail {
        struct Piece {
            let slot: Int
            /// In the tail.
            var start: Int
            /// Of the tail's part in the slot's text.
            var offset: Int
            var length: Int
        }
        var text = ByteBuffer()
        var pieces: [Piece] = []
        var choice: Int?

        func isSame(as other: Tail) -> Bool {
            pieces.count == other.pieces.count && zip(pieces, other.pieces).allSatisfy { $0.slot == $1.slot && $0.length == $1.length }
        }

        mutating func append(_ passage: Passage, of slot: Int) {
            let part = passage.suffix(atMost: GuardEngine.overlap)
            pieces.append(Piece(slot: slot, start: text.readableBytes, offset: passage.count - part.count, length: part.count))
            text.writeImmutableBuffer(part.text)
            var surplus = text.readableBytes - GuardEngine.overlap
            guard surplus > 0 else { return }
            text.withUnsafeReadableBytes { bytes in while surplus < bytes.count && bytes[surplus] & 0xC0 == 0x80 { surplus += 1 } }
            text.moveReaderIndex(forwardBy: surplus)
            pieces = pieces.compactMap { piece in
                let end = piece.start + piece.length - surplus
                guard end > 0 else { return nil }
                let cut = max(0, surplus - piece.start)
                return Piece(slot: piece.slot, start: max(0, piece.start - surplus), offset: piece.offset + cut, length: piece.length - cut)
            }
        }
    }

    private func inspectBorder(
        _ tail: Tail, _ index: Int, _ slots: [TextSlot], _ reachesEnd: [Int: Set<Finding.Category>],
        _ startsWith: [Int: Set<Finding.Category>],
        _ outcome: inout Outcome
    ) {
        guard tail.text.readableBytes > 0 else { return }
        let border = tail.text.readableBytes
        let slot = slots[index]
        for found in engine.inspectBorder(after: tail.text, slot.passage, in: context, verdict: &outcome.verdict) {
            // What one of the texts says by itself was dealt with there; the next text's first word is no part of it.
            let isKnown =
                tail.pieces.contains { reachesEnd[$0.slot]?.contains(found.finding.category) ?? false }
                || (startsWith[index]?.contains(found.finding.category) ?? false)
            if isKnown { continue }
            outcome.findings[slot.choice ?? -1, default: []].append(found)
            guard found.mode == .enforce, found.action > .annotate else { continue }
            if found.action == .block { outcome.blocked.insert(slot.choice ?? -1) }
            // The first part takes the label, the others are taken out.
            var label = Array("[\(found.finding.category.name.uppercased())]".utf8)
            let range = found.finding.range
            for piece in tail.pieces where range.lowerBound < piece.start + piece.length && range.upperBound > piece.start {
                let lower = max(range.lowerBound, piece.start) - piece.start + piece.offset
                let upper = min(range.upperBound, piece.start + piece.length) - piece.start + piece.offset
                slots[piece.slot].apply([TextEdit(range: lower..<upper, replacement: label)], to: &outcome.edits)
                label = []
            }
            slot.apply([TextEdit(range: 0..<range.upperBound - border, replacement: label)], to: &outcome.edits)
        }
    }

    /// Documents that the application put between Azure's tags are read as documents too: for attacks only, the rest was looked for already.
    private func inspectTagged(_ slot: TextSlot, _ outcome: inout Outcome) {
        for range in TaggedDocuments.ranges(in: slot.passage) {
            guard let text = slot.passage.text.getSlice(at: slot.passage.text.readerIndex + range.lowerBound, length: range.count) else {
                continue
            }
            var inner = Verdict()
            let part = Passage(text, origin: .document, isASCII: slot.passage.isASCII)
            let found = engine.inspect(part, in: context, verdict: &inner).findings.filter { $0.finding.category.group == .attack }
            outcome.verdict.unread += inner.unread
            outcome.verdict.unasked += inner.unasked
            outcome.verdict.isComplete = outcome.verdict.isComplete && inner.isComplete
            for decided in found {
                let place = decided.finding.range.lowerBound + range.lowerBound..<decided.finding.range.upperBound + range.lowerBound
                let moved = decided.moved(to: place)
                outcome.verdict.reports[moved.finding.detector, default: GuardReport(moved.finding.detector)].add(moved)
                outcome.findings[slot.choice ?? -1, default: []].append(moved)
                guard moved.mode == .enforce, moved.action > .annotate else { continue }
                outcome.blocked.insert(slot.choice ?? -1)
                outcome.verdict.action = .block
            }
        }
    }

    private func note(_ result: PassageVerdict, _ slot: TextSlot, _ outcome: inout Outcome) {
        guard !result.findings.isEmpty else { return }
        let place = slot.choice ?? -1
        outcome.findings[place, default: []] += result.findings.map { decided in
            guard decided.finding.category.group == .groundedness else { return decided }
            let start = slot.passage.codePoints(in: 0..<decided.finding.range.lowerBound)
            return decided.placed(at: start..<start + slot.passage.codePoints(in: decided.finding.range))
        }
        // A member's or a function's name cannot be masked without changing what the body says.
        let isBlocked = result.action == .block || (slot.kind == .key && result.action.rewrites)
        if isBlocked {
            outcome.blocked.insert(place)
            outcome.verdict.action = .block
        }
        slot.apply(result.edits, to: &outcome.edits)
    }
}

extension BodyInspector {
    /// The window of a text that is still growing. A whole one that holds JSON (tool arguments) is read string by string.
    /// - Parameter meaningFrom: learned guards have read what stands before this byte.
    func inspectGrowing(_ passage: Passage, meaningFrom: Int, isWhole: Bool, verdict: inout Verdict) -> PassageVerdict {
        guard isWhole, let document = try? JSONDocument(parsing: passage.text),
            document.nodes[0].kind == .object || document.nodes[0].kind == .array
        else { return engine.inspect(passage, meaningFrom: meaningFrom, in: context, verdict: &verdict) }
        var result = PassageVerdict()
        for slot in BodyReading(of: document, as: .text(passage.origin), direction: passage.origin.direction).slots {
            let own = engine.inspect(slot.passage, in: context, verdict: &verdict)
            guard !own.findings.isEmpty else { continue }
            let isKey = slot.kind == .key && own.action.rewrites
            result.action = max(result.action, isKey ? .block : own.action)
            if isKey { verdict.action = .block }
            for found in own.findings {
                let range = slot.text.rawRange(of: found.finding.range)
                let action = isKey && found.action.rewrites ? GuardAction.block : found.action
                result.findings.append(
                    DecidedFinding(finding: found.finding.moved(to: range), action: action, mode: found.mode, layer: found.layer))
            }
            for edit in own.edits where slot.kind != .key {
                let isNumber = slot.kind == .number
                var escaped = ByteBuffer()
                if isNumber { escaped.writeStaticString("\"") }
                edit.replacement.withUnsafeBytes { JSONText.escape($0, into: &escaped) }
                if isNumber { escaped.writeStaticString("\"") }
                let range = slot.text.rawRange(of: isNumber ? 0..<slot.passage.count : edit.range)
                result.edits.append(TextEdit(range: range, replacement: Array(escaped.readableBytesView)))
                if isNumber { break }
            }
        }
        result.edits.sort { $0.range.lowerBound < $1.range.lowerBound }
        return result
    }
}
