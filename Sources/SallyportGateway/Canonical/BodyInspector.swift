import NIOCore
import SallyportCore
import SallyportGuard
import SallyportWire

/// Reads all texts of one body through the guards and turns what the policy decided into edits of that body.
struct BodyInspector: Sendable {
    let engine: GuardEngine
    let context: GuardEngine.Context

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
        var previous: Int?
        var previousUser: Int?
        for (index, slot) in slots.enumerated() where slot.passage.count > 0 {
            let result: PassageVerdict
            switch slot.kind {
            case .token: result = engine.inspectToken(slot.passage, in: context, verdict: &outcome.verdict)
            case .prose, .key, .number: result = engine.inspect(slot.passage, in: context, verdict: &outcome.verdict)
            }
            note(result, slot, &outcome)
            guard slot.kind == .prose, slot.outer == nil else { continue }
            // A payload may be split over two messages, or over two of the same speaker with an answer between them.
            if let previous { border(slots[previous], slot, &outcome) }
            if slot.passage.origin == .user {
                if let previousUser, previousUser != previous { border(slots[previousUser], slot, &outcome) }
                previousUser = index
            }
            previous = index
        }
        return outcome
    }

    private func border(_ first: TextSlot, _ second: TextSlot, _ outcome: inout Outcome) {
        guard first.passage.origin.direction == second.passage.origin.direction, first.choice == second.choice || first.passage.origin.direction == .prompt
        else { return }
        let (left, right) = engine.inspectBorder(first.passage, second.passage, in: context, verdict: &outcome.verdict)
        note(left, first, &outcome)
        note(right, second, &outcome)
    }

    private func note(_ result: PassageVerdict, _ slot: TextSlot, _ outcome: inout Outcome) {
        guard !result.findings.isEmpty else { return }
        let place = slot.choice ?? -1
        outcome.findings[place, default: []] += result.findings
        // A member's name cannot be masked without changing what the body says.
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
    func inspectGrowing(_ passage: Passage, isWhole: Bool, verdict: inout Verdict) -> PassageVerdict {
        guard isWhole, let document = try? JSONDocument(parsing: passage.text), document.nodes[0].kind == .object || document.nodes[0].kind == .array
        else { return engine.inspect(passage, in: context, verdict: &verdict) }
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
                result.findings.append(DecidedFinding(finding: found.finding.moved(to: range), action: action, mode: found.mode, layer: found.layer))
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
