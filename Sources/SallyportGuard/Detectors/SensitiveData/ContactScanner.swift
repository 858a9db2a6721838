/// E-mail addresses, coordinates, dates of birth in words, bank codes, and (for the Language API) URLs, ages and dates.
enum ContactScanner {
    private static let order = 1_200
    private static let gps = TopicSet([.gps])

    private static func add(
        _ range: Range<Int>, _ category: String, _ confidence: Double, _ evidence: String, _ candidates: inout [SensitiveCandidate]
    ) {
        candidates.append(SensitiveCandidate(range: range, category: category, confidence: confidence, evidence: evidence, order: order))
    }

    // MARK: E-mail

    /// - Parameter hit: just after `@` and the first character of the host.
    static func email(
        _ text: UnsafeRawBufferPointer, at hit: Int, context: inout KeywordIndex, into candidates: inout [SensitiveCandidate]
    ) {
        let at = hit - 2
        guard at > 0 else { return }
        var start = at
        while start > 0, at - start < 65, isLocalPart(text[start - 1]) { start -= 1 }
        while start < at, text[start] == 0x2E || text[start] == 0x2D || text[start] == 0x27 || text[start] == 0x2B { start += 1 }
        guard start < at, text[at - 1] != 0x2E else { return }
        // user:password@host within a URL is no mailbox.
        if start > 0, text[start - 1] == 0x3A, isCredentialOfURL(text, start - 1) { return }
        if start > 1, text[start - 1] == 0x2F, text[start - 2] == 0x2F { return }
        var end = at + 1
        var labels = 0
        var labelStart = end
        var lastDot = -1
        while end < text.count, end - at < 255 {
            let byte = text[end]
            if IdentifierText.isAlphanumeric(byte) || byte >= 0x80 && !isQuoteOrSpace(text, end) {
                end += 1
            } else if byte == 0x2D, end > labelStart {
                end += 1
            } else if byte == 0x2E, end > labelStart, end + 1 < text.count,
                IdentifierText.isAlphanumeric(text[end + 1]) || text[end + 1] >= 0xC3
            {
                labels += 1
                lastDot = end
                end += 1
                labelStart = end
            } else {
                break
            }
        }
        while end > labelStart, text[end - 1] == 0x2D { end -= 1 }
        guard labels >= 1, end - lastDot > 2 else { return }
        for position in lastDot + 1..<end where IdentifierText.isDigit(text[position]) && !(text[lastDot + 1] | 0x20 == 0x78) { return }
        add(start..<end, "Email", 0.85, "pattern", &candidates)
    }

    private static func isLocalPart(_ byte: UInt8) -> Bool {
        IdentifierText.isAlphanumeric(byte) || byte == 0x2E || byte == 0x5F || byte == 0x25 || byte == 0x2B || byte == 0x2D || byte == 0x27
    }

    /// Typographic quotes, ellipses and wide blanks end a host; letters of other scripts do not.
    private static func isQuoteOrSpace(_ text: UnsafeRawBufferPointer, _ index: Int) -> Bool {
        text[index] == 0xE2 || text[index] == 0xC2 || text[index] == 0xEF
            || (text[index] == 0xE3 && index + 1 < text.count && text[index + 1] == 0x80)
    }

    private static func isCredentialOfURL(_ text: UnsafeRawBufferPointer, _ colon: Int) -> Bool {
        var index = colon
        while index > 2, colon - index < 80 {
            index -= 1
            let byte = text[index]
            if byte <= 0x20 { return false }
            if byte == 0x2F { return text[index - 1] == 0x2F && text[index - 2] == 0x3A }
        }
        return false
    }

    // MARK: Coordinates

    /// - Parameter hit: after the third decimal of the second number.
    static func coordinates(
        _ text: UnsafeRawBufferPointer, at hit: Int, context: inout KeywordIndex, into candidates: inout [SensitiveCandidate]
    ) {
        var end = hit
        while end < text.count, end - hit < 12, IdentifierText.isDigit(text[end]) { end += 1 }
        if end + 1 < text.count, text[end] == 0xC2, text[end + 1] == 0xB0 { end += 2 }
        var start = hit
        // Back over the second number, the separator, the first number.
        func number() -> (value: Double, start: Int)? {
            var cursor = start
            while cursor > 0, IdentifierText.isDigit(text[cursor - 1]) || text[cursor - 1] == 0x2E { cursor -= 1 }
            guard cursor < start, start - cursor < 24 else { return nil }
            var value = 0.0
            var scale = 0.0
            for position in cursor..<start {
                if text[position] == 0x2E {
                    if scale > 0 { return nil }
                    scale = 1
                } else {
                    value = value * 10 + Double(text[position] - 0x30)
                    if scale > 0 { scale *= 10 }
                }
            }
            if cursor > 0, text[cursor - 1] == 0x2D || text[cursor - 1] == 0x2B { cursor -= 1 }
            return (value / max(1, scale), cursor)
        }
        guard let longitude = number(), longitude.value <= 180 else { return }
        start = longitude.start
        while start > 0, hit - start < 40, !IdentifierText.isDigit(text[start - 1]) { start -= 1 }
        guard let latitude = number(), latitude.value <= 90 else { return }
        if latitude.start > 0, IdentifierText.isAlphanumeric(text[latitude.start - 1]) { return }
        let range = latitude.start..<end
        if context.mentions(gps, near: range, within: 120) {
            add(range, "EUGPSCoordinates", 0.85, "pattern+context", &candidates)
        } else {
            add(range, "EUGPSCoordinates", 0.65, "pattern", &candidates)
        }
    }

    // MARK: Dates in words

    /// A date with a month's name within a few words after a word of birth.
    static func birthDate(_ text: UnsafeRawBufferPointer, after hit: Int, into candidates: inout [SensitiveCandidate]) {
        guard let range = DateReader.firstDate(text, in: hit..<min(text.count, hit + 40), needsYear: true) else { return }
        add(range, "DateOfBirth", 0.85, "context", &candidates)
    }

    /// Any date near `hit`.
    static func date(_ text: UnsafeRawBufferPointer, around hit: Int, into candidates: inout [SensitiveCandidate]) {
        guard let range = DateReader.date(text, holding: hit - 1) else { return }
        add(range, "Date", 0.8, "pattern", &candidates)
    }

    /// `56 years old`, `aged 56`, `turns 56`: the number that the expression holds or ends in.
    static func age(_ text: UnsafeRawBufferPointer, around hit: Int, into candidates: inout [SensitiveCandidate]) {
        guard hit > 0 else { return }
        var end = hit
        if !IdentifierText.isDigit(text[hit - 1]) {
            // Back over `years old` to the number.
            while end > 0, hit - end < 16, !IdentifierText.isDigit(text[end - 1]) { end -= 1 }
        } else {
            while end < text.count, end - hit < 3, IdentifierText.isDigit(text[end]) { end += 1 }
        }
        var start = end
        while start > 0, end - start < 4, IdentifierText.isDigit(text[start - 1]) { start -= 1 }
        takeAge(text, start..<end, 0.8, &candidates)
    }

    /// `Anna Miller, 41, from Leeds` and `Anna Miller (41)`.
    static func agePlacedByCommas(_ text: UnsafeRawBufferPointer, after hit: Int, into candidates: inout [SensitiveCandidate]) {
        let end = hit - 1
        let start = end - 2
        guard start > 4 else { return }
        let isParenthesised = text[end] == 0x29
        if !isParenthesised {
            // `, from`: what goes on in small letters is no list and no address.
            guard hit + 1 < text.count, text[hit] == 0x20, text[hit + 1] >= 0x61, text[hit + 1] <= 0x7A else { return }
        }
        // Before: one word with a capital, in parentheses two.
        var cursor = start - 2
        for _ in 0..<(isParenthesised ? 2 : 1) {
            var word = cursor
            while word > 0, cursor - word < 30, text[word - 1] > 0x20, text[word - 1] != 0x2C, text[word - 1] != 0x28 { word -= 1 }
            guard word < cursor, text[word] >= 0x41 && text[word] <= 0x5A || text[word] >= 0xC3 else { return }
            if DateReader.isMonth(text, word..<cursor) { return }
            cursor = max(0, word - 1)
        }
        takeAge(text, start..<end, 0.65, &candidates)
    }

    private static func takeAge(
        _ text: UnsafeRawBufferPointer, _ range: Range<Int>, _ confidence: Double, _ candidates: inout [SensitiveCandidate]
    ) {
        guard !range.isEmpty, range.count <= 3, let value = DateReader.value(text, range), value > 0, value < 125 else { return }
        if range.lowerBound > 0, text[range.lowerBound - 1] == 0x2E || text[range.lowerBound - 1] == 0x24 { return }
        // A share, a time, a fraction.
        if range.upperBound < text.count, "%:/".utf8.contains(text[range.upperBound]) { return }
        add(range, "Age", confidence, "pattern", &candidates)
    }

    /// A URL with its path, without the punctuation that ends a sentence.
    static func web(_ text: UnsafeRawBufferPointer, at hit: Int, into candidates: inout [SensitiveCandidate]) {
        var start = text[hit - 1] == 0x2F ? hit - 3 : hit - 1
        while start > 0, IdentifierText.isLetter(text[start - 1]) || text[start - 1] == 0x2E && text[hit - 1] != 0x2F { start -= 1 }
        // The host of an address that was begun with its scheme.
        if start > 0, text[start - 1] == 0x2F || text[start - 1] == 0x40 { return }
        var end = hit
        while end < text.count, end - hit < 2048 {
            let byte = text[end]
            if byte <= 0x20 || byte == 0x22 || byte == 0x3C || byte == 0x3E || byte == 0x60 || byte == 0x7B || byte == 0x7D { break }
            end += 1
        }
        while end > hit, ".,;:!?)]'*".utf8.contains(text[end - 1]) { end -= 1 }
        guard end > hit else { return }
        add(start..<end, "URL", 0.8, "pattern", &candidates)
    }

    // MARK: SWIFT

    /// A business identifier code within a few words after `SWIFT` or `BIC`: eight or eleven characters, the fifth and sixth a country.
    static func bic(_ text: UnsafeRawBufferPointer, after hit: Int, into candidates: inout [SensitiveCandidate]) {
        var index = hit
        let limit = min(text.count, hit + 40)
        while index < limit {
            let start = index
            while index < text.count, IdentifierText.isAlphanumeric(text[index]), index - start < 13 { index += 1 }
            let count = index - start
            if count == 8 || count == 11, isBIC(text, start, count) {
                return add(start..<index, "SWIFTCode", 0.85, "context", &candidates)
            }
            index = max(index, start + 1)
        }
    }

    private static func isBIC(_ text: UnsafeRawBufferPointer, _ start: Int, _ count: Int) -> Bool {
        for offset in 0..<count {
            let byte = text[start + offset]
            let isUpper = byte >= 0x41 && byte <= 0x5A
            if offset < 6 ? !isUpper : !(isUpper || IdentifierText.isDigit(byte)) { return false }
        }
        return countries.contains(UInt16(text[start + 4]) << 8 | UInt16(text[start + 5]))
    }

    private static let countries: Set<UInt16> = {
        let codes =
            "ADAEAFAGALAMAOARATAUAZBABBBDBEBFBGBHBIBJBMBNBOBRBSBTBWBYBZCACDCFCGCHCICLCMCNCOCRCUCVCYCZDEDJDKDMDODZECEEEGERESETFIFJFOFRGAGBGDGE"
            + "GHGIGLGMGNGQGRGTGWGYHKHNHRHTHUIDIEILIMINIQIRISITJEJMJOJPKEKGKHKIKMKNKPKRKWKYKZLALBLCLILKLRLSLTLULVLYMAMCMDMEMGMKMLMMMNMOMRMTMUMVMWMX"
            + "MYMZNANENGNINLNONPNZOMPAPEPGPHPKPLPSPTPYQARERORSRURWSASBSCSDSESGSISKSLSMSNSOSRSSSTSVSYSZTCTDTGTHTJTLTMTNTOTRTTTVTWTZUAUGUSUYUZVAVC"
            + "VEVGVNVUWSXKYEYTZAZMZW"
        let bytes = Array(codes.utf8)
        return Set(stride(from: 0, to: bytes.count - 1, by: 2).map { UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1]) })
    }()
}
