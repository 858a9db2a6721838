/// Fingerprints of protected works, looked up in a mapped file. Immutable: a change is another file in its place.
package struct MaterialIndex: Sendable {
    /// A part of a text that stands in a protected work too.
    package struct Match: Sendable, Hashable {
        package let source: MaterialSource
        /// Bytes of the text.
        package let range: Range<Int>
        /// How many tokens of the text are covered by runs that the work has too.
        package let tokens: Int
    }

    package let path: String
    package let fingerprintCount: Int
    package let sourceCount: Int
    let nextID: UInt32
    let file: MappedFile
    private let table: Int

    /// - Throws: ``MaterialError`` for what is not a whole index of this version.
    package init(path: String) throws {
        self.path = path
        file = try MappedFile(path)
        let bytes = file.bytes
        func wrong(_ reason: String) -> MaterialError { MaterialError(path: path, reason: reason) }
        guard bytes.count >= MaterialLayout.fingerprints, bytes.prefix(8).elementsEqual(MaterialLayout.magic) else {
            throw wrong("is not an index of protected material of this version")
        }
        guard let count = Int(exactly: bytes.number(UInt64.self, at: 8)), let sources = Int(exactly: bytes.number(UInt64.self, at: 16)),
            let table = Int(exactly: bytes.number(UInt64.self, at: 24)), count <= bytes.count / MaterialLayout.fingerprintSize,
            table == MaterialLayout.fingerprints + count * MaterialLayout.fingerprintSize,
            sources <= (bytes.count - table) / MaterialLayout.sourceSize,
            bytes.number(UInt32.self, at: MaterialLayout.directory + MaterialLayout.buckets * 4) == UInt32(truncatingIfNeeded: count)
        else { throw wrong("is damaged: its sizes do not agree") }
        fingerprintCount = count
        sourceCount = sources
        nextID = bytes.number(UInt32.self, at: 32)
        self.table = table
    }

    // MARK: Sources

    /// The source at a position of the table, in ascending order of ids; nil for a damaged entry.
    package func source(at position: Int) -> MaterialSource? {
        let bytes = file.bytes
        let entry = table + position * MaterialLayout.sourceSize
        guard position < sourceCount, let start = Int(exactly: bytes.number(UInt64.self, at: entry + 4)), start >= table,
            start < bytes.count,
            let kind = MaterialKind(rawValue: bytes[start])
        else { return nil }
        var offset = start + 1
        var texts: [String] = []
        for _ in 0..<3 {
            guard offset + 2 <= bytes.count else { return nil }
            let length = Int(bytes.number(UInt16.self, at: offset))
            guard offset + 2 + length <= bytes.count else { return nil }
            texts.append(String(decoding: bytes[(offset + 2)..<(offset + 2 + length)], as: UTF8.self))
            offset += 2 + length
        }
        return MaterialSource(id: bytes.number(UInt32.self, at: entry), kind: kind, name: texts[0], licence: texts[1], url: texts[2])
    }

    package func source(_ id: UInt32) -> MaterialSource? {
        var low = 0
        var high = sourceCount
        while low < high {
            let middle = (low + high) / 2
            if file.bytes.number(UInt32.self, at: table + middle * MaterialLayout.sourceSize) < id {
                low = middle + 1
            } else {
                high = middle
            }
        }
        guard let source = source(at: low), source.id == id else { return nil }
        return source
    }

    // MARK: Looking up

    func forEachOwner(of hash: UInt64, _ body: (UInt32) -> Void) {
        let bytes = file.bytes
        let bucket = MaterialLayout.directory + Int(hash >> 48) * 4
        var low = Int(bytes.number(UInt32.self, at: bucket))
        var high = min(Int(bytes.number(UInt32.self, at: bucket + 4)), fingerprintCount)
        let end = high
        while low < high {
            let middle = (low + high) / 2
            if self.hash(at: middle) < hash { low = middle + 1 } else { high = middle }
        }
        while low < end, self.hash(at: low) == hash {
            body(owner(at: low))
            low += 1
        }
    }

    func hash(at position: Int) -> UInt64 {
        file.bytes.number(UInt64.self, at: MaterialLayout.fingerprints + position * MaterialLayout.fingerprintSize)
    }

    func owner(at position: Int) -> UInt32 {
        file.bytes.number(UInt32.self, at: MaterialLayout.fingerprints + position * MaterialLayout.fingerprintSize + 8)
    }

    /// - Parameter bytes: valid UTF-8.
    /// - Returns: the longest copy of each work, longest first; at most `limit`.
    package func matches(in bytes: UnsafeRawBufferPointer, as kind: MaterialKind, limit: Int = 16) -> [Match] {
        let rule = Winnowing.of(kind)
        let tokens = MaterialTokens(bytes, as: kind)
        guard tokens.count >= rule.leastTokens, fingerprintCount > 0 else { return [] }
        var copies: [UInt32: Copy] = [:]
        for (first, hash) in rule.runs(of: tokens.hashes, as: kind).enumerated() {
            forEachOwner(of: hash) { copies[$0, default: Copy()].add(first..<(first + rule.length), gap: 2 * rule.length) }
        }
        return copies.compactMap { id, copy -> Match? in
            let longest = copy.longest
            guard longest.covered >= rule.leastTokens, let source = source(id), source.kind == kind else { return nil }
            let range = tokens.ranges[longest.tokens.lowerBound].lowerBound..<tokens.ranges[longest.tokens.upperBound - 1].upperBound
            return Match(source: source, range: range, tokens: longest.covered)
        }.sorted { ($1.tokens, $0.source.id) < ($0.tokens, $1.source.id) }.prefix(limit).map { $0 }
    }

    /// Runs that a text and a work share, put together where they overlap or nearly touch: a changed word does not end a copy.
    private struct Copy {
        struct Stretch {
            var tokens = 0..<0
            var covered = 0
        }
        private var open = Stretch()
        private var best = Stretch()

        var longest: Stretch { open.covered > best.covered ? open : best }

        mutating func add(_ run: Range<Int>, gap: Int) {
            if open.covered == 0 || run.lowerBound > open.tokens.upperBound + gap {
                best = longest
                open = Stretch(tokens: run, covered: run.count)
                return
            }
            open.covered += run.upperBound - max(run.lowerBound, open.tokens.upperBound)
            open.tokens = open.tokens.lowerBound..<run.upperBound
        }
    }
}
