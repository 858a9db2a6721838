#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The file of all checkpoints that were kept: notes one after the other, oldest first.
enum CheckpointHistory {
    private static let maximumLine = 4096

    /// Adds a checkpoint and makes it durable.
    /// - Returns: the file's new end.
    static func append(_ checkpoint: SignedCheckpoint, at end: Int, _ layout: AuditLayout, disk: DiskPort) throws -> Int {
        let bytes = Array(checkpoint.encoded.utf8)
        let file = try OpenFile(layout.history, O_WRONLY | O_CREAT, disk: disk)
        try bytes.withUnsafeBytes { try file.write($0, at: end) }
        try file.synchronize()
        return end + bytes.count
    }

    /// Cuts off a checkpoint that a crash left half written at the end.
    /// - Returns: the file's end, and the last checkpoint if it can be read.
    static func repairTail(_ layout: AuditLayout, disk: DiskPort) throws -> (end: Int, last: SignedCheckpoint?) {
        let file = try OpenFile(layout.history, O_RDWR | O_CREAT, disk: disk)
        let size = try file.size()
        // A note takes a few hundred bytes: the last whole one begins well within this.
        let start = max(0, size - 4 * maximumLine)
        var tail = [UInt8](repeating: 0, count: size - start)
        let count = try tail.withUnsafeMutableBytes { try file.read(into: $0, at: start) }
        tail.removeLast(tail.count - count)
        // A signature line is the last of its note.
        let mark = Array(SignedNote.signaturePrefix.utf8)
        var (note, end, line) = (0..<0, 0, 0)
        for position in tail.indices where tail[position] == 0x0A {
            if tail[line...position].starts(with: mark) {
                note = end..<(position + 1)
                end = position + 1
            }
            line = position + 1
        }
        let last = try? SignedCheckpoint(parsing: String(decoding: tail[note], as: UTF8.self))
        guard start + end < size, end > 0 || start == 0 else { return (size, last) }
        try file.truncate(to: start + end)
        try file.synchronize()
        return (start + end, last)
    }

    /// Reads the notes in constant memory. `body` gets each with its number, from 1; an error for one that cannot be read.
    /// - Parameter upTo: bytes of the file to look at: what is added meanwhile is left out.
    static func forEach(
        _ layout: AuditLayout, upTo size: Int, _ body: (_ number: Int, Result<SignedCheckpoint, any Error>) throws -> Void
    ) throws {
        var reader: LineReader
        do {
            reader = try LineReader(layout.history, limit: maximumLine)
        } catch let error as SystemError where error.isMissingFile {
            return
        }
        var number = 0
        var note = ""
        while reader.offset < size, let line = try reader.next() {
            let text = String(decoding: line, as: UTF8.self)
            note += text + "\n"
            guard text.hasPrefix(SignedNote.signaturePrefix) || note.utf8.count > 4 * maximumLine else { continue }
            number += 1
            try body(number, Result { try SignedCheckpoint(parsing: note) })
            note = ""
        }
        if !note.isEmpty || (reader.end != nil && reader.end != .complete) {
            try body(number + 1, .failure(AuditError.malformed("the last checkpoint of the history is not whole")))
        }
    }
}
