/// The parts of a Markdown text that are shown as code: fenced blocks and inline spans (CommonMark).
///
/// Indented code is not among them: whether it is code depends on list nesting, and a wrong yes would hide live HTML.
struct MarkdownCode {
    /// Sorted, not overlapping.
    private(set) var ranges: [Range<Int>] = []

    private struct Fence {
        let mark: UInt8
        let length: Int
        let indent: Int
        let isQuoted: Bool
        let start: Int
    }

    init(_ text: UnsafeRawBufferPointer) {
        guard text.contains(where: { $0 == UInt8(ascii: "`") || $0 == UInt8(ascii: "~") }) else { return }
        var fence: Fence?
        /// Within a block that began with a tag: raw HTML up to the next blank line, backticks mean nothing.
        var isRaw = false
        var isInList = false
        var paragraph: Int?
        var line = 0
        while line < text.count {
            var end = line
            while end < text.count, text[end] != 0x0A { end += 1 }
            let next = min(end + 1, text.count)
            let (content, indent, isQuoted) = Self.content(text, line..<end)
            defer { line = next }
            if let open = fence {
                if open.isQuoted && !isQuoted {
                    ranges.append(open.start..<line)
                    fence = nil
                } else {
                    if isQuoted == open.isQuoted, indent <= open.indent + 3, Self.closes(open, text, content, end) {
                        ranges.append(open.start..<end)
                        fence = nil
                    }
                    continue
                }
            }
            let isBlank = content == end
            if isBlank {
                addSpans(in: text, from: &paragraph, to: line)
                isRaw = false
                continue
            }
            if isRaw { continue }
            if let (mark, length) = Self.fenceMark(text, content, end), indent <= 3 || isInList {
                addSpans(in: text, from: &paragraph, to: line)
                fence = Fence(mark: mark, length: length, indent: indent, isQuoted: isQuoted, start: content)
                continue
            }
            if indent <= 3, Self.beginsTag(text, content, end) {
                addSpans(in: text, from: &paragraph, to: line)
                isRaw = true
                continue
            }
            if Self.isListItem(text, content, end) { isInList = true } else if indent == 0, paragraph == nil { isInList = false }
            if paragraph == nil { paragraph = content }
        }
        if let fence { ranges.append(fence.start..<text.count) }
        addSpans(in: text, from: &paragraph, to: text.count)
        ranges.sort { $0.lowerBound < $1.lowerBound }
    }

    func contains(_ offset: Int) -> Bool { end(ofCodeAt: offset) != nil }

    /// Where the code that holds the offset ends.
    func end(ofCodeAt offset: Int) -> Int? {
        var low = 0
        var high = ranges.count
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound <= offset { low = middle + 1 } else { high = middle }
        }
        return low < ranges.count && ranges[low].lowerBound <= offset ? ranges[low].upperBound : nil
    }

    /// Where a line's content begins after spaces and quote marks, and how far it is indented.
    private static func content(_ text: UnsafeRawBufferPointer, _ line: Range<Int>) -> (start: Int, indent: Int, isQuoted: Bool) {
        var index = line.lowerBound
        var indent = 0
        var isQuoted = false
        while index < line.upperBound {
            switch text[index] {
            case 0x20: indent += 1
            case 0x09: indent += 4
            case 0x0D: break
            case UInt8(ascii: ">") where indent <= 3:
                isQuoted = true
                indent = -1
            default: return (index, max(0, indent), isQuoted)
            }
            index += 1
        }
        return (index, max(0, indent), isQuoted)
    }

    private static func run(_ text: UnsafeRawBufferPointer, _ start: Int, _ end: Int) -> Int {
        var index = start
        while index < end, text[index] == text[start] { index += 1 }
        return index - start
    }

    private static func fenceMark(_ text: UnsafeRawBufferPointer, _ start: Int, _ end: Int) -> (UInt8, Int)? {
        let mark = text[start]
        guard mark == UInt8(ascii: "`") || mark == UInt8(ascii: "~") else { return nil }
        let length = run(text, start, end)
        guard length >= 3 else { return nil }
        // A backtick in the info string makes it an inline span.
        if mark == UInt8(ascii: "`"), text[start + length..<end].contains(mark) { return nil }
        return (mark, length)
    }

    private static func closes(_ fence: Fence, _ text: UnsafeRawBufferPointer, _ start: Int, _ end: Int) -> Bool {
        guard start < end, text[start] == fence.mark else { return false }
        let length = run(text, start, end)
        return length >= fence.length && text[start + length..<end].allSatisfy { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }
    }

    private static func beginsTag(_ text: UnsafeRawBufferPointer, _ start: Int, _ end: Int) -> Bool {
        guard text[start] == UInt8(ascii: "<"), start + 1 < end else { return false }
        var index = start + 1
        if text[index] == UInt8(ascii: "!") || text[index] == UInt8(ascii: "?") { return true }
        if text[index] == UInt8(ascii: "/") { index += 1 }
        guard index < end, text[index].isASCIILetter else { return false }
        while index < end, text[index].isASCIIAlphanumeric || text[index] == UInt8(ascii: "-") { index += 1 }
        return index == end || text[index].isHTMLSpace || text[index] == UInt8(ascii: ">") || text[index] == UInt8(ascii: "/")
    }

    private static func isListItem(_ text: UnsafeRawBufferPointer, _ start: Int, _ end: Int) -> Bool {
        var index = start
        if "-*+".utf8.contains(text[index]) {
            index += 1
        } else {
            while index < end, text[index].isASCIIDigit, index - start < 9 { index += 1 }
            guard index > start, index < end, text[index] == UInt8(ascii: ".") || text[index] == UInt8(ascii: ")") else { return false }
            index += 1
        }
        return index < end && (text[index] == 0x20 || text[index] == 0x09)
    }

    /// Pairs runs of backticks of equal length within a paragraph. Tags are skipped: a backtick in an attribute opens nothing.
    private mutating func addSpans(in text: UnsafeRawBufferPointer, from paragraph: inout Int?, to end: Int) {
        guard let start = paragraph else { return }
        paragraph = nil
        var runs: [(start: Int, length: Int)] = []
        var index = start
        while index < end {
            if text[index] == UInt8(ascii: "`") {
                let length = Self.run(text, index, end)
                runs.append((index, length))
                index += length
            } else {
                index += 1
            }
        }
        guard runs.count > 1 else { return }
        // For each run, the next one of the same length.
        var partner = [Int?](repeating: nil, count: runs.count)
        var latest: [Int: Int] = [:]
        for number in runs.indices.reversed() {
            partner[number] = latest[runs[number].length]
            latest[runs[number].length] = number
        }
        var number = 0
        index = start
        while number < runs.count {
            let run = runs[number]
            // What stands before the run may be a tag that swallows it, or a backslash that makes one backtick a plain one.
            if let tagEnd = Self.tagEnd(in: text, from: &index, before: run.start), tagEnd > run.start {
                index = tagEnd
                while number < runs.count, runs[number].start < tagEnd { number += 1 }
                continue
            }
            if run.start > start, text[run.start - 1] == UInt8(ascii: "\\") {
                number += 1
                continue
            }
            guard let closing = partner[number] else {
                number += 1
                continue
            }
            let upper = runs[closing].start + runs[closing].length
            ranges.append(run.start..<upper)
            index = upper
            number = closing + 1
        }
    }

    /// The end of a tag that begins before `limit` and reaches past it.
    private static func tagEnd(in text: UnsafeRawBufferPointer, from index: inout Int, before limit: Int) -> Int? {
        while index < limit {
            if text[index] == UInt8(ascii: "<"), let tag = HTMLTag(text, at: index), tag.isClosed {
                if tag.range.upperBound > limit { return tag.range.upperBound }
                index = tag.range.upperBound
            } else {
                index += 1
            }
        }
        return nil
    }
}
