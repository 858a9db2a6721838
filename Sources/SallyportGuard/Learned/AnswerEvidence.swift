import NIOCore
import SallyportCore

/// What an answer is held against: the documents and tool results of its request, and what the user asked for.
package struct AnswerEvidence: Sendable {
    static let ungrounded = Finding.Category(.groundedness, "ungrounded_material")
    static let offTask = Finding.Category(.taskAdherence, "task_adherence")
    static let groundednessID: DetectorID = "groundedness"
    static let adherenceID: DetectorID = "task-adherence"

    let query: String?
    let sources: GroundednessAnalysis.Sources?
    /// What the user said, oldest first.
    let said: [ByteBuffer]
    /// The tools that the model was given; empty: not known.
    let tools: Set<String>

    /// The newest texts of the user's that calls are held against, together.
    fileprivate static let roomForSaid = 16_384
}

extension GuardEngine {
    /// What answers under this policy need to be held against; nil when the policy asks for nothing of the kind.
    /// - Parameters:
    ///   - documents: texts that the answer should follow from.
    ///   - said: what the user said, oldest first.
    package func evidence(
        documents: [ByteBuffer], said: [ByteBuffer], tools: Set<String>, under policy: GuardPolicy
    ) -> AnswerEvidence? {
        let holdsTexts = policy.looks(for: AnswerEvidence.ungrounded, .completion)
        let holdsCalls = policy.looks(for: AnswerEvidence.offTask, .completion)
        guard holdsTexts || holdsCalls, let learned else { return nil }
        var room = AnswerEvidence.roomForSaid
        var newest: [ByteBuffer] = []
        for text in said.reversed() where room > 0 {
            newest.insert(text, at: 0)
            room -= text.readableBytes
        }
        return AnswerEvidence(
            query: said.last.map { String(buffer: $0) },
            sources: holdsTexts && !documents.isEmpty ? learned.groundedness?.prepare(documents) : nil, said: newest, tools: tools)
    }

    /// Holds the sentences of an answer that are not known yet against its documents.
    func checkGrounding(
        of passage: Passage, from start: Int, _ context: Context, _ verdict: inout Verdict, _ decided: inout [DecidedFinding]
    ) {
        guard let sources = context.evidence?.sources, !sources.isEmpty, let analysis = learned?.groundedness,
            passage.origin == .completion, context.policy.looks(for: AnswerEvidence.ungrounded, .completion)
        else { return }
        let id = AnswerEvidence.groundednessID
        let plan = analysis.plan(passage.text, from: start, query: context.evidence?.query, sources: sources)
        guard let readings = readings(plan.requests, id, context, &verdict) else { return }
        for claim in analysis.claims(of: plan, readings: readings) where claim.isUngrounded {
            let finding = Finding(id, AnswerEvidence.ungrounded, at: claim.range, confidence: claim.probability)
            decide(finding, in: .original, passage, context.policy, &verdict, &decided)
        }
    }

    /// Holds a tool call of an answer against what the user asked for.
    /// - Returns: the finding, decided and reported; nil when there is none, or readings are missing.
    package func checkCall(
        _ name: String, arguments: Passage, in context: Context, verdict: inout Verdict
    ) -> DecidedFinding? {
        guard let evidence = context.evidence, let analysis = learned?.adherence,
            context.policy.looks(for: AnswerEvidence.offTask, .completion)
        else { return nil }
        var conversation = TaskAdherenceAnalysis.Conversation()
        conversation.tools = evidence.tools
        conversation.steps = evidence.said.map { .request($0) } + [.call(name: name, arguments: arguments.text)]
        let id = AnswerEvidence.adherenceID
        let plan = analysis.plan(conversation)
        guard let readings = readings(plan.requests, id, context, &verdict),
            let risk = analysis.risks(in: plan, readings: readings).first
        else { return nil }
        var decided: [DecidedFinding] = []
        let finding = Finding(
            id, AnswerEvidence.offTask, at: 0..<arguments.count, confidence: risk.probability, evidence: nil, falsePositiveRate: 0.01)
        decide(finding, in: .original, arguments, context.policy, &verdict, &decided)
        guard let found = decided.first else { return nil }
        verdict.reports[id, default: GuardReport(id)].add(found)
        if found.mode == .enforce { verdict.action = max(verdict.action, found.action) }
        return found
    }

    /// nil: some are missing, or the guard failed; both are noted.
    private func readings(
        _ requests: [ReadingRequest], _ id: DetectorID, _ context: Context, _ verdict: inout Verdict
    ) -> [TextReading]? {
        guard context.policy.settings(for: id).isEnabled else { return nil }
        var readings: [TextReading] = []
        var isMissing = false
        for request in requests {
            switch context.learned[request] {
            case .read(let reading): readings.append(reading)
            case .failed:
                fail(id, .failed, context.policy, &verdict)
                return nil
            case nil:
                verdict.unread.append(request)
                isMissing = true
            }
        }
        guard !isMissing else { return nil }
        verdict.reports[id, default: GuardReport(id)].model = learned?.description.digest
        return readings
    }
}
