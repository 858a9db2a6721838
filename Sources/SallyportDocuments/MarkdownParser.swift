import CMarkdown
import Foundation
import SallyportCore

/// Markdown (CommonMark with GitHub's tables) through cmark-gfm, read on as the HTML that it stands for: what hides in HTML hides here too.
enum MarkdownParser {
    static func parse(_ bytes: [UInt8]) throws(DocumentProblem) -> ParsedDocument {
        var text = try TextContent.decoded(bytes)[...]
        var builder = BlockBuilder()
        // Front matter: read by programs, not by readers.
        let lines = text.prefix(100_000).split(maxSplits: 101, omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        if lines.first == "---", let end = lines.dropFirst().prefix(100).firstIndex(of: "---") {
            for line in lines[1..<end] { try builder.add(line + " ", hiding: .metadata) }
            try builder.end(.paragraph)
            text = text[lines[end].endIndex...]
        }
        let page = try HTMLParser.parse(Array("<!doctype html><meta charset=utf-8><body>".utf8) + html(of: String(text)))
        return ParsedDocument(title: page.title, blocks: builder.blocks + page.blocks)
    }

    /// HTML within the text stays as it is.
    private static func html(of text: String) throws(DocumentProblem) -> [UInt8] {
        cmark_gfm_core_extensions_ensure_registered()
        guard let parser = cmark_parser_new(CMARK_OPT_UNSAFE) else { throw .malformed }
        defer { cmark_parser_free(parser) }
        for name in ["table", "strikethrough"] {
            if let known = cmark_find_syntax_extension(name) { cmark_parser_attach_syntax_extension(parser, known) }
        }
        var text = text
        text.withUTF8 { utf8 in
            utf8.withMemoryRebound(to: CChar.self) { cmark_parser_feed(parser, $0.baseAddress, $0.count) }
        }
        guard let root = cmark_parser_finish(parser) else { throw .malformed }
        defer { cmark_node_free(root) }
        guard let rendered = cmark_render_html(root, CMARK_OPT_UNSAFE, cmark_parser_get_syntax_extensions(parser)) else { throw .malformed }
        defer { free(rendered) }
        return Array(UnsafeRawBufferPointer(start: rendered, count: strlen(rendered)))
    }
}
