/// Beginnings of words, and what they mean: a tree over the letters, its nodes in one array.
struct Lexicon: Sendable {
    private struct Node {
        var letter: UInt32
        var firstChild: UInt32 = 0
        var children: UInt16 = 0
        /// What a word means that begins so, and one that is no longer; 0: nothing.
        var stem: UInt8 = 0
        var whole: UInt8 = 0
    }
    private var nodes: [Node]

    /// A line is a stem, a tab, a number from 1 to 126; `$` behind the stem: the whole word.
    init(_ file: UnsafeRawBufferPointer, path: String) throws(ModelError) {
        struct Entry {
            let letters: [UInt32]
            let isWhole: Bool
            let meaning: UInt8
        }
        var entries: [Entry] = []
        for (number, line) in file.split(separator: 0x0A, omittingEmptySubsequences: true).enumerated() {
            let parts = line.split(separator: 0x09, omittingEmptySubsequences: false)
            guard parts.count == 2, let stem = String(validating: parts[0], as: UTF8.self),
                let code = String(validating: parts[1], as: UTF8.self),
                let meaning = UInt8(code), (1...126).contains(meaning)
            else { throw .file(path: path, reason: "line \(number + 1) is not a stem, a tab and a meaning") }
            var letters = stem.unicodeScalars.map(\.value)
            let isWhole = letters.last == 0x24
            if isWhole { letters.removeLast() }
            guard !letters.isEmpty else { throw .file(path: path, reason: "line \(number + 1) has no stem") }
            entries.append(Entry(letters: letters, isWhole: isWhole, meaning: meaning))
        }
        entries.sort { $0.letters.lexicographicallyPrecedes($1.letters) }
        nodes = [Node(letter: 0)]
        // Of each node in turn: the entries below it, and how many letters they share.
        var ranges = [(range: 0..<entries.count, depth: 0)]
        var next = 0
        while next < ranges.count {
            let (range, depth) = ranges[next]
            var start = range.lowerBound
            while start < range.upperBound, entries[start].letters.count == depth {
                if entries[start].isWhole { nodes[next].whole = entries[start].meaning } else { nodes[next].stem = entries[start].meaning }
                start += 1
            }
            nodes[next].firstChild = UInt32(nodes.count)
            while start < range.upperBound {
                let letter = entries[start].letters[depth]
                var end = start + 1
                while end < range.upperBound, entries[end].letters[depth] == letter { end += 1 }
                nodes.append(Node(letter: letter))
                ranges.append((start..<end, depth + 1))
                nodes[next].children += 1
                start = end
            }
            next += 1
        }
    }

    private func child(of node: Int, _ letter: UInt32) -> Int? {
        var low = Int(nodes[node].firstChild)
        var high = low + Int(nodes[node].children)
        while low < high {
            let middle = (low + high) / 2
            if nodes[middle].letter < letter { low = middle + 1 } else { high = middle }
        }
        let end = Int(nodes[node].firstChild) + Int(nodes[node].children)
        return low < end && nodes[low].letter == letter ? low : nil
    }

    /// What is meant, and the number of the word that means it, in order; 0 where a sentence begins.
    func meanings(in text: WindowText) -> [(meaning: UInt8, word: Int)] {
        let t = text.scalars
        var found: [(meaning: UInt8, word: Int)] = [(0, 0)]
        var word = 0
        var index = 0
        while index < t.count {
            let letter = t[index]
            if letter == WindowText.sentence {
                if found[found.count - 1].meaning != 0 { found.append((0, word)) }
                index += 1
                continue
            }
            let begins =
                !WindowText.isBreak(letter)
                && (index == 0 || WindowText.isBreak(t[index - 1]) || WindowText.isAlone(letter) || WindowText.isAlone(t[index - 1]))
            guard begins else {
                index += 1
                continue
            }
            word += 1
            guard let (end, meaning) = longest(in: t, from: index) else {
                index += 1
                continue
            }
            found.append((meaning, word))
            index = end
            while index < t.count, !WindowText.isAlone(t[index - 1]), !WindowText.isBreak(t[index]) { index += 1 }
        }
        return found
    }

    private func longest(in t: [UInt32], from start: Int) -> (end: Int, meaning: UInt8)? {
        var node = 0
        var index = start
        var best: (end: Int, meaning: UInt8)?
        while index < t.count, t[index] != WindowText.sentence, let next = child(of: node, t[index]) {
            node = next
            index += 1
            if nodes[node].stem != 0 { best = (index, nodes[node].stem) }
            if nodes[node].whole != 0, index == t.count || WindowText.isBreak(t[index]) || WindowText.isAlone(t[index]) {
                best = (index, nodes[node].whole)
            }
        }
        return best
    }
}
