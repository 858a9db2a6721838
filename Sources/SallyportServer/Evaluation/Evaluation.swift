import Foundation
import NIOCore
import SallyportCore
import SallyportGuard
import SallyportPatterns

/// Scores rows as the gateway would, and says how good the scores are.
package struct Evaluation: Sendable {
    package struct Options: Sendable {
        /// Read texts as the gateway does: folded, joined and decoded too. Off: as they stand, to see what the normaliser adds.
        package var normalises = true
        /// Rows that are read at once.
        package var batch = 64
        package init() {}
    }

    /// A row's result.
    package struct Scored: Sendable {
        package let line: Int
        package let source: String
        package let kind: String
        /// Calibrated probability; for names the share of the row's spans that were found.
        package let score: Double
        /// nil: nobody judged.
        package let label: Bool?
        var spans = SpanCounts()
        /// Personal data: what was found, in code points, and how it compares with the row's labels.
        var found: [EvaluationRow.Span] = []
        var personalData = PersonalDataScore()
    }

    private let head: EvaluationHead
    private let reader: any TextReader
    private let options: Options
    private let harms: [HarmDetector]
    private let groundedness: GroundednessAnalysis?
    private let adherence: TaskAdherenceAnalysis?
    private let names: NamesDetector?
    private let personalData: PersonalDataAnalysis?

    /// - Throws: ``Unavailable`` when the model has no such head.
    package init(_ head: EvaluationHead, reader: any TextReader, options: Options = Options()) throws {
        self.head = head
        self.reader = reader
        self.options = options
        let description = reader.description
        harms = HarmDetector.Harm.allCases.compactMap { HarmDetector($0, description) }
        groundedness = GroundednessAnalysis(description)
        adherence = TaskAdherenceAnalysis(description)
        names = NamesDetector(description)
        personalData = head == .personalData ? try PersonalDataAnalysis(compiler: HyperscanCompiler(), learned: description) : nil
        let isThere =
            switch head {
            case .promptAttack, .documentAttack: description.heads[head.rawValue] != nil
            case .harm: harms.count == HarmDetector.Harm.allCases.count
            case .hate, .sexual, .violence, .selfHarm: harms.contains { $0.harm.rawValue == head.rawValue }
            case .groundedness: groundedness != nil
            case .taskAdherence: adherence != nil
            case .names, .personalData: names != nil
            }
        guard isThere else { throw Unavailable(head: head) }
    }

    package struct Unavailable: Error, CustomStringConvertible {
        let head: EvaluationHead
        package var description: String { "the model has no head for '\(head.rawValue)'" }
    }

    /// The head's thresholds, by stated false-positive rate.
    package var thresholds: [(rate: Double, probability: Double)] {
        switch head {
        case .groundedness: [(0, 0.5)]
        case .taskAdherence: reader.description.heads["off_task"]?.thresholds ?? []
        case .harm: [(0, 0.5)]
        case .names, .personalData: []
        default: reader.description.heads[head.rawValue]?.thresholds ?? []
        }
    }

    // MARK: Scoring

    /// Scores lines of a file, in order.
    /// - Parameters:
    ///   - lines: without their line ends; empty ones are passed over.
    ///   - first: the number of the first line.
    package func scores(of lines: [Data], first: Int) async throws -> [Scored] {
        var scored: [Scored] = []
        var rows: [(line: Int, row: EvaluationRow)] = []
        for (index, line) in lines.enumerated() where !line.isEmpty {
            rows.append((first + index, try EvaluationRow(line, number: first + index, for: head)))
        }
        var start = 0
        while start < rows.count {
            let end = min(start + options.batch, rows.count)
            scored += try await score(Array(rows[start..<end]))
            start = end
        }
        return scored
    }

    private func score(_ rows: [(line: Int, row: EvaluationRow)]) async throws -> [Scored] {
        var requests: [ReadingRequest] = []
        var ranges: [Range<Int>] = []
        var plans: [GroundednessAnalysis.Plan?] = []
        for (_, row) in rows {
            let first = requests.count
            var plan: GroundednessAnalysis.Plan?
            switch head {
            case .groundedness:
                plan = groundedness?.plan(
                    ByteBuffer(string: row.text), query: row.query, sources: row.sources.map { ByteBuffer(string: $0) })
                requests += plan?.requests ?? []
            case .taskAdherence:
                requests += adherence.map { [$0.request(ByteBuffer(string: row.text), call: ByteBuffer(string: row.pair ?? ""))] } ?? []
            case .names, .personalData: requests.append(ReadingRequest(ByteBuffer(string: row.text), wantsTokens: true))
            default: requests += texts(of: row).map { ReadingRequest($0, mayBeCleared: false) }
            }
            plans.append(plan)
            ranges.append(first..<requests.count)
        }
        let readings = try await read(requests)
        return try rows.indices.map { index in
            let own = Array(readings[ranges[index]])
            let row = rows[index].row
            var spans = SpanCounts()
            var found: [EvaluationRow.Span] = []
            var compared = PersonalDataScore()
            let score: Double
            switch head {
            case .groundedness:
                score = plans[index].flatMap { plan in groundedness?.claims(of: plan, readings: own).map(\.probability).max() } ?? 0
            case .taskAdherence:
                let call = ByteBuffer(string: row.pair ?? "")
                score = own.first.flatMap { adherence?.probability(in: $0, request: ByteBuffer(string: row.text), call: call) } ?? 0
            case .names:
                if let reading = own.first { spans = count(reading, row) }
                score = row.spans.isEmpty ? (spans.wrong == 0 ? 1 : 0) : Double(spans.right) / Double(row.spans.count)
            case .personalData:
                found = try personalSpans(in: row.text, own.first)
                compared.add(found: found, labelled: row.spans, source: row.source)
                score =
                    row.spans.isEmpty ? (compared.alarmedRows == 0 ? 1 : 0) : Double(compared.total.touchedLabels) / Double(row.spans.count)
            default: score = own.map(probability).max() ?? 0
            }
            return Scored(
                line: rows[index].line, source: row.source, kind: row.kind, score: score, label: label(of: row), spans: spans, found: found,
                personalData: compared)
        }
    }

    private func texts(of row: EvaluationRow) -> [ByteBuffer] {
        let text = ByteBuffer(string: row.text)
        return options.normalises ? GuardEngine.meaningfulTexts(of: Passage(row.text, origin: .user)) : [text]
    }

    private func read(_ requests: [ReadingRequest]) async throws -> [TextReading] {
        guard !requests.isEmpty else { return [] }
        return try await withCheckedThrowingContinuation { continuation in
            reader.read(requests) { continuation.resume(with: $0.mapError { $0 as any Error }) }
        }
    }

    private func probability(in reading: TextReading) -> Double {
        switch head {
        case .harm: harms.map { $0.probability(in: reading) }.max() ?? 0
        case .hate, .sexual, .violence, .selfHarm:
            harms.first { $0.harm.rawValue == head.rawValue }?.probability(in: reading) ?? 0
        default: reader.description.heads[head.rawValue]?.probability(in: reading) ?? 0
        }
    }

    private func label(of row: EvaluationRow) -> Bool? {
        guard head == .harm else { return row.labels[head.rawValue] }
        if row.labels.values.contains(true) { return true }
        // Harmless only when somebody looked for all four.
        return row.labels.count == EvaluationHead.harms.count ? false : nil
    }

    private func personalSpans(in text: String, _ reading: TextReading?) throws -> [EvaluationRow.Span] {
        let passage = Passage(text, origin: .user)
        return try (personalData?.spans(in: text, reading: reading) ?? []).map { span in
            EvaluationRow.Span(
                range: passage.codePoints(in: 0..<span.range.lowerBound)..<passage.codePoints(in: 0..<span.range.upperBound),
                type: PersonalDataTypes.type(of: span.category, isSecret: span.isSecret) ?? "OTHER")
        }
    }

    private func count(_ reading: TextReading, _ row: EvaluationRow) -> SpanCounts {
        let types = ["Person": "PERSON", "Location": "LOCATION", "Organization": "ORGANIZATION"]
        let passage = Passage(row.text, origin: .user)
        let found = (names?.findings(in: reading, of: passage) ?? []).map { finding in
            EvaluationRow.Span(
                range: passage.codePoints(in: 0..<finding.range.lowerBound)..<passage.codePoints(in: 0..<finding.range.upperBound),
                type: types[finding.category.name] ?? "")
        }
        let wanted = row.spans.filter { types.values.contains($0.type) }
        let right = wanted.filter { span in found.contains { $0.type == span.type && $0.range.overlaps(span.range) } }.count
        let wrong = found.filter { span in !row.spans.contains { $0.range.overlaps(span.range) } }.count
        return SpanCounts(right: right, missed: wanted.count - right, wrong: wrong)
    }
}

/// Spans of names, by overlap and type.
package struct SpanCounts: Sendable {
    var right = 0
    var missed = 0
    var wrong = 0

    static func + (a: SpanCounts, b: SpanCounts) -> SpanCounts {
        SpanCounts(right: a.right + b.right, missed: a.missed + b.missed, wrong: a.wrong + b.wrong)
    }

    package var recall: BinaryMetrics.Share { .init(right, of: right + missed) }
    package var precision: BinaryMetrics.Share { .init(right, of: right + wrong) }
    /// Recall counts twice as much as precision.
    package var f2: Double {
        let (p, r) = (precision.value, recall.value)
        return p.isNaN || r.isNaN || p + r == 0 ? 0 : 5 * p * r / (4 * p + r)
    }
}
