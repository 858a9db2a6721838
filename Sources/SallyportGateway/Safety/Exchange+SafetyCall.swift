import NIOCore
import NIOPosix
import SallyportCore
import SallyportGuard
import SallyportOversight

/// The calls of Azure AI Content Safety that look at a text or an image.
enum SafetyCall: String, CaseIterable {
    case analyzeText = "text:analyze"
    case shieldPrompt = "text:shieldPrompt"
    case detectGroundedness = "text:detectGroundedness"
    case analyzeTaskAdherence = "agent:analyzeTaskAdherence"
    case detectProtectedMaterial = "text:detectProtectedMaterial"
    case detectProtectedMaterialForCode = "text:detectProtectedMaterialForCode"
    case analyzeCustomCategory = "text:analyzeCustomCategory"
    case detectIncidents = "text:detectIncidents"
    case analyzeImage = "image:analyze"

    /// - Parameter rest: the path below `/contentsafety`.
    init?(_ rest: [String]) {
        guard rest.count == 1, let call = SafetyCall(rawValue: rest[0]) else { return nil }
        self = call
    }

    /// As records and metrics name it.
    var operation: String {
        switch self {
        case .analyzeText: return "ContentSafety_AnalyzeText"
        case .analyzeImage: return "ContentSafety_AnalyzeImage"
        default:
            let name = rawValue.split(separator: ":").last.map(String.init) ?? rawValue
            return "ContentSafety_" + name.prefix(1).uppercased() + name.dropFirst()
        }
    }
}

/// What is managed through the Content Safety API.
enum SafetyResource: String, CaseIterable {
    case blocklists
    /// Custom categories, standard.
    case categories
    /// Custom categories, rapid.
    case incidents

    /// - Parameter rest: the path below `/contentsafety`.
    init?(_ rest: [String]) {
        guard rest.count >= 2, rest[0] == "text", let resource = SafetyResource(rawValue: rest[1]) else { return nil }
        self = resource
    }

    var operation: String { "ContentSafety_" + rawValue.prefix(1).uppercased() + rawValue.dropFirst() }
}

/// What the calls have in common: who may make them, and that nothing is answered before the intent is on record and all was read.
extension Exchange {
    /// - Returns: false when the path is none of these calls.
    func answerSafetyCall(_ segments: [String], by principal: Principal) throws -> Bool {
        guard let call = SafetyCall(segments) else { return false }
        guard head.method == .POST else {
            throw Fault(.methodNotAllowed, "This path does not answer to \(head.method.rawValue).")
        }
        try authorise()
        // What goes to an upstream takes its share like every call of a service.
        if call != .analyzeImage, call != .detectGroundedness { try reserveAnalysis(for: principal) }
        let body = try SafetyBody(try parse(body))
        switch call {
        case .analyzeText: try analyzeText(body, for: principal)
        case .shieldPrompt: try shieldPrompt(body)
        case .detectGroundedness: try detectGroundedness(body, for: principal)
        case .analyzeTaskAdherence: try analyzeTaskAdherence(body)
        case .detectProtectedMaterial: try detectProtectedMaterial(body, as: .text, for: principal)
        case .detectProtectedMaterialForCode: try detectProtectedMaterial(body, as: .code, for: principal)
        case .analyzeCustomCategory: try analyzeCustomCategory(body, for: principal)
        case .detectIncidents: try detectIncidents(body, for: principal)
        case .analyzeImage: try analyzeImage(body, for: principal)
        }
        return true
    }

    /// Runs an analysis while the intent goes on record.
    /// - Parameter proceed: writes the answer, when both ended well.
    func analysing<Value>(
        _ work: (_ done: @escaping (Result<Value, any Error>) -> Void) -> Void, then proceed: @escaping (Value) throws -> Void
    ) {
        let intent = recordIntent()
        work { [self] result in
            intent.assumeIsolated().whenComplete { [self] receipt in
                guard case .success = receipt else { return refuse(Fault.auditUnavailable) }
                intentIsRecorded = true
                continuing { try proceed(try result.get()) }
            }
        }
    }

    /// Has the guards read texts under rules that note everything and do nothing about it.
    /// - Throws: ``Fault`` `.guardUnavailable` when there is no detector for one of the rules.
    func requireGuards(for rules: [GuardPolicy.Rule]) throws -> GuardPolicy {
        let policy = SafetyPolicy.noting(rules, in: snapshot.engine)
        guard snapshot.engine.missingFilters(of: policy).isEmpty else {
            throw Fault(.guardUnavailable, "This installation runs without the detectors that this call needs.")
        }
        return policy
    }

    /// The guards read texts, the learned ones included; what they report goes on record.
    func read(
        _ slots: [TextSlot], under policy: GuardPolicy, then done: @escaping (Result<BodyInspector.Outcome, any Error>) -> Void
    ) {
        self.policy = policy
        inspect(slots, in: GuardEngine.Context(policy: policy)) { [self] result in
            if case .success(let outcome) = result {
                promptVerdict = outcome.verdict
                summary.guardNanoseconds += outcome.verdict.reports.values.reduce(0) { $0 + $1.nanoseconds }
                guard outcome.verdict.isComplete else { return done(.failure(Fault.incompleteVerdict)) }
            }
            done(result)
        }
    }

    /// The encoder reads texts or pairs.
    /// - Returns: through `done`, one reading for each request.
    func read(_ requests: [ReadingRequest], then done: @escaping (Result<[TextReading], any Error>) -> Void) {
        readMeaning(of: requests) { distinct, result in
            do {
                try Exchange.refuseUnreadable(result)
                guard case .success(let readings) = result, readings.count == distinct.count else { throw Fault.unread }
                let known = Dictionary(zip(distinct, readings)) { first, _ in first }
                done(
                    .success(
                        try requests.map { request in
                            guard let reading = known[request] else { throw Fault.unread }
                            return reading
                        }))
            } catch { done(.failure(error)) }
        }
    }

    /// The model makes vectors of texts.
    func embed(_ texts: [ByteBuffer], then done: @escaping (Result<[[Float]], any Error>) -> Void) {
        guard let embedder = runtime.parts.embedder else { return done(.failure(Fault.unread)) }
        let promise = eventLoop.makePromise(of: Result<[[Float]], TextReadingFault>.self)
        embedder.embed(texts) { promise.succeed($0) }
        promise.futureResult.assumeIsolated().whenSuccess { result in
            do {
                try Exchange.refuseUnreadable(result)
                guard case .success(let vectors) = result, vectors.count == texts.count else { throw Fault.unread }
                done(.success(vectors))
            } catch { done(.failure(error)) }
        }
    }

    func answerAnalysis(_ body: ByteBuffer) {
        answerStatus = 200
        summary.status = 200
        finish(body, type: "application/json")
    }
}

/// The policy of calls that ask what guards see: everything is noted, nothing is done about it.
enum SafetyPolicy {
    static let id: PolicyID = "content-safety"

    static func noting(_ rules: [GuardPolicy.Rule], in engine: GuardEngine) -> GuardPolicy {
        var policy = GuardPolicy(id: id, rules: rules)
        // Nobody asked those that the rules say nothing of.
        var silent = GuardPolicy.GuardSettings()
        silent.isEnabled = false
        for detector in engine.detectorIDs where detector != "normaliser" { policy.settings[detector] = silent }
        return policy
    }
}

extension Fault {
    /// The encoder could not do its work: not cleared.
    static let unread = Fault(.guardUnavailable, "The detectors are not available. Please retry.", retryAfter: .seconds(1))
}
