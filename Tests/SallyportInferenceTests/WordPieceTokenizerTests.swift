import Foundation
import Testing

@testable import SallyportInference

@Suite struct WordPieceTokenizerTests {
    static let shared = Result { try WordPieceTokenizer(vocabulary: Fixtures.bytes(Fixtures.root.appending(path: "Models/vocab.txt"))) }
    let tokenizer: WordPieceTokenizer
    init() throws { tokenizer = try Self.shared.get() }

    private struct Row: Decodable {
        let text: String
        /// Identifier, start and end in bytes, word, case.
        let tokens: [[Int]]
        /// Only the identifiers can be compared.
        let reordered: Bool?
    }

    /// The committed rows, or those of the file that TOKENIZER_ROWS names.
    @Test func givesTheReferencesTokensPlacesWordsAndCases() throws {
        let named = ProcessInfo.processInfo.environment["TOKENIZER_ROWS"].map { URL(filePath: $0) }
        var rows = 0
        var wrong: [String] = []
        for line in try Data(contentsOf: named ?? Fixtures.folder.appending(path: "tokenizer.jsonl")).split(separator: UInt8(ascii: "\n")) {
            let row = try JSONDecoder().decode(Row.self, from: Data(line))
            rows += 1
            let found = try tokenizer.tokens(of: Array(row.text.utf8)).map {
                [Int($0.identifier), $0.range.lowerBound, $0.range.upperBound, $0.word, Int($0.caseClass.rawValue)]
            }
            guard row.reordered == true ? found.map(\.[0]) != row.tokens.map(\.[0]) : found != row.tokens else { continue }
            let place = zip(found, row.tokens).enumerated().first { $0.element.0 != $0.element.1 }?.offset ?? 0
            wrong.append("row \(rows): \(found.dropFirst(place).prefix(3)) instead of \(row.tokens.dropFirst(place).prefix(3))")
        }
        #expect(rows >= 400)
        #expect(wrong.isEmpty, "\(wrong.count) rows differ; \(wrong.prefix(8).joined(separator: "\n"))")
    }

    @Test func takesMarkersInTextForText() throws {
        let markers = tokenizer.markers
        let found = try tokenizer.tokens(of: Array("[CLS] a [SEP] b [PAD] [UNK]".utf8)).map(\.identifier)
        #expect(!found.contains(markers.start) && !found.contains(markers.separator) && !found.contains(markers.padding))
        #expect(found.count > 14)
    }

    @Test(
        arguments: [
            [0x80], [0xC0, 0x80], [0xC3], [0xE2, 0x82], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80], [0xF0, 0x80, 0x80, 0x80],
            [0xF4, 0x90, 0x80, 0x80],
            [0xF5, 0x80, 0x80, 0x80], [0xFF], [0xF0, 0x9F, 0x98], [0xE2, 0x28, 0xA1],
        ] as [[UInt8]])
    func refusesWhatIsNotUTF8(_ bytes: [UInt8]) {
        #expect(throws: TokenizationError.malformed(at: 3)) { try tokenizer.tokens(of: Array("ab ".utf8) + bytes) }
        #expect(throws: TokenizationError.malformed(at: 0)) { try tokenizer.tokens(of: bytes + Array(" ab".utf8)) }
    }

    @Test func stopsAtTheLimit() throws {
        let text = Array(String(repeating: "a ", count: 50).utf8)
        #expect(try tokenizer.tokens(of: text, limit: 50).count == 50)
        #expect(throws: TokenizationError.tooLong) { try tokenizer.tokens(of: text, limit: 49) }
    }

    @Test func readsRandomBytesWithoutHarm() throws {
        var seed: UInt64 = 11
        func next() -> UInt64 {
            seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return seed >> 33
        }
        for _ in 0..<500 {
            let bytes = (0..<Int(next() % 60)).map { _ in UInt8(truncatingIfNeeded: next()) }
            let isValid = String(validating: bytes, as: UTF8.self) != nil
            let tokens = try? tokenizer.tokens(of: bytes)
            #expect((tokens != nil) == isValid)
            for token in tokens ?? [] { #expect(token.range.upperBound <= bytes.count) }
        }
    }

    @Test func refusesAVocabularyWithoutItsMarkers() {
        #expect(throws: ModelError.self) { try WordPieceTokenizer(vocabulary: Array("[PAD]\n[UNK]\n[CLS]\na\n".utf8)) }
    }
}
