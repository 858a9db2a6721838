/// Splits documents into sections and sentences.
enum Sentences {
    struct Section: Equatable {
        /// The headings above, the nearest last.
        var headings: [String]
        var sentences: [String]
    }

    private static let abbreviations: Set<String> = [
        "e.g.", "i.e.", "etc.", "mr.", "mrs.", "ms.", "dr.", "prof.", "st.", "no.", "nr.", "vs.", "approx.", "cf.", "fig.", "inc.", "ltd.",
        "co.", "al.",
    ]

    /// Reads Markdown as far as structure goes: headings, paragraphs, list items, tables; plain text has a title at most.
    static func sections(of text: String, maximum: Int = 20_000) -> [Section] {
        var sections: [Section] = []
        var headings: [(level: Int, text: String)] = []
        var current = Section(headings: [], sentences: [])
        var paragraph = ""
        func endParagraph() {
            current.sentences.append(contentsOf: split(plain(paragraph)))
            paragraph = ""
        }
        func endSection() {
            endParagraph()
            if !current.sentences.isEmpty && sections.count < maximum { sections.append(current) }
            current = Section(headings: headings.map(\.text), sentences: [])
        }
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        // A plain text often begins with its title on a line of its own.
        let hasTitle =
            lines.count > 2 && lines[1].allSatisfy(\.isWhitespace) && (1...100).contains(lines[0].count)
            && lines[0].last?.isPunctuation == false
            && lines[0].first.map { "#-*|>".contains($0) } == false
        if hasTitle {
            headings = [(1, plain(lines[0]))]
            current.headings = headings.map(\.text)
        }
        for line in lines.dropFirst(hasTitle ? 1 : 0) {
            let line = line.drop { $0 == " " || $0 == "\t" }
            let marks = line.prefix { $0 == "#" }.count
            if (1...6).contains(marks), line.dropFirst(marks).first == " " {
                endSection()
                headings.removeAll { $0.level >= marks }
                headings.append((marks, plain(line.dropFirst(marks + 1))))
                current.headings = headings.map(\.text)
            } else if line.isEmpty || line.hasPrefix("```") || line.allSatisfy({ "-=*_|: \t".contains($0) }) {
                endParagraph()
            } else if let item = listItem(line) {
                endParagraph()
                paragraph = String(item)
            } else if line.hasPrefix("|") {
                endParagraph()
                paragraph = line.split(separator: "|").map { String($0.drop { $0 == " " }) }.filter { !$0.allSatisfy(\.isWhitespace) }
                    .joined(separator: ", ")
                endParagraph()
            } else {
                paragraph += paragraph.isEmpty ? String(line) : " " + line
            }
        }
        endSection()
        return sections
    }

    private static func listItem(_ line: Substring) -> Substring? {
        for mark in ["- ", "* ", "+ "] where line.hasPrefix(mark) { return line.dropFirst(2) }
        let digits = line.prefix { $0.isASCII && $0.isNumber }
        guard (1...3).contains(digits.count) else { return nil }
        let rest = line.dropFirst(digits.count)
        return rest.hasPrefix(". ") || rest.hasPrefix(") ") ? rest.dropFirst(2) : nil
    }

    /// Without emphasis marks, code marks and the addresses of links.
    static func plain(_ text: some StringProtocol) -> String {
        var result = ""
        var rest = text[...]
        while let character = rest.popFirst() {
            switch character {
            case "*", "`": continue
            case "[":
                if let close = rest.prefix(400).firstIndex(of: "]"), rest[rest.index(after: close)...].first == "(",
                    let end = rest[close...].prefix(1000).firstIndex(of: ")")
                {
                    result += rest[..<close]
                    rest = rest[rest.index(after: end)...]
                } else {
                    result.append(character)
                }
            default: result.append(character)
            }
        }
        return result
    }

    /// Ends a sentence after `.`, `!`, `?` or their full-width forms, where white space and not a small letter follows.
    static func split(_ text: String, longest: Int = 600) -> [String] {
        var sentences: [String] = []
        var current = ""
        var word = ""
        var count = 0
        func end() {
            while current.last == " " { current.removeLast() }
            if !current.isEmpty { sentences.append(current) }
            current = ""
            word = ""
            count = 0
        }
        var rest = text[...]
        while let character = rest.popFirst() {
            if character.isWhitespace {
                // Runs of white space become one space.
                if current.isEmpty || current.last == " " { continue }
                current.append(" ")
                count += 1
                word = ""
                if count >= longest { end() }
                continue
            }
            current.append(character)
            count += 1
            if word.utf8.count < 16 { word.append(character) }
            if "。！？".contains(character) {
                end()
                continue
            }
            guard ".!?".contains(character) || "\"')”’".contains(character) && current.dropLast().last.map({ ".!?".contains($0) }) == true,
                rest.first.map(\.isWhitespace) ?? true
            else { continue }
            let next = rest.first { !$0.isWhitespace }
            if let next, next.isLowercase { continue }
            if character == ".", abbreviations.contains(word.lowercased()) { continue }
            // An initial: "J. Smith".
            if character == ".", word.count == 2, word.first?.isUppercase == true { continue }
            end()
        }
        end()
        return sentences
    }
}
