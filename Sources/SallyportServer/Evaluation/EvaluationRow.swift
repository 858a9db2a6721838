import Foundation

/// One line of an evaluation file: JSON, as docs/evaluation.md describes it.
struct EvaluationRow: Sendable {
    struct Mistake: Error, CustomStringConvertible {
        let line: Int
        let reason: String
        var description: String { "line \(line): \(reason)" }
    }
    struct Span: Sendable, Hashable {
        /// Unicode code points, end exclusive.
        let range: Range<Int>
        let type: String
    }

    let text: String
    /// The second text: a tool call.
    var pair: String?
    var sources: [String] = []
    var query: String?
    var spans: [Span] = []
    let source: String
    let kind: String
    /// For each category; nil where nobody judged.
    var labels: [String: Bool] = [:]

    /// - Throws: ``Mistake`` when the line is not JSON or lacks what the head needs.
    init(_ line: some DataProtocol, number: Int, for head: EvaluationHead) throws {
        guard let object = try? JSONSerialization.jsonObject(with: Data(line)) as? [String: Any] else {
            throw Mistake(line: number, reason: "is not a JSON object")
        }
        func text(_ names: String...) throws -> String {
            guard let value = names.lazy.compactMap({ object[$0] as? String }).first else {
                throw Mistake(line: number, reason: "'\(names[0])' is missing or not a string")
            }
            return value
        }
        func label(_ name: String) throws -> Bool? {
            switch object[name] {
            case nil, is NSNull: return nil
            case let number as NSNumber: return number.intValue > 0
            default: throw Mistake(line: number, reason: "'\(name)' is not a number or null")
            }
        }
        source = object["source"] as? String ?? object["batch"] as? String ?? ""
        kind = object["kind"] as? String ?? ""
        switch head {
        case .promptAttack, .documentAttack:
            self.text = try text("text")
            guard let value = try label("label") else { throw Mistake(line: number, reason: "'label' is missing") }
            labels[head.rawValue] = value
        case .harm, .hate, .sexual, .violence, .selfHarm:
            self.text = try text("text")
            for category in EvaluationHead.harms { labels[category] = try label(category) }
        case .groundedness:
            self.text = try text("answer", "claim_or_answer")
            // What was said before a turn of a dialogue is no question that the turn answers, as in `text:detectGroundedness`.
            if (object["task"] as? String).map({ $0 == "qa" }) ?? true { query = object["query"] as? String }
            sources = try (object["sources"] as? [String]) ?? (object["source"] as? [String]) ?? [text("source")]
            labels[head.rawValue] = try label("label")
        case .taskAdherence:
            self.text = try text("request")
            pair = try text("tool_call")
            labels[head.rawValue] = try label("label")
        case .names, .personalData:
            self.text = try text("text")
            guard let list = object["spans"] as? [[Any]] else { throw Mistake(line: number, reason: "'spans' is missing or not a list") }
            let length = self.text.unicodeScalars.count
            for entry in list {
                guard entry.count >= 3, let start = entry[0] as? Int, let end = entry[1] as? Int, let type = entry[2] as? String,
                    start >= 0, start < end, end <= length
                else { throw Mistake(line: number, reason: "a span is not [start, end, type] within the text") }
                spans.append(Span(range: start..<end, type: type))
            }
        }
    }
}

/// What an evaluation file is about.
package enum EvaluationHead: String, Sendable, CaseIterable {
    case promptAttack = "prompt_attack"
    case documentAttack = "document_attack"
    /// Any of the four categories.
    case harm
    case hate, sexual, violence
    case selfHarm = "self_harm"
    case groundedness
    case taskAdherence = "task_adherence"
    case names
    /// Personal data of all types, names among them: patterns and model together.
    case personalData = "pii"

    static let harms = ["hate", "sexual", "violence", "self_harm"]
}
