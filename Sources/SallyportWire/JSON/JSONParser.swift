/// Writes a document's tape in one pass over its bytes, without recursion.
struct JSONParser: ~Copyable {
    private let base: UnsafeRawPointer
    private let end: UnsafeRawPointer
    private let maximumDepth: Int
    private let maximumNodes: Int
    private var tape: UnsafeMutablePointer<JSONNode>
    private var capacity: Int
    private var count = 0
    /// Made when the first large object asks for it.
    private var keys: JSONKeySet?

    static func parse(_ raw: UnsafeRawBufferPointer, limits: JSONLimits) -> Result<[JSONNode], JSONFault> {
        guard let base = raw.baseAddress, raw.count > 0 else { return .failure(JSONFault(.empty, at: 0)) }
        // Offsets and tape indices are 32 bits wide.
        guard raw.count < Int(UInt32.max) else { return .failure(JSONFault(.tooManyNodes, at: 0)) }
        var parser = JSONParser(base: base, count: raw.count, limits: limits)
        do throws(JSONFault) {
            try parser.run()
            return .success(parser.finishedTape())
        } catch {
            return .failure(error)
        }
    }

    private init(base: UnsafeRawPointer, count: Int, limits: JSONLimits) {
        self.base = base
        self.end = base + count
        self.maximumDepth = limits.maximumDepth
        self.maximumNodes = Swift.min(limits.maximumNodes, Int(UInt32.max) - 1)
        self.capacity = Swift.max(1, Swift.min(count / 12 + 8, 256, self.maximumNodes))
        self.tape = .allocate(capacity: capacity)
    }

    deinit { tape.deallocate() }

    private func finishedTape() -> [JSONNode] { Array(UnsafeBufferPointer(start: tape, count: count)) }

    // MARK: The grammar

    private mutating func run() throws(JSONFault) {
        var position = base
        var depth = 0
        /// The innermost open container's tape index plus one; 0: none.
        var open = 0
        var openIsObject = false

        while true {
            // A value stands here.
            position = skipWhitespace(position)
            guard position < end else { throw count == 0 ? fault(.empty, position) : fault(.syntax, position) }
            /// The value that was completed last, or -1 while a container has only been opened.
            var completed = -1
            switch byte(position) {
            case UInt8(ascii: "\""):
                var flags: UInt8 = 0
                let start = position + 1
                position = try endOfString(start, &flags)
                completed = count
                try push(JSONNode(.string, start: start - base, end: position - base, next: count &+ 1, flags: flags), start)
                position += 1
            case UInt8(ascii: "{"):
                depth &+= 1
                guard depth <= maximumDepth else { throw fault(.depth, position) }
                let index = count
                try push(JSONNode(.object, start: position - base, end: 0, next: open), position)
                open = index &+ 1
                openIsObject = true
                position = skipWhitespace(position + 1)
                if position < end, byte(position) != UInt8(ascii: "}") {
                    position = try readKey(position)
                    continue
                }
            case UInt8(ascii: "["):
                depth &+= 1
                guard depth <= maximumDepth else { throw fault(.depth, position) }
                let index = count
                try push(JSONNode(.array, start: position - base, end: 0, next: open), position)
                open = index &+ 1
                openIsObject = false
                position = skipWhitespace(position + 1)
                if position < end, byte(position) != UInt8(ascii: "]") { continue }
            case UInt8(ascii: "t"):
                completed = count
                position = try literal(0x6575_7274, 4, .true, position)
            case UInt8(ascii: "f"):
                completed = count
                position = try literal(0x0065_736C_6166, 5, .false, position)
            case UInt8(ascii: "n"):
                completed = count
                position = try literal(0x6C6C_756E, 4, .null, position)
            case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
                completed = count
                let start = position
                position = try endOfNumber(position)
                try push(JSONNode(.number, start: start - base, end: position - base, next: count &+ 1), start)
            default:
                throw fault(.syntax, position)
            }

            // Behind a value, or directly behind the bracket of an empty container.
            while true {
                guard open > 0 else {
                    position = skipWhitespace(position)
                    guard position == end else { throw fault(.trailingBytes, position) }
                    return
                }
                if completed >= 0, openIsObject { tape[completed &- 1].setNext(count) }
                position = skipWhitespace(position)
                guard position < end else { throw fault(.syntax, position) }
                let next = byte(position)
                if next == UInt8(ascii: ","), completed >= 0 {
                    position += 1
                    if openIsObject { position = try readKey(skipWhitespace(position)) }
                    break
                }
                guard next == (openIsObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) else { throw fault(.syntax, position) }
                position += 1
                let closed = open &- 1
                open = tape[closed].next
                tape[closed].close(end: position - base, next: count)
                if openIsObject { try checkKeys(of: closed) }
                openIsObject = open > 0 && tape[open &- 1].kind == .object
                depth &-= 1
                completed = closed
            }
        }
    }

    /// Reads a key and the colon behind it.
    @inline(__always)
    private mutating func readKey(_ at: UnsafeRawPointer) throws(JSONFault) -> UnsafeRawPointer {
        guard at < end, byte(at) == UInt8(ascii: "\"") else { throw fault(.syntax, at) }
        var flags: UInt8 = 0
        let start = at + 1
        var position = try endOfString(start, &flags)
        try push(JSONNode(.key, start: start - base, end: position - base, next: 0, flags: flags), start)
        position = skipWhitespace(position + 1)
        guard position < end, byte(position) == UInt8(ascii: ":") else { throw fault(.syntax, position) }
        return position + 1
    }

    @inline(__always)
    private mutating func literal(
        _ spelling: UInt64, _ length: Int, _ kind: JSONNode.Kind, _ at: UnsafeRawPointer
    ) throws(JSONFault) -> UnsafeRawPointer {
        guard end - at >= length else { throw fault(.syntax, at) }
        for offset in 0..<length where byte(at + offset) != UInt8(truncatingIfNeeded: spelling >> (UInt64(offset) &* 8)) {
            throw fault(.syntax, at + offset)
        }
        try push(JSONNode(kind, start: at - base, end: at - base + length, next: count &+ 1), at)
        return at + length
    }

    @inline(__always)
    private func endOfNumber(_ at: UnsafeRawPointer) throws(JSONFault) -> UnsafeRawPointer {
        var position = at
        if byte(position) == UInt8(ascii: "-") { position += 1 }
        guard position < end else { throw fault(.syntax, position) }
        if byte(position) == UInt8(ascii: "0") {
            position += 1
            if position < end, isDigit(position) { throw fault(.syntax, position) }
        } else {
            position = try endOfDigits(position)
        }
        if position < end, byte(position) == UInt8(ascii: ".") { position = try endOfDigits(position + 1) }
        if position < end, byte(position) | 0x20 == UInt8(ascii: "e") {
            position += 1
            if position < end, byte(position) == UInt8(ascii: "+") || byte(position) == UInt8(ascii: "-") { position += 1 }
            position = try endOfDigits(position)
        }
        return position
    }

    /// At least one digit.
    @inline(__always)
    private func endOfDigits(_ at: UnsafeRawPointer) throws(JSONFault) -> UnsafeRawPointer {
        var position = at
        while end - position >= 8 {
            let count = Bytes.digitCount(Bytes.word(position))
            position += count
            if count < 8 { break }
        }
        while position < end, isDigit(position) { position += 1 }
        guard position > at else { throw fault(.syntax, at) }
        return position
    }

    @inline(__always)
    private func isDigit(_ at: UnsafeRawPointer) -> Bool { byte(at) &- 0x30 < 10 }

    // MARK: Strings

    /// The closing quote of the string whose content starts at `start`.
    @inline(__always)
    private func endOfString(_ start: UnsafeRawPointer, _ flags: inout UInt8) throws(JSONFault) -> UnsafeRawPointer {
        var position = start
        while true {
            position = endOfPlainRun(position)
            guard position < end else { throw fault(.syntax, position) }
            let stop = byte(position)
            if stop == UInt8(ascii: "\"") { return position }
            position = try endOfSpecial(position, &flags)
        }
    }

    @inline(__always)
    private func endOfPlainRun(_ start: UnsafeRawPointer) -> UnsafeRawPointer {
        var position = start
        while end - position >= 16 {
            let low = Bytes.stringStops(Bytes.word(position))
            if low != 0 { return position + Bytes.first(low) }
            let high = Bytes.stringStops(Bytes.word(position + 8))
            if high != 0 { return position + 8 + Bytes.first(high) }
            position += 16
        }
        while position < end {
            let next = byte(position)
            if next < 0x20 || next >= 0x80 || next == UInt8(ascii: "\"") || next == UInt8(ascii: "\\") { break }
            position += 1
        }
        return position
    }

    /// Behind an escape sequence or a run of code points from U+0080 on.
    @inline(never)
    private func endOfSpecial(_ at: UnsafeRawPointer, _ flags: inout UInt8) throws(JSONFault) -> UnsafeRawPointer {
        let first = byte(at)
        if first >= 0x80 {
            flags |= JSONNode.nonASCIIFlag
            guard let next = UTF8Text.endOfNonASCII(from: at, to: end) else { throw fault(.invalidUTF8, at) }
            return next
        }
        guard first == UInt8(ascii: "\\"), at + 1 < end else { throw fault(.syntax, at) }
        flags |= JSONNode.escapesFlag
        switch byte(at + 1) {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"), UInt8(ascii: "n"),
            UInt8(ascii: "r"), UInt8(ascii: "t"):
            return at + 2
        case UInt8(ascii: "u"):
            let unit = try codeUnit(at)
            if unit >= 0x80 { flags |= JSONNode.nonASCIIFlag }
            guard unit & 0xF800 == 0xD800 else { return at + 6 }
            guard unit < 0xDC00, end - at >= 12, byte(at + 6) == UInt8(ascii: "\\"), byte(at + 7) == UInt8(ascii: "u") else {
                throw fault(.loneSurrogate, at)
            }
            guard try codeUnit(at + 6) & 0xFC00 == 0xDC00 else { throw fault(.loneSurrogate, at) }
            return at + 12
        default:
            throw fault(.syntax, at)
        }
    }

    private func codeUnit(_ at: UnsafeRawPointer) throws(JSONFault) -> UInt32 {
        guard end - at >= 6 else { throw fault(.syntax, at) }
        var unit: UInt32 = 0
        for offset in 2..<6 {
            let digit = Bytes.hexValue(byte(at + offset))
            guard digit < 16 else { throw fault(.syntax, at + offset) }
            unit = unit << 4 | UInt32(digit)
        }
        return unit
    }

    // MARK: Parts

    @inline(__always)
    private func byte(_ at: UnsafeRawPointer) -> UInt8 { at.load(as: UInt8.self) }

    @inline(__always)
    private func fault(_ reason: JSONFault.Reason, _ at: UnsafeRawPointer) -> JSONFault { JSONFault(reason, at: at - base) }

    @inline(__always)
    private func skipWhitespace(_ at: UnsafeRawPointer) -> UnsafeRawPointer {
        guard at < end, byte(at) <= 0x20 else { return at }
        return endOfWhitespace(at)
    }

    @inline(never)
    private func endOfWhitespace(_ start: UnsafeRawPointer) -> UnsafeRawPointer {
        var position = start
        while position < end {
            switch byte(position) {
            case 0x20, 0x0A, 0x0D, 0x09: position += 1
            default: return position
            }
            while end - position >= 8, Bytes.word(position) == Bytes.ones &* 0x20 { position += 8 }
        }
        return position
    }

    @inline(__always)
    private mutating func push(_ node: JSONNode, _ at: UnsafeRawPointer) throws(JSONFault) {
        if count == capacity { try grow(at) }
        (tape + count).initialize(to: node)
        count &+= 1
    }

    @inline(never)
    private mutating func grow(_ at: UnsafeRawPointer) throws(JSONFault) {
        guard count < maximumNodes else { throw fault(.tooManyNodes, at) }
        let larger = Swift.min(capacity * 2, maximumNodes)
        let moved = UnsafeMutablePointer<JSONNode>.allocate(capacity: larger)
        moved.moveInitialize(from: tape, count: count)
        tape.deallocate()
        tape = moved
        capacity = larger
    }

    // MARK: Duplicate keys

    /// Refuses two keys of one object that decode to the same text.
    @inline(__always)
    private mutating func checkKeys(of object: Int) throws(JSONFault) {
        let first = object &+ 1
        guard first < count, tape[first].next < count else { return }
        try checkSeveralKeys(first)
    }

    private mutating func checkSeveralKeys(_ first: Int) throws(JSONFault) {
        let duplicate = withUnsafeTemporaryAllocation(of: UInt64.self, capacity: JSONParser.few) { marks -> Int? in
            var members = 0
            var key = first
            while key < count {
                guard members < JSONParser.few, !tape[key].hasEscapes else { return -1 }
                let mark = mark(of: tape[key])
                for earlier in 0..<members where marks[earlier] == mark {
                    // Equal, or seldom enough not: the long way tells.
                    return -1
                }
                marks[members] = mark
                members &+= 1
                key = tape[key].next
            }
            return nil
        }
        guard duplicate != nil else { return }
        var set = keys ?? JSONKeySet()
        keys = nil
        let raw = UnsafeRawBufferPointer(start: base, count: end - base)
        let found = set.firstDuplicate(from: first, nodes: UnsafeBufferPointer(start: tape, count: count), in: raw)
        keys = set
        if let found { throw JSONFault(.duplicateKey, at: tape[found].start) }
    }

    private static let few = 24

    /// Equal for equal keys, and seldom for others: made of the length, the first and the last eight bytes.
    @inline(__always)
    private func mark(of key: JSONNode) -> UInt64 {
        let length = key.end &- key.start
        let start = base + key.start
        var word: UInt64 = 0
        if length >= 8 {
            word = Bytes.word(start) &* 0x9E37_79B9_7F4A_7C15 ^ Bytes.word(start + (length &- 8))
        } else if end - start >= 8 {
            word = Bytes.word(start) & ((1 << UInt64(length &* 8)) &- 1)
        } else {
            for offset in 0..<length { word |= UInt64(byte(start + offset)) << UInt64(offset &* 8) }
        }
        return word ^ UInt64(truncatingIfNeeded: length) << 56
    }
}
