import NIOCore
import NIOHTTP1
import SallyportCore
import SallyportGuard
import SallyportOversight
import SallyportWire

/// Answers that stream: through the gate, event by event.
extension Exchange {
    func beginStream() throws {
        guard let operation = current?.operation, let context, case .stream(let dialect, _) = operation.answer else {
            throw Fault(.upstreamInvalid, "The upstream streams an answer that was not asked to stream.")
        }
        openGate(dialect, context: context)
        writeStreamHead()
    }

    func openGate(_ dialect: StreamDialect, context: GuardEngine.Context) {
        let configuration = StreamGate.Configuration(
            dialect: dialect, choices: requestedChoices,
            promptResults: policy.annotates ? Annotations.results(promptFindings, policy: policy, direction: .prompt) : nil,
            promptCodePoints: promptCodePoints, restore: pseudonyms?.restoring)
        gate = StreamGate(configuration, inspector: BodyInspector(engine: snapshot.engine, context: context))
        phase = .answering
    }

    func writeStreamHead() {
        var headers = baseHeaders()
        HeaderRules.forCaller(answerHeaders, ownLimits: reservation?.status != nil, into: &headers)
        headers.replaceOrAdd(name: "content-type", value: answerHeaders.first("content-type") ?? "text/event-stream; charset=utf-8")
        headers.replaceOrAdd(name: "cache-control", value: "no-cache, must-revalidate")
        headers.replaceOrAdd(name: "x-accel-buffering", value: "no")
        // An HTTP/1.0 caller knows no chunks: its answer ends with the connection.
        if head.version.minor >= 1 { headers.add(name: "transfer-encoding", value: "chunked") }
        isHeadWritten = true
        summary.status = 200
        responder.writeHead(status: 200, headers: headers)
        responder.flush()
    }

    func streamDidReceive(_ chunk: ByteBuffer) { step { try $0.receive(chunk) } }

    /// Takes the gate, lets it work, sends what it lets through, and looks at what became of it.
    private func step(_ work: (inout StreamGate) throws -> [ByteBuffer]) {
        guard phase == .answering, var gate else { return }
        self.gate = nil
        let result = Result { try work(&gate) }
        self.gate = gate
        switch result {
        case .failure(let error):
            call?.cancel()
            call = nil
            failStream(error)
        case .success(let out):
            write(out)
            if gate.isTerminated {
                // We ended it: nothing more is wanted of the upstream.
                let call = call
                self.call = nil
                call?.cancel()
                summary.upstreamEndedAt = Exchange.nanoseconds()
                finishStream()
            } else {
                watchDelay()
            }
        }
    }

    private func write(_ out: [ByteBuffer]) {
        guard !out.isEmpty else { return }
        if summary.firstByteAt == 0 { summary.firstByteAt = Exchange.nanoseconds() }
        for bytes in out {
            summary.responseBytes += bytes.readableBytes
            responder.writeBody(bytes)
        }
        responder.flush()
    }

    /// Held text is evaluated when the declared delay is over, whether more has come or not.
    private func watchDelay() {
        guard let gate, gate.isHolding, delayTask == nil else { return }
        delayTask = eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(gate.maximumDelay)) { [self] in
            delayTask = nil
            step { try $0.delayElapsed() }
        }
    }

    func streamDidFinish() {
        guard phase == .answering, var gate else { return }
        self.gate = nil
        let result = Result { try gate.finish() }
        self.gate = gate
        switch result {
        case .failure(let error): failStream(error)
        case .success(let out):
            write(out)
            finishStream()
        }
    }

    /// The outcome goes on record; then the last event, and the end.
    private func finishStream() {
        guard phase == .answering, let gate else { return }
        delayTask?.cancel()
        note(gate)
        phase = .deciding
        let finish = { [self] in
            recordOutcome(verdict: passedVerdict) { [self] isRecorded in
                guard phase != .ended else { return }
                guard isRecorded else { return refuseUnrecorded() }
                if var gate = self.gate {
                    self.gate = nil
                    write(gate.finalBytes())
                }
                responder.end()
                conclude()
            }
        }
        // A stored response belongs to its caller before its last event says that it is there.
        if upstreamKind != .embedded, let kind = current?.operation.creates, let id = gate.createdID, let principal {
            claim(kind, id, for: principal) { finish() }
        } else {
            finish()
        }
    }

    func note(_ gate: StreamGate) {
        completionVerdict = gate.verdict
        completionFindings = gate.findings.values.flatMap { $0 }
        summary.wasBlocked = gate.wasBlocked
        summary.finishReason = gate.finishReason
        summary.guardNanoseconds += gate.verdict.reports.values.reduce(0) { $0 + $1.nanoseconds }
        summary.promptTokens = gate.usage?.prompt ?? TokenEstimate.tokens(bytes: summary.requestBytes)
        summary.completionTokens = gate.usage?.completion ?? TokenEstimate.tokens(bytes: gate.completionBytes)
    }

    /// After the head has gone an error can only be an event; no further text follows it.
    func failStream(_ error: any Error) {
        guard phase != .ended else { return }
        if !isHeadWritten {
            gate = nil
            return refuse(error)
        }
        let fault = fault(from: error)
        delayTask?.cancel()
        if let gate { note(gate) }
        gate = nil
        call?.cancel()
        call = nil
        summary.faultCode = fault.code
        phase = .deciding
        recordOutcome(verdict: fault.code == .contentFiltered ? .blocked : .error) { [self] isRecorded in
            guard phase != .ended else { return }
            guard isRecorded else { return refuseUnrecorded() }
            responder.writeBody(errorEvent(fault))
            responder.end()
            conclude()
        }
    }

    private func errorEvent(_ fault: Fault) -> ByteBuffer {
        let answer = FaultAnswer(fault, in: .openAI)
        var bytes = ByteBuffer()
        if case .stream(.responses, _)? = current?.operation.answer {
            var json = JSONWriter(capacity: 256)
            json.beginObject()
            json.key("type")
            json.string("error")
            json.key("code")
            json.string(answer.code)
            json.key("message")
            json.string(fault.message)
            json.key("param")
            json.null()
            json.endObject()
            bytes.writeStaticString("event: error\ndata: ")
            bytes.writeImmutableBuffer(json.buffer)
        } else {
            bytes.writeStaticString("data: ")
            bytes.writeImmutableBuffer(answer.body)
        }
        bytes.writeStaticString("\n\n")
        return bytes
    }

    /// The outcome could not be recorded: no answer without a record, so the answer ends here.
    func refuseUnrecorded() {
        guard phase != .ended else { return }
        if isHeadWritten {
            responder.abort()
        } else {
            phase = .answering
            refuse(Fault.auditUnavailable)
            return
        }
        conclude()
    }
}
