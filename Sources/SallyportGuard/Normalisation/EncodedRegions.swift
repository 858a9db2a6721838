import NIOCore

/// Finds base64, base32, hex, binary digits, Morse code and the spelling alphabet inside a text and decodes what turns out to be text.
struct EncodedRegions {
    /// All that one encoding hid in a text, a line for each region.
    struct Decoded {
        private(set) var bytes: [UInt8] = []
        private(set) var runs: [OffsetMap.Run] = []

        mutating func append(_ text: ArraySlice<UInt8>, from source: Range<Int>) {
            if !bytes.isEmpty {
                // The line break stands for nothing.
                runs.append(.init(derived: bytes.count..<(bytes.count + 1), source: source.lowerBound..<source.lowerBound, isLinear: false))
                bytes.append(0x0A)
            }
            let start = bytes.count
            bytes.append(contentsOf: text)
            runs.append(.init(derived: start..<bytes.count, source: source, isLinear: false))
        }
    }

    private(set) var base64 = Decoded()
    private(set) var hex = Decoded()
    private(set) var morse = Decoded()
    /// Where the first region was, for the note on a bound.
    private(set) var first: Range<Int>?
    private(set) var exceedsLimit = false
    private let source: UnsafeRawBufferPointer
    private let least: Int
    private let limit: Int
    /// Stop at the first region: only the answer whether there is one is wanted.
    private let stopsAtFirst: Bool
    private var done = 0
    /// The end of a chain that gave nothing, and how often pieces of it were tried again from a later start.
    private var failedEnd = 0
    private var retries = 0
    /// Characters that chains were made of so far: overlapping ones must not add up to more than a few times the text.
    private var tried = 0
    private var isStopped = false
    private var letters: [UInt8] = []
    private var scratch: [UInt8] = []

    init(_ source: UnsafeRawBufferPointer, least: Int, limit: Int, stopsAtFirst: Bool) {
        self.source = source
        self.least = least
        self.limit = limit
        self.stopsAtFirst = stopsAtFirst
    }

    mutating func find(_ survey: Survey) {
        var (long, mixed, spaced) = (0, 0, 0)
        while !isStopped {
            let nextLong = long < survey.longRuns.count ? survey.longRuns[long] : Int.max
            let nextMixed = mixed < survey.mixed.count ? survey.mixed[mixed] : Int.max
            let nextSpaced = spaced < survey.spaced.count ? survey.spaced[spaced] : Int.max
            let block = min(nextLong, nextMixed, nextSpaced)
            if block == Int.max { return }
            if nextLong == block { long += 1 }
            if nextMixed == block { mixed += 1 }
            if nextSpaced == block { spaced += 1 }
            look(at: block)
        }
    }

    /// Letters of Morse code where a survey saw dots and dashes.
    mutating func findMorse(_ survey: Survey) {
        var done = 0
        for block in survey.dotted {
            // A run that is worth it covers one of these places.
            for probe in stride(from: block + 8, to: min(block + Survey.block, source.count), by: 16) where probe >= done && !isStopped {
                guard Self.isMorse(source[probe]) else { continue }
                var start = probe
                while start > done, Self.isMorse(source[start - 1]) { start -= 1 }
                done = max(probe + 1, decodeMorse(from: start))
            }
        }
    }

    // MARK: Words

    @inline(__always)
    private func isCode(_ byte: UInt8) -> Bool {
        ASCII.isAlphanumeric(byte) || byte == 0x2B || byte == 0x2F || byte == 0x2D || byte == 0x5F
    }

    /// Looks at the words that touch a block.
    private mutating func look(at block: Int) {
        var offset = max(done, block - Survey.block)
        let end = min(source.count, block + Survey.block)
        if offset >= end { return }
        while offset > done, isCode(source[offset]), isCode(source[offset - 1]) { offset -= 1 }
        while offset < end, !isStopped {
            while offset < end, !isCode(source[offset]) { offset += 1 }
            if offset >= end { break }
            let word = word(at: offset)
            if word.count == 8, let octets = binaryOctets(from: offset) {
                offset = octets
            } else if word.count <= 4, let pairs = hexPairs(from: offset) {
                offset = pairs
            } else if looksEncoded(word) {
                offset = chain(from: word)
            } else {
                offset = word.upperBound
            }
            done = max(done, offset)
        }
    }

    private func word(at start: Int) -> Range<Int> {
        var end = start
        while end < source.count, isCode(source[end]) { end += 1 }
        return start..<end
    }

    /// The equals signs after a word, two at most.
    private func padding(after end: Int) -> Int {
        var count = 0
        while count < 2, end + count < source.count, source[end + count] == 0x3D { count += 1 }
        return count
    }

    /// Whether a word is long, or has the look of a piece of base64: capitals after small letters, digits amid letters.
    private func looksEncoded(_ word: Range<Int>) -> Bool {
        if word.count >= least { return true }
        if word.count < 2 { return false }
        var before = source[word.lowerBound]
        for i in (word.lowerBound + 1)..<word.upperBound {
            let byte = source[i]
            let goesUp = byte &- 0x41 < 26 && before &- 0x61 < 26
            if goesUp || (ASCII.isDigit(byte) && ASCII.isLetter(before)) || (ASCII.isLetter(byte) && ASCII.isDigit(before)) { return true }
            before = byte
        }
        return before == 0x2B || padding(after: word.upperBound) > 0
    }

    // MARK: Base64

    /// Follows pieces with blanks between them as long as they go on looking encoded.
    /// - Returns: where to go on.
    private mutating func chain(from first: Range<Int>) -> Int {
        var pieces = [first]
        var end = first.upperBound
        var total = first.count
        var plain = 0
        while padding(after: end) == 0 {
            var next = end
            while next < source.count, next - end < 12, Self.isGap(source[next]) { next += 1 }
            guard next > end, next < source.count, isCode(source[next]) else { break }
            let piece = word(at: next)
            if !looksEncoded(piece) {
                // A piece may look plain by chance, or be the last.
                let uniform = piece.count == first.count || (piece.count <= first.count && padding(after: piece.upperBound) > 0)
                plain += 1
                // Four-letter words in a row are rare, and pieces without a capital inside are not.
                if plain > 8 || !uniform { break }
            } else {
                plain = 0
            }
            pieces.append(piece)
            total += piece.count
            end = piece.upperBound
        }
        if plain > 0, padding(after: end) == 0, let last = pieces.last, last.count != first.count {
            pieces.removeLast()
            total -= last.count
            end = pieces.last?.upperBound ?? first.upperBound
        }
        if total < least { return first.upperBound }
        let range = first.lowerBound..<(end + padding(after: end))
        tried += total
        if end <= failedEnd || tried > 4 * source.count {
            retries += 1
            if retries > 3 || total > 4096 { return end }
        } else {
            failedEnd = end
            retries = 0
        }
        let isWrapped = pieces.dropLast().allSatisfy { $0.count % 4 == 0 } && pieces.dropLast().allSatisfy { $0.count == first.count }
        if pieces.count == 1 || isWrapped {
            if attempt(pieces, in: range) || pieces.count == 1 { return range.upperBound }
            return separately(pieces) ? range.upperBound : first.upperBound
        }
        // Pieces that each hold a text of their own come first.
        if separately(pieces) { return range.upperBound }
        return attempt(pieces, in: range) ? range.upperBound : first.upperBound
    }

    private mutating func separately(_ pieces: [Range<Int>]) -> Bool {
        var found = false
        for piece in pieces where piece.count >= least {
            let range = piece.lowerBound..<(piece.upperBound + padding(after: piece.upperBound))
            if attempt([piece], in: range) { found = true }
        }
        return found
    }

    private static func isGap(_ byte: UInt8) -> Bool {
        ASCII.isWhitespace(byte) || byte == 0x22 || byte == 0x27 || byte == 0x2C || byte == 0x3E
    }

    /// Decodes the pieces as one text in the ways that were seen in attacks.
    private mutating func attempt(_ pieces: [Range<Int>], in range: Range<Int>) -> Bool {
        letters.removeAll(keepingCapacity: true)
        for piece in pieces { letters.append(contentsOf: UnsafeRawBufferPointer(rebasing: source[piece])) }
        if letters.count >= 2, letters[0] == 0x30, letters[1] | 0x20 == 0x78 { letters.removeFirst(2) }
        if letters.count < least { return false }
        if decodeBinary(letters[...]), take(range, isHex: true) { return true }
        if decodeBase32(letters[...]), take(range, isHex: false) { return true }
        if letters.count.isMultiple(of: 2), decodeHex(letters[...]), take(range, isHex: true) { return true }
        // The plain reading of a long run is decoded in any case: text may stand amid other bytes.
        if letters.count > 64 ? decodeBase64(letters[...]) : tryBase64(letters[...]), take(range, isHex: false) { return true }

        letters.reverse()
        if letters.count.isMultiple(of: 2), decodeHex(letters[...]), take(range, isHex: true) { return true }
        if tryBase64(letters[...]), take(range, isHex: false) { return true }
        for i in letters.indices { letters[i] = Respelling.rot13(letters[i]) }
        if tryBase64(letters[...]), take(range, isHex: false) { return true }
        letters.reverse()
        if tryBase64(letters[...]), take(range, isHex: false) { return true }
        for i in letters.indices { letters[i] = Respelling.rot13(letters[i]) }
        // Something stuck to the front puts the groups of four out of step.
        for skip in 1...3 where letters.count - skip >= least {
            if tryBase64(letters[skip...]), take(range, isHex: false) { return true }
        }
        // A path or a compound name with one encoded part.
        return pieces.count == 1 && attemptParts(pieces[0])
    }

    private mutating func attemptParts(_ word: Range<Int>) -> Bool {
        var found = false
        var start = word.lowerBound
        for i in word.lowerBound...word.upperBound
        where i == word.upperBound || source[i] == 0x2F || source[i] == 0x2D || source[i] == 0x5F || source[i] == 0x2B {
            if i - start >= least, i - start < word.count {
                let end = i == word.upperBound ? i + padding(after: i) : i
                letters.removeAll(keepingCapacity: true)
                letters.append(contentsOf: UnsafeRawBufferPointer(rebasing: source[start..<i]))
                if letters.count.isMultiple(of: 2), decodeHex(letters[...]), take(start..<end, isHex: true) {
                    found = true
                } else if tryBase64(letters[...]), take(start..<end, isHex: false) {
                    found = true
                }
            }
            start = i + 1
        }
        return found
    }

    /// - Returns: true, so that it ends a chain of attempts.
    @discardableResult
    private mutating func take(_ range: Range<Int>, isHex: Bool) -> Bool {
        guard mayKeep(range) else { return true }
        if isHex { hex.append(scratch[...], from: range) } else { base64.append(scratch[...], from: range) }
        return true
    }

    /// Notes a region; false when the search ends here: at the first, or at the limit.
    private mutating func mayKeep(_ range: Range<Int>) -> Bool {
        if first == nil { first = range }
        let isFull = !stopsAtFirst && base64.bytes.count + hex.bytes.count + morse.bytes.count + scratch.count > limit
        if isFull { exceedsLimit = true }
        if stopsAtFirst || isFull { isStopped = true }
        return !stopsAtFirst && !isFull
    }

    /// 0...63, or 0xFF.
    private static let values: [UInt8] = {
        var table = [UInt8](repeating: 0xFF, count: 256)
        for i in 0..<26 {
            table[0x41 + i] = UInt8(i)
            table[0x61 + i] = UInt8(26 + i)
        }
        for i in 0..<10 { table[0x30 + i] = UInt8(52 + i) }
        table[0x2B] = 62
        table[0x2D] = 62
        table[0x2F] = 63
        table[0x5F] = 63
        return table
    }()

    /// Decodes only what begins, goes on or ends like text: most guesses are wrong.
    private mutating func tryBase64(_ text: ArraySlice<UInt8>) -> Bool {
        let length = 16
        let starts = (0, text.count / 8 * 4, (text.count - length) / 4 * 4)
        let isPromising = text.withUnsafeBytes { bytes in
            Self.values.withUnsafeBufferPointer { values in
                Self.looksLikeText(bytes, from: starts.0, length, values)
                    || bytes.count > 2 * length && Self.looksLikeText(bytes, from: min(starts.1, starts.2), length, values)
                    || bytes.count > length && Self.looksLikeText(bytes, from: starts.2, length, values)
            }
        }
        return isPromising && decodeBase64(text)
    }

    /// Whether a few groups of four give next to no control characters and bytes beyond ASCII only in company.
    private static func looksLikeText(
        _ bytes: UnsafeRawBufferPointer, from start: Int, _ length: Int, _ values: UnsafeBufferPointer<UInt8>
    ) -> Bool {
        if start < 0 { return true }
        var noise = 0
        var previousIsHigh = false
        for i in stride(from: start, to: start + length, by: 4) {
            let group =
                UInt32(values[Int(bytes[i])]) << 18 | UInt32(values[Int(bytes[i + 1])]) << 12 | UInt32(values[Int(bytes[i + 2])]) << 6
                | UInt32(values[Int(bytes[i + 3])])
            for k in 0..<3 {
                let byte = UInt8(truncatingIfNeeded: group >> UInt32(16 - 8 * k))
                if byte < 0x80 ? !ASCII.isPrintable(byte) : !previousIsHigh && byte < 0xC0 && i > start { noise += 1 }
                previousIsHigh = byte >= 0x80
            }
        }
        return noise <= 2
    }

    /// Decodes into `scratch` what is text and leaves the rest out.
    /// - Returns: whether anything was.
    private mutating func decodeBase64(_ text: ArraySlice<UInt8>) -> Bool {
        scratch.removeAll(keepingCapacity: true)
        let usable = text.count - (text.count % 4 == 1 ? 1 : 0)
        let size = usable / 4 * 3 + max(0, usable % 4 - 1)
        scratch.append(contentsOf: repeatElement(0, count: size))
        text.withUnsafeBytes { from in
            Self.values.withUnsafeBufferPointer { values in
                scratch.withUnsafeMutableBufferPointer { to in
                    var (i, o) = (0, 0)
                    while i + 4 <= usable {
                        let group =
                            UInt32(values[Int(from[i])]) << 18 | UInt32(values[Int(from[i + 1])]) << 12
                            | UInt32(values[Int(from[i + 2])]) << 6 | UInt32(values[Int(from[i + 3])])
                        to[o] = UInt8(truncatingIfNeeded: group >> 16)
                        to[o + 1] = UInt8(truncatingIfNeeded: group >> 8)
                        to[o + 2] = UInt8(truncatingIfNeeded: group)
                        i += 4
                        o += 3
                    }
                    if i + 2 <= usable { to[o] = values[Int(from[i])] << 2 | values[Int(from[i + 1])] >> 4 }
                    if i + 3 <= usable { to[o + 1] = values[Int(from[i + 1])] << 4 | values[Int(from[i + 2])] >> 2 }
                }
            }
        }
        return keepText()
    }

    private mutating func decodeHex(_ text: ArraySlice<UInt8>) -> Bool {
        scratch.removeAll(keepingCapacity: true)
        var i = text.startIndex
        while i + 1 < text.endIndex {
            guard let high = ASCII.hexValue(text[i]), let low = ASCII.hexValue(text[i + 1]) else { return false }
            scratch.append(high << 4 | low)
            i += 2
        }
        return keepText()
    }

    /// Capitals and 2 to 7 throughout: what is no base32 seldom is, and what is decodes to text.
    private mutating func decodeBase32(_ text: ArraySlice<UInt8>) -> Bool {
        scratch.removeAll(keepingCapacity: true)
        var bits: UInt32 = 0
        var count = 0
        for byte in text {
            let value: UInt8
            switch byte {
            case 0x41...0x5A: value = byte - 0x41
            case 0x32...0x37: value = byte - 0x32 + 26
            default: return false
            }
            bits = bits << 5 | UInt32(value)
            count += 5
            if count >= 8 {
                count -= 8
                scratch.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
            }
        }
        return scratch.withUnsafeBytes { Plausibility.isText($0) } && keepText()
    }

    private mutating func decodeBinary(_ text: ArraySlice<UInt8>) -> Bool {
        guard text.count.isMultiple(of: 8) else { return false }
        scratch.removeAll(keepingCapacity: true)
        var value: UInt8 = 0
        for (position, byte) in text.enumerated() {
            guard byte == 0x30 || byte == 0x31 else { return false }
            value = value << 1 | (byte & 1)
            if position % 8 == 7 { scratch.append(value) }
        }
        return keepText()
    }

    /// `01101000 01101001`: eight octets or more.
    /// - Returns: where to go on; nil when there are none.
    private mutating func binaryOctets(from start: Int) -> Int? {
        letters.removeAll(keepingCapacity: true)
        var offset = start
        var end = start
        while offset + 8 <= source.count, (offset..<offset + 8).allSatisfy({ source[$0] == 0x30 || source[$0] == 0x31 }),
            offset + 8 == source.count || !isCode(source[offset + 8])
        {
            letters.append(contentsOf: UnsafeRawBufferPointer(rebasing: source[offset..<offset + 8]))
            end = offset + 8
            offset = end
            while offset < source.count, offset - end < 3, Self.separatesPairs(source[offset]) { offset += 1 }
            if offset == end { break }
        }
        if letters.count < 64 { return nil }
        if decodeBinary(letters[...]) { take(start..<end, isHex: true) }
        return end
    }

    // MARK: Morse

    private static func isMorse(_ byte: UInt8) -> Bool {
        byte == 0x2E || byte == 0x2D || byte == 0x20 || byte == 0x2F || byte == 0x7C || byte == 0x0A
    }

    /// - Returns: where it ends.
    private mutating func decodeMorse(from start: Int) -> Int {
        scratch.removeAll(keepingCapacity: true)
        var offset = start
        var (known, unknown) = (0, 0)
        while offset < source.count, Self.isMorse(source[offset]) {
            var code = 1
            while offset < source.count, source[offset] == 0x2E || source[offset] == 0x2D {
                code = min(code << 1 | (source[offset] == 0x2D ? 1 : 0), 1 << 12)
                offset += 1
            }
            if code > 1 {
                if let letter = Self.morseCode[code] {
                    scratch.append(letter)
                    known += 1
                } else {
                    unknown += 1
                }
            }
            let gap = offset
            var isWordEnd = false
            while offset < source.count,
                source[offset] == 0x20 || source[offset] == 0x2F || source[offset] == 0x7C || source[offset] == 0x0A
            {
                isWordEnd = isWordEnd || source[offset] != 0x20
                offset += 1
            }
            if isWordEnd || offset - gap > 2, !scratch.isEmpty, scratch.last != 0x20 { scratch.append(0x20) }
            if scratch.count > limit { break }
        }
        // Dotted lines say one letter over and over.
        guard known >= 12, known >= 6 * unknown, Set(scratch).count >= 6 else { return offset }
        if mayKeep(start..<offset) { morse.append(scratch[...], from: start..<offset) }
        return offset
    }

    // MARK: Spelling alphabet

    /// Letters spelled out as "alfa bravo charlie", a dozen or more in a row; a stroke, a line break or a wide gap ends a word.
    mutating func findSpelled() {
        var offset = 0
        while offset < source.count, !isStopped {
            while offset < source.count, !ASCII.isLetter(source[offset]) { offset += 1 }
            if offset >= source.count { break }
            offset = spelled(from: offset)
        }
    }

    /// - Returns: where to go on: behind the letters, or behind one word that is none.
    private mutating func spelled(from start: Int) -> Int {
        var offset = start
        var end = start
        var letters = 0
        var isWordEnd = false
        while let (letter, next) = SpellingAlphabet.letter(in: source, at: offset) {
            if letters == 0 { scratch.removeAll(keepingCapacity: true) } else if isWordEnd { scratch.append(0x20) }
            scratch.append(letter)
            letters += 1
            end = next
            offset = next
            isWordEnd = false
            while offset < source.count, offset - end < 6, !ASCII.isWord(source[offset]) {
                let byte = source[offset]
                isWordEnd = isWordEnd || byte == 0x2F || byte == 0x7C || byte == 0x0A || offset - end >= 2
                offset += 1
            }
            if scratch.count > limit { break }
        }
        guard letters > 0 else {
            offset = start
            while offset < source.count, ASCII.isWord(source[offset]) { offset += 1 }
            return offset
        }
        // Whoever spells a name or a call sign uses few.
        if letters >= 12, mayKeep(start..<end) { morse.append(scratch[...], from: start..<end) }
        return offset
    }

    /// By dots (0) and dashes (1) after a leading 1.
    private static let morseCode: [Int: UInt8] = {
        let codes = [
            ".-", "-...", "-.-.", "-..", ".", "..-.", "--.", "....", "..", ".---", "-.-", ".-..", "--", "-.", "---", ".--.", "--.-", ".-.",
            "...", "-", "..-", "...-", ".--", "-..-", "-.--", "--..", "-----", ".----", "..---", "...--", "....-", ".....", "-....",
            "--...",
            "---..", "----.", ".-.-.-", "--..--", "..--..", "-.-.--", "-..-.", ".--.-.", "---...", ".----.", "-....-",
        ]
        let letters = Array("abcdefghijklmnopqrstuvwxyz0123456789.,?!/@:'-".utf8)
        return Dictionary(uniqueKeysWithValues: zip(codes.map { $0.utf8.reduce(1) { $0 << 1 | ($1 == 0x2D ? 1 : 0) } }, letters))
    }()

    /// Leaves in `scratch` what is text: all of it, or the stretches amid other bytes that are clean. An image gives nothing, one
    /// with a note inside gives the note.
    private mutating func keepText() -> Bool {
        collapseUTF16()
        if !scratch.withUnsafeBytes({ Plausibility.isText($0) }) { keepCleanBlocks() }
        if scratch.count < 8 { return false }
        mendUTF8()
        return true
    }

    private mutating func keepCleanBlocks() {
        let block = 16
        let count = scratch.count
        var kept = 0
        var start = 0
        var previousWasKept = false
        scratch.withUnsafeMutableBytes { bytes in
            while start < count {
                var end = min(count, start + block)
                // Not in the middle of a character.
                while end < count, bytes[end] & 0xC0 == 0x80, end - start < block + 3 { end += 1 }
                if end - start >= block || previousWasKept, Plausibility.isClean(UnsafeRawBufferPointer(rebasing: bytes[start..<end])) {
                    for i in start..<end { bytes[kept + i - start] = bytes[i] }
                    kept += end - start
                    previousWasKept = true
                } else {
                    previousWasKept = false
                }
                start = end
            }
        }
        scratch.removeLast(count - kept)
    }

    /// PowerShell's `-EncodedCommand` and the like: every second byte is zero.
    private mutating func collapseUTF16() {
        if scratch.count < 16 || scratch[1] != 0 || scratch[3] != 0 { return }
        var zeroes = 0
        for i in stride(from: 1, to: scratch.count, by: 2) where scratch[i] == 0 { zeroes += 1 }
        if zeroes * 10 < scratch.count / 2 * 9 { return }
        var kept = 0
        for i in stride(from: 0, to: scratch.count, by: 2) {
            scratch[kept] = scratch[i]
            kept += 1
        }
        scratch.removeLast(scratch.count - kept)
    }

    /// What is not UTF-8 becomes a question mark.
    private mutating func mendUTF8() {
        scratch.withUnsafeMutableBytes { bytes in
            let view = UnsafeRawBufferPointer(bytes)
            var offset = 0
            while offset < view.count {
                if view[offset] < 0x80 {
                    offset += 1
                    continue
                }
                let length = view.scalar(at: offset).length
                if length == 1 { bytes[offset] = 0x3F }
                offset += length
            }
        }
    }

    // MARK: Hex in pairs

    /// `48 65 6c`, `0x48, 0x65`, `48:65:6c`: pairs with the same short separator.
    /// - Returns: where to go on, nil when there are no eight pairs.
    private mutating func hexPairs(from start: Int) -> Int? {
        letters.removeAll(keepingCapacity: true)
        var offset = start
        var end = start
        while offset < source.count {
            if offset + 4 <= source.count, source[offset] == 0x30, source[offset + 1] | 0x20 == 0x78 { offset += 2 }
            guard offset + 2 <= source.count, ASCII.hexValue(source[offset]) != nil, ASCII.hexValue(source[offset + 1]) != nil,
                offset + 2 == source.count || !ASCII.isWord(source[offset + 2]) || source[offset + 2] == 0x78
            else { break }
            letters.append(source[offset])
            letters.append(source[offset + 1])
            end = offset + 2
            offset = end
            while offset < source.count, offset - end < 3, Self.separatesPairs(source[offset]) { offset += 1 }
            if offset == end { break }
        }
        if letters.count < least { return nil }
        if decodeHex(letters[...]) { take(start..<end, isHex: true) }
        return end
    }

    private static func separatesPairs(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x20, 0x0A, 0x0D, 0x09, 0x2C, 0x3A, 0x3B, 0x2D, 0x2E: true
        default: false
        }
    }
}
