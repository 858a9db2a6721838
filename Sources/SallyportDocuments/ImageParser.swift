import Foundation
import SallyportCore

/// Pictures of text, read by Tesseract, a program of its own within the worker's cage. Only where it is installed.
enum ImageParser {
    static func parse(_ bytes: [UInt8]) throws(DocumentProblem) -> ParsedDocument {
        guard isPicture(bytes) else { throw .mismatch }
        guard let reader = TextRecogniser() else { throw .readerMissing }
        let document = try PlainTextParser.paragraphs(of: try reader.text(in: bytes), hasTitle: false)
        guard !document.blocks.isEmpty else { throw .empty }
        return ParsedDocument(title: nil, blocks: document.blocks, notes: ["read by OCR"])
    }

    private static func isPicture(_ bytes: [UInt8]) -> Bool {
        if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
            // Whole, and nothing after its end.
            return bytes.count > 12 && bytes[(bytes.count - 8)...].starts(with: Array("IEND".utf8))
        }
        if bytes.starts(with: [0xFF, 0xD8, 0xFF]) { return true }
        if bytes.starts(with: [0x49, 0x49, 0x2A, 0]) || bytes.starts(with: [0x4D, 0x4D, 0, 0x2A]) { return true }
        if bytes.starts(with: Array("GIF8".utf8)) || bytes.starts(with: Array("BM".utf8)) { return true }
        return bytes.count > 12 && bytes.starts(with: Array("RIFF".utf8)) && bytes[8...].starts(with: Array("WEBP".utf8))
    }
}

/// Tesseract with the languages that are installed.
struct TextRecogniser {
    private static let program = "/usr/bin/tesseract"
    private let languages: String

    /// nil: it is not installed.
    init?() {
        guard access(TextRecogniser.program, X_OK) == 0 else { return nil }
        var found: [String] = []
        for version in ["5", "4.00"] where found.isEmpty {
            let folder = "/usr/share/tesseract-ocr/\(version)/tessdata"
            let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
            found = names.compactMap { $0.hasSuffix(".traineddata") ? String($0.dropLast(12)) : nil }.filter { $0 != "osd" }.sorted()
        }
        // English first, and no more than three: each takes its time.
        found = (found.contains("eng") ? ["eng"] : []) + found.filter { $0 != "eng" }
        guard !found.isEmpty else { return nil }
        languages = found.prefix(3).joined(separator: "+")
    }

    /// - Throws: ``DocumentProblem/malformed`` when it is no picture that can be read.
    func text(in picture: [UInt8]) throws(DocumentProblem) -> String {
        let (output, _, status) = try ChildProgram.run(
            TextRecogniser.program, ["stdin", "stdout", "-l", languages, "--psm", "3"], content: picture, limit: 16 << 20)
        guard status == 0 else { throw .malformed }
        let text = String(decoding: output, as: UTF8.self)
        return text.hasSuffix("\u{0C}") ? String(text.dropLast()) : text
    }
}
