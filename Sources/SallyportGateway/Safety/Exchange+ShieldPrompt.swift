import NIOCore
import SallyportCore
import SallyportGuard
import SallyportWire

/// `text:shieldPrompt`: attacks in a user's prompt and in documents.
extension Exchange {
    func shieldPrompt(_ body: SafetyBody) throws {
        let limits = snapshot.configuration.safety
        let prompt = try body.optionalText("userPrompt", atMost: limits.prompt)
        let documents = try body.texts("documents", total: limits.documentText)
        guard prompt != nil || documents != nil else {
            throw Fault(.invalidRequest, "One of the fields 'userPrompt' and 'documents' is required.", param: "userPrompt")
        }
        guard documents?.count ?? 0 <= limits.documents else {
            throw Fault(.invalidRequest, "The field 'documents' holds more than \(limits.documents) texts.", param: "documents")
        }
        // What the built-in policies report: one benign text in a hundred.
        let policy = try requireGuards(for: [
            .init(.attack, names: ["jailbreak", "indirect_attack"], falsePositiveRate: 0.01, action: .annotate)
        ])
        let slots = (prompt.map { [$0.slot(.user)] } ?? []) + (documents ?? []).enumerated().map { $1.slot(.document, number: $0) }
        analysing { done in
            read(slots, under: policy, then: done)
        } then: { [self] (outcome: BodyInspector.Outcome) in
            var json = JSONWriter(capacity: 256)
            json.beginObject()
            if prompt != nil {
                json.key("userPromptAnalysis")
                json.beginObject()
                json.key("attackDetected")
                json.bool(outcome.findings[-1]?.isEmpty == false)
                json.endObject()
            }
            json.key("documentsAnalysis")
            json.beginArray()
            for number in (documents ?? []).indices {
                json.beginObject()
                json.key("attackDetected")
                json.bool(outcome.findings[number]?.isEmpty == false)
                json.endObject()
            }
            json.endArray()
            json.endObject()
            answerAnalysis(json.buffer)
        }
    }
}
