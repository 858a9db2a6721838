import NIOCore
import NIOPosix
import SallyportCore
import SallyportGuard
import SallyportWire

/// `text:detectGroundedness`: which sentences of a text its sources do not support, why, and the text without them.
extension Exchange {
    /// What the caller wants told besides.
    private struct GroundednessExtras {
        var reasons = false
        /// Under Azure's name of the specification, `mitigatedText`.
        var correction = false
        /// And under that of its documentation, `correctionText`.
        var namesCorrection = false
    }

    func detectGroundedness(_ body: SafetyBody, for principal: Principal) throws {
        let limits = snapshot.configuration.safety
        _ = try body.choice("domain", among: ["Generic", "Medical"], standard: "Generic", ignoringCase: true)
        let task = try body.choice("task", among: ["Summarization", "QnA"], standard: "Summarization", ignoringCase: true)
        let text = try body.text("text", atMost: limits.groundedText)
        let query = task == "QnA" ? try Exchange.query(in: body, atMost: limits.groundedText) : nil
        guard let sources = try body.texts("groundingSources", total: limits.groundingSources), !sources.isEmpty else {
            throw Fault(.invalidRequest, "The field 'groundingSources' is required.", param: "groundingSources")
        }
        var extras = GroundednessExtras()
        extras.reasons = try body.flag("reasoning")
        extras.namesCorrection = try body.flag("correction")
        extras.correction = try body.flag("mitigating") || extras.namesCorrection
        // Without one, reasons and corrections are taken from the sources by rules.
        let model = extras.reasons || extras.correction ? try groundednessModel(in: body, for: principal) : nil
        if let model {
            deployment = model.deployment
            summary.deployment = model.deployment.id
            // The text and its sources go there, and come back in part.
            let tokens = TokenEstimate.tokens(bytes: self.body.readableBytes)
            try reserve(
                for: principal, tokens: 2 * tokens, costMicros: Exchange.cost(prompt: tokens, completion: tokens, model.deployment.price),
                named: summary.operation)
        } else {
            try reserveAnalysis(for: principal)
        }
        guard let meaning = runtime.parts.meaning, let analysis = GroundednessAnalysis(meaning.description) else {
            throw Fault(.guardUnavailable, "This installation runs without the detectors that this call needs.")
        }
        policy = SafetyPolicy.noting([], in: snapshot.engine)
        let evidence = sources.map(\.bytes)
        let analyse = { [self] (done: @escaping (Result<GroundednessReport, any Error>) -> Void) in
            let pool = runtime.parts.pool
            pool.runIfActive(eventLoop: eventLoop) { analysis.plan(text.bytes, query: query, sources: evidence) }
                .assumeIsolated().whenComplete { [self] result in
                    let plan: GroundednessAnalysis.Plan
                    do { plan = try result.get() } catch { return done(.failure(error)) }
                    read(plan.requests) { [self] result in
                        let readings: [TextReading]
                        do { readings = try result.get() } catch { return done(.failure(error)) }
                        pool.runIfActive(eventLoop: eventLoop) {
                            GroundednessReport(text.bytes, claims: analysis.claims(of: plan, readings: readings), sources: evidence)
                        }.assumeIsolated().whenComplete(done)
                    }
                }
        }
        let clear = { [self] (done: @escaping (Result<GroundednessReport, any Error>) -> Void) in
            guard let model else { return analyse(done) }
            self.clear(text, sources, for: model) { result in
                do { try result.get() } catch { return done(.failure(error)) }
                analyse(done)
            }
        }
        analysing(clear) { [self] report in
            noteReport(
                "groundedness", found: report.details.count, confidence: report.confidence, model: meaning.description.digest, of: text)
            guard let model, !report.details.isEmpty else { return answerAnalysis(Exchange.answer(report, on: text, extras)) }
            ask(model, about: report, of: text, sources: sources) { [self] result in
                continuing { answerAnalysis(Exchange.answer(report, on: text, extras, try result.get())) }
            }
        }
    }

    private static func query(in body: SafetyBody, atMost limit: Int) throws -> String {
        guard let qna = body.node("qna"), body.document.nodes[qna].kind == .object else {
            throw Fault(.invalidRequest, "The field 'qna' is required for the task 'QnA'.", param: "qna")
        }
        return try body.text("query", of: qna, at: "qna.", atMost: limit).string
    }

    /// What an analysis that is no guard of the data plane said, for the record.
    func noteReport(_ id: DetectorID, found count: Int, confidence: Double, model: String?, of text: SafetyBody.Text) {
        var report = GuardReport(id)
        report.model = model
        if count > 0 {
            report.counts[id.rawValue] = count
            report.topScore = confidence
            report.action = .annotate
        }
        promptVerdict.bytesInspected += text.bytes.readableBytes
        promptVerdict.reports[id] = report
    }

    private static func answer(
        _ report: GroundednessReport, on text: SafetyBody.Text, _ extras: GroundednessExtras, _ opinion: ModelOpinion? = nil
    ) -> ByteBuffer {
        var json = JSONWriter(capacity: 1024)
        var offsets = CodePointOffsets(text.bytes, isASCII: text.isASCII)
        func place(_ key: StaticString, _ bytes: Int, _ wide: Int, _ points: Int) {
            json.key(key)
            json.beginObject()
            json.key("utf8")
            json.int(bytes)
            json.key("utf16")
            json.int(wide)
            json.key("codePoint")
            json.int(points)
            json.endObject()
        }
        json.beginObject()
        json.key("ungroundedDetected")
        json.bool(!report.details.isEmpty)
        json.key("ungroundedPercentage")
        json.double(report.percentage)
        json.key("ungroundedDetails")
        json.beginArray()
        for (number, detail) in report.details.enumerated() {
            let start = (
                utf16: offsets.utf16(beforeByte: detail.range.lowerBound), points: offsets.codePoints(beforeByte: detail.range.lowerBound)
            )
            let end = (
                utf16: offsets.utf16(beforeByte: detail.range.upperBound), points: offsets.codePoints(beforeByte: detail.range.upperBound)
            )
            json.beginObject()
            json.key("text")
            json.string(
                text.bytes.getSlice(at: text.bytes.readerIndex + detail.range.lowerBound, length: detail.range.count) ?? ByteBuffer())
            place("offset", detail.range.lowerBound, start.utf16, start.points)
            place("length", detail.range.count, end.utf16 - start.utf16, end.points - start.points)
            if extras.reasons {
                json.key("reason")
                json.string(opinion?.reasons[number] ?? detail.reason)
            }
            json.endObject()
        }
        json.endArray()
        if extras.correction {
            let corrected = opinion.map { ByteBuffer(string: $0.corrected) } ?? report.corrected
            json.key("mitigatedText")
            json.string(corrected)
            if extras.namesCorrection {
                json.key("correctionText")
                json.string(corrected)
            }
        }
        json.endObject()
        return json.buffer
    }
}
