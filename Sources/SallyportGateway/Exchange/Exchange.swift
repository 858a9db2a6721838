import Crypto
import NIOCore
import NIOHTTP1
import NIOPosix
import SallyportCore
import SallyportGuard
import SallyportIdentity
import SallyportOversight
import SallyportWire

/// One request and its answer, from the first byte to the record of its outcome. Lives on one event loop.
///
/// The order is fixed: who is asking; may they; is there room; what does it say; the intent goes on record while the guards read; only
/// then a byte goes upstream. The answer comes back through the second gate, and its last chunk waits for the outcome to be on record.
final class Exchange {
    enum Phase { case head, body, deciding, upstream, answering, ended }

    let runtime: GatewayRuntime
    let snapshot: GatewaySnapshot
    let responder: any ExchangeResponder
    let eventLoop: any EventLoop
    let head: HTTPRequestHead
    let source: Source

    var phase = Phase.head
    /// The head was read, and the body is not wanted before it is known who is calling.
    var isWaiting = false
    /// What `WWW-Authenticate` says to who is not let in.
    var challenge = "Bearer"
    var summary = ExchangeSummary()
    var trace: TraceContext
    let id: String
    var dialect = ErrorDialect.openAI

    // What the request turned out to be.
    var principal: Principal?
    var rights: AccessRights?
    /// The secret of the caller's commitments as it was when he was let in: another one later says that he was erased.
    var subjectKey: SymmetricKey?
    var isConfirmingSubject = false
    /// The caller is no longer let in: nothing further is done for him.
    var isCut = false
    /// What the caller asked to do, and what allowed it or not: for the record.
    var permission: (action: String, decision: AccessDecision)?
    var target: RequestTarget?
    var path: CanonicalPath?
    var body = ByteBuffer()
    var admittedBytes = 0
    var isAdmitted = false
    /// What of the answer counts in the gateway's total.
    var answerBytes = 0
    /// Of the answer, what waits outside of ``answerBody`` and the gate: chunks behind a reading, an answer made here.
    var waitingAnswerBytes = 0
    var document: JSONDocument?
    var multipart: MultipartBody?
    var deployment: Deployment?
    var policy: GuardPolicy {
        get { policyInForce.value }
        set { policyInForce = PolicyInForce(newValue) }
    }
    var policyInForce = PolicyInForce.default
    var context: GuardEngine.Context?
    var promptVerdict = Verdict()
    var promptFindings: [DecidedFinding] = []
    var promptEdits = JSONEdits()
    var promptCodePoints = 0
    /// Model names in the rows of an uploaded batch, as the upstream knows them.
    var uploadEdits = JSONEdits()
    var estimatedPromptTokens = 0
    /// What passed unread because the policy says so: it goes on record.
    var uninspected: Set<GuardPolicy.Uninspectable> = []
    /// How sensitive it is, and why; nil: nothing speaks for a label.
    var label: LabelFact?
    /// The part of it that does not come from what was found in this prompt.
    var standingLabel: LabelFact?
    /// A raise of the conversation's label that is not durable yet.
    var pendingLabel: EventLoopFuture<Void>?
    /// The id that the answer gives to a new response.
    var createdResponse: String?
    /// Texts of documents and tools in the request; nil when the policy watches no tools.
    var taint: TaintSources?
    /// What was found in an uploaded file, to be kept under its id.
    var fileReport: TrainingFileReport?
    /// What is said of the calls that were held back, by choice; made once, however often a stream's step is done.
    var heldCalls: [Int: ByteBuffer] = [:]
    /// More for the record of the outcome.
    var notes: [(name: String, value: String)] = []
    var pseudonyms: ConversationPseudonyms?
    var reservation: LimitLedger.Reservation?
    var isStreamRequested = false
    var requestedChoices = 1
    /// The intent was handed to the log; from then on there must be an outcome.
    var intentIsBegun = false
    var intentIsRecorded = false
    var outcomeIsBegun = false
    private var isConcluded = false

    // The upstream's side.
    var call: (any UpstreamCall)?
    var tried: [Int] = []
    var targets: [DeploymentTarget] = []
    var upstreamKind = UpstreamKind.openAI
    var answerStatus = 0
    var answerHeaders = HeaderFields()
    var answerBody = ByteBuffer()
    var gate: StreamGate?
    /// Learned guards read the stream: a step may have to wait for them, and the steps after it with it.
    var readsStream = false
    var isReadingStream = false
    /// What the encoder is reading for this exchange.
    var ticket: MeaningReader.Ticket?
    var early: EarlyReadings?
    var waitingSteps: [StreamStep] = []
    var isHeadWritten = false
    /// What of a stream went to the caller, where the policy wants it kept.
    var streamedTexts = ByteBuffer()
    var streamedBeyond = false
    var streamedHeld = 0
    var delayTask: Scheduled<Void>?
    var completionVerdict = Verdict()
    /// Of the upstream's header fields.
    var completionHeaderVerdict = Verdict()
    var completionFindings: [DecidedFinding] = []
    var current: Attempt?
    /// A list that is gathered over several pages.
    var listing: Listing?
    /// The streamed response was recorded as the caller's.
    var isStreamClaimed = false
    var retriedSame = 0

    /// Answers rest on documents.
    var grounding: Grounding?
    /// The request has tools besides its data source: the tools go first.
    var ignoresDataSource = false
    /// A data source that is not served here: a search that we cannot see.
    var hasForeignDataSource = false

    init(
        _ runtime: GatewayRuntime, head: HTTPRequestHead, source: Source, random: inout RandomWords, responder: any ExchangeResponder,
        eventLoop: any EventLoop
    ) {
        self.runtime = runtime
        snapshot = runtime.snapshot
        self.head = head
        self.source = source
        self.responder = responder
        self.eventLoop = eventLoop
        id = TraceContext.uuid(&random)
        trace = TraceContext(head.headers.first(name: "traceparent"), random: &random, sampling: runtime.parts.sampling)
        summary.startedAt = Exchange.nanoseconds()
        summary.exchangeID = id
        summary.traceID = trace.traceID
        summary.spanID = trace.spanID
        summary.parentSpanID = trace.parentSpanID
        summary.isSampled = trace.isSampled
        runtime.parts.observer.exchangeDidStart()
    }

    static func nanoseconds() -> Int64 { Int64(NIODeadline.now().uptimeNanoseconds) }

    // MARK: The head

    /// - Returns: false when the body is not wanted (yet): the exchange was answered already, or ``isWaiting`` to learn who is calling.
    func begin() -> Bool {
        do {
            try readPath()
            guard let principal = try recogniseCaller(mayWait: true) else { return false }
            return try accept(principal)
        } catch {
            refuse(error, bodyIsUnread: true)
            return false
        }
    }

    private func readPath() throws {
        if head.uri.hasPrefix("/contentsafety/") { dialect = .contentSafety }
        if head.uri.hasPrefix("/language/") { dialect = .language }
        if let refusal = snapshot.configuration.network.refusal(of: source.ip) { throw refusal }
        do { path = try CanonicalPath(parsing: head.uri) } catch {
            throw Fault(
                .invalidRequest,
                "The request target is not a plain path: it must be in origin form, without '//', dot segments or encoded slashes.")
        }
    }

    /// - Returns: false when the caller must wait for something.
    func accept(_ principal: Principal) throws -> Bool {
        guard prepareSubject(of: principal) else { return false }
        try readHead(as: principal)
        phase = .body
        return true
    }

    private func readHead(as principal: Principal) throws {
        guard let path else { throw Fault.resourceNotFound }
        self.principal = principal
        let target = try RequestTarget.read(method: head.method.rawValue, path: path, services: snapshot.services)
        self.target = target
        switch target {
        case .unknown(let isMethod):
            throw isMethod ? Fault(.methodNotAllowed, "This path does not answer to \(head.method.rawValue).") : Fault.resourceNotFound
        case .openAI(_, let form, _, _): summary.apiVersion = form.apiVersion
        case .search: dialect = .search
        default: break
        }
        summary.operation = operationName(of: target)
        try checkMightBePermitted()
        // Looking first: the canonical form is made of new strings.
        let encodings = head.headers.contains(name: "content-encoding") ? head.headers[canonicalForm: "content-encoding"] : []
        for encoding in encodings where encoding.lowercased() != "identity" {
            throw Fault(.invalidRequest, "Content-Encoding '\(encoding.prefix(16))' is not supported: send the body as it is.")
        }
        guard runtime.admit(snapshot.configuration) else {
            throw Fault(.overloaded, "The gateway is at its limit of concurrent requests. Please retry.", retryAfter: .seconds(1))
        }
        isAdmitted = true
        if let length = head.headers.first(name: "content-length").flatMap(Int.init) { try admit(bytes: length) }
    }

    var maximumBody: Int {
        if case .openAI(let operation, _, _, _)? = target, case .multipart = operation.body {
            return snapshot.configuration.maximumUploadBytes
        }
        return snapshot.configuration.maximumBodyBytes
    }

    private func admit(bytes: Int) throws {
        guard bytes <= maximumBody else {
            throw Fault(.payloadTooLarge, "The request body is larger than the \(maximumBody) bytes that are accepted here.")
        }
        guard bytes > admittedBytes else { return }
        guard runtime.admitBytes(bytes - admittedBytes, snapshot.configuration) else {
            throw Fault(.overloaded, "The gateway holds as many request bodies as it may. Please retry.", retryAfter: .seconds(1))
        }
        admittedBytes = bytes
    }

    // MARK: The body

    func receive(_ chunk: ByteBuffer) -> Bool {
        guard phase == .body else { return false }
        do {
            let total = body.readableBytes + chunk.readableBytes
            if total > admittedBytes { try admit(bytes: max(total, min(maximumBody, 2 * total))) }
            if body.readableBytes == 0 {
                body = chunk
                if admittedBytes > chunk.readableBytes { body.reserveCapacity(min(admittedBytes, 1 << 20)) }
            } else {
                body.writeImmutableBuffer(chunk)
            }
            return true
        } catch {
            refuse(error, bodyIsUnread: true)
            return false
        }
    }

    func bodyIsComplete() {
        guard phase == .body else { return }
        phase = .deciding
        summary.requestBytes = body.readableBytes
        do {
            switch target {
            case .openAI(let operation, let form, let deployment, let ids):
                try decide(operation, form: form, named: deployment, ids: ids)
            case .contentSafety(let path): try answerContentSafety(path)
            case .language: try answerLanguage()
            case .search(let call): try answerSearch(call)
            case .service(let upstream): try decideService(upstream)
            case .metrics: try answerMetrics()
            case .confirmation(let id): try answerConfirmation(id)
            case .fileReport(let id): try answerFileReport(id)
            case .health, .ready, .unknown, nil: throw Fault.resourceNotFound
            }
        } catch {
            refuse(error)
        }
    }

    /// The body did not come in time.
    func bodyTimedOut() {
        guard phase == .body else { return }
        refuse(Fault(.timeout, "The request body was not received in time."), bodyIsUnread: true)
    }

    /// The caller's side can no longer be understood (bad framing).
    func requestIsMalformed() {
        guard phase == .body || phase == .head else { return callerLeft() }
        refuse(Fault(.invalidRequest, "The request is not valid HTTP."), bodyIsUnread: true)
    }

    // MARK: Ends

    /// The caller closed the connection: the upstream call ends now, and what was counted is settled.
    func callerLeft() {
        guard phase != .ended else { return }
        phase = .ended
        delayTask?.cancel()
        call?.cancel()
        // What went upstream is paid for, answered or not.
        if summary.upstreamStartedAt > 0 { summary.promptTokens = max(summary.promptTokens, estimatedPromptTokens) }
        if let gate { note(gate) }
        summary.finishReason = "cancelled"
        summary.status = summary.status == 0 ? 499 : summary.status
        if intentIsBegun && !outcomeIsBegun { recordOutcome(verdict: .error) { _ in } }
        conclude()
    }

    /// Tells the caller why not. The refusal goes on record first; when that is impossible, 503 is the answer.
    func refuse(_ error: any Error, bodyIsUnread: Bool = false) {
        guard phase != .ended, !isHeadWritten else { return failStream(error) }
        if bodyIsUnread { responder.closeAfterAnswer() }
        if let unauthenticated = error as? Unauthenticated {
            noteRefusal(unauthenticated.reason)
            return answer(unauthenticated.fault)
        }
        let fault = self.fault(from: error)
        guard principal != nil else {
            if fault.code == .networkDenied { runtime.parts.identity.counters.noteNetworkDenial() }
            noteRefusal(fault.code == .networkDenied ? .networkDenied : .malformedRequest)
            return answer(fault)
        }
        phase = .answering
        summary.faultCode = fault.code
        summary.status = FaultAnswer(fault, in: dialect).status
        summary.wasBlocked = fault.code == .contentFiltered
        if fault.code == .auditUnavailable { return answer(fault) }
        recordOutcome(verdict: fault.code == .contentFiltered ? .blocked : .refused) { [self] isRecorded in
            guard phase != .ended else { return }
            answer(isRecorded ? fault : Fault.auditUnavailable)
        }
    }

    private func noteRefusal(_ reason: RefusalAggregator.Reason) {
        guard let record = runtime.parts.refusals.refuse(source.address, reason) else { return }
        _ = runtime.parts.audit.append(record.encoded(), on: eventLoop)
    }

    func fault(from error: any Error) -> Fault {
        if let fault = error as? Fault {
            if let cause = fault.cause {
                runtime.parts.logger.warning(
                    "exchange failed",
                    metadata: ["exchange.id": "\(id)", "fault.code": "\(fault.code.rawValue)", "error.type": "\(type(of: cause))"])
            }
            return fault
        }
        if let failure = error as? UpstreamFailure { return Exchange.fault(from: failure) }
        runtime.parts.logger.error("unexpected failure", metadata: ["exchange.id": "\(id)", "error.type": "\(type(of: error))"])
        return Fault(.internal, "The server had an error while processing your request. Request id: \(id).")
    }

    static func fault(from failure: UpstreamFailure) -> Fault {
        if failure.kind.isTimeout {
            return Fault(.upstreamTimeout, "The upstream did not answer in time.", cause: failure)
        }
        switch failure.kind {
        case .protocolViolation: return Fault(.upstreamInvalid, "The upstream's answer could not be understood.", cause: failure)
        case .reset where failure.bytesSent:
            return Fault(.upstreamInvalid, "The upstream ended the connection before its answer was complete.", cause: failure)
        default:
            return Fault(.upstreamUnavailable, "The upstream of this deployment is not available.", retryAfter: .seconds(2), cause: failure)
        }
    }

    private func answer(_ fault: Fault) {
        guard !isHeadWritten else { return }
        let annotations =
            fault.code == .contentFiltered
            ? policyInForce.annotations(promptFindings, .prompt) : nil
        let answer = FaultAnswer(fault, in: dialect, annotations: annotations)
        summary.status = answer.status
        summary.faultCode = fault.code
        var headers = baseHeaders()
        headers.append("content-type", "application/json")
        if let retryAfter = answer.retryAfter {
            headers.append("retry-after", "\(retryAfter)")
            headers.append("retry-after-ms", "\(retryAfter * 1000)")
        }
        if dialect != .openAI { headers.append("x-ms-error-code", answer.code) }
        if answer.status == 401 { headers.append("www-authenticate", challenge) }
        if fault.code == .networkDenied { headers.append("policy-id", "ThrowExceptionDueToTrafficDenied") }
        respond(status: answer.status, headers: headers, body: answer.body)
        conclude()
    }

    /// Writes a complete answer.
    func respond(status: Int, headers: HeaderFields, body: ByteBuffer) {
        guard !isHeadWritten else { return }
        isHeadWritten = true
        summary.status = status
        summary.firstByteAt = Exchange.nanoseconds()
        summary.responseBytes = body.readableBytes
        var headers = headers
        // No rule lets an upstream's through.
        headers.append("content-length", "\(body.readableBytes)")
        settle()
        responder.writeHead(status: status, headers: headers)
        if body.readableBytes > 0 && head.method != .HEAD { responder.writeBody(body) }
        endAnswer()
    }

    /// What the answer took is given back when its last byte has gone.
    func endAnswer() {
        let (held, runtime) = (answerBytes, runtime)
        answerBytes = 0
        answerBody = ByteBuffer()
        responder.end(flushed: held == 0 ? nil : { runtime.releaseBytes(held) })
    }

    /// Makes the answer's share of the gateway's total as large as needed, in steps; what is small is not counted.
    /// - Throws: ``Fault`` `.overloaded` when there is no more room.
    func holdAnswer(_ bytes: Int) throws {
        let step = 65_536
        let bytes = bytes + waitingAnswerBytes
        let wanted = bytes <= Exchange.uncountedAnswerBytes ? 0 : (bytes + step - 1) / step * step
        if wanted > answerBytes {
            guard runtime.admitBytes(wanted - answerBytes, snapshot.configuration) else {
                throw Fault(.overloaded, "The gateway holds as many answers as it may. Please retry.", retryAfter: .seconds(1))
            }
        } else if wanted < answerBytes {
            runtime.releaseBytes(answerBytes - wanted)
        } else {
            return
        }
        answerBytes = wanted
    }

    /// Of one exchange: with as many exchanges as there may be this is little, and counting it would cost every small one a lock.
    private static let uncountedAnswerBytes = 16_384

    /// The last thing of every exchange: what was taken is given back, and the observer hears of it.
    func conclude() {
        guard !isConcluded else { return }
        isConcluded = true
        if isAdmitted {
            isAdmitted = false
            runtime.release(bytes: admittedBytes)
        }
        if answerBytes > 0 {
            runtime.releaseBytes(answerBytes)
            answerBytes = 0
        }
        phase = .ended
        ticket?.cancel()
        ticket = nil
        early?.end()
        early = nil
        delayTask?.cancel()
        summary.endedAt = Exchange.nanoseconds()
        settle()
        runtime.parts.observer.exchangeDidEnd(summary)
        call = nil
        body = ByteBuffer()
        document = nil
        gate = nil
        streamedTexts = ByteBuffer()
        if streamedHeld > 0 {
            runtime.releaseBytes(streamedHeld)
            streamedHeld = 0
        }
    }

    /// What every answer carries.
    func baseHeaders() -> HeaderFields {
        var headers = HeaderFields()
        headers.reserveCapacity(16)
        headers.append("apim-request-id", id)
        headers.append("x-request-id", id)
        headers.append("x-ms-client-request-id", head.headers.first(name: "x-ms-client-request-id").map(Exchange.bounded) ?? id)
        headers.append("strict-transport-security", "max-age=31536000; includeSubDomains; preload")
        headers.append("x-content-type-options", "nosniff")
        if !snapshot.configuration.region.isEmpty { headers.append("x-ms-region", snapshot.configuration.region) }
        addLabel(to: &headers)
        if let deployment { headers.append("x-ms-deployment-name", deployment.id.rawValue) }
        if let status = reservation?.status {
            headers.append("x-ratelimit-limit-requests", "\(status.limitRequests)")
            headers.append("x-ratelimit-remaining-requests", "\(status.remainingRequests)")
            headers.append("x-ratelimit-limit-tokens", "\(status.limitTokens)")
            headers.append("x-ratelimit-remaining-tokens", "\(status.remainingTokens)")
            headers.append("x-ratelimit-reset-requests", "\(status.resetSeconds)")
            headers.append("x-ratelimit-reset-tokens", "\(status.resetSeconds)")
        }
        return headers
    }

    private static func bounded(_ value: String) -> String {
        value.utf8.count <= 128 && value.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F } ? value : "invalid"
    }
}

/// Where a connection comes from; asked of the kernel once.
struct Source {
    let address: SocketAddress?
    /// The address without its port, as records spell it.
    let text: String?
    /// As a number, for rules.
    let ip: IPAddress?
    /// The certificate that the connection was opened with, in DER.
    let certificate: [UInt8]?

    init(_ address: SocketAddress?, certificate: [UInt8]? = nil) {
        self.address = address
        self.certificate = certificate
        text = address?.ipAddress
        ip = text.flatMap { IPAddress($0) }?.unmapped
    }

    /// Somebody else, on the word of a trusted peer.
    func standing(for caller: IPAddress) -> Source {
        Source(try? SocketAddress(ipAddress: caller.description, port: 0), certificate: certificate)
    }
}
