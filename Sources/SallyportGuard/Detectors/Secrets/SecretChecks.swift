/// What tells a secret from a word that looks like one. Everything here reads bytes and keeps none.
enum SecretChecks {
    private static let base62 = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)

    /// Six base62 digits at `digits` are the CRC-32 (IEEE 802.3) of a range, as in GitHub's tokens and our own keys.
    static func hasBase62CRC(_ text: UnsafeRawBufferPointer, of range: Range<Int>, digits: Int) -> Bool {
        guard range.lowerBound >= 0, range.upperBound <= text.count, digits >= 0, digits + 6 <= text.count else { return false }
        var crc = UInt32.max
        for index in range {
            crc ^= UInt32(text[index])
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
        }
        var rest = Int(~crc)
        for place in (0..<6).reversed() {
            if text[digits + place] != base62[rest % 62] { return false }
            rest /= 62
        }
        return true
    }

    /// A lower-case ASCII word stands near a range, in whatever case.
    static func mentions(_ word: StaticString, in text: UnsafeRawBufferPointer, near range: Range<Int>, within distance: Int) -> Bool {
        let lower = max(0, range.lowerBound - distance)
        let upper = min(text.count, range.upperBound + distance)
        let length = word.utf8CodeUnitCount
        guard length > 0, upper - lower >= length else { return false }
        let first = word.utf8Start[0]
        for start in lower...(upper - length) where folded(text[start]) == first {
            var index = 1
            while index < length, folded(text[start + index]) == word.utf8Start[index] { index += 1 }
            if index == length { return true }
        }
        return false
    }

    @inline(__always)
    static func folded(_ byte: UInt8) -> UInt8 { byte &- 0x41 < 26 ? byte | 0x20 : byte }

    static func has(_ set: ByteSet, in text: UnsafeRawBufferPointer, _ range: Range<Int>) -> Bool {
        range.contains { set.contains(text[$0]) }
    }

    /// How many digits stand directly before an offset.
    static func digits(in text: UnsafeRawBufferPointer, before offset: Int) -> Int {
        var start = offset
        while start > 0, offset - start < 16, ASCII.isDigit(text[start - 1]) { start -= 1 }
        return offset - start
    }

    /// `?` or `&` (also as `&amp;`, or at the very start) stands before a query field's name.
    static func isQueryField(_ text: UnsafeRawBufferPointer, before offset: Int) -> Bool {
        offset <= 0 || [0x26, 0x3F, 0x3B, 0x22, 0x27, 0x20].contains(text[offset - 1])
    }

    // MARK: Placeholders

    private static let stopWords: [StaticString] = [
        "example", "xxxx", "placeholder", "changeme", "change_me", "change-me", "redacted", "dummy", "your_", "your-", "yourkey",
        "yourtoken", "yourpass",
        "yoursecret", "insert", "....", "****", "____", "fake", "notreal", "goes_here", "goes-here", "goeshere", "0123456789", "1234567890",
        "abcdefghij", "replace",
    ]

    /// What documentation writes where a secret would stand.
    static func isPlaceholder(_ text: UnsafeRawBufferPointer, _ range: Range<Int>) -> Bool {
        guard !range.isEmpty else { return true }
        let scope = range.lowerBound..<min(range.upperBound, range.lowerBound + 256)
        for word in stopWords where mentions(word, in: text, near: scope, within: 0) { return true }
        // One character over and over.
        var run = 0
        for index in scope.dropFirst() {
            run = text[index] == text[index - 1] ? run + 1 : 0
            if run >= 7 { return true }
        }
        // `<key>`, `{{key}}`, `${KEY}`, `%KEY%`.
        let first = text[range.lowerBound]
        return first == 0x3C || first == 0x7B || first == 0x24 || first == 0x25 || first == 0x5B
    }

    // MARK: Entropy

    /// Shannon entropy in bits per character.
    static func entropy(_ text: UnsafeRawBufferPointer, _ range: Range<Int>) -> Double {
        guard !range.isEmpty else { return 0 }
        return withUnsafeTemporaryAllocation(of: UInt16.self, capacity: 256) { counts in
            counts.initialize(repeating: 0)
            for index in range { counts[Int(text[index])] &+= 1 }
            var sum = 0.0
            for count in counts where count > 0 { sum += Double(count) * binaryLogarithm(Double(count)) }
            let total = Double(range.count)
            return binaryLogarithm(total) - sum / total
        }
    }

    /// To about 1e-6, without a mathematics library. `value` >= 1.
    static func binaryLogarithm(_ value: Double) -> Double {
        var result = Double(value.exponent)
        var rest = value.significand
        var bit = 0.5
        for _ in 0..<20 {
            rest *= rest
            if rest >= 2 {
                rest /= 2
                result += bit
            }
            bit /= 2
        }
        return result
    }

    /// Drawn by a machine rather than written by a person: letters and digits mixed beyond what words do.
    static func isRandom(_ text: UnsafeRawBufferPointer, _ range: Range<Int>) -> Bool {
        guard range.count >= 16, has(.digits, in: text, range) else { return false }
        if range.allSatisfy({ ByteSet.hex.contains(text[$0]) }) {
            return range.count >= 20 && has(ByteSet("abcdefABCDEF"), in: text, range)
                && entropy(text, range) > min(3.5, 0.72 * binaryLogarithm(Double(range.count)))
        }
        return entropy(text, range) > min(4.3, 0.88 * binaryLogarithm(Double(range.count)))
    }

    // MARK: Base64

    /// Decodes base64 in either alphabet, at most `limit` bytes; nil for anything else.
    static func base64(_ text: UnsafeRawBufferPointer, _ range: Range<Int>, limit: Int = 512) -> [UInt8]? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(min(limit, range.count))
        var bits: UInt32 = 0
        var count = 0
        for index in range {
            let byte = text[index]
            let value: UInt32
            switch byte {
            case 0x41...0x5A: value = UInt32(byte) - 0x41
            case 0x61...0x7A: value = UInt32(byte) - 0x61 + 26
            case 0x30...0x39: value = UInt32(byte) - 0x30 + 52
            case 0x2B, 0x2D: value = 62
            case 0x2F, 0x5F: value = 63
            case 0x3D: return bytes
            default: return nil
            }
            bits = bits << 6 | value
            count += 6
            if count >= 8 {
                count -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
                if bytes.count >= limit { return bytes }
            }
        }
        return bytes
    }
}
