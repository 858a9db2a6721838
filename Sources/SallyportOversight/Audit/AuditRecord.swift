import NIOCore
import SallyportCore

/// One record of the audit trail. Fields that are nil are left out; `docs/audit-record.md` says what each means.
package struct AuditRecord: Sendable {
    /// Of the fields' names and meanings. Fields may be added under one version; none changes.
    package static let schemaVersion = 1

    package enum Kind: String, Sendable, CaseIterable {
        case exchangeIntent = "exchange.intent"
        case exchangeOutcome = "exchange.outcome"
        case adminAct = "admin.act"
        case authRefused = "auth.refused"
        case securityAlert = "security.alert"
        case accessReport = "access.report"
        case systemStart = "system.start"
        case systemStop = "system.stop"
        case systemConfig = "system.config"
    }

    /// What became of a request, or of its text.
    package enum Verdict: String, Sendable, CaseIterable {
        case allowed, blocked, redacted, refused, error
    }

    /// What one guard said, and what the policy made of it.
    package struct GuardResult: Sendable {
        package enum Action: String, Sendable, CaseIterable { case allow, annotate, redact, pseudonymise, block, refuse }
        package enum Verdict: String, Sendable, CaseIterable { case clear, detected, failed, timedOut = "timed-out", skipped }
        package enum Mode: String, Sendable, CaseIterable { case enforce, shadow }

        package var detector: DetectorID
        package var verdict: Verdict
        package var action: Action
        package var direction: Direction?
        package var score: Double?
        package var threshold: Double?
        /// Names of categories and how often each was found, in the order to record them.
        package var categories: [(name: String, count: Int)] = []
        package var latencyMicros: Int64?
        package var mode: Mode?
        /// The reading of the text in which it was found (`plain`, `base64` …).
        package var layer: String?
        package var modelHash: String?

        package init(_ detector: DetectorID, verdict: Verdict, action: Action) {
            self.detector = detector
            self.verdict = verdict
            self.action = action
        }
    }

    package var kind: Kind
    /// Shared by an exchange's intent and outcome.
    package var id: String
    package var time: AuditTime

    // Who
    package var tenant: TenantID?
    package var project: ProjectID?
    package var principal: PrincipalID?
    package var key: KeyID?
    package var sourceAddress: String?
    package var userAgent: String?

    // What
    package var operation: String?
    package var deployment: DeploymentID?
    package var upstream: UpstreamID?
    package var targetModel: String?
    package var apiVersion: String?
    package var isStream: Bool?
    package var requestBytes: Int?
    package var responseBytes: Int?
    package var promptTokens: Int?
    package var completionTokens: Int?
    /// Salted commitments in hexadecimal, never bare hashes: the caller computes them.
    package var requestCommitment: String?
    package var responseCommitment: String?

    // Judged how
    package var policy: PolicyID?
    package var policyVersion: Int?
    package var verdict: Verdict?
    package var guards: [GuardResult] = []

    // With what result
    package var status: Int?
    package var errorCode: String?
    package var finish: String?
    package var attempts: Int?
    package var totalMicros: Int64?
    package var upstreamMicros: Int64?
    package var overheadMicros: Int64?
    package var traceID: String?

    /// For `auth.refused`: how many, between when.
    package var count: Int?
    package var firstSeen: AuditTime?
    package var lastSeen: AuditTime?
    package var reason: String?

    /// For administrative acts and system events: what was done to what (`target`, `version` …). Never secrets or prompt text.
    package var details: [(name: String, value: String)] = []

    /// No record says more than this about guards or details; `guardsOmitted` tells how many are missing.
    package static let maximumGuards = 64
    package static let maximumDetails = 32
    private static let maximumCategories = 32

    package init(_ kind: Kind, id: String, time: AuditTime = .now()) {
        self.kind = kind
        self.id = id
        self.time = time
    }

    /// The record as one line of JSON, without a newline. Strings are cut to their bounds, so that a line stays below 64 KiB.
    package func encoded(allocator: ByteBufferAllocator = ByteBufferAllocator()) -> ByteBuffer {
        var line = JSONLineWriter(reserving: 1024 + guards.count * 192)
        line.field("v", Self.schemaVersion)
        line.field("type", kind.rawValue)
        line.field("id", id, limit: 128)
        line.field("time", time: time)
        writeCaller(&line)
        writeExchange(&line)
        writeJudgement(&line)
        writeResult(&line)
        return line.end(allocator)
    }

    private func writeCaller(_ line: inout JSONLineWriter) {
        line.field("tenant", tenant?.rawValue)
        line.field("project", project?.rawValue)
        line.field("principal", principal?.rawValue)
        line.field("key", key?.rawValue)
        line.field("source", sourceAddress, limit: 64)
        line.field("userAgent", userAgent)
    }

    private func writeExchange(_ line: inout JSONLineWriter) {
        line.field("operation", operation)
        line.field("deployment", deployment?.rawValue)
        line.field("upstream", upstream?.rawValue)
        line.field("model", targetModel)
        line.field("apiVersion", apiVersion, limit: 64)
        line.field("stream", isStream)
        line.field("requestBytes", requestBytes)
        line.field("responseBytes", responseBytes)
        line.field("promptTokens", promptTokens)
        line.field("completionTokens", completionTokens)
        line.field("requestCommitment", requestCommitment, limit: 128)
        line.field("responseCommitment", responseCommitment, limit: 128)
    }

    private func writeJudgement(_ line: inout JSONLineWriter) {
        line.field("policy", policy?.rawValue)
        line.field("policyVersion", policyVersion)
        line.field("verdict", verdict?.rawValue)
        guard !guards.isEmpty else { return }
        line.list("guards", guards.count > Self.maximumGuards ? Array(guards.prefix(Self.maximumGuards)) : guards) { line, result in
            line.field("guard", result.detector.rawValue, limit: 64)
            line.field("verdict", result.verdict.rawValue)
            line.field("action", result.action.rawValue)
            line.field("direction", result.direction?.rawValue)
            line.field("score", score: result.score)
            line.field("threshold", score: result.threshold)
            if !result.categories.isEmpty { line.counts("categories", Array(result.categories.prefix(Self.maximumCategories))) }
            line.field("latencyMicros", result.latencyMicros)
            line.field("mode", result.mode?.rawValue)
            line.field("layer", result.layer, limit: 64)
            line.field("modelHash", result.modelHash, limit: 64)
        }
        if guards.count > Self.maximumGuards { line.field("guardsOmitted", guards.count - Self.maximumGuards) }
    }

    private func writeResult(_ line: inout JSONLineWriter) {
        line.field("status", status)
        line.field("error", errorCode, limit: 64)
        line.field("finish", finish, limit: 64)
        line.field("attempts", attempts)
        line.field("totalMicros", totalMicros)
        line.field("upstreamMicros", upstreamMicros)
        line.field("overheadMicros", overheadMicros)
        line.field("trace", traceID, limit: 64)
        line.field("count", count)
        if let firstSeen { line.field("firstSeen", time: firstSeen) }
        if let lastSeen { line.field("lastSeen", time: lastSeen) }
        line.field("reason", reason)
        if !details.isEmpty { line.texts("details", Array(details.prefix(Self.maximumDetails))) }
    }
}
