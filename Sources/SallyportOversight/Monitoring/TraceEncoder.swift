import SallyportCore

/// Spells exchanges as OpenTelemetry spans, in the JSON mapping of OTLP (opentelemetry-proto 1.x): ids in lower-case hexadecimal,
/// 64-bit numbers as strings. Attribute names are those of the GenAI conventions as of 2026.
struct TraceEncoder: Sendable {
    /// Added to the exchanges' monotonic times to get nanoseconds since 1970.
    let clockOffset: Int64
    let upstreamKinds: [UpstreamID: UpstreamKind]

    /// What comes before the spans of a batch, and after.
    static func head(serviceName: String, serviceVersion: String?) -> [UInt8] {
        var json = OTLPWriter()
        json.open(#"{"resourceSpans":[{"resource":{"attributes":["#)
        json.attribute("service.name", serviceName)
        if let serviceVersion { json.attribute("service.version", serviceVersion) }
        json.open(#"]},"scopeSpans":[{"scope":{"name":"sallyport"},"spans":["#)
        return json.bytes
    }
    static let tail = Array(#"]}]}]}"#.utf8)

    /// One to three spans with commas between: the gateway's own, the upstream's call, the guards' work.
    /// - Returns: nil when the exchange has no usable trace context.
    func spans(of exchange: ExchangeSummary) -> (count: Int, bytes: [UInt8])? {
        guard TraceEncoder.isID(exchange.traceID, digits: 32), TraceEncoder.isID(exchange.spanID, digits: 16) else { return nil }
        var json = OTLPWriter()
        json.bytes.reserveCapacity(2048)
        writeServer(exchange, to: &json)
        var count = 1
        if exchange.upstreamStartedAt > 0 {
            json.comma()
            writeUpstream(exchange, to: &json)
            count += 1
        }
        if !exchange.guards.isEmpty {
            json.comma()
            writeGuards(exchange, to: &json)
            count += 1
        }
        return (count, json.bytes)
    }

    private func writeServer(_ exchange: ExchangeSummary, to json: inout OTLPWriter) {
        let parent = exchange.parentSpanID.flatMap { TraceEncoder.isID($0, digits: 16) ? $0 : nil }
        begin(
            &json, exchange, span: exchange.spanID, parent: parent, name: exchange.operation, kind: 2, from: exchange.startedAt,
            to: exchange.endedAt)
        json.attribute("http.response.status_code", exchange.status)
        json.attribute("http.request.body.size", exchange.requestBytes)
        json.attribute("http.response.body.size", exchange.responseBytes)
        json.attribute("sallyport.operation", exchange.operation)
        if let deployment = exchange.deployment { json.attribute("sallyport.deployment", deployment.rawValue) }
        if !exchange.exchangeID.isEmpty { json.attribute("sallyport.exchange.id", exchange.exchangeID) }
        json.attribute("sallyport.blocked", exchange.wasBlocked)
        json.attribute("sallyport.overhead_ns", Int(clamping: max(0, exchange.endedAt - exchange.startedAt - exchange.upstreamNanoseconds)))
        json.attribute("sallyport.audit_ns", Int(clamping: exchange.auditNanoseconds))
        if let fault = exchange.faultCode {
            json.attribute("error.type", fault.rawValue)
        } else if exchange.status >= 500 {
            json.attribute("error.type", "\(exchange.status)")
        }
        // For a server only 5xx are errors of its own (HTTP conventions).
        end(&json, isError: exchange.status >= 500)
    }

    private func writeUpstream(_ exchange: ExchangeSummary, to json: inout OTLPWriter) {
        let operation = TraceEncoder.genAIOperation(exchange.operation)
        let model = exchange.model ?? exchange.deployment?.rawValue
        let name = [operation ?? exchange.operation, model].compactMap { $0 }.joined(separator: " ")
        begin(
            &json, exchange, span: TraceExporter.upstreamSpanID(of: exchange.spanID), parent: exchange.spanID, name: name, kind: 3,
            from: exchange.upstreamStartedAt, to: exchange.upstreamEndedAt > 0 ? exchange.upstreamEndedAt : exchange.endedAt)
        if let operation { json.attribute("gen_ai.operation.name", operation) }
        if let upstream = exchange.upstream {
            json.attribute("sallyport.upstream", upstream.rawValue)
            // Left out rather than guessed: what speaks the protocol of OpenAI may be anyone's.
            switch upstreamKinds[upstream] {
            case .azureOpenAI: json.attribute("gen_ai.provider.name", "azure.ai.openai")
            case .azureAI: json.attribute("gen_ai.provider.name", "azure.ai.inference")
            default: break
            }
        }
        if operation != nil {
            if let model { json.attribute("gen_ai.request.model", model) }
            json.attribute("gen_ai.request.stream", exchange.isStreaming)
            if exchange.promptTokens > 0 { json.attribute("gen_ai.usage.input_tokens", exchange.promptTokens) }
            if exchange.completionTokens > 0 { json.attribute("gen_ai.usage.output_tokens", exchange.completionTokens) }
            if exchange.cachedTokens > 0 { json.attribute("gen_ai.usage.cache_read.input_tokens", exchange.cachedTokens) }
            if let reason = exchange.finishReason { json.attribute("gen_ai.response.finish_reasons", [reason]) }
            if exchange.upstreamHeadAt > exchange.upstreamStartedAt {
                json.attribute("gen_ai.response.time_to_first_chunk", seconds: exchange.upstreamHeadAt - exchange.upstreamStartedAt)
            }
        }
        if exchange.attempts > 1 { json.attribute("http.request.resend_count", exchange.attempts - 1) }
        let failed: Bool
        switch exchange.faultCode {
        case .upstreamUnavailable?, .upstreamTimeout?, .upstreamInvalid?: failed = true
        default: failed = exchange.upstreamHeadAt == 0
        }
        if failed { json.attribute("error.type", exchange.faultCode?.rawValue ?? "_OTHER") }
        end(&json, isError: failed)
    }

    /// Guards work on both sides of the upstream's call; this span has their time in one piece, up to the upstream's start.
    private func writeGuards(_ exchange: ExchangeSummary, to json: inout OTLPWriter) {
        let work = Int64(clamping: exchange.guardNanoseconds)
        let end = exchange.upstreamStartedAt > 0 ? exchange.upstreamStartedAt : exchange.endedAt
        let start = max(exchange.startedAt, end - work)
        begin(
            &json, exchange, span: TraceExporter.derivedSpanID(of: exchange.spanID, number: 2), parent: exchange.spanID, name: "guard",
            kind: 1,
            from: start, to: min(exchange.endedAt, start + work))
        json.attribute("sallyport.guard.count", exchange.guards.count)
        json.attribute("sallyport.guard.findings", exchange.guards.reduce(0) { $0 + $1.findings })
        json.attribute("sallyport.guard.work_ns", Int(clamping: exchange.guardNanoseconds))
        json.bytes.append(contentsOf: #"],"events":["#.utf8)
        for (position, entry) in exchange.guards.prefix(64).enumerated() {
            if position > 0 { json.comma() }
            json.open(#"{"timeUnixNano":""#)
            json.number(start + clockOffset)
            json.open(#"","name":"guard.verdict","attributes":["#)
            json.attribute("sallyport.guard.name", entry.detector.rawValue)
            json.attribute("sallyport.guard.action", entry.action)
            json.attribute("sallyport.guard.findings", entry.findings)
            json.attribute("sallyport.guard.duration_ns", Int(clamping: entry.nanoseconds))
            json.attribute("sallyport.guard.failed", entry.failed)
            json.open("]}")
        }
        self.end(&json, isError: exchange.guards.contains { $0.failed })
    }

    private func begin(
        _ json: inout OTLPWriter, _ exchange: ExchangeSummary, span: String, parent: String?, name: String, kind: Int64, from: Int64,
        to: Int64
    ) {
        json.open(#"{"traceId":""#)
        json.bytes.append(contentsOf: exchange.traceID.utf8)
        json.open(#"","spanId":""#)
        json.bytes.append(contentsOf: span.utf8)
        if let parent {
            json.open(#"","parentSpanId":""#)
            json.bytes.append(contentsOf: parent.utf8)
        }
        json.open(#"","name":"#)
        EscapedText.appendQuoted(name, limit: 128, to: &json.bytes)
        json.bytes.append(contentsOf: #","kind":"#.utf8)
        json.number(kind)
        json.open(#","startTimeUnixNano":""#)
        json.number(from + clockOffset)
        json.open(#"","endTimeUnixNano":""#)
        json.number(max(from, to) + clockOffset)
        json.open(#"","attributes":["#)
    }

    private func end(_ json: inout OTLPWriter, isError: Bool) {
        json.bytes.append(contentsOf: (isError ? #"],"status":{"code":2}}"# : #"],"status":{}}"#).utf8)
    }

    private static func genAIOperation(_ operation: String) -> String? {
        switch operation {
        case "ChatCompletions_Create", "Responses_Create": "chat"
        case "Completions_Create": "text_completion"
        case "Embeddings_Create": "embeddings"
        case "ImageGenerations_Create", "Images_Edit", "Speech_Create", "Transcriptions_Create", "Translations_Create": "generate_content"
        default: nil
        }
    }

    /// Lower-case hexadecimal and not all zeros, as W3C and OTLP want ids.
    static func isID(_ text: String, digits: Int) -> Bool {
        let bytes = text.utf8
        return bytes.count == digits
            && bytes.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) } && bytes.contains { $0 != 0x30 }
    }
}

/// Appends OTLP's attribute objects.
struct OTLPWriter {
    var bytes: [UInt8] = []
    private var needsComma = false

    mutating func open(_ text: StaticString) {
        bytes.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
        needsComma = false
    }

    mutating func comma() { bytes.append(UInt8(ascii: ",")) }

    mutating func number(_ value: Int64) { bytes.append(contentsOf: "\(value)".utf8) }

    private mutating func key(_ name: StaticString) {
        if needsComma { comma() }
        open(#"{"key":""#)
        open(name)
        needsComma = true
    }

    mutating func attribute(_ name: StaticString, _ value: String) {
        key(name)
        bytes.append(contentsOf: #"","value":{"stringValue":"#.utf8)
        EscapedText.appendQuoted(value, limit: 256, to: &bytes)
        bytes.append(contentsOf: "}}".utf8)
    }

    mutating func attribute(_ name: StaticString, _ value: Int) {
        key(name)
        bytes.append(contentsOf: #"","value":{"intValue":""#.utf8)
        number(Int64(value))
        bytes.append(contentsOf: #""}}"#.utf8)
    }

    mutating func attribute(_ name: StaticString, _ value: Bool) {
        key(name)
        bytes.append(contentsOf: (value ? #"","value":{"boolValue":true}}"# : #"","value":{"boolValue":false}}"#).utf8)
    }

    mutating func attribute(_ name: StaticString, seconds nanoseconds: Int64) {
        key(name)
        bytes.append(contentsOf: #"","value":{"doubleValue":"#.utf8)
        bytes.append(contentsOf: "\(Double(nanoseconds) / 1e9)}}".utf8)
    }

    mutating func attribute(_ name: StaticString, _ values: [String]) {
        key(name)
        bytes.append(contentsOf: #"","value":{"arrayValue":{"values":["#.utf8)
        for (position, value) in values.enumerated() {
            if position > 0 { comma() }
            bytes.append(contentsOf: #"{"stringValue":"#.utf8)
            EscapedText.appendQuoted(value, limit: 256, to: &bytes)
            bytes.append(UInt8(ascii: "}"))
        }
        bytes.append(contentsOf: "]}}}".utf8)
    }
}
