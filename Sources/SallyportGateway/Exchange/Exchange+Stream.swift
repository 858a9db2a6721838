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
        if let event = groundingEvent() { take(.chunk(event)) }
    }

    func openGate(_ dialect: StreamDialect, context: GuardEngine.Context) {
        let configuration = StreamGate.Configuration(
            dialect: dialect, choices: requestedChoices,
            promptResults: policy.annotates ? policyInForce.annotations(promptFindings, .prompt) : nil,
            promptCodePoints: promptCodePoints, restore: pseudonyms?.restoring, keepsText: grounding.map { !$0.isComplete } ?? false,
            tools: toolWatch)
        var context = context
        // A call that may have to be confirmed cannot be shown first.
        if configuration.tools != nil { context.policy.streaming.isAsynchronous = false }
        readsStream = snapshot.engine.mayRead(.completion, under: policy)
        gate = StreamGate(configuration, inspector: BodyInspector(engine: snapshot.engine, context: context))
        phase = .answering
    }

    func writeStreamHead() {
        var headers = baseHeaders()
        HeaderRules.forCaller(answerHeaders, ownLimits: reservation?.status != nil, into: &headers)
        headers.set("content-type", answerHeaders.first("content-type") ?? "text/event-stream; charset=utf-8")
        headers.set("cache-control", "no-cache, must-revalidate")
        headers.set("x-accel-buffering", "no")
        // An HTTP/1.0 caller knows no chunks: its answer ends with the connection.
        if head.version.minor >= 1 { headers.append("transfer-encoding", "chunked") }
        isHeadWritten = true
        summary.status = 200
        responder.writeHead(status: 200, headers: headers)
        responder.flush()
    }

    func streamDidReceive(_ chunk: ByteBuffer) { take(.chunk(chunk)) }
    func streamDidFinish() { take(.end) }

    /// What happens to a gate, in order.
    enum StreamStep {
        case chunk(ByteBuffer)
        /// The declared delay is over.
        case delay
        /// The upstream's answer is complete.
        case end
    }

    /// While the encoder reads for one step the next ones wait, and the upstream with them.
    private func take(_ step: StreamStep) {
        guard isReadingStream else {
            // What a piece lets through is flushed when all that came with it in one read has been seen.
            if case .chunk = step { return perform(step, round: 1, flushes: false) }
            return perform(step, round: 1)
        }
        waitingSteps.append(step)
        if waitingSteps.count == 32 { call?.pauseReading() }
        guard case .chunk(let chunk) = step else { return }
        waitingAnswerBytes += chunk.readableBytes
        do { try holdAnswer(gate?.heldBytes ?? 0) } catch {
            call?.cancel()
            call = nil
            failStream(error)
        }
    }

    private func performWaiting() {
        while !isReadingStream, !waitingSteps.isEmpty {
            let step = waitingSteps.removeFirst()
            if case .chunk(let chunk) = step { waitingAnswerBytes = max(0, waitingAnswerBytes - chunk.readableBytes) }
            perform(step, round: 1)
        }
        if !isReadingStream { call?.resumeReading() }
    }

    /// Takes the gate, lets it work, sends what it lets through, and looks at what became of it.
    private func perform(_ step: StreamStep, round: Int, flushes: Bool = true) {
        guard phase == .answering, var gate else { return }
        let before = readsStream ? gate : nil
        self.gate = nil
        let result = Result {
            let out =
                switch step {
                case .chunk(let chunk): try gate.receive(chunk)
                case .delay: try gate.delayElapsed()
                case .end: try gate.finish()
                }
            try holdAnswer(gate.heldBytes)
            return out
        }
        if let before, case .success = result, gate.verdict.lacks, !gate.isTerminated {
            self.gate = before
            return readStream(gate.verdict, for: step, round: round)
        }
        gate.forgetReadings()
        self.gate = gate
        claimStreamed(gate)
        switch result {
        case .failure(let error):
            call?.cancel()
            call = nil
            failStream(error)
        case .success(let out):
            write(out, flushes: flushes || gate.isTerminated)
            if case .end = step { return finishStream() }
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

    /// The step is done again, from the same gate, when what it missed was read.
    private func readStream(_ verdict: Verdict, for step: StreamStep, round: Int) {
        guard round <= 8 else { return failStream(Fault(.guardUnavailable, "The content guards are not available.")) }
        isReadingStream = true
        understand(verdict) { [self] understanding in
            isReadingStream = false
            guard phase == .answering else { return }
            do { try Exchange.refuseUnreadable(understanding.readings) } catch {
                call?.cancel()
                call = nil
                return failStream(error)
            }
            gate?.learn(understanding)
            perform(step, round: round + 1)
            performWaiting()
        }
    }

    private func write(_ out: [ByteBuffer], flushes: Bool = true) {
        if !out.isEmpty && summary.firstByteAt == 0 { summary.firstByteAt = Exchange.nanoseconds() }
        var total = 0
        for bytes in out {
            total += bytes.readableBytes
            noteStreamed(bytes)
            responder.writeBody(bytes)
        }
        summary.responseBytes += total
        if total > Exchange.largestUncountedWrite {
            // It was counted while it was held; now it waits for the caller to read.
            let runtime = runtime
            runtime.keepBytes(total)
            responder.whenFlushed { runtime.releaseBytes(total) }
        }
        if flushes { responder.flush() }
    }

    /// What the socket takes at once or nearly so.
    private static let largestUncountedWrite = 65_536

    /// Held text is evaluated when the declared delay is over, whether more has come or not.
    private func watchDelay() {
        guard let gate, gate.isHolding, delayTask == nil else { return }
        delayTask = eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(gate.maximumDelay)) { [self] in
            delayTask = nil
            take(.delay)
        }
    }

    /// The outcome goes on record; then the last event, and the end.
    private func finishStream() {
        guard phase == .answering, let gate else { return }
        delayTask?.cancel()
        note(gate)
        phase = .deciding
        let record = { [self] in
            recordOutcome(verdict: passedVerdict) { [self] isRecorded in
                guard phase != .ended else { return }
                guard isRecorded else { return refuseUnrecorded() }
                settle()
                if var gate = self.gate {
                    self.gate = nil
                    write(gate.finalBytes())
                }
                endAnswer()
                conclude()
            }
        }
        let finish = { [self] in keepLabel(ofResponse: gate.createdID) { record() } }
        if grounding.map({ !$0.isComplete }) ?? false {
            return completeStreamGrounding(gate.answerText) { [self] in continueFinishing(gate, finish) }
        }
        continueFinishing(gate, finish)
    }

    private func continueFinishing(_ gate: StreamGate, _ finish: @escaping () -> Void) {
        // A stored response belongs to its caller before its last event says that it is there.
        if upstreamKind != .embedded, let kind = current?.operation.creates, let id = gate.createdID, let principal {
            claim(kind, id, for: principal) { [self] in
                claim(gate.containers.sorted().map { Made(kind: .container, id: $0) }, for: principal) { finish() }
            }
        } else {
            finish()
        }
    }

    /// And as soon as its id is known: who leaves before the end, or whose connection breaks, asks for it later.
    private func claimStreamed(_ gate: StreamGate) {
        guard !isStreamClaimed, upstreamKind != .embedded, let kind = current?.operation.creates, let id = gate.createdID, let principal
        else { return }
        isStreamClaimed = true
        _ = runtime.parts.ownership.record(
            Ownership(
                tenant: principal.tenant, project: principal.project, principal: principal.id, kind: kind, id: id,
                upstream: summary.upstream ?? "", deployment: deployment?.id, createdAt: runtime.parts.clock().seconds), on: eventLoop)
    }

    /// A response in the background goes on when its stream breaks or its caller leaves: what it uses from here on is counted when it is
    /// asked for.
    private func noteLeftInBackground(_ gate: StreamGate) {
        guard gate.usage == nil, current?.operation.creates == .response, let id = gate.createdID, let principal,
            document?.member("background", of: 0).flatMap({ document?.bool($0) }) == true
        else { return }
        runtime.background.note(
            id, of: principal.tenant, counted: StreamGate.Usage(prompt: summary.promptTokens, completion: summary.completionTokens))
    }

    func note(_ gate: StreamGate) {
        completionVerdict = gate.verdict
        completionFindings = gate.findings.values.flatMap { $0 }
        uninspected.formUnion(gate.uninspected)
        summary.wasBlocked = gate.wasBlocked
        summary.finishReason = gate.finishReason
        summary.guardNanoseconds += gate.verdict.reports.values.reduce(0) { $0 + $1.nanoseconds }
        if let usage = gate.usage {
            count(usage, of: gate.createdID ?? current?.ids.first)
        } else if current?.operation.makesTokens ?? true {
            summary.promptTokens = TokenEstimate.tokens(bytes: summary.requestBytes)
            summary.completionTokens = TokenEstimate.tokens(bytes: gate.completionBytes)
        }
        noteLeftInBackground(gate)
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
            settle()
            responder.writeBody(errorEvent(fault))
            endAnswer()
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
