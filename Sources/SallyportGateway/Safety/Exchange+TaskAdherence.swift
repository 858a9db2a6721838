import NIOCore
import SallyportCore
import SallyportGuard
import SallyportWire

/// `agent:analyzeTaskAdherence`: whether an agent's tool calls serve what its user asked for.
extension Exchange {
    /// More calls in one conversation are refused, not skipped.
    private static let maximumToolCalls = 128

    func analyzeTaskAdherence(_ body: SafetyBody) throws {
        let conversation = try Exchange.conversation(in: body, atMost: snapshot.configuration.safety.agentText)
        guard let meaning = runtime.parts.meaning, let analysis = TaskAdherenceAnalysis(meaning.description) else {
            throw Fault(.guardUnavailable, "This installation runs without the detectors that this call needs.")
        }
        policy = SafetyPolicy.noting([], in: snapshot.engine)
        let plan = analysis.plan(conversation)
        analysing { (done: @escaping (Result<[TextReading], any Error>) -> Void) in
            plan.requests.isEmpty ? done(.success([])) : read(plan.requests, then: done)
        } then: { [self] readings in
            let risks = analysis.risks(in: plan, readings: readings)
            var report = GuardReport("task-adherence")
            report.model = meaning.description.digest
            if !risks.isEmpty {
                report.counts["off_task"] = risks.count
                report.topScore = risks.map(\.probability).max() ?? 0
                report.action = .annotate
            }
            promptVerdict.bytesInspected += self.body.readableBytes
            promptVerdict.reports[report.detector] = report
            var json = JSONWriter(capacity: 256)
            json.beginObject()
            json.key("taskRiskDetected")
            json.bool(!risks.isEmpty)
            if !risks.isEmpty {
                json.key("details")
                json.string(risks.map(\.reason).joined(separator: " "))
            }
            json.endObject()
            answerAnalysis(json.buffer)
        }
    }

    private static func conversation(in body: SafetyBody, atMost limit: Int) throws -> TaskAdherenceAnalysis.Conversation {
        var conversation = TaskAdherenceAnalysis.Conversation()
        for (number, tool) in (try body.elements("tools") ?? []).enumerated() {
            let place = "tools[\(number)].function."
            guard let function = body.node("function", of: tool) else {
                throw Fault(.invalidRequest, "The field 'tools[\(number)].function' is required.", param: "tools[\(number)]")
            }
            conversation.tools.insert(try body.text("name", of: function, at: place).string)
        }
        guard let messages = try body.elements("messages"), !messages.isEmpty else {
            throw Fault(.invalidRequest, "The field 'messages' is required.", param: "messages")
        }
        var total = 0
        for (number, message) in messages.enumerated() {
            let place = "messages[\(number)]."
            _ = try body.choice("source", of: message, at: place, among: ["Prompt", "Completion"], ignoringCase: true)
            let role = try body.choice("role", of: message, at: place, among: ["User", "Assistant", "Tool", "System"], ignoringCase: true)
            let contents = try body.optionalText("contents", of: message, at: place)
            total += contents?.codePoints ?? 0
            if role == "User", let contents, contents.bytes.readableBytes > 0 { conversation.steps.append(.request(contents.bytes)) }
            for (position, call) in (try body.elements("toolCalls", of: message, at: place) ?? []).enumerated() {
                let place = "\(place)toolCalls[\(position)]."
                guard let function = body.node("function", of: call) else {
                    throw Fault(.invalidRequest, "The field '\(place)function' is required.", param: "\(place)function")
                }
                let name = try body.text("name", of: function, at: "\(place)function.")
                let arguments = try body.optionalText("arguments", of: function, at: "\(place)function.")
                total += name.codePoints + (arguments?.codePoints ?? 0)
                conversation.steps.append(.call(name: name.string, arguments: arguments?.bytes ?? ByteBuffer()))
            }
        }
        guard total <= limit else {
            throw Fault(.invalidRequest, "The messages together are longer than \(limit) characters.", param: "messages")
        }
        guard conversation.calls <= maximumToolCalls else {
            throw Fault(.invalidRequest, "The messages hold more than \(maximumToolCalls) tool calls.", param: "messages")
        }
        return conversation
    }
}
