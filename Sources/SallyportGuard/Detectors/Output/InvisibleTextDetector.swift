import SallyportCore

/// Finds characters that nobody sees but a model or a machine reads. Needs no patterns: a text of ASCII is done at once.
///
/// Categories (group `invisible`): `tag-characters`, `variation-selectors`, `zero-width`, `bidi-control`, `filler`. One finding is one
/// run. Left alone: flags,
/// emoji sequences, one selector after a character, joiners in scripts that need them, direction marks beside right-to-left letters, a
/// byte order mark.
package struct InvisibleTextDetector: Detector {
    package let id: DetectorID = "invisible"
    package let layers: TextLayer.Kinds = [.original]

    package init() {}

    private enum Sort {
        case tag, selector, zeroWidth, softHyphen, joiner, mark, bidi, override, filler
    }

    package func findings(in passage: Passage, hits: [PatternHit]) throws -> [Finding] {
        if passage.isASCII { return [] }
        return passage.withBytes(read)
    }

    private func read(_ text: UnsafeRawBufferPointer) -> [Finding] {
        var found: [Finding] = []
        var hasRightToLeft = false
        var previous: UInt32 = 0
        var index = 0
        while index < text.count {
            let byte = text[index]
            if byte < 0x80 {
                previous = UInt32(byte)
                index += 1
                continue
            }
            let (value, length) = Self.scalar(in: text, at: index)
            if Self.isRightToLeft(value) { hasRightToLeft = true }
            guard Self.sort(of: value) != nil else {
                previous = value
                index += length
                continue
            }
            var end = index
            var run: [UInt32] = []
            while end < text.count, text[end] >= 0x80 {
                let (value, length) = Self.scalar(in: text, at: end)
                guard Self.sort(of: value) != nil else { break }
                if run.count < 4_096 { run.append(value) }
                end += length
            }
            let next = end < text.count ? Self.scalar(in: text, at: end).value : 0
            if let (name, confidence) = judge(
                run, after: previous, before: next, isFirst: index == 0, hasRightToLeft: hasRightToLeft || Self.isRightToLeft(next))
            {
                found.append(
                    Finding(id, Finding.Category(.invisible, name), at: index..<end, confidence: confidence, evidence: String(run.count)))
            }
            // A selector keeps its base: what follows may belong to the same emoji.
            if run.count > 1 || Self.sort(of: run[0]) != .selector { previous = run[run.count - 1] }
            index = end
        }
        return found
    }

    private func judge(
        _ run: [UInt32], after previous: UInt32, before next: UInt32, isFirst: Bool, hasRightToLeft: Bool
    ) -> (String, Double)? {
        let sorts = run.compactMap(Self.sort)
        func count(_ sort: Sort) -> Int { sorts.count { $0 == sort } }
        if count(.tag) > 0 { return isFlag(run, after: previous) ? nil : ("tag-characters", 1) }
        let selectors = count(.selector)
        if selectors > 1 { return ("variation-selectors", 1) }
        if count(.override) > 0 { return ("bidi-control", 1) }
        if count(.filler) > 0 { return isHangul(previous) || isHangul(next) ? nil : ("filler", count(.filler) > 1 ? 0.9 : 0.6) }
        let unseen = count(.zeroWidth)
        let joiners = count(.joiner)
        if unseen + joiners >= 3 || (unseen + joiners == 2 && unseen > 0) { return ("zero-width", 0.95) }
        if unseen == 1 { return isFirst && run[0] == 0xFEFF ? nil : ("zero-width", isLatin(previous) && isLatin(next) ? 0.7 : 0.4) }
        if joiners > 0 { return isLatin(previous) && isLatin(next) ? ("zero-width", 0.7) : joiners > 1 ? ("zero-width", 0.5) : nil }
        if count(.softHyphen) > 1 { return ("zero-width", 0.7) }
        if count(.bidi) > 0 { return hasRightToLeft ? nil : ("bidi-control", 0.6) }
        if count(.mark) > 1 { return hasRightToLeft ? nil : ("bidi-control", 0.5) }
        if selectors == 1, isLatin(previous) { return ("variation-selectors", 0.6) }
        return nil
    }

    /// England, Scotland, Wales and others made the same way: a black flag, small letters or digits, an end.
    private func isFlag(_ run: [UInt32], after previous: UInt32) -> Bool {
        previous == 0x1F3F4 && (4...7).contains(run.count) && run[run.count - 1] == 0xE007F
            && run.dropLast().allSatisfy { (0xE0061...0xE007A).contains($0) || (0xE0030...0xE0039).contains($0) }
    }

    private func isLatin(_ value: UInt32) -> Bool {
        (0x41...0x5A).contains(value) || (0x61...0x7A).contains(value) || (0xC0...0x24F).contains(value)
    }

    private func isHangul(_ value: UInt32) -> Bool {
        (0x1100...0x11FF).contains(value) || (0x3131...0x318E).contains(value) || (0xAC00...0xD7FF).contains(value)
    }

    private static func isRightToLeft(_ value: UInt32) -> Bool {
        (0x590...0x8FF).contains(value) || (0xFB1D...0xFDFF).contains(value) || (0xFE70...0xFEFC).contains(value)
            || (0x10800...0x10FFF).contains(value)
            || (0x1E800...0x1EFFF).contains(value)
    }

    private static func sort(of value: UInt32) -> Sort? {
        switch value {
        case 0xAD: .softHyphen
        case 0x200B, 0x2060...0x2064, 0x206A...0x206F, 0xFEFF, 0x180E, 0x034F, 0xFFF9...0xFFFB: .zeroWidth
        case 0x200C, 0x200D: .joiner
        case 0x200E, 0x200F, 0x061C: .mark
        case 0x202A...0x202C, 0x2066...0x2069: .bidi
        case 0x202D, 0x202E: .override
        case 0xFE00...0xFE0F, 0xE0100...0xE01EF: .selector
        case 0xE0000...0xE007F: .tag
        case 0x115F, 0x1160, 0x3164, 0xFFA0: .filler
        default: nil
        }
    }

    /// The passage is valid UTF-8; a byte that begins nothing is read as one character.
    private static func scalar(in text: UnsafeRawBufferPointer, at index: Int) -> (value: UInt32, length: Int) {
        let lead = text[index]
        if lead < 0x80 { return (UInt32(lead), 1) }
        let length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2
        guard index + length <= text.count else { return (0xFFFD, text.count - index) }
        var value = UInt32(lead) & (length == 4 ? 0x07 : length == 3 ? 0x0F : 0x1F)
        for offset in 1..<length { value = value << 6 | UInt32(text[index + offset] & 0x3F) }
        return (value, length)
    }
}
