import NIOCore
import SallyportCore
import SallyportGuard
import SallyportIdentity
import SallyportOversight

/// What goes on record: the intent before a byte leaves, the outcome before the last chunk does.
extension Exchange {
    private func record(_ kind: AuditRecord.Kind) -> AuditRecord {
        var record = AuditRecord(kind, id: id)
        record.tenant = principal?.tenant
        record.project = principal?.project
        record.principal = principal?.id
        record.key = principal?.key
        record.sourceAddress = source.text
        record.operation = summary.operation
        record.deployment = deployment?.id
        record.upstream = summary.upstream
        record.apiVersion = summary.apiVersion.isEmpty ? nil : summary.apiVersion
        record.isStream = isStreamRequested
        record.requestBytes = summary.requestBytes
        record.policy = policy.id
        record.policyVersion = policy.version
        record.traceID = trace.traceID
        if let principal, principal.credential != .key {
            record.details = [(name: "credential", value: principal.credential.name)]
            if let client = principal.client { record.details.append((name: "client", value: client)) }
        }
        // A base may change under its document: the verdict came from both.
        if let lineage = policy.lineage { record.details.append((name: "policyBase", value: lineage)) }
        return record
    }

    func recordIntent() -> EventLoopFuture<AuditReceipt> {
        intentIsBegun = true
        var intent = record(.exchangeIntent)
        intent.userAgent = head.headers.first(name: "user-agent")
        if let principal, body.readableBytes > 0 { intent.requestCommitment = runtime.parts.subjects.commitment(to: body, by: principal) }
        return runtime.parts.audit.append(intent.encoded(), on: eventLoop)
    }

    /// - Parameter then: told whether the outcome is durable; on the event loop, also after the caller has left.
    func recordOutcome(verdict: AuditRecord.Verdict, then: @escaping (_ isRecorded: Bool) -> Void) {
        outcomeIsBegun = true
        keepTexts { [self] keeping in
            switch keeping {
            case .notAsked: record(outcome: verdict, then: then)
            case .kept:
                notes.append((name: "stored", value: "yes"))
                record(outcome: verdict, then: then)
            case .waived(let why):
                notes.append((name: "stored", value: why))
                record(outcome: verdict, then: then)
            case .failed:
                notes.append((name: "stored", value: "failed"))
                let mayGoOut = policy.privacy.storage?.onFailure == .open
                record(outcome: mayGoOut ? verdict : .error) { then($0 && mayGoOut) }
            }
        }
    }

    private func record(outcome verdict: AuditRecord.Verdict, then: @escaping (_ isRecorded: Bool) -> Void) {
        var outcome = record(.exchangeOutcome)
        outcome.targetModel = summary.model
        outcome.responseBytes = summary.responseBytes
        outcome.promptTokens = summary.promptTokens
        outcome.completionTokens = summary.completionTokens
        if let principal, answerBody.readableBytes > 0 {
            outcome.responseCommitment = runtime.parts.subjects.commitment(to: answerBody, by: principal)
        }
        outcome.verdict = verdict
        if !uninspected.isEmpty {
            outcome.details.append((name: "uninspected", value: uninspected.map(\.rawValue).sorted().joined(separator: ",")))
        }
        if let label { outcome.details.append((name: "label", value: "\(label.label) (\(label.reason))")) }
        outcome.details += notes
        if let (action, decision) = permission {
            outcome.details.append((name: "action", value: action))
            if let grant = decision.grant { outcome.details.append((name: "grant", value: grant)) }
        }
        var completion = completionVerdict
        if completionHeaderVerdict.bytesInspected > 0 { completion.merge(completionHeaderVerdict) }
        outcome.guards = guardResults(promptVerdict, .prompt) + guardResults(completion, .completion)
        outcome.status = summary.status
        outcome.errorCode = summary.faultCode.map { FaultAnswer.code(of: $0, in: dialect) }
        outcome.finish = summary.finishReason
        outcome.attempts = summary.attempts
        let now = Exchange.nanoseconds()
        let total = now - summary.startedAt
        let upstreamEnd = summary.upstreamEndedAt > 0 ? summary.upstreamEndedAt : now
        let upstream = summary.upstreamStartedAt > 0 ? upstreamEnd - summary.upstreamStartedAt : 0
        outcome.totalMicros = total / 1000
        outcome.upstreamMicros = upstream / 1000
        outcome.overheadMicros = max(0, total - upstream) / 1000
        summary.guards = outcome.guards.map {
            (
                $0.detector, $0.action.rawValue, $0.categories.reduce(0) { $0 + $1.count }, UInt64($0.latencyMicros ?? 0) * 1000,
                $0.verdict == .failed
            )
        }
        summary.harmful = harmful()
        let began = now
        runtime.parts.audit.append(outcome.encoded(), on: eventLoop).assumeIsolated().whenComplete { [self] result in
            summary.auditNanoseconds += UInt64(max(0, Exchange.nanoseconds() - began))
            if case .success = result { then(true) } else { then(false) }
        }
    }

    /// What an exchange that went well is called.
    var passedVerdict: AuditRecord.Verdict {
        if summary.wasBlocked { return .blocked }
        return max(promptVerdict.action, completionVerdict.action).rewrites ? .redacted : .allowed
    }

    private func guardResults(_ verdict: Verdict, _ direction: Direction) -> [AuditRecord.GuardResult] {
        guard verdict.bytesInspected > 0 else { return [] }
        let guards = policyInForce.recordedGuards(of: snapshot.engine)
        var results: [AuditRecord.GuardResult] = []
        results.reserveCapacity(guards.count)
        var known = 0
        for entry in guards {
            if let report = verdict.reports[entry.id] {
                known += 1
                results.append(Exchange.result(report, direction, entry.threshold))
            } else if entry.isAlwaysRecorded {
                // A detector that had nothing to say is on record too.
                var result = AuditRecord.GuardResult(entry.id, verdict: .clear, action: .allow)
                result.direction = direction
                result.threshold = entry.threshold
                result.latencyMicros = 0
                result.mode = .enforce
                results.append(result)
            }
        }
        guard known < verdict.reports.count else { return results }
        // Those that are none of the engine's: learned and remote guards, and those of one exchange.
        for (id, report) in verdict.reports where !guards.contains(where: { $0.id == id }) {
            results.append(Exchange.result(report, direction, policy.threshold(of: id)))
        }
        return results.sorted { $0.detector < $1.detector }
    }

    private static func result(_ report: GuardReport, _ direction: Direction, _ threshold: Double?) -> AuditRecord.GuardResult {
        let outcome: AuditRecord.GuardResult.Verdict =
            switch report.outcome {
            case .failed: .failed
            case .timedOut: .timedOut
            case .completed: report.counts.isEmpty ? .clear : .detected
            }
        var result = AuditRecord.GuardResult(report.detector, verdict: outcome, action: recorded(report.action))
        result.direction = direction
        if !report.counts.isEmpty {
            result.score = report.topScore
            result.categories = report.counts.sorted { $0.key < $1.key }.map { (name: $0.key, count: $0.value) }
        }
        result.threshold = threshold
        result.modelHash = report.model
        result.latencyMicros = Int64(report.nanoseconds / 1000)
        result.mode = report.mode == .shadow ? .shadow : .enforce
        return result
    }

    private static func recorded(_ action: GuardAction) -> AuditRecord.GuardResult.Action {
        switch action {
        case .allow: .allow
        case .annotate: .annotate
        case .pseudonymise: .pseudonymise
        case .mask, .redact: .redact
        case .block: .block
        }
    }

    private func harmful() -> [(textType: Direction, category: String, blocked: Bool)] {
        (promptFindings.map { (Direction.prompt, $0) } + (completionFindings.map { (Direction.completion, $0) }))
            .map { ($0.0, $0.1.finding.category.group.rawValue, $0.1.action == .block && $0.1.mode == .enforce) }
    }
}

extension AccessDecision {
    /// What allowed it, as records name it.
    var grant: String? {
        switch self {
        case .allowedByCredential(let role): "role:\(role)"
        case .allowedByAssignment(let id): "assignment:\(id)"
        case .lacking, .deniedByAssignment, .outsideCredential: nil
        }
    }
}
