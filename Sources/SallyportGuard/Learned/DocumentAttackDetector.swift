import SallyportCore

/// Finds instructions to the model inside documents, tool results and other content that nobody asked it to obey
/// (Azure AI Content Safety: document attacks, indirect attacks).
struct DocumentAttackDetector: LearnedDetector {
    static let category = Finding.Category(.attack, "indirect_attack")

    let id: DetectorID = "document-attack"
    var categories: [Finding.Category] { [Self.category] }
    let needsTokens = true
    private let head: EncoderDescription.Head
    private let payload: EncoderDescription.Head?
    private let tokenColumns: Int

    init?(_ description: EncoderDescription) {
        guard let head = description.heads["document_attack"] else { return nil }
        self.head = head
        payload = description.heads["payload"]
        tokenColumns = description.tokenColumns.count
    }

    /// Descriptions of tools come from whoever made the tool: what they say to the model beyond their own use is an attack.
    func reads(_ origin: PassageOrigin) -> Bool {
        origin == .document || origin == .toolResult || origin == .file || origin == .toolDefinition
    }

    func findings(in reading: TextReading, of passage: Passage) -> [Finding] {
        lazy var cues = ToolDescriptionCues.count(in: passage)
        return reading.windows.compactMap { window in
            let probability = head.probability(in: window.scores, windows: reading.windowCount, words: window.words)
            guard var rate = head.rate(of: probability) else { return nil }
            if passage.origin == .toolDefinition, rate > 0.001 {
                // A tool's description instructs by its nature: only what is certain is told, and what its words speak for too.
                guard cues >= (rate > 0.01 ? 2 : 1) else { return nil }
                rate = 0.01
            }
            return Finding(id, Self.category, at: span(in: window), confidence: probability, falsePositiveRate: rate)
        }
    }

    /// From the first to the last token that looks like part of the payload; the whole window when none does.
    private func span(in window: TextReading.Window) -> Range<Int> {
        guard let payload, let column = payload.columns.first, let tokens = window.tokens, tokenColumns > 0 else { return window.range }
        let calibration = payload.calibrations.first ?? .init()
        let marked = tokens.ranges.indices.filter { calibration.probability(of: tokens.scores[$0 * tokenColumns + column]) >= 0.5 }
        guard let first = marked.first, let last = marked.last else { return window.range }
        return tokens.ranges[first].lowerBound..<max(tokens.ranges[first].upperBound, tokens.ranges[last].upperBound)
    }
}
