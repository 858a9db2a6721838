import SallyportCore

/// A place in an answer that leads, or reaches by itself, to another host.
struct OutputLink {
    enum Use {
        /// Loaded as soon as the answer is shown: image, style, frame, script.
        case loaded
        /// Needs a click.
        case link
        /// An address in running text; many clients make it a link.
        case bare
        /// An address within code.
        case code
    }

    let use: Use
    /// The destination in the text.
    let range: Range<Int>
    let address: WebAddress
}

/// Finds the links of a Markdown or HTML text at the places where the shared scan saw one begin.
struct OutputLinkReader {
    /// Where a link may begin. All of fixed length, so that starts are free.
    static let patterns: [Pattern] = [
        Pattern("](", isLiteral: true),
        Pattern("]:", isLiteral: true),
        Pattern("://", isLiteral: true),
        Pattern("<[a-zA-Z]"),
        Pattern("url(", isLiteral: true, ignoresCase: true),
        Pattern("www.", isLiteral: true, ignoresCase: true),
    ]

    private static let loadedAttributes: Set<String> = ["src", "poster", "background", "data", "srcset", "lowsrc", "dynsrc"]
    private static let linkAttributes: Set<String> = ["href", "action", "formaction", "xlink:href", "ping"]
    /// Tags whose `href` is fetched at once.
    private static let loadingTags: Set<String> = ["link", "image", "use", "script", "feimage"]
    static let maximumLinks = 4_096
    private static let maximumLabel = 512
    private static let maximumLookups = 64

    private let text: UnsafeRawBufferPointer
    private let code: MarkdownCode
    private var covered = 0
    private var budget = TagBudget()
    private var hasStyle = false
    private var references = 0
    private(set) var links: [OutputLink] = []

    init(_ text: UnsafeRawBufferPointer, hits: [PatternHit]) {
        self.text = text
        code = MarkdownCode(text)
        for hit in hits.sorted(by: { $0.range.lowerBound < $1.range.lowerBound }) {
            if links.count >= Self.maximumLinks { break }
            let start = hit.range.lowerBound
            // A destination that was read already, but an image may stand within a link's text.
            guard start >= covered else { continue }
            let isCode = code.contains(start)
            switch hit.pattern {
            case 0 where !isCode: readInline(at: start)
            case 1 where !isCode: readDefinition(at: start)
            case 2: readBare(at: start, isCode: isCode)
            case 3 where !isCode: readTag(at: start)
            case 4 where !isCode: readStyle(at: hit.range.upperBound, until: text.count, use: hasStyle ? .loaded : .bare)
            case 5: readWWW(at: start, isCode: isCode)
            default: break
            }
        }
    }

    private mutating func add(_ use: OutputLink.Use, _ range: Range<Int>, backslashes: Bool, prefix: String = "") {
        guard !range.isEmpty else { return }
        covered = max(covered, range.upperBound)
        let destination = Array(prefix.utf8) + Percent.unescaped(text[range].prefix(WebAddress.maximumLength), backslashes: backslashes)
        if let address = WebAddress(destination) { links.append(OutputLink(use: use, range: range, address: address)) }
    }

    // MARK: Markdown

    /// `[text](destination "title")` and `![text](destination)`.
    private mutating func readInline(at bracket: Int) {
        guard let isImage = isImage(endingAt: bracket), let range = destination(from: bracket + 2, closedBy: UInt8(ascii: ")")) else {
            return
        }
        add(isImage ? .loaded : .link, range, backslashes: true)
    }

    /// Whether the bracket closes an image's text; nil when it closes nothing. Too long a text counts as an image's.
    private func isImage(endingAt bracket: Int) -> Bool? {
        var depth = 1
        var index = bracket - 1
        while index >= 0 {
            if bracket - index > Self.maximumLabel { return true }
            switch text[index] {
            case UInt8(ascii: "]"): depth += 1
            case UInt8(ascii: "["):
                depth -= 1
                if depth == 0 { return index > 0 && text[index - 1] == UInt8(ascii: "!") }
            default: break
            }
            index -= 1
        }
        return nil
    }

    private func destination(from start: Int, closedBy end: UInt8?) -> Range<Int>? {
        var index = start
        while index < text.count, text[index].isHTMLSpace, index - start < 64 { index += 1 }
        guard index < text.count else { return nil }
        if text[index] == UInt8(ascii: "<") {
            let first = index + 1
            var last = first
            while last < text.count, text[last] != UInt8(ascii: ">"), text[last] != 0x0A { last += 1 }
            return last < text.count && text[last] == UInt8(ascii: ">") ? first..<last : nil
        }
        let first = index
        var depth = 0
        while index < text.count, !text[index].isHTMLSpace {
            if text[index] == UInt8(ascii: "\\"), index + 1 < text.count {
                index += 2
                continue
            }
            if end != nil, text[index] == UInt8(ascii: "(") { depth += 1 }
            if end != nil, text[index] == end {
                if depth == 0 { break }
                depth -= 1
            }
            index += 1
        }
        // A destination with spaces, as models write templates: take it to the bracket on the same line.
        if end != nil, index < text.count, text[index] == 0x20, text[first..<index].contains(UInt8(ascii: ":")) {
            var close = index
            while close < text.count, text[close] != 0x0A, text[close] != UInt8(ascii: ")"), text[close] != UInt8(ascii: "\"") {
                close += 1
            }
            if close < text.count, text[close] == UInt8(ascii: ")") { index = close }
        }
        index = min(index, text.count)
        return first < index ? first..<index : nil
    }

    /// `[label]: destination` at the beginning of a line.
    private mutating func readDefinition(at bracket: Int) {
        var start = bracket - 1
        while start >= 0, bracket - start <= 128, text[start] != UInt8(ascii: "["), text[start] != 0x0A { start -= 1 }
        guard start >= 0, text[start] == UInt8(ascii: "["), start + 1 < bracket else { return }
        var before = start - 1
        while before >= 0, text[before] == 0x20, start - before <= 3 { before -= 1 }
        guard before < 0 || text[before] == 0x0A, let range = destination(from: bracket + 2, closedBy: nil) else { return }
        references += 1
        // Looking for uses costs a pass each; from some number on a definition counts as an image's.
        let isImage = references > Self.maximumLookups || isImageLabel(start + 1..<bracket)
        add(isImage ? .loaded : .link, range, backslashes: true)
    }

    /// Whether an image refers to the label: `![text][label]`, `![label]` or `![label][]`.
    private func isImageLabel(_ label: Range<Int>) -> Bool {
        let name = String(decoding: text[label], as: UTF8.self).lowercased()
        guard name.utf8.allSatisfy({ $0 < 0x80 }) else { return true }
        var from = 0
        for _ in 0..<64 {
            guard let found = text.next("[\(name)]", from: from) else { return false }
            from = found + 1
            guard found != label.lowerBound - 1, found > 0 else { continue }
            if text[found - 1] == UInt8(ascii: "!") { return true }
            if text[found - 1] == UInt8(ascii: "]"), isImage(endingAt: found - 1) == true { return true }
        }
        return true
    }

    // MARK: HTML

    private mutating func readTag(at start: Int) {
        guard let tag = HTMLTag(text, at: start) else {
            // `<scheme:…>`
            var end = start + 1
            while end < text.count, !text[end].isHTMLSpace, text[end] != UInt8(ascii: ">"), text[end] != UInt8(ascii: "<") { end += 1 }
            if end < text.count, text[end] == UInt8(ascii: ">"), text[start + 1..<end].contains(UInt8(ascii: ":")) {
                add(.link, start + 1..<end, backslashes: false)
            }
            return
        }
        if tag.name == "style" { hasStyle = true }
        for attribute in tag.attributes where !attribute.value.isEmpty && attribute.name.count <= 16 {
            let name = String(decoding: text[attribute.name], as: UTF8.self).lowercased()
            if name == "style" {
                var index = attribute.value.lowerBound
                while let found = text.next("url(", from: index), found < attribute.value.upperBound {
                    readStyle(at: found + 4, until: attribute.value.upperBound, use: .loaded)
                    index = found + 4
                }
            } else if name == "srcset" {
                for candidate in text[attribute.value].split(separator: UInt8(ascii: ",")) {
                    let address = candidate.drop { $0.isHTMLSpace }.prefix { !$0.isHTMLSpace }
                    add(.loaded, address.startIndex..<address.endIndex, backslashes: false)
                }
            } else if name == "content", tag.name == "meta", let found = text.next("url=", from: attribute.value.lowerBound),
                found < attribute.value.upperBound
            {
                add(.loaded, found + 4..<attribute.value.upperBound, backslashes: false)
            } else if Self.loadedAttributes.contains(name) {
                add(.loaded, attribute.value, backslashes: false)
            } else if Self.linkAttributes.contains(name) {
                add(Self.loadingTags.contains(tag.name) ? .loaded : .link, attribute.value, backslashes: false)
            }
        }
        // Quoted text of other attributes is no link; the text after the tag is read on.
        covered = max(covered, budget.spend(on: tag))
    }

    private mutating func readStyle(at start: Int, until limit: Int, use: OutputLink.Use) {
        var first = start
        while first < limit, text[first].isHTMLSpace || text[first] == UInt8(ascii: "'") || text[first] == UInt8(ascii: "\"") { first += 1 }
        var last = first
        while last < limit, !")'\"".utf8.contains(text[last]), !text[last].isHTMLSpace { last += 1 }
        if last < text.count { add(use, first..<last, backslashes: false) }
    }

    // MARK: Running text

    private mutating func readBare(at colon: Int, isCode: Bool) {
        var start = colon
        while start > covered, colon - start < 8, text[start - 1].isASCIILetter { start -= 1 }
        guard start < colon, WebAddress.webSchemes.contains(String(decoding: text[start..<colon], as: UTF8.self).lowercased()) else {
            return
        }
        add(isCode ? .code : .bare, start..<bareEnd(from: colon + 3), backslashes: false)
    }

    private mutating func readWWW(at start: Int, isCode: Bool) {
        if start > 0, text[start - 1].isASCIIAlphanumeric || "/.-@".utf8.contains(text[start - 1]) { return }
        let end = bareEnd(from: start + 4)
        guard text[start + 4..<max(end, start + 4)].contains(UInt8(ascii: ".")) else { return }
        add(isCode ? .code : .bare, start..<end, backslashes: false, prefix: "//")
    }

    private func bareEnd(from start: Int) -> Int {
        var end = start
        while end < text.count, text[end] > 0x20, !"<>\"`|".utf8.contains(text[end]) { end += 1 }
        // Signs that close the sentence, and a bracket that was opened before the address.
        while end > start,
            ".,;:!?'*_".utf8.contains(text[end - 1])
                || ((text[end - 1] == UInt8(ascii: ")")) && !text[start..<end].contains(UInt8(ascii: "(")))
        {
            end -= 1
        }
        return end
    }
}
