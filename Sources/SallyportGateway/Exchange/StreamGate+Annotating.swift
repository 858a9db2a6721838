import NIOCore
import SallyportCore
import SallyportGuard
import SallyportWire

/// What the answer says of what was found in it.
extension StreamGate {
    /// What our own events repeat of the upstream's (ids, names): only from events that were read and found fit to pass.
    mutating func noteTemplate(_ document: JSONDocument) {
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
        if configuration.dialect == .responses, containers.count < 16, let item = document.member("item", of: 0),
            let container = document.member("container_id", of: item).flatMap(document.string)
        {
            containers.insert(container)
        }
    }

    /// The first chunk carries the prompt's annotations: in the provider's own event, or in one of ours before it.
    mutating func annotateFirst(_ document: JSONDocument, _ held: inout HeldEvent, _ type: String) {
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
            enqueue(own(StreamGate.event(data)))
        }
    }

    /// Events in which something was found say so.
    mutating func annotatePieces(of channel: ChannelKey, in range: Range<Int>) {
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

    func choiceNode(_ choice: Int, of document: JSONDocument) -> Int? {
        guard let choices = document.member("choices", of: 0) else { return nil }
        var found: Int?
        document.forEachElement(of: choices) { position, value in
            if (document.member("index", of: value).flatMap(document.integer) ?? position) == choice { found = value }
        }
        return found
    }

    /// A choice's end: its texts are complete, and its last chunk says what was found in all of it.
    mutating func finishChoices(_ document: JSONDocument) throws {
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
                if let last = queue.indices.last(where: { queue[$0].document?.bytes == document.bytes }) { queue[last].remove(choice) }
                continue
            }
            guard policy.annotates, !isAsynchronous, let last = queue.indices.last(where: { queue[$0].document != nil }) else { continue }
            queue[last].annotations[choice] = Annotations.results(findings[choice] ?? [], policy: policy, direction: .completion)
        }
    }

    /// For streams that no guard reads: how they end, and how much they said.
    mutating func noteFinish(_ document: JSONDocument) {
        guard configuration.dialect != .responses, let choices = document.member("choices", of: 0) else { return }
        document.forEachElement(of: choices) { _, value in
            if let reason = document.member("finish_reason", of: value).flatMap(document.string) { finishReason = reason }
            if let delta = document.member("delta", of: value), let content = document.member("content", of: delta) {
                completionBytes += document.nodes[content].end - document.nodes[content].start
            }
        }
    }

    /// Azure's asynchronous mode: the text has gone; an annotation chunk says what was found, and a violation ends the stream.
    mutating func annotateLate(_ channel: ChannelKey, _ release: StreamHold.Release, from codePoints: Int) {
        let isViolation = release.action == .block
        guard policy.annotates || isViolation, configuration.dialect != .responses else {
            if isViolation { try? block(channel.index) }
            return
        }
        let results = Annotations.results(findings[channel.index] ?? [], policy: policy, direction: .completion)
        let start = configuration.promptCodePoints + codePoints
        let end = configuration.promptCodePoints + (holds[channel]?.codePoints ?? codePoints)
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
        enqueue(own(StreamGate.event(json.buffer)))
        if isViolation {
            wasBlocked = true
            finishReason = "content_filter"
            isTerminated = true
            var done = own(ByteBuffer(string: "data: [DONE]\n\n"))
            done.isLast = true
            enqueue(done)
        }
    }
}
