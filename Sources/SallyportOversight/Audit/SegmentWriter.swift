#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The segment that records are added to. Space ahead of the end is filled with zero bytes and synchronised beforehand: committing into
/// it changes no metadata, which makes fdatasync about half as long (measured on ext4: 90 µs against 210 µs).
final class SegmentWriter {
    /// Space that is reserved at once when none is left.
    static let reservation = 1 << 20
    /// Space that is reserved at a time while nothing else is to do.
    static let idleReservation = 1 << 18

    let firstIndex: UInt64
    private let file: OpenFile
    /// Where the next record goes.
    private(set) var end: Int
    /// Up to here the file holds zero bytes after `end`.
    private var reserved: Int

    /// Opens or makes a segment. What stands after `end` is cut off.
    init(_ layout: AuditLayout, firstIndex: UInt64, end: Int, disk: DiskPort) throws {
        self.firstIndex = firstIndex
        self.end = end
        reserved = end
        let path = layout.segment(firstIndex)
        let isNew = !Directory.exists(path)
        file = try OpenFile(path, O_RDWR | O_CREAT, disk: disk)
        if try file.size() != end {
            guard try file.size() > end else { throw AuditError.damaged("segment \(firstIndex) is shorter than it was") }
            try file.truncate(to: end)
        }
        if isNew { try Directory.synchronize(layout.segments, disk: disk) }
    }

    func write(_ bytes: UnsafeRawBufferPointer, reserving: Bool) throws {
        if reserving && end + bytes.count > reserved { try reserve(max(Self.reservation, bytes.count)) }
        try file.write(bytes, at: end)
        end += bytes.count
    }

    func synchronize() throws { try file.synchronize() }

    /// Reserves a little more when less than two reservations are left.
    /// - Returns: false when there was nothing to do.
    func reserveWhileIdle(limit: Int) throws -> Bool {
        guard reserved - end < 2 * Self.reservation, reserved < limit else { return false }
        try reserve(Self.idleReservation)
        return true
    }

    /// Written and not only allocated: ext4 keeps allocated space as "unwritten", and turning it into written needs the journal.
    func reserve(_ count: Int) throws {
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: min(count, Self.idleReservation), alignment: 4096)
        defer { piece.deallocate() }
        piece.initializeMemory(as: UInt8.self, repeating: 0)
        var left = count
        while left > 0 {
            let part = min(left, piece.count)
            try file.write(UnsafeRawBufferPointer(rebasing: piece[..<part]), at: reserved)
            reserved += part
            left -= part
        }
        try file.synchronize()
    }

    /// Gives the reserved space back. Unless `reserve` is called, nothing should be written afterwards.
    func seal() throws {
        reserved = end
        try file.truncate(to: end)
        try file.synchronize()
    }
}
