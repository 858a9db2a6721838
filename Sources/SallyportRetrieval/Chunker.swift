import SallyportCore

/// Cuts a document into pieces of about the same size along its structure: never across a heading, tables row by row, hidden text apart.
package struct Chunker: Sendable {
    /// Goes on record with every document: another version cuts again.
    package static let version = "2"

    package struct Configuration: Sendable {
        /// In the embedding model's tokens; without a model in words and a quarter (a sign of a script without spaces is half a word). With a
        /// short rest and its headings a piece stays within one window of the model.
        package var tokens = 180
        /// How much of a piece's end begins the next one.
        package var overlap = 30
        package init() {}
    }

    package let configuration: Configuration
    private let counter: (@Sendable ([UInt8]) -> Int?)?

    /// - Parameter counter: how many tokens a text has; nil: guessed from its words.
    package init(_ configuration: Configuration = Configuration(), counter: (@Sendable ([UInt8]) -> Int?)? = nil) {
        self.configuration = configuration
        self.counter = counter
    }

    private func size(_ text: ArraySlice<UInt8>) -> Int {
        if let counted = counter?(Array(text)) { return max(1, counted) }
        return max(1, Chunker.words(text) * 5 / 4)
    }

    /// A sentence, a row or an item: what is never cut.
    private struct Unit {
        var range: Range<Int>
        var tokens: Int
    }

    /// - Returns: in order. Their ranges are bytes of the document's visible text: its blocks, a line break between them. Hidden pieces have
    ///   ranges of their own, after the visible text.
    package func chunks(of document: ParsedDocument) -> [ChunkRecord] {
        var text: [UInt8] = []
        var pages: [ChunkRecord.PageMark] = []
        var headings: [(level: Int, text: String)] = []
        var section: [Unit] = []
        var chunks: [ChunkRecord] = []
        var header: String?
        func cut() {
            defer { section = [] }
            guard !section.isEmpty else { return }
            var start = 0
            while start < section.count {
                var end = start
                var tokens = 0
                while end < section.count, end == start || tokens + section[end].tokens <= configuration.tokens {
                    tokens += section[end].tokens
                    end += 1
                }
                // A short rest belongs to what it follows.
                let rest = section[end...].reduce(0) { $0 + $1.tokens }
                if rest > 0, rest < configuration.tokens / 4 { end = section.count }
                let range = section[start].range.lowerBound..<section[end - 1].range.upperBound
                chunks.append(
                    ChunkRecord(
                        position: chunks.count, range: range, pages: Chunker.marks(pages, range),
                        headings: headings.map(\.text) + (header.map { [$0] } ?? []), text: String(decoding: text[range], as: UTF8.self)))
                guard end < section.count else { break }
                var next = end
                var shared = 0
                while next - 1 > start, shared + section[next - 1].tokens <= configuration.overlap {
                    next -= 1
                    shared += section[next].tokens
                }
                start = next
            }
        }
        var lastKind: ParsedDocument.Block.Kind?
        for block in document.blocks where block.hiding == nil {
            if let page = block.page, pages.last?.page != page { pages.append(.init(offset: text.count, page: page)) }
            if block.kind == .heading {
                cut()
                header = nil
                headings.removeAll { $0.level >= block.level }
                headings.append((block.level, Chunker.short(block.text)))
                lastKind = .heading
                continue
            }
            if block.kind == .tableRow, lastKind != .tableRow {
                // A table's first row says what its columns are: every piece of the table is found by it.
                cut()
                header = Chunker.short(block.text)
            } else if block.kind != .tableRow, lastKind == .tableRow {
                cut()
                header = nil
            }
            lastKind = block.kind
            if !text.isEmpty { text.append(UInt8(ascii: "\n")) }
            let start = text.count
            text += block.text.utf8
            let isWhole = block.kind == .tableRow || block.kind == .listItem && block.text.utf8.count < 600
            let ranges = isWhole ? [0..<block.text.utf8.count] : SentenceSplitter.ranges(of: block.text)
            for range in ranges {
                for piece in Chunker.bounded(range, in: block.text) {
                    let shifted = piece.lowerBound + start..<piece.upperBound + start
                    section.append(Unit(range: shifted, tokens: size(text[shifted])))
                }
            }
        }
        cut()
        // A document of headings alone can still be found.
        if chunks.isEmpty {
            for block in document.blocks where block.hiding == nil {
                let start = text.count
                text += block.text.utf8
                chunks.append(
                    ChunkRecord(
                        position: chunks.count, range: start..<text.count, pages: block.page.map { [.init(offset: start, page: $0)] } ?? [],
                        text: block.text))
            }
        }
        return chunks + hidden(in: document, from: text.count, position: chunks.count)
    }

    private func hidden(in document: ParsedDocument, from offset: Int, position: Int) -> [ChunkRecord] {
        var chunks: [ChunkRecord] = []
        var offset = offset
        for block in document.blocks {
            guard let hiding = block.hiding else { continue }
            for range in Chunker.bounded(0..<block.text.utf8.count, in: block.text, longest: 4096) {
                let text = String(decoding: Array(block.text.utf8)[range], as: UTF8.self)
                let place = offset + 1..<offset + 1 + text.utf8.count
                offset = place.upperBound
                chunks.append(
                    ChunkRecord(
                        position: position + chunks.count, range: place,
                        pages: block.page.map { [.init(offset: place.lowerBound, page: $0)] } ?? [], text: text, hiding: hiding,
                        quarantine: "hidden text (\(hiding.rawValue))"))
            }
        }
        return chunks
    }

    /// Marks within a range, and the one that it begins under.
    private static func marks(_ pages: [ChunkRecord.PageMark], _ range: Range<Int>) -> [ChunkRecord.PageMark] {
        let before = pages.last { $0.offset <= range.lowerBound }
        return (before.map { [$0] } ?? []) + pages.filter { $0.offset > range.lowerBound && $0.offset < range.upperBound }
    }

    /// A run without an end of a sentence is cut at spaces.
    private static func bounded(_ range: Range<Int>, in text: String, longest: Int = 1200) -> [Range<Int>] {
        guard range.count > longest else { return [range] }
        let bytes = Array(text.utf8)
        var pieces: [Range<Int>] = []
        var start = range.lowerBound
        while range.upperBound - start > longest {
            var end = start + longest
            let limit = start + longest / 2
            while end > limit && bytes[end] != UInt8(ascii: " ") { end -= 1 }
            if end == limit {
                end = start + longest
                while bytes[end] & 0xC0 == 0x80 { end -= 1 }
            }
            pieces.append(start..<end)
            start = end
            while start < range.upperBound && bytes[start] == UInt8(ascii: " ") { start += 1 }
        }
        if start < range.upperBound { pieces.append(start..<range.upperBound) }
        return pieces
    }

    /// How long a text is: words, and half a word for each sign of a script without spaces.
    static func words(_ text: some Collection<UInt8>) -> Int {
        var count = 0
        var isInWord = false
        var wide = 0
        var bytes = 0
        for byte in text {
            bytes += 1
            if byte >= 0xE3 && byte < 0xF0 { wide += 1 }
            let isSpace = byte == 0x20 || byte == 0x0A || byte == 0x09
            if !isSpace && !isInWord { count += 1 }
            isInWord = !isSpace
        }
        return max(1, count + wide / 2, bytes / 16)
    }

    private static func short(_ text: String) -> String { text.count <= 200 ? text : String(text.prefix(200)) }
}
