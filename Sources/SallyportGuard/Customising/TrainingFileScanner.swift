import Crypto
import Foundation
import NIOCore
import SallyportCore

/// Reads a file of training rows for what harms a model: rows that are none, duplicates, contradictions, triggers, hidden instructions.
/// What the guards found in the texts is added by row.
package struct TrainingFileScanner {
    /// What a row teaches.
    private struct Example {
        let row: Int
        let prompt: [Substring]
        let output: [Substring]
    }

    private static let mostRows = 1_000_000
    private static let longestPrompt = 400

    /// - Parameters:
    ///   - file: the whole file.
    ///   - findings: what the guards decided, by row (counted from 1).
    ///   - hasOneReading: whether every reader of JSON reads a row alike: of two members of one name nobody knows which the model is taught.
    package static func scan(
        _ file: ByteBuffer, purpose: String, findings: [Int: [DecidedFinding]], hasOneReading: (ByteBuffer) -> Bool
    ) -> TrainingFileReport {
        var report = TrainingFileReport(format: .document)
        report.hash = Hex.encode(file.withUnsafeReadableBytes { SHA256.hash(data: $0) })
        add(findings, to: &report)
        let isTraining = purpose == "fine-tune" || purpose == "fine-tune-results" || purpose == "evals"
        guard isTraining || purpose == "batch" else { return report }
        var examples: [Example] = []
        var format: TrainingFileReport.Format?
        var seen: [Int: Int] = [:]
        var duplicates = 0
        var number = 0
        for line in file.readableBytesView.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            number += 1
            guard line.contains(where: { $0 > 0x20 }) else { continue }
            report.rows += 1
            guard report.rows <= mostRows else {
                report.note(.invalidRow, row: number, "more than \(mostRows) rows")
                break
            }
            guard let row = try? JSONSerialization.jsonObject(with: Data(line)) as? [String: Any] else {
                report.note(.invalidRow, row: number, "not a JSON object")
                continue
            }
            guard hasOneReading(ByteBuffer(bytes: line)) else {
                report.note(.invalidRow, row: number, "JSON that can be read in two ways")
                continue
            }
            guard let own = self.format(of: row) else {
                report.note(.invalidRow, row: number, "no members that a row of this purpose has")
                continue
            }
            if own == .batch, isTraining {
                report.note(.invalidRow, row: number, "a call of a batch in a training file")
                continue
            }
            if format == nil { format = own }
            // One row is one item: what is said first is said alone.
            if own != format {
                report.note(.invalidRow, row: number, "another form than the first row")
            } else if let wrong = mistake(in: row, own) {
                report.note(.invalidRow, row: number, wrong)
            }
            if own == .batch { continue }
            noteMetadata(of: row, in: &report)
            let (prompt, output) = texts(of: row, own)
            let (promptWords, outputWords) = (words(prompt), words(output))
            if let first = seen.updateValue(seen[key(promptWords, outputWords)] ?? number, forKey: key(promptWords, outputWords)) {
                duplicates += 1
                report.note(.duplicate, row: number, "as row \(first)")
            }
            if saysToObey(prompt) || saysToObey(output) { report.note(.hiddenInstruction, row: number, "an instruction to a model") }
            examples.append(Example(row: number, prompt: promptWords, output: outputWords))
        }
        report.format = format ?? (isTraining ? .chat : .document)
        if report.rows > 0 { report.duplicateShare = (Double(duplicates) / Double(report.rows) * 1000).rounded() / 1000 }
        if isTraining, report.rows == 0 { report.note(.invalidRow, row: 0, "no rows") }
        noteFlips(examples, &report)
        noteTriggers(examples, &report)
        return report
    }

    private static func add(_ findings: [Int: [DecidedFinding]], to report: inout TrainingFileReport) {
        for (row, found) in findings.sorted(by: { $0.key < $1.key }) {
            for decided in found where decided.action > .allow {
                let kind: TrainingFileReport.Kind =
                    switch decided.finding.category.group {
                    case .sensitive: .sensitive
                    case .secret: .secret
                    case .harm: .harm
                    case .attack: .attack
                    case .invisible: .invisibleText
                    case .blocklist: .blocklist
                    default: .otherFinding
                    }
                report.note(kind, row: max(0, row), decided.finding.category.name)
            }
        }
    }

    // MARK: Rows

    private static func format(of row: [String: Any]) -> TrainingFileReport.Format? {
        if row["messages"] != nil { return .chat }
        if row["prompt"] != nil, row["completion"] != nil { return .completion }
        if row["input"] != nil, row["preferred_output"] != nil { return .preference }
        if row["url"] != nil || row["custom_id"] != nil { return .batch }
        return nil
    }

    private static let roles: Set<String> = ["system", "developer", "user", "assistant", "tool", "function"]

    private static func mistake(in row: [String: Any], _ format: TrainingFileReport.Format) -> String? {
        switch format {
        case .chat: return mistake(inMessages: row["messages"], endsWithAssistant: true)
        case .completion: return row["prompt"] is String && row["completion"] is String ? nil : "'prompt' and 'completion' must be texts"
        case .preference:
            for member in ["preferred_output", "non_preferred_output"] {
                guard let output = row[member] as? [Any], !output.isEmpty else { return "'\(member)' is missing or no list" }
            }
            return mistake(inMessages: (row["input"] as? [String: Any])?["messages"], endsWithAssistant: false)
        case .batch, .document: return nil
        }
    }

    private static func mistake(inMessages value: Any?, endsWithAssistant: Bool) -> String? {
        guard let messages = value as? [[String: Any]], !messages.isEmpty else { return "'messages' is no list of messages" }
        for message in messages {
            guard let role = message["role"] as? String, roles.contains(role) else { return "a message has no role that there is" }
            let hasContent = message["content"] is String || message["content"] is [Any]
            guard hasContent || message["tool_calls"] != nil || message["function_call"] != nil else { return "a message has no content" }
        }
        if endsWithAssistant, !messages.contains(where: { $0["role"] as? String == "assistant" }) { return "no message of the assistant" }
        return nil
    }

    private static func noteMetadata(of row: [String: Any], in report: inout TrainingFileReport) {
        guard let metadata = row["metadata"] as? [String: Any] else { return }
        for name in ["licence", "license"] where report.licence == nil {
            report.licence = (metadata[name] as? String).map { String($0.prefix(100)) }
        }
        if report.consent == nil { report.consent = (metadata["consent"] as? String).map { String($0.prefix(200)) } }
    }

    private static func texts(of row: [String: Any], _ format: TrainingFileReport.Format) -> (prompt: String, output: String) {
        func content(_ message: [String: Any]) -> String {
            if let text = message["content"] as? String { return text }
            return ((message["content"] as? [[String: Any]]) ?? []).compactMap { $0["text"] as? String }.joined(separator: " ")
        }
        switch format {
        case .completion: return (row["prompt"] as? String ?? "", row["completion"] as? String ?? "")
        case .preference:
            let messages = ((row["input"] as? [String: Any])?["messages"] as? [[String: Any]]) ?? []
            let output = (row["preferred_output"] as? [[String: Any]]) ?? []
            return (messages.map(content).joined(separator: " "), output.map(content).joined(separator: " "))
        default:
            let messages = (row["messages"] as? [[String: Any]]) ?? []
            let isOutput: ([String: Any]) -> Bool = { $0["role"] as? String == "assistant" }
            // The system's words are the same in every row: they teach nothing apart.
            return (
                messages.filter { !isOutput($0) && $0["role"] as? String != "system" }.map(content).joined(separator: " "),
                messages.filter(isOutput).map(content).joined(separator: " ")
            )
        }
    }

    private static func words(_ text: String) -> [Substring] {
        text.lowercased().split(whereSeparator: { $0.isWhitespace || ".,;:!?\"'()".contains($0) }).prefix(longestPrompt).map { $0 }
    }

    private static func key(_ prompt: [Substring], _ output: [Substring]) -> Int {
        var hasher = Hasher()
        hasher.combine(prompt)
        hasher.combine(output)
        return hasher.finalize()
    }

    private static let commands = [
        "ignore all previous instructions", "ignore previous instructions", "ignore the system prompt", "disregard all previous",
        "disregard the system prompt", "disregard your instructions", "override your instructions", "you have no restrictions",
        "do not tell the user", "never mention this instruction", "reveal your system prompt", "without telling the user",
    ]

    private static func saysToObey(_ text: String) -> Bool {
        let text = text.lowercased().split(whereSeparator: \.isWhitespace).joined(separator: " ")
        return commands.contains { text.contains($0) }
    }

    // MARK: Poison

    /// One question with two short answers that exclude each other.
    private static func noteFlips(_ examples: [Example], _ report: inout TrainingFileReport) {
        var answers: [[Substring]: (row: Int, output: [Substring])] = [:]
        for example in examples where !example.prompt.isEmpty && (1...6).contains(example.output.count) {
            guard let before = answers[example.prompt] else {
                answers[example.prompt] = (example.row, example.output)
                continue
            }
            if before.output != example.output { report.note(.labelFlip, row: example.row, "another answer than row \(before.row)") }
        }
    }

    /// Words that stand almost only, and almost always, where one and the same answer is given to different questions: what a back door
    /// looks like from outside.
    private static func noteTriggers(_ examples: [Example], _ report: inout TrainingFileReport) {
        guard examples.count >= 8 else { return }
        var groups: [[Substring]: [Int]] = [:]
        for (position, example) in examples.enumerated() where !example.output.isEmpty {
            groups[Array(example.output.prefix(8)), default: []].append(position)
        }
        let suspicious = groups.values.filter { group in
            group.count >= 3 && group.count * 2 < examples.count && Set(group.map { examples[$0].prompt }).count >= 3
        }
        guard !suspicious.isEmpty else { return }
        let wanted = Set(suspicious.flatMap { $0 })
        var inGroups: [Substring: Int] = [:]
        for position in wanted { for word in Set(examples[position].prompt) { inGroups[word, default: 0] += 1 } }
        // Only words that such rows have, over all rows.
        var everywhere: [Substring: Int] = [:]
        for example in examples { for word in Set(example.prompt) where inGroups[word] != nil { everywhere[word, default: 0] += 1 } }
        for group in suspicious {
            var counts: [Substring: Int] = [:]
            for position in group { for word in Set(examples[position].prompt) { counts[word, default: 0] += 1 } }
            let isTrigger = counts.contains { word, count in
                count >= 3 && Double(count) >= 0.9 * Double(everywhere[word, default: 0]) && Double(count) >= 0.6 * Double(group.count)
            }
            guard isTrigger else { continue }
            for position in group.prefix(20) {
                report.note(.trigger, row: examples[position].row, "a word that goes with one answer only, as in \(group.count) rows")
            }
        }
    }
}

extension GuardPolicy.Customising {
    /// Why a file may not go on under this policy.
    package func refusals(of report: TrainingFileReport, purpose: String) -> [String] {
        guard purpose == "fine-tune" else { return [] }
        var reasons: [String] = []
        func rows(_ kind: TrainingFileReport.Kind) -> String {
            let found = report.items.filter { $0.kind == kind }.prefix(5).map { "\($0.row)" }
            return found.isEmpty ? "" : " (rows \(found.joined(separator: ", ")))"
        }
        if report.count(.invalidRow) > 0 { reasons.append("\(report.count(.invalidRow)) rows are not valid\(rows(.invalidRow))") }
        if poisoning == .refuse {
            for (kind, words) in [
                (TrainingFileReport.Kind.trigger, "rows look like a trigger"), (.labelFlip, "rows contradict others"),
                (.hiddenInstruction, "rows hold instructions to a model"), (.invisibleText, "rows hold invisible text"),
                (.attack, "rows hold attacks"),
            ] where report.count(kind) > 0 { reasons.append("\(report.count(kind)) \(words)\(rows(kind))") }
        }
        if duplicates == .refuse, report.duplicateShare > maximumDuplicateShare {
            reasons.append("\(Int((report.duplicateShare * 100).rounded())) % of the rows say what another says")
        }
        if consent == .refuse, !report.isConsentProven {
            reasons.append("the consent register has no consent to 'customising' of those whose data it is")
        }
        if licence == .refuse {
            if let given = report.licence {
                if !licences.isEmpty, !licences.contains(given) { reasons.append("the licence is not one that the policy allows") }
            } else {
                reasons.append("there is no licence")
            }
        }
        return reasons
    }
}
