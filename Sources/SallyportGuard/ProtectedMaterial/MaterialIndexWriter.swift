import Glibc

/// Writes an index anew from the one before, streaming: memory holds what is added, never what is there.
package enum MaterialIndexWriter {
    /// A work to be added.
    package struct Work: Sendable {
        package let kind: MaterialKind
        package let name: String
        package let licence: String
        package let url: String
        /// Valid UTF-8.
        package let content: [UInt8]
        package init(kind: MaterialKind, name: String, licence: String, url: String, content: [UInt8]) {
            self.kind = kind
            self.name = name
            self.licence = licence
            self.url = url
            self.content = content
        }
    }

    /// What became of a change.
    package struct Result: Sendable {
        package var added: [MaterialSource] = []
        /// Works that are shorter than the shortest copy that is found.
        package var tooShort: [String] = []
        package var fingerprints = 0
    }

    /// Adds and removes works, and puts the new index in the old one's place. A reader of the old one is not disturbed. Blocks; two
    /// writers at a time are kept apart.
    package static func change(path: String, adding works: [Work], removing: Set<UInt32> = []) throws -> Result {
        let lock = try FileLock(path + ".lock")
        defer { lock.unlock() }
        let before = access(path, F_OK) == 0 ? try MaterialIndex(path: path) : nil
        var result = Result()
        var entries: [Entry] = []
        var nextID = before?.nextID ?? 1
        for work in works {
            let tokens = work.content.withUnsafeBytes { MaterialTokens($0, as: work.kind) }
            let rule = Winnowing.of(work.kind)
            guard tokens.count >= rule.leastTokens else {
                result.tooShort.append(work.name)
                continue
            }
            let source = MaterialSource(
                id: nextID, kind: work.kind, name: clipped(work.name), licence: clipped(work.licence), url: clipped(work.url))
            guard nextID < .max else { throw MaterialError(path: path, reason: "holds as many sources as it may") }
            nextID += 1
            result.added.append(source)
            for hash in Set(rule.fingerprints(of: tokens.hashes, as: work.kind)) { entries.append(Entry(hash: hash, owner: source.id)) }
        }
        entries.sort()
        let output = try Output(path + ".new")
        do {
            result.fingerprints = try write(entries, before, result.added, removing, nextID: nextID, to: output)
            try output.finish()
        } catch {
            output.abandon()
            throw error
        }
        guard rename(path + ".new", path) == 0 else { throw MaterialError(path: path, reason: "cannot be replaced (errno \(errno))") }
        return result
    }

    private struct Entry: Comparable {
        let hash: UInt64
        let owner: UInt32
        static func < (a: Entry, b: Entry) -> Bool { (a.hash, a.owner) < (b.hash, b.owner) }
    }

    private static func clipped(_ text: String) -> String { String(decoding: text.utf8.prefix(2048), as: UTF8.self) }

    private static func write(
        _ entries: [Entry], _ before: MaterialIndex?, _ added: [MaterialSource], _ removing: Set<UInt32>, nextID: UInt32, to output: Output
    ) throws -> Int {
        try output.skip(MaterialLayout.fingerprints)
        var buckets = [UInt32](repeating: 0, count: MaterialLayout.buckets + 1)
        var count = 0
        var last: UInt64 = 0
        var owners = 0
        func put(_ entry: Entry) throws {
            owners = count > 0 && entry.hash == last ? owners + 1 : 1
            last = entry.hash
            guard owners <= MaterialLayout.mostOwners else { return }
            guard count < UInt32.max else { throw MaterialError(path: output.path, reason: "would hold too many fingerprints") }
            try output.put(entry.hash)
            try output.put(entry.owner)
            buckets[Int(entry.hash >> 48) + 1] += 1
            count += 1
        }
        var next = 0
        for position in 0..<(before?.fingerprintCount ?? 0) {
            guard let before else { break }
            let old = Entry(hash: before.hash(at: position), owner: before.owner(at: position))
            while next < entries.count, entries[next] < old {
                try put(entries[next])
                next += 1
            }
            if !removing.contains(old.owner) { try put(old) }
        }
        for entry in entries[next...] { try put(entry) }
        for bucket in 1...MaterialLayout.buckets { buckets[bucket] += buckets[bucket - 1] }

        let table = output.offset
        let kept = (0..<(before?.sourceCount ?? 0)).filter { before?.source(at: $0).map { !removing.contains($0.id) } ?? false }
        var place = table + (kept.count + added.count) * MaterialLayout.sourceSize
        let sources = { (body: (MaterialSource) throws -> Void) throws in
            for position in kept { if let source = before?.source(at: position) { try body(source) } }
            for source in added { try body(source) }
        }
        try sources { source in
            try output.put(source.id)
            try output.put(UInt64(place))
            place += 1 + [source.name, source.licence, source.url].reduce(0) { $0 + 2 + $1.utf8.count }
        }
        try sources { source in
            try output.put(source.kind.rawValue)
            for text in [source.name, source.licence, source.url] {
                try output.put(UInt16(text.utf8.count))
                for byte in text.utf8 { try output.put(byte) }
            }
        }
        try output.rewind()
        for byte in MaterialLayout.magic { try output.put(byte) }
        try output.put(UInt64(count))
        try output.put(UInt64(kept.count + added.count))
        try output.put(UInt64(table))
        try output.put(nextID)
        try output.skip(MaterialLayout.directory - output.offset)
        for bucket in buckets { try output.put(bucket) }
        return count
    }

    /// A file written through a buffer of fixed size.
    private final class Output {
        let path: String
        private(set) var offset = 0
        private var descriptor: CInt
        private var buffer: [UInt8] = []

        init(_ path: String) throws {
            self.path = path
            descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
            guard descriptor >= 0 else { throw MaterialError(path: path, reason: "cannot be written (errno \(errno))") }
            buffer.reserveCapacity(1 << 20)
        }

        func put<T: FixedWidthInteger>(_ number: T) throws {
            withUnsafeBytes(of: number.littleEndian) { buffer.append(contentsOf: $0) }
            offset += MemoryLayout<T>.size
            if buffer.count >= 1 << 20 { try flush() }
        }

        func skip(_ count: Int) throws { for _ in 0..<count { try put(0 as UInt8) } }

        func rewind() throws {
            try flush()
            guard lseek(descriptor, 0, SEEK_SET) == 0 else { throw failure() }
            offset = 0
        }

        func finish() throws {
            try flush()
            guard fsync(descriptor) == 0 else { throw failure() }
            close(descriptor)
            descriptor = -1
        }

        func abandon() {
            if descriptor >= 0 { close(descriptor) }
            unlink(path)
        }

        private func flush() throws {
            var written = 0
            while written < buffer.count {
                let count = buffer.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress.map { $0 + written }, $0.count - written) }
                guard count > 0 else {
                    if count < 0, errno == EINTR { continue }
                    throw failure()
                }
                written += count
            }
            buffer.removeAll(keepingCapacity: true)
        }

        private func failure() -> MaterialError { MaterialError(path: path, reason: "cannot be written (errno \(errno))") }
    }

    private struct FileLock {
        private let descriptor: CInt

        init(_ path: String) throws {
            descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
            guard descriptor >= 0, flock(descriptor, LOCK_EX) == 0 else {
                throw MaterialError(path: path, reason: "cannot be locked (errno \(errno))")
            }
        }

        func unlock() { close(descriptor) }
    }
}
