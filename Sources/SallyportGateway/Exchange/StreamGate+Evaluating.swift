import NIOCore
import SallyportCore
import SallyportGuard
import SallyportWire

/// Reading what is held back, and changing it.
extension StreamGate {
    mutating func evaluate(isForced: Bool) throws {
        for channel in Array(holds.keys) where holds[channel].map({ isForced ? $0.awaitsForce : $0.wantsEvaluation }) == true {
            if isTerminated { return }
            if blockedChoices.contains(channel.index) { continue }
            try evaluate(channel, isFinal: false, isForced: isForced)
        }
        if holds.values.contains(where: { $0.held > 1_048_576 }) || waitingBytes > 8_388_608 {
            throw Fault(.guardUnavailable, "The answer holds more unfinished text than may be held back.")
        }
    }

    mutating func finishChannels(_ isDone: (ChannelKey) -> Bool) throws {
        if configuration.tools != nil {
            try decideCalls { isDone(ChannelKey(index: $0, part: 0, field: ChannelKey.arguments, origin: .completionToolCall)) }
            if isTerminated { return }
        }
        for channel in holds.keys.filter(isDone) where !blockedChoices.contains(channel.index) {
            if isTerminated { return }
            try evaluate(channel, isFinal: true, isForced: false)
        }
    }

    mutating func evaluate(_ channel: ChannelKey, isFinal: Bool, isForced: Bool) throws {
        guard let unread = holds[channel] else { return }
        var hold = unread
        var part = Verdict()
        let (before, codePoints) = (hold.cleared, hold.clearedCodePoints)
        var call: DecidedFinding?
        var judged: JudgedCall?
        var release = hold.evaluate(isFinal: isFinal, isForced: isForced) { passage, meaningFrom in
            if isFinal, channel.field == ChannelKey.arguments, let name = calledNames[channel] {
                judged = JudgedCall(name: String(buffer: name), arguments: ByteBuffer(buffer: passage.text))
                call = inspector.engine.checkCall(
                    String(buffer: name), arguments: passage, in: inspector.context, verdict: &part)
            }
            return inspector.inspectGrowing(passage, meaningFrom: meaningFrom, isWhole: channel.field == "arguments", verdict: &part)
        }
        holds[channel] = hold
        verdict.merge(part)
        guard part.isComplete else { throw Fault.incompleteVerdict }
        if let call {
            release.findings.append(call)
            // A call cannot be rewritten into one that serves: nothing of it goes, nor of the calls beside it.
            if call.mode == .enforce, call.action > .annotate, !isAsynchronous {
                findings[channel.index, default: []] += release.findings
                holds[channel] = unread
                dropCalls(of: channel.index)
                return try block(channel.index)
            }
            if call.mode == .enforce, call.action > .annotate { release.action = .block }
        }
        if configuration.dialect == .responses, let judged, judgedCalls.count < 1024 { judgedCalls.insert(judged) }
        findings[channel.index, default: []] += release.findings
        if isAsynchronous { return annotateLate(channel, release, from: codePoints) }
        if release.action == .block { return try block(channel.index) }
        if channel.field == ChannelKey.name, release.action.rewrites {
            // Another name would call another function, so none of it goes.
            holds[channel] = unread
            return try block(channel.index)
        }
        for edit in release.edits { distribute(edit, over: channel) }
        restore(channel, before..<hold.cleared)
        if !release.findings.isEmpty { annotatePieces(of: channel, in: before..<hold.cleared) }
    }

    /// Takes out the events that hold names or arguments of a choice's calls: a list of calls goes as a whole, or not at all.
    private mutating func dropCalls(of choice: Int) {
        for index in head..<queue.count where queue[index].pieces.contains(where: { $0.channel.index == choice && $0.channel.isWhole }) {
            queue[index].remove(choice)
        }
    }

    /// A change may lie across several events: the first takes the replacement, the others lose their part.
    mutating func distribute(_ edit: TextEdit, over channel: ChannelKey) {
        var replacement = edit.replacement
        for index in head..<queue.count where !queue[index].isDropped {
            for piece in queue[index].pieces where piece.channel == channel && piece.range.overlaps(edit.range) {
                let part = edit.range.clamped(to: piece.range)
                let local = part.lowerBound - piece.range.lowerBound..<part.upperBound - piece.range.lowerBound
                piece.slot.apply([TextEdit(range: local, replacement: replacement)], to: &queue[index].edits)
                replacement = []
                // The tokens spell what was masked in the text.
                guard let document = queue[index].document else { continue }
                if configuration.dialect == .responses {
                    AnswerEditor.takeOutLogprobs(of: document, &queue[index].edits)
                } else if let choice = choiceNode(channel.index, of: document),
                    let logprobs = document.member("logprobs", of: choice)
                {
                    queue[index].edits.replace(document.rawRange(logprobs), with: "null")
                }
            }
        }
    }

    /// Pseudonyms go back to what they stand for; never in tool arguments.
    mutating func restore(_ channel: ChannelKey, _ range: Range<Int>) {
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
}
