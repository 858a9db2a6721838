import NIOCore
import NIOPosix
import SallyportCore
import SallyportGuard
import SallyportWire

/// The answer to a question about documents: its context is put in, it is held against what was retrieved, and what nothing supports is told,
/// replaced or kept back.
extension Exchange {
    /// nil without the models for it.
    var groundednessAnalysis: GroundednessAnalysis? { runtime.parts.meaning.flatMap { GroundednessAnalysis($0.description) } }

    /// What the policy wants done about unsupported sentences; what nobody decided is told where a model can tell.
    private var groundednessCheck: GroundingPolicy.Check {
        policy.grounding.groundedness ?? (groundednessAnalysis == nil ? .off : .annotate)
    }

    // MARK: In one piece

    /// Whether there is still something to be done to the whole answer before the guards read it.
    var awaitsGrounding: Bool {
        guard let grounding, !grounding.isComplete, answerStatus < 300, gate == nil else { return false }
        return true
    }

    func completeGrounding(then proceed: @escaping () throws -> Void) throws {
        grounding?.isComplete = true
        let document: JSONDocument
        do { document = try JSONDocument(parsing: answerBody) } catch {
            throw Fault(.upstreamInvalid, "The upstream's answer is not valid JSON.", cause: error)
        }
        var choices: [Int] = []
        if let list = document.member("choices", of: 0), document.nodes[list].kind == .array {
            document.forEachElement(of: list) { _, choice in choices.append(choice) }
        }
        complete(choices[...], document, JSONEdits(), then: proceed)
    }

    private func complete(
        _ choices: ArraySlice<Int>, _ document: JSONDocument, _ edits: JSONEdits, then proceed: @escaping () throws -> Void
    ) {
        guard let choice = choices.first else {
            return continuing {
                if !edits.isEmpty { answerBody = edits.apply(to: answerBody) }
                try holdAnswer(answerBody.readableBytes)
                try proceed()
            }
        }
        var edits = edits
        guard let message = document.member("message", of: choice), document.nodes[message].kind == .object else {
            return complete(choices.dropFirst(), document, edits, then: proceed)
        }
        if let context = grounding?.context, document.member("context", of: message) == nil {
            AnswerEditor.insertMember("context", context.buffer(), into: message, of: document, &edits)
        }
        guard let content = document.member("content", of: message), document.nodes[content].kind == .string else {
            return complete(choices.dropFirst(), document, edits, then: proceed)
        }
        // A mark of a document that is not there is no citation.
        let written = document.string(content) ?? ""
        let marked = CitationMarks.removingUnknown(from: written, known: grounding?.context.citations.count ?? 0)
        judge(marked) { [self] report in
            var edits = edits
            var text = marked
            if let report, !report.details.isEmpty {
                let check = groundednessCheck
                noteUngrounded(report)
                if check == .correct {
                    text = String(buffer: report.corrected)
                    if text.allSatisfy(\.isWhitespace) { text = Self.nothingSupported }
                }
                if policy.annotates || check == .block {
                    AnswerEditor.annotate(
                        "content_filter_results", Self.ungrounded(report, in: marked, check), in: choice, of: document, &edits)
                }
                if check == .block {
                    summary.wasBlocked = true
                    AnswerEditor.blockChoice(choice, of: document, isChat: true, &edits)
                }
            } else if report != nil, policy.annotates {
                AnswerEditor.annotate("content_filter_results", Self.grounded, in: choice, of: document, &edits)
            }
            if text != written { edits.replace(document.rawRange(content), with: Exchange.quoted(text)) }
            complete(choices.dropFirst(), document, edits, then: proceed)
        }
    }

    private static let nothingSupported =
        "The retrieved documents do not support an answer to this question. Please try another query or topic."

    private static let grounded = ByteBuffer(string: "{\"ungrounded_material\":{\"filtered\":false,\"detected\":false,\"details\":[]}}")

    /// Azure's form: offsets in code points, the end exclusive.
    private static func ungrounded(_ report: GroundednessReport, in text: String, _ check: GroundingPolicy.Check) -> ByteBuffer {
        var json = JSONWriter(capacity: 256)
        let bytes = ByteBuffer(string: text)
        var offsets = CodePointOffsets(bytes, isASCII: text.utf8.allSatisfy { $0 < 0x80 })
        json.beginObject()
        json.key("ungrounded_material")
        json.beginObject()
        json.key("filtered")
        json.bool(check == .block)
        json.key("detected")
        json.bool(true)
        json.key("details")
        json.beginArray()
        for detail in report.details {
            json.beginObject()
            json.key("completion_start_offset")
            json.int(offsets.codePoints(beforeByte: detail.range.lowerBound))
            json.key("completion_end_offset")
            json.int(offsets.codePoints(beforeByte: detail.range.upperBound))
            json.endObject()
        }
        json.endArray()
        if check == .correct {
            json.key("corrected")
            json.bool(true)
        }
        json.endObject()
        json.endObject()
        return json.buffer
    }

    private func noteUngrounded(_ report: GroundednessReport) {
        notes.append((name: "grounding.ungrounded", value: "\((report.percentage * 1000).rounded() / 1000)"))
    }

    /// Holds a text against the citations.
    /// - Parameter then: given nil where nobody asked, there is nothing to judge, or the text is the refusal.
    private func judge(_ text: String, then: @escaping (GroundednessReport?) -> Void) {
        let check = groundednessCheck
        guard check != .off, let grounding, let analysis = groundednessAnalysis, !grounding.context.citations.isEmpty,
            !text.isEmpty, !text.hasPrefix("The requested information is not found")
        else { return then(nil) }
        let sources = grounding.context.citations.map {
            ByteBuffer(string: [$0.title, $0.content].compactMap { $0 }.joined(separator: "\n"))
        }
        let question = grounding.question
        // The marks are no words of the answer: blanks take their place, so that every offset stays.
        let bytes = ByteBuffer(string: CitationMarks.blanked(text))
        let pool = runtime.parts.pool
        pool.runIfActive(eventLoop: eventLoop) { analysis.plan(bytes, query: question, sources: sources) }
            .assumeIsolated().whenComplete { [self] result in
                guard phase != .ended else { return }
                let plan: GroundednessAnalysis.Plan
                do { plan = try result.get() } catch { return failJudging(error, then) }
                guard !plan.requests.isEmpty else { return then(nil) }
                read(plan.requests) { [self] result in
                    guard phase != .ended else { return }
                    let readings: [TextReading]
                    do { readings = try result.get() } catch { return failJudging(error, then) }
                    // Of the text itself, so that what is corrected keeps its marks.
                    let original = ByteBuffer(string: text)
                    pool.runIfActive(eventLoop: eventLoop) {
                        GroundednessReport(original, claims: analysis.claims(of: plan, readings: readings), sources: sources)
                    }.assumeIsolated().whenComplete { [self] result in
                        guard phase != .ended else { return }
                        do { then(try result.get()) } catch { failJudging(error, then) }
                    }
                }
            }
    }

    /// A check that the policy demands and that could not be done refuses the answer; one that nobody demanded is left out, on record.
    private func failJudging(_ error: any Error, _ then: (GroundednessReport?) -> Void) {
        guard policy.grounding.groundedness == nil else {
            call?.cancel()
            call = nil
            let fault = error as? Fault ?? Fault(.guardUnavailable, "The answer could not be held against its documents.", cause: error)
            return isHeadWritten ? failStream(fault) : refuse(fault)
        }
        notes.append((name: "grounding.check", value: "failed"))
        then(nil)
    }

    // MARK: In a stream

    /// The context as the first event of the answer, before any text.
    func groundingEvent() -> ByteBuffer? {
        guard let grounding, !grounding.isComplete else { return nil }
        var json = JSONWriter(capacity: 2048)
        json.beginObject()
        json.key("id")
        json.string("chatcmpl-" + id.filter { $0 != "-" })
        json.key("object")
        json.string("extensions.chat.completion.chunk")
        json.key("created")
        json.int(runtime.parts.clock().seconds)
        json.key("model")
        json.string(deployment?.id.rawValue ?? "")
        json.key("choices")
        json.beginArray()
        for index in 0..<requestedChoices {
            json.beginObject()
            json.key("index")
            json.int(index)
            json.key("delta")
            json.beginObject()
            json.key("role")
            json.string("assistant")
            json.key("context")
            grounding.context.write(&json)
            json.endObject()
            json.key("finish_reason")
            json.null()
            json.endObject()
        }
        json.endArray()
        json.endObject()
        var bytes = ByteBuffer(string: "data: ")
        bytes.writeImmutableBuffer(json.buffer)
        bytes.writeStaticString("\n\n")
        return bytes
    }

    /// What was streamed is held against the documents, and an event says what they do not support; the last event waits for it.
    func completeStreamGrounding(_ text: String, then proceed: @escaping () -> Void) {
        guard let grounding, !grounding.isComplete else { return proceed() }
        self.grounding?.isComplete = true
        judge(text) { [self] report in
            guard phase != .ended else { return }
            guard let report, policy.annotates else { return proceed() }
            if !report.details.isEmpty { noteUngrounded(report) }
            var bytes = ByteBuffer(
                string:
                    "data: {\"id\":\"\",\"object\":\"\",\"created\":0,\"model\":\"\",\"choices\":[{\"index\":0,\"finish_reason\":null,\"delta\":{},\"content_filter_results\":"
            )
            bytes.writeImmutableBuffer(report.details.isEmpty ? Self.grounded : Self.ungrounded(report, in: text, .annotate))
            bytes.writeStaticString("}]}\n\n")
            summary.responseBytes += bytes.readableBytes
            responder.writeBody(bytes)
            responder.flush()
            proceed()
        }
    }

    // MARK: Whole answers as streams

    /// A chat answer that was judged whole, as the events that the caller asked for.
    static func events(of answer: ByteBuffer, includesUsage: Bool) -> ByteBuffer? {
        guard let document = try? JSONDocument(parsing: answer), let choices = document.member("choices", of: 0) else { return nil }
        var out = ByteBuffer()
        func event(_ write: (inout JSONWriter) -> Void) {
            var json = JSONWriter(capacity: 512)
            json.beginObject()
            for name in ["id", "created", "model", "system_fingerprint"] as [StaticString] {
                guard let value = document.member(name, of: 0) else { continue }
                json.key(name)
                json.raw(document.raw(value))
            }
            json.key("object")
            json.string("chat.completion.chunk")
            write(&json)
            json.endObject()
            out.writeStaticString("data: ")
            out.writeImmutableBuffer(json.buffer)
            out.writeStaticString("\n\n")
        }
        if let results = document.member("prompt_filter_results", of: 0) {
            event { json in
                json.key("choices")
                json.raw("[]")
                json.key("prompt_filter_results")
                json.raw(document.raw(results))
            }
        }
        document.forEachElement(of: choices) { position, choice in
            let index = document.member("index", of: choice).flatMap(document.integer) ?? position
            let message = document.member("message", of: choice)
            func piece(_ reason: Int?, _ write: (inout JSONWriter) -> Void) {
                event { json in
                    json.key("choices")
                    json.beginArray()
                    json.beginObject()
                    json.key("index")
                    json.int(index)
                    json.key("delta")
                    json.beginObject()
                    write(&json)
                    json.endObject()
                    json.key("finish_reason")
                    if let reason { json.raw(document.raw(reason)) } else { json.null() }
                    if reason != nil, let results = document.member("content_filter_results", of: choice) {
                        json.key("content_filter_results")
                        json.raw(document.raw(results))
                    }
                    json.endObject()
                    json.endArray()
                }
            }
            piece(nil) { json in
                json.key("role")
                json.string("assistant")
                if let context = message.flatMap({ document.member("context", of: $0) }) {
                    json.key("context")
                    json.raw(document.raw(context))
                }
            }
            if let content = message.flatMap({ document.member("content", of: $0) }), document.nodes[content].kind == .string {
                piece(nil) { json in
                    json.key("content")
                    json.raw(document.raw(content))
                }
            }
            piece(document.member("finish_reason", of: choice)) { _ in }
        }
        if includesUsage, let usage = document.member("usage", of: 0) {
            event { json in
                json.key("choices")
                json.raw("[]")
                json.key("usage")
                json.raw(document.raw(usage))
            }
        }
        out.writeStaticString("data: [DONE]\n\n")
        return out
    }
}

/// The marks by which an answer names its documents: `[doc1]`.
enum CitationMarks {
    /// Each mark's bytes and number.
    static func all(in text: String) -> [(range: Range<Int>, number: Int)] {
        let bytes = Array(text.utf8)
        var found: [(range: Range<Int>, number: Int)] = []
        var index = 0
        let start = Array("[doc".utf8)
        while index + 5 < bytes.count {
            guard bytes[index] == start[0], bytes[index..<index + 4].elementsEqual(start) else {
                index += 1
                continue
            }
            var end = index + 4
            var number = 0
            while end < bytes.count, (0x30...0x39).contains(bytes[end]), end - index < 12 {
                number = number * 10 + Int(bytes[end] - 0x30)
                end += 1
            }
            if end > index + 4, end < bytes.count, bytes[end] == UInt8(ascii: "]") {
                found.append((index..<end + 1, number))
                index = end + 1
            } else {
                index += 1
            }
        }
        return found
    }

    /// Without the marks that name no document, and the blank before each.
    static func removingUnknown(from text: String, known: Int) -> String {
        let wrong = all(in: text).filter { !(1...max(1, known)).contains($0.number) || known == 0 }
        guard !wrong.isEmpty else { return text }
        var bytes = Array(text.utf8)
        for mark in wrong.reversed() {
            let lower =
                mark.range.lowerBound > 0 && bytes[mark.range.lowerBound - 1] == 0x20 ? mark.range.lowerBound - 1 : mark.range.lowerBound
            bytes.removeSubrange(lower..<mark.range.upperBound)
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Blanks in the place of all marks: as long as before.
    static func blanked(_ text: String) -> String {
        var bytes = Array(text.utf8)
        for mark in all(in: text) { for index in mark.range { bytes[index] = 0x20 } }
        return String(decoding: bytes, as: UTF8.self)
    }
}
