import NIOCore
import SallyportCore
import SallyportGuard
import SallyportOversight
import SallyportWire

/// To the upstream and back: choosing a target, writing the request for it, and trying again where that is safe.
extension Exchange {
    func send(_ operation: Operation, form: RequestTarget.Form, ids: [String]) throws {
        phase = .upstream
        runtime.noteRequestForRetries()
        try attempt(operation, form: form, ids: ids)
    }

    func attempt(_ operation: Operation, form: RequestTarget.Form, ids: [String]) throws {
        var random = SystemRandomNumberGenerator()
        let client = runtime.parts.client
        let choice = TargetSelector.next(
            in: targets, tried: tried,
            health: { [snapshot] id in snapshot.upstreams[id]?.kind == .embedded ? UpstreamHealth(.available) : client.health(of: id) },
            random: &random)
        guard let choice else {
            let health = targets.first.map { client.health(of: $0.upstream) }
            throw Fault(
                .upstreamUnavailable, "The upstream of this deployment is not available\(health?.reason.map { ": \($0)" } ?? "").",
                retryAfter: health?.retryAfter ?? .seconds(5))
        }
        tried.append(choice)
        let chosen = targets[choice]
        guard let upstream = snapshot.upstreams[chosen.upstream] else {
            throw Fault(.upstreamUnavailable, "The upstream '\(chosen.upstream)' is not configured.")
        }
        summary.upstream = upstream.id
        summary.model = chosen.model.isEmpty ? nil : chosen.model
        summary.attempts += 1
        upstreamKind = upstream.kind
        if summary.upstreamStartedAt == 0 { summary.upstreamStartedAt = Exchange.nanoseconds() }
        if upstream.kind == .embedded { return try answerEmbedded(operation, upstream: upstream.id) }
        let request = UpstreamRequest(
            upstream: upstream.id, method: operation.method == "*" ? head.method.rawValue : operation.method,
            path: target(operation, form: form, ids: ids, for: chosen, at: upstream), headers: upstreamHeaders(operation),
            body: try upstreamBody(operation, form: form, for: chosen, at: upstream), retrySafety: operation.retrySafety)
        answerBody = ByteBuffer()
        answerStatus = 0
        current = Attempt(operation: operation, form: form, ids: ids)
        call = client.send(request, on: eventLoop, delegate: self)
    }

    /// - Returns: whether another attempt was begun.
    func tryAgain(after failure: UpstreamFailure?) -> Bool {
        guard let current, phase == .upstream, tried.count < snapshot.configuration.maximumAttempts else { return false }
        let safety = current.operation.retrySafety
        if let failure {
            guard failure.permitsRetry(safety) else { return false }
        } else if safety == .never {
            return false
        }
        // Another target first; the same one again only when it alone is there and the call is harmless.
        if tried.count >= targets.count {
            // An answer that says "later" is for the caller; one that says "broken" may be bad luck.
            guard failure != nil || answerStatus != 429 else { return false }
            guard targets.count == 1, failure?.kind != .unavailable, failure?.kind != .circuitOpen else { return false }
            tried = []
            retriedSame += 1
            guard retriedSame < snapshot.configuration.maximumAttempts else { return false }
        }
        guard runtime.takeRetry() else { return false }
        do {
            try attempt(current.operation, form: current.form, ids: current.ids)
            return true
        } catch { return false }
    }

    // MARK: Writing the request

    func target(
        _ operation: Operation, form: RequestTarget.Form, ids: [String], for chosen: DeploymentTarget, at upstream: UpstreamDescriptor
    ) -> String {
        if upstream.kind == .azureAI { return head.uri }
        var query = (self.path?.query ?? []).filter { $0.name != "api-version" }
        if let after = listing?.after {
            query.removeAll { $0.name == "after" || $0.name == "limit" }
            query += [(name: "limit", value: "\(Exchange.largestPage)"), (name: "after", value: after)]
        }
        var spelled = ""
        spelled.reserveCapacity(128)
        if upstream.kind == .azureOpenAI {
            switch form {
            case .v1:
                spelled += "/openai/v1"
                if let version = self.path?.queryValue("api-version") { query.append((name: "api-version", value: version)) }
            case .classic(let version):
                spelled += "/openai"
                if operation.isDeploymentScoped {
                    spelled += "/deployments/"
                    spelled += PercentEncoding.segment(chosen.model)
                }
                query.append((name: "api-version", value: version))
            }
        }
        var remaining = ids[...]
        for segment in operation.path {
            spelled += "/"
            spelled += segment == "*" ? PercentEncoding.segment(remaining.popFirst() ?? "") : segment
        }
        var separator = "?"
        for (name, value) in query {
            spelled += separator
            spelled += PercentEncoding.query(name)
            spelled += "="
            spelled += PercentEncoding.query(value)
            separator = "&"
        }
        return spelled
    }

    private func upstreamHeaders(_ operation: Operation) -> HeaderFields {
        var headers = HeaderRules.forUpstream(head.headers, trace: trace)
        if body.readableBytes == 0 { headers.remove("content-type") }
        return headers
    }

    /// The received bytes, with what the guards rewrote and the model's name at this target; everything else as it came.
    private func upstreamBody(
        _ operation: Operation, form: RequestTarget.Form, for chosen: DeploymentTarget, at upstream: UpstreamDescriptor
    ) throws -> [ByteBuffer] {
        guard body.readableBytes > 0 else { return [] }
        var edits = promptEdits
        if let document, !chosen.model.isEmpty {
            if let model = document.member("model", of: 0) {
                if document.string(model) != chosen.model { edits.replace(document.rawRange(model), with: Exchange.quoted(chosen.model)) }
            } else if upstream.kind == .openAI || form == .v1, operation.isDeploymentScoped || operation.name == .responsesCreate {
                AnswerEditor.insertMember("model", Exchange.quoted(chosen.model), into: 0, of: document, &edits)
            }
        } else if let multipart, !chosen.model.isEmpty {
            if let part = multipart.parts(named: "model").first {
                edits.replace(part.bodyRange, with: ByteBuffer(string: chosen.model))
            } else if upstream.kind == .openAI, operation.isDeploymentScoped,
                let boundary = head.headers.first(name: "content-type").flatMap(MultipartBody.boundary)
            {
                edits.insert(
                    Array("--\(boundary)\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n\(chosen.model)\r\n".utf8), at: 0)
            }
        }
        return [edits.isEmpty ? body : edits.apply(to: body)]
    }

    static func quoted(_ text: String) -> ByteBuffer {
        var buffer = ByteBuffer(string: "\"")
        JSONText.escape(text, into: &buffer)
        buffer.writeStaticString("\"")
        return buffer
    }
}

/// The answer as it arrives.
extension Exchange: UpstreamResponseDelegate {
    func upstreamDidReceiveHead(status: Int, headers: HeaderFields) {
        guard phase == .upstream else { return }
        summary.upstreamHeadAt = Exchange.nanoseconds()
        answerStatus = status
        answerHeaders = headers
        do { try readAnswerHeaders() } catch {
            call?.cancel()
            return refuse(error)
        }
        let encoding = headers.first("content-encoding") ?? "identity"
        guard encoding == "identity" else {
            call?.cancel()
            return refuse(Fault(.upstreamInvalid, "The upstream's answer has an encoding that cannot be inspected."))
        }
        let isEventStream = headers.first("content-type")?.lowercased().hasPrefix("text/event-stream") ?? false
        if status < 300, isEventStream {
            do { try beginStream() } catch {
                call?.cancel()
                refuse(error)
            }
        }
    }

    /// Words travel in fields too: one that must not be shown is left out.
    /// - Throws: when the guards could not read it.
    private func readAnswerHeaders() throws {
        guard let context, !policyInForce.isSilent(for: .completion) || !context.extraDetectors.isEmpty else { return }
        var hidden: [String] = []
        let fields = answerHeaders.fields.filter { HeaderRules.saysSomething($0.name, $0.value) }.map { ($0.name, $0.value) }
        for (name, value) in fields + resultLocations.map({ ($0.name, $0.target) }) {
            var verdict = Verdict()
            let found = snapshot.engine.inspect(Passage(value, origin: .completion), meaningFrom: nil, in: context, verdict: &verdict)
            completionHeaderVerdict.merge(verdict)
            guard verdict.isComplete else { throw Fault.incompleteVerdict }
            // Half a value is another value.
            if found.action > .annotate { hidden.append(name) }
        }
        for name in hidden { answerHeaders.remove(name) }
    }

    func upstreamDidReceiveBody(_ chunk: ByteBuffer) {
        guard phase == .upstream || phase == .answering else { return }
        if gate != nil { return streamDidReceive(chunk) }
        guard answerBody.readableBytes + chunk.readableBytes <= snapshot.configuration.maximumAnswerBytes else {
            call?.cancel()
            return refuse(Fault(.upstreamInvalid, "The upstream's answer is larger than may be held for inspection."))
        }
        do { try holdAnswer(answerBody.readableBytes + chunk.readableBytes) } catch {
            call?.cancel()
            call = nil
            return refuse(error)
        }
        if answerBody.readableBytes == 0 { answerBody = chunk } else { answerBody.writeImmutableBuffer(chunk) }
    }

    func upstreamDidCompleteRead() { if gate != nil { responder.flush() } }

    func upstreamDidFinish(trailers: HeaderFields) {
        guard phase == .upstream || phase == .answering else { return }
        summary.upstreamEndedAt = Exchange.nanoseconds()
        call = nil
        if gate != nil { return streamDidFinish() }
        if Exchange.passesOn.contains(answerStatus), tryAgain(after: nil) { return }
        continuing { try inspectAnswer() }
    }

    func upstreamDidFail(_ failure: UpstreamFailure) {
        // Only we cancel, and then we know what follows.
        guard phase == .upstream || phase == .answering, failure.kind != .cancelled else { return }
        call = nil
        summary.upstreamEndedAt = Exchange.nanoseconds()
        if gate != nil || isHeadWritten { return failStream(failure) }
        if tryAgain(after: failure) { return }
        if current?.operation.makesTokens ?? false, failure.bytesSent && failure.kind.isTimeout || failure.headReceived {
            // The upstream was at work on it: what went there is paid for, answered or not.
            summary.promptTokens = max(summary.promptTokens, estimatedPromptTokens)
        }
        refuse(failure)
    }

    /// Answers that say "not now, not here": another target may do better.
    private static let passesOn: Set<Int> = [429, 500, 502, 503, 504]
}

/// What an attempt needs to be made again.
struct Attempt {
    let operation: Operation
    let form: RequestTarget.Form
    let ids: [String]
}

extension Operation {
    /// A model call has no lasting effect but its price; what makes or removes a resource is sent once.
    var retrySafety: RetrySafety {
        if isIdempotent { return .beforeFirstByte }
        if name == .responsesCreate || name == .service { return .never }
        return isDeploymentScoped ? .beforeFirstByte : .never
    }
}

/// RFC 3986 percent-encoding of what goes into a target.
enum PercentEncoding {
    static func segment(_ text: String) -> String { encode(text, keeping: segmentBytes) }
    static func query(_ text: String) -> String { encode(text, keeping: queryBytes) }

    private static let segmentBytes = table("-._~!$&'()*+,;=:@")
    private static let queryBytes = table("-._~!$'()*,;:@/[]")

    private static func table(_ marks: String) -> [Bool] {
        let marks = Set(marks.utf8)
        return (0...255).map { (byte: UInt8) in
            (byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7A) || (byte >= 0x30 && byte <= 0x39) || marks.contains(byte)
        }
    }

    private static func encode(_ text: String, keeping: [Bool]) -> String {
        if text.utf8.allSatisfy({ keeping[Int($0)] }) { return text }
        var out: [UInt8] = []
        for byte in text.utf8 {
            if keeping[Int(byte)] {
                out.append(byte)
            } else {
                let digits = Array("0123456789ABCDEF".utf8)
                out += [0x25, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: out, as: UTF8.self)
    }
}
