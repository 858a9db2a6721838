import Foundation

/// The table over scored rows: all of them, then by source and by kind.
package struct EvaluationReport: Sendable {
    private let head: EvaluationHead
    private let rows: [Evaluation.Scored]
    private let thresholds: [(rate: Double, probability: Double)]

    package init(_ head: EvaluationHead, rows: [Evaluation.Scored], thresholds: [(rate: Double, probability: Double)]) {
        self.head = head
        self.rows = rows
        self.thresholds = thresholds
    }

    package var text: String {
        var lines = line("all", rows)
        for (title, group) in [("source", \Evaluation.Scored.source), ("kind", \Evaluation.Scored.kind)] {
            let groups = Dictionary(grouping: rows) { $0[keyPath: group] }.filter { !$0.key.isEmpty }
            guard groups.count > 1 else { continue }
            for name in groups.keys.sorted() { lines += line("\(title) \(name)", groups[name] ?? []) }
        }
        return lines.joined(separator: "\n")
    }

    private func line(_ name: String, _ rows: [Evaluation.Scored]) -> [String] {
        if head == .personalData {
            return rows.reduce(PersonalDataScore()) { $0 + $1.personalData }.lines(name, withTypes: name == "all")
        }
        if head == .names {
            let counts = rows.reduce(SpanCounts()) { $0 + $1.spans }
            return [
                "\(name): rows \(rows.count), recall \(show(counts.recall)), precision \(show(counts.precision)), F2 \(show(counts.f2))"
            ]
        }
        let judged = rows.compactMap { row in row.label.map { (score: row.score, isPositive: $0) } }
        guard !judged.isEmpty else { return [] }
        let metrics = BinaryMetrics(judged)
        var text = "\(name): positive \(metrics.positiveCount), negative \(metrics.negativeCount)"
        if let area = metrics.rocArea { text += ", ROC area \(show(area))" }
        if let precision = metrics.averagePrecision, metrics.negativeCount > 0 { text += ", average precision \(show(precision))" }
        var lines = [text]
        for threshold in thresholds {
            let title = threshold.rate > 0 ? "at \(show(threshold.rate * 100)) %" : "at even odds"
            lines.append(
                "    \(title) (score >= \(show(threshold.probability))): recall \(show(metrics.recall(at: threshold.probability))), "
                    + "false positives \(show(metrics.falsePositiveRate(at: threshold.probability)))")
        }
        return lines
    }

    private func show(_ value: Double) -> String { String(format: "%.4g", value) }
    private func show(_ share: BinaryMetrics.Share) -> String {
        guard share.count > 0 else { return "-" }
        return String(
            format: "%.4f [%.4f, %.4f] (%d of %d)", share.value, share.interval.lowerBound, share.interval.upperBound, share.hits,
            share.count)
    }

    /// What others need to measure it independently: one JSON object for each row.
    package static func scoreLine(_ row: Evaluation.Scored, head: EvaluationHead) -> String {
        let label = row.label.map { $0 ? "1" : "0" } ?? "null"
        let spans =
            head == .personalData
            ? ",\"spans\":[\(row.found.map { "[\($0.range.lowerBound),\($0.range.upperBound),\"\($0.type)\"]" }.joined(separator: ","))]"
            : ""
        return "{\"line\":\(row.line),\"head\":\"\(head.rawValue)\",\"score\":\(row.score),\"label\":\(label)\(spans)}"
    }
}
