import NIOCore

/// Undoes what stands for a character by its number or name: `%41`, `=41`, `&#65;`, `&lt;`, `\u0041`, `\x41`, all in one pass.
struct Escapes {
    /// What was undone decides what the reading is called.
    private(set) var percents = 0
    private(set) var entities = 0
    private(set) var backslashes = 0
    private let source: UnsafeRawBufferPointer
    private var builder: ReadingBuilder
    /// Short ones such as `\n` count only beside one of the others.
    private var isLoud = false

    /// A URL with a blank or two is not worth another reading.
    static let leastPercents = 3

    init(_ source: UnsafeRawBufferPointer) {
        self.source = source
        builder = ReadingBuilder(source)
    }

    var kind: TextLayer.Kind { percents > 0 ? .url : .htmlEntities }

    /// - Returns: nil when there is nothing to undo.
    mutating func undo(_ parent: Reading) -> Reading? {
        let takesPercents = holdsPercents()
        if holdsQuotedPrintable() { undoQuotedPrintable(takesPercents) } else { undoRest(takesPercents) }
        return isLoud ? builder.finish(from: parent) : nil
    }

    private mutating func undoRest(_ takesPercents: Bool) {
        var offset = source.first(of: 0x25, 0x26, 0x5C, from: 0)
        while offset < source.count {
            switch source[offset] {
            case 0x25: offset = takesPercents ? percent(offset) : offset + 1
            case 0x26: offset = entity(offset)
            default: offset = backslash(offset)
            }
            offset = source.first(of: 0x25, 0x26, 0x5C, from: offset)
        }
    }

    /// As mail is written: `=20` for a byte, an equals sign at a line's end for no line break. What else the text escapes is undone too.
    private mutating func undoQuotedPrintable(_ takesPercents: Bool) {
        var offset = 0
        while offset < source.count {
            switch source[offset] {
            case 0x3D:
                if let end = softBreak(offset) {
                    builder.remove(offset..<end)
                    offset = end
                } else if isQuoted(offset), let end = byteEscape(offset, width: 3) {
                    percents += 1
                    offset = end
                } else {
                    offset += 1
                }
            case 0x25: offset = takesPercents ? percent(offset) : offset + 1
            case 0x26: offset = entity(offset)
            case 0x5C: offset = backslash(offset)
            default: offset += 1
            }
        }
    }

    private func softBreak(_ start: Int) -> Int? {
        guard start + 1 < source.count else { return nil }
        if source[start + 1] == 0x0A { return start + 2 }
        return source[start + 1] == 0x0D && start + 2 < source.count && source[start + 2] == 0x0A ? start + 3 : nil
    }

    /// An equals sign and two digits, capital where they are letters, as the standard has it.
    private func isQuoted(_ offset: Int) -> Bool {
        guard offset + 2 < source.count else { return false }
        return ASCII.hexValue(source[offset + 1]) != nil && ASCII.hexValue(source[offset + 2]) != nil
            && source[offset + 1] < 0x61 && source[offset + 2] < 0x61
    }

    /// Three or more that stand inside words or beside one another: `a=20&b=30` and `width=20` are something else.
    private func holdsQuotedPrintable() -> Bool {
        var count = 0
        var offset = source.first(of: 0x3D, 0x3D, 0x3D, from: 0)
        while offset < source.count {
            if isQuoted(offset), offset > 0, offset + 3 < source.count {
                let next = source[offset + 3]
                if next == 0x3D || ASCII.isLetter(next) { count += 1 }
                if count >= Self.leastPercents { return true }
            }
            offset = source.first(of: 0x3D, 0x3D, 0x3D, from: offset + 1)
        }
        return false
    }

    private func holdsPercents() -> Bool {
        var count = 0
        var offset = source.first(of: 0x25, 0x25, 0x25, from: 0)
        while offset < source.count {
            if hex(offset + 1, 2) != nil { count += 1 }
            if count >= Self.leastPercents { return true }
            offset = source.first(of: 0x25, 0x25, 0x25, from: offset + 1)
        }
        return false
    }

    private func hex(_ offset: Int, _ digits: Int) -> UInt32? {
        guard offset + digits <= source.count else { return nil }
        var value: UInt32 = 0
        for i in 0..<digits {
            guard let digit = ASCII.hexValue(source[offset + i]) else { return nil }
            value = value << 4 | UInt32(digit)
        }
        return value
    }

    /// `%41%C3%A9`: bytes, which must be UTF-8 together; those that are not stay as they are.
    private mutating func percent(_ start: Int) -> Int {
        if let end = byteEscape(start, width: 3) {
            percents += 1
            return end
        }
        // %u0041, as old scripts write it.
        if start + 1 < source.count, source[start + 1] | 0x20 == 0x75, let value = hex(start + 2, 4),
            let scalar = Unicode.Scalar(value)
        {
            put(scalar, start..<(start + 6))
            percents += 1
            return start + 6
        }
        return start + 1
    }

    /// One code point written as escaped bytes, each `width` long with the digits at its end.
    private mutating func byteEscape(_ start: Int, width: Int) -> Int? {
        guard let first = escapedByte(start, width) else { return nil }
        if first < 0x80 {
            builder.replace(start..<(start + width), with: UInt8(first))
            isLoud = true
            return start + width
        }
        let length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2
        return withUnsafeTemporaryAllocation(byteCount: 4, alignment: 1) { scratch -> Int? in
            scratch[0] = UInt8(first)
            for i in 1..<length {
                let at = start + i * width
                guard at < source.count, source[at] == source[start], let byte = escapedByte(at, width) else { return nil }
                scratch[i] = UInt8(byte)
            }
            let decoded = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(scratch)[0..<length]).scalar(at: 0)
            guard decoded.length == length, let scalar = Unicode.Scalar(decoded.value) else { return nil }
            put(scalar, start..<(start + length * width))
            return start + length * width
        }
    }

    private func escapedByte(_ start: Int, _ width: Int) -> UInt32? {
        if width == 4 {
            guard start + 1 < source.count, source[start] == 0x5C, source[start + 1] == 0x78 else { return nil }
        }
        return hex(start + width - 2, 2)
    }

    private mutating func put(_ scalar: Unicode.Scalar, _ range: Range<Int>) {
        builder.replace(range, with: scalar)
        isLoud = true
    }

    private mutating func entity(_ start: Int) -> Int {
        var offset = start + 1
        guard offset < source.count else { return offset }
        if source[offset] == 0x23 {
            offset += 1
            let isHex = offset < source.count && source[offset] | 0x20 == 0x78
            if isHex { offset += 1 }
            var value: UInt32 = 0
            let first = offset
            // Leading zeroes are allowed without limit; the value is not.
            while offset < source.count, value <= 0x10FFFF, offset - first < 32,
                let digit = ASCII.hexValue(source[offset]), isHex || digit < 10
            {
                value = value * (isHex ? 16 : 10) + UInt32(digit)
                offset += 1
            }
            guard offset > first, value > 0, let scalar = Unicode.Scalar(value) else { return start + 1 }
            if offset < source.count, source[offset] == 0x3B { offset += 1 }
            put(scalar, start..<offset)
            entities += 1
            return offset
        }
        var key: UInt64 = 0
        while offset < source.count, offset - start <= 8, ASCII.isAlphanumeric(source[offset]) {
            key = key << 8 | UInt64(source[offset])
            offset += 1
        }
        guard offset < source.count, source[offset] == 0x3B, let scalar = NamedEntities.standard.scalar(key) else { return start + 1 }
        put(scalar, start..<(offset + 1))
        entities += 1
        return offset + 1
    }

    /// Any number of backslashes and an escape: strings that were quoted several times over have more than one.
    private mutating func backslash(_ start: Int) -> Int {
        var last = start
        while last + 1 < source.count, source[last + 1] == 0x5C { last += 1 }
        let offset = last + 1
        guard offset < source.count else { return offset }
        switch source[offset] {
        case 0x75:
            if offset + 1 < source.count, source[offset + 1] == 0x7B {
                var end = offset + 2
                var value: UInt32 = 0
                while end < source.count, end - offset < 9, let digit = ASCII.hexValue(source[end]) {
                    value = value << 4 | UInt32(digit)
                    end += 1
                }
                guard end > offset + 2, end < source.count, source[end] == 0x7D, let scalar = Unicode.Scalar(value) else { return offset }
                put(scalar, start..<(end + 1))
                backslashes += 1
                return end + 1
            }
            guard let value = hex(offset + 1, 4) else { return offset }
            if let scalar = Unicode.Scalar(value) {
                put(scalar, start..<(offset + 5))
                backslashes += 1
                return offset + 5
            }
            guard value < 0xDC00, let (low, end) = lowSurrogate(offset + 5),
                let scalar = Unicode.Scalar(0x10000 + (value - 0xD800) << 10 + (low - 0xDC00))
            else { return offset }
            put(scalar, start..<end)
            backslashes += 1
            return end
        case 0x78:
            if last == start, let end = byteEscape(start, width: 4) {
                backslashes += 1
                return end
            }
            guard let value = hex(offset + 1, 2), let scalar = Unicode.Scalar(value) else { return offset }
            put(scalar, start..<(offset + 3))
            backslashes += 1
            return offset + 3
        case 0x6E, 0x72, 0x74: builder.replace(start..<(offset + 1), with: source[offset] == 0x74 ? 0x09 : 0x0A)
        case 0x2F, 0x22, 0x27: builder.replace(start..<(offset + 1), with: source[offset])
        default: return offset
        }
        return offset + 1
    }

    private func lowSurrogate(_ start: Int) -> (UInt32, Int)? {
        var offset = start
        while offset < source.count, source[offset] == 0x5C { offset += 1 }
        guard offset > start, offset < source.count, source[offset] == 0x75, let low = hex(offset + 1, 4), low & 0xFC00 == 0xDC00
        else { return nil }
        return (low, offset + 5)
    }
}

/// HTML's named characters that hide letters, signs or blanks, and the accents of western Europe.
struct NamedEntities: Sendable {
    static let standard = NamedEntities()
    private let scalars: [UInt64: Unicode.Scalar]

    /// - Parameter key: the name's bytes, the last one lowest.
    func scalar(_ key: UInt64) -> Unicode.Scalar? { scalars[key] }

    private init() {
        let names = """
            amp & AMP & lt < LT < gt > GT > quot " QUOT " apos ' excl ! num # dollar $ percnt % lpar ( rpar ) ast * plus + comma , \
            period . sol / colon : semi ; equals = quest ? commat @ lsqb [ lbrack [ rsqb ] rbrack ] bsol \\ Hat ^ lowbar _ grave ` \
            lcub { lbrace { rcub } rbrace } vert | verbar | hyphen - dash - minus - ndash – mdash — hellip … lsquo ‘ rsquo ’ ldquo “ \
            rdquo ” laquo « raquo » bull • middot · deg ° euro € pound £ cent ¢ yen ¥ sect § copy © reg ® trade ™ auml ä ouml ö uuml ü \
            Auml Ä Ouml Ö Uuml Ü szlig ß eacute é Eacute É egrave è ecirc ê agrave à acirc â aacute á ccedil ç Ccedil Ç iacute í \
            oacute ó ocirc ô ugrave ù ucirc û uacute ú ntilde ñ Ntilde Ñ aring å Aring Å oslash ø Oslash Ø aelig æ AElig Æ iuml ï \
            euml ë otilde õ atilde ã
            """
        var table: [UInt64: Unicode.Scalar] = [:]
        var name: Substring?
        for word in names.split(separator: " ") {
            if let key = name {
                if let scalar = word.unicodeScalars.first, word.unicodeScalars.count == 1 { table[Self.key(key)] = scalar }
                name = nil
            } else {
                name = word
            }
        }
        for (key, value) in [
            ("nbsp", 0x20), ("ensp", 0x20), ("emsp", 0x20), ("thinsp", 0x20), ("Tab", 0x09), ("NewLine", 0x0A),
            ("shy", 0xAD), ("zwnj", 0x200C), ("zwj", 0x200D), ("lrm", 0x200E), ("rlm", 0x200F),
        ] as [(Substring, UInt32)] {
            table[Self.key(key)] = Unicode.Scalar(value)
        }
        scalars = table
    }

    private static func key(_ name: Substring) -> UInt64 { name.utf8.reduce(0) { $0 << 8 | UInt64($1) } }
}
