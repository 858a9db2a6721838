/// BERT's uncased WordPiece: the same tokens as the reference, with their places in the original bytes.
///
/// Markers such as `[SEP]` in a text are plain text; the special tokens are put in by who makes the model's rows. Time is linear in
/// the text.
package struct WordPieceTokenizer: Sendable {
    /// The identifiers of the special tokens, as the vocabulary numbers them.
    package struct Markers: Sendable, Hashable {
        package let padding: Int32
        package let unknown: Int32
        package let start: Int32
        package let separator: Int32
    }
    package let markers: Markers
    /// How many identifiers there are.
    package let vocabularyCount: Int

    private let trie: VocabularyTrie
    private let table: CharacterTable

    /// Longer words are one unknown token (the reference's `max_input_chars_per_word`).
    static let longestWord = 100

    /// - Parameter vocabulary: the bytes of a `vocab.txt`, one piece a line.
    package init(vocabulary: [UInt8]) throws(ModelError) {
        var lines = vocabulary.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        if lines.last?.isEmpty == true { lines.removeLast() }
        func marker(_ text: String) throws(ModelError) -> Int32 {
            guard let index = lines.firstIndex(where: { $0.elementsEqual(text.utf8) }) else { throw .vocabulary("\(text) is missing") }
            return Int32(index)
        }
        markers = Markers(
            padding: try marker("[PAD]"), unknown: try marker("[UNK]"), start: try marker("[CLS]"), separator: try marker("[SEP]"))
        vocabularyCount = lines.count
        trie = try VocabularyTrie(lines)
        table = CharacterTable()
    }

    /// The tokens of a text, in order.
    /// - Parameter limit: more tokens than this are an error.
    package func tokens(of text: UnsafeRawBufferPointer, limit: Int = Int(Int32.max)) throws(TokenizationError) -> [Token] {
        guard text.count < Int(UInt32.max) else { throw .tooLong }
        let limit = min(limit, 1 << 28)
        // Closures of the standard library do not throw typed errors, so they return one.
        let result = withUnsafeTemporaryAllocation(of: UInt8.self, capacity: WordScanner.byteRoom) { bytes in
            withUnsafeTemporaryAllocation(of: UInt32.self, capacity: WordScanner.byteRoom * 2) { places in
                scan(text, limit, bytes, places)
            }
        }
        return try result.get()
    }

    private func scan(
        _ text: UnsafeRawBufferPointer, _ limit: Int, _ bytes: UnsafeMutableBufferPointer<UInt8>,
        _ places: UnsafeMutableBufferPointer<UInt32>
    ) -> Result<[Token], TokenizationError> {
        trie.nodes.withUnsafeBufferPointer { nodes in
            table.ascii.withUnsafeBufferPointer { ascii in
                table.pages.withUnsafeBufferPointer { pages in
                    table.entries.withUnsafeBufferPointer { entries in
                        table.spellings.withUnsafeBufferPointer { spellings in
                            guard let word = bytes.baseAddress, let starts = places.baseAddress, let nodes = nodes.baseAddress,
                                let ascii = ascii.baseAddress, let pages = pages.baseAddress, let entries = entries.baseAddress,
                                let spellings = spellings.baseAddress, let base = text.baseAddress, !text.isEmpty
                            else { return .success([]) }
                            var scanner = WordScanner(
                                text: base.assumingMemoryBound(to: UInt8.self), count: text.count, limit: limit, unknown: markers.unknown,
                                nodes: nodes, ascii: ascii, pages: pages, entries: entries, spellings: spellings, word: word,
                                starts: starts, ends: starts + WordScanner.byteRoom)
                            return scanner.run()
                        }
                    }
                }
            }
        }
    }

    package func tokens(of text: [UInt8], limit: Int = Int(Int32.max)) throws(TokenizationError) -> [Token] {
        let result: Result<[Token], TokenizationError> = text.withUnsafeBytes { bytes in
            do throws(TokenizationError) { return .success(try tokens(of: bytes, limit: limit)) } catch { return .failure(error) }
        }
        return try result.get()
    }
}
