import SallyportCore

/// Gathers a document's text into blocks, and keeps hidden text apart from what a reader sees.
struct BlockBuilder {
    /// What one document may become.
    struct Limits {
        var blocks = 200_000
        var bytes = 32 << 20
    }

    private(set) var blocks: [ParsedDocument.Block] = []
    /// nil where the format has no pages.
    var page: Int?
    private let limits: Limits
    private var bytes = 0
    private var visible = ""
    private var hidden: [(hiding: ParsedDocument.Hiding, text: String)] = []

    init(page: Int? = nil, limits: Limits = Limits()) {
        self.page = page
        self.limits = limits
    }

    /// Adds to the block that is being gathered.
    mutating func add(_ text: some StringProtocol, hiding: ParsedDocument.Hiding? = nil) throws(DocumentProblem) {
        guard !text.isEmpty else { return }
        bytes += text.utf8.count
        guard bytes <= limits.bytes else { throw .tooLarge }
        guard let hiding else {
            visible += text
            return
        }
        if hidden.last?.hiding == hiding { hidden[hidden.count - 1].text += text } else { hidden.append((hiding, String(text))) }
    }

    var isEmpty: Bool { visible.allSatisfy(\.isWhitespace) }

    /// Ends the block.
    /// - Returns: whether it had visible text.
    @discardableResult
    mutating func end(_ kind: ParsedDocument.Block.Kind, level: Int = 0) throws(DocumentProblem) -> Bool {
        let text = kind == .code ? BlockBuilder.trimmed(visible) : BlockBuilder.collapsed(visible)
        if !text.isEmpty { try append(ParsedDocument.Block(kind, level: level, text, page: page)) }
        for (hiding, piece) in hidden {
            let piece = BlockBuilder.collapsed(piece)
            if !piece.isEmpty { try append(ParsedDocument.Block(.paragraph, piece, page: page, hiding: hiding)) }
        }
        visible = ""
        hidden = []
        return !text.isEmpty
    }

    /// Adds a whole block beside the one that is being gathered.
    mutating func append(_ block: ParsedDocument.Block) throws(DocumentProblem) {
        guard blocks.count < limits.blocks else { throw .tooLarge }
        blocks.append(block)
    }

    /// Takes what was gathered, without making a block of it: a table's cell.
    mutating func takeVisible() -> String {
        defer { visible = "" }
        return BlockBuilder.collapsed(visible)
    }

    /// Runs of white space, line breaks and control characters become one space.
    static func collapsed(_ text: some StringProtocol) -> String {
        var result = String.UnicodeScalarView()
        var isSpaceDue = false
        for scalar in text.unicodeScalars {
            if scalar.properties.isWhitespace || scalar.value < 0x20 || scalar.value == 0x7F {
                isSpaceDue = !result.isEmpty
            } else {
                if isSpaceDue {
                    result.append(" ")
                    isSpaceDue = false
                }
                result.append(scalar)
            }
        }
        return String(result)
    }

    private static func trimmed(_ text: String) -> String {
        var lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        while lines.first?.allSatisfy(\.isWhitespace) == true { lines.removeFirst() }
        while lines.last?.allSatisfy(\.isWhitespace) == true { lines.removeLast() }
        return lines.map { String($0.unicodeScalars.filter { $0.value >= 0x20 || $0 == "\t" }) }.joined(separator: "\n")
    }
}
