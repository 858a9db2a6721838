#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Reads a file line by line in constant memory. A zero byte ends the content: what follows is space reserved for later records.
struct LineReader: ~Copyable {
    enum End {
        /// The file ends after a line.
        case complete
        /// The file ends within a line.
        case unfinished
        /// A zero byte was met; `residue` bytes of a line stand before it.
        case padding
        /// A line is longer than the limit.
        case oversized
    }

    private let file: OpenFile
    private let limit: Int
    private var buffer: UnsafeMutableRawBufferPointer
    private var unread = 0..<0
    /// Where the next line begins in the file.
    private(set) var offset: Int
    /// Why there is no next line.
    private(set) var end: End?
    /// Bytes of a broken line at the end.
    private(set) var residue = 0

    /// - Parameter limit: the longest line, in bytes.
    init(_ path: String, from offset: Int = 0, limit: Int) throws {
        file = try OpenFile(path, O_RDONLY)
        self.limit = limit
        self.offset = offset
        buffer = .allocate(byteCount: min(limit + 1, 1 << 18), alignment: 16)
    }

    deinit { buffer.deallocate() }

    /// The next line without its newline, valid until the next call; nil at the end.
    mutating func next() throws -> UnsafeRawBufferPointer? {
        var searched = 0
        while end == nil {
            let window = UnsafeRawBufferPointer(rebasing: buffer[unread])
            if let length = Self.position(of: 0x0A, in: window, from: searched) {
                let line = UnsafeRawBufferPointer(rebasing: window[..<length])
                if let zero = Self.position(of: 0, in: line, from: 0) { return finish(.padding, residue: zero) }
                unread = (unread.lowerBound + length + 1)..<unread.upperBound
                offset += length + 1
                return line
            }
            if let zero = Self.position(of: 0, in: window, from: searched) { return finish(.padding, residue: zero) }
            searched = window.count
            if searched > limit { return finish(.oversized, residue: searched) }
            if try !fill() { return finish(searched == 0 ? .complete : .unfinished, residue: searched) }
        }
        return nil
    }

    /// Forgets what was read ahead and the end that was met, so that `next` looks at the file again.
    mutating func lookAgain() {
        unread = 0..<0
        end = nil
        residue = 0
    }

    /// True when nothing but zero bytes follows the end of the content.
    mutating func isPaddingClean() throws -> Bool {
        var position = offset + residue
        while true {
            let count = try file.read(into: buffer, at: position)
            if count == 0 { return true }
            if !buffer[..<count].allSatisfy({ $0 == 0 }) { return false }
            position += count
        }
    }

    private mutating func finish(_ end: End, residue: Int) -> UnsafeRawBufferPointer? {
        self.end = end
        self.residue = residue
        return nil
    }

    /// - Returns: false at the end of the file.
    private mutating func fill() throws -> Bool {
        if unread.lowerBound > 0 {
            let rest = UnsafeRawBufferPointer(rebasing: buffer[unread])
            buffer.copyMemory(from: rest)
            unread = 0..<rest.count
        }
        if unread.count == buffer.count {
            let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: min(buffer.count * 2, limit + 1), alignment: 16)
            larger.copyMemory(from: UnsafeRawBufferPointer(rebasing: buffer[unread]))
            buffer.deallocate()
            buffer = larger
        }
        let count = try file.read(into: .init(rebasing: buffer[unread.upperBound...]), at: offset + unread.count)
        unread = 0..<(unread.count + count)
        return count > 0
    }

    /// Where a byte first stands at or after `start`.
    static func position(of byte: UInt8, in bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
        guard start < bytes.count, let base = bytes.baseAddress, let found = memchr(base + start, Int32(byte), bytes.count - start) else {
            return nil
        }
        return UnsafeRawPointer(found) - base
    }
}
