import NIOCore
import SallyportCore
import SallyportGuard
import SallyportWire

/// The end of a choice, or of all of them.
extension StreamGate {
    mutating func block(_ choice: Int) throws {
        guard blockedChoices.insert(choice).inserted else { return }
        wasBlocked = true
        finishReason = "content_filter"
        // What was cleared before the offence may still go; the rest of this choice never does.
        for index in head..<queue.count
        where queue[index].pieces.contains(where: { $0.channel.index == choice && $0.range.upperBound > (holds[$0.channel]?.cleared ?? 0) })
        {
            queue[index].remove(choice)
        }
        let results = Annotations.results(findings[choice] ?? findings[-1] ?? [], policy: policy, direction: .completion)
        switch configuration.dialect {
        case .chat, .completions:
            enqueue(own(choiceEvent(choice, results)))
            if blockedChoices.count >= configuration.choices {
                isTerminated = true
                // Whatever else is held belongs to nobody any more.
                for index in head..<queue.count where queue[index].own == nil && !queue[index].pieces.isEmpty {
                    queue[index].isDropped = queue[index].isDropped || !isClear(queue[index])
                }
                var done = own(ByteBuffer(string: "data: [DONE]\n\n"))
                done.isLast = true
                enqueue(done)
            }
        case .responses:
            isTerminated = true
            for index in head..<queue.count where !isClear(queue[index]) { queue[index].isDropped = true }
            var last = own(incompleteResponse(results))
            last.isLast = true
            enqueue(last)
        }
    }

    func isClear(_ held: HeldEvent) -> Bool {
        held.pieces.allSatisfy { held.removed.contains($0.channel.index) || $0.range.upperBound <= (holds[$0.channel]?.cleared ?? 0) }
    }

    func own(_ bytes: ByteBuffer) -> HeldEvent {
        HeldEvent(event: SSEEvent(raw: bytes, data: nil, dataOffset: nil, name: nil), own: bytes)
    }

    func choiceEvent(_ choice: Int, _ results: ByteBuffer) -> ByteBuffer {
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
        if let heldCalls {
            json.key("sallyport_tool_calls")
            json.raw(heldCalls)
        }
        json.endObject()
        json.endArray()
        json.endObject()
        return StreamGate.event(json.buffer)
    }

    static func event(_ data: ByteBuffer, named name: StaticString? = nil) -> ByteBuffer {
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

    func incompleteResponse(_ results: ByteBuffer) -> ByteBuffer {
        var json = JSONWriter(capacity: 1024)
        json.beginObject()
        json.key("type")
        json.string("response.incomplete")
        json.key("sequence_number")
        json.int(lastSequence + 1)
        json.key("response")
        if let template, let response = template.member("response", of: 0), template.nodes[response].kind == .object,
            let inner = try? JSONDocument(parsing: template.raw(response))
        {
            var edits = JSONEdits()
            AnswerEditor.blockResponse(0, of: inner, &edits)
            AnswerEditor.annotateResponse(
                AnswerEditor.contentFilters(prompt: configuration.promptResults, completion: results, isBlocked: true), in: 0, of: inner,
                &edits)
            if let heldCalls { AnswerEditor.insertMember("sallyport_tool_calls", heldCalls, into: 0, of: inner, &edits) }
            json.raw(edits.apply(to: inner.bytes))
        } else {
            json.raw(
                "{\"object\":\"response\",\"status\":\"incomplete\",\"incomplete_details\":{\"reason\":\"content_filter\"},\"output\":[]}")
        }
        json.endObject()
        return StreamGate.event(json.buffer, named: "response.incomplete")
    }
}
