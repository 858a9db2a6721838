import NIOCore

/// One server-sent event, as received and as read.
package struct SSEEvent: Sendable {
    /// Every byte as it was received: all lines, comments too, with their ends and the blank line.
    package var raw: ByteBuffer
    /// The `data:` lines joined by line feeds; nil when there was none. A single one is a slice of `raw`.
    package var data: ByteBuffer?
    /// Where `data` stands in `raw` (from its reader index) when there is exactly one `data:` line, so that edits of it fit into `raw`.
    package var dataOffset: Int?
    /// The value of the last `event:` line.
    package var name: ByteBuffer?

    package init(raw: ByteBuffer, data: ByteBuffer? = nil, dataOffset: Int? = nil, name: ByteBuffer? = nil) {
        self.raw = raw
        self.data = data
        self.dataOffset = dataOffset
        self.name = name
    }
}

/// Why a stream of events cannot be read on.
package enum SSEFault: Error, Sendable, Equatable {
    /// An event is longer than the limit; also when its end has not arrived yet.
    case eventTooLarge(limit: Int)
}

/// Splits a byte stream into server-sent events without losing a byte: the events' `raw` put together is the input.
///
/// Lines end with LF, CRLF or CR, mixed as they come. In a stream that has shown CRLF, an event that ends with a CR waits for its LF;
/// otherwise it is delivered at once, and an LF that follows after all begins the next event's `raw`.
package struct SSEParser: Sendable {
    private let maximumEventBytes: Int
    /// Unread bytes; begins with the event that is not finished yet.
    private var buffer = ByteBuffer()
    /// How far `buffer` has been searched for the event's end, from its reader index.
    private var scanned = 0
    /// No byte of the current line has been seen.
    private var atLineStart = true
    /// The byte before `scanned` was a CR, whose LF may follow.
    private var afterCR = false
    /// That CR ended a blank line, so the event ends with the LF that must follow.
    private var awaitsFinalLF = false
    private var hasSeenCRLF = false
    private var isFirstEvent = true

    package init(maximumEventBytes: Int) {
        self.maximumEventBytes = maximumEventBytes
    }

    /// Bytes that belong to an event whose end has not been seen.
    package var pendingBytes: Int { buffer.readableBytes }

    package mutating func append(_ chunk: ByteBuffer) {
        guard chunk.readableBytes > 0 else { return }
        guard buffer.readableBytes > 0 else {
            buffer = chunk
            return
        }
        // Events handed out share the storage, so that writing behind them would copy all of it.
        if buffer.writableBytes < chunk.readableBytes {
            var joined = ByteBufferAllocator().buffer(capacity: (buffer.readableBytes + chunk.readableBytes) * 2)
            joined.writeImmutableBuffer(buffer)
            buffer = joined
        }
        buffer.writeImmutableBuffer(chunk)
    }

    /// The next whole event, or nil until more bytes arrive.
    package mutating func next() throws(SSEFault) -> SSEEvent? {
        let length = endOfEvent()
        guard length ?? buffer.readableBytes <= maximumEventBytes else { throw .eventTooLarge(limit: maximumEventBytes) }
        guard let length else { return nil }
        return take(length)
    }

    /// What is left at the end of the stream, as an event without its blank line; nil when nothing is. Call after ``next()`` gave nil.
    package mutating func finish() throws(SSEFault) -> SSEEvent? {
        guard buffer.readableBytes <= maximumEventBytes else { throw .eventTooLarge(limit: maximumEventBytes) }
        guard buffer.readableBytes > 0 else { return nil }
        return take(buffer.readableBytes)
    }

    private mutating func take(_ length: Int) -> SSEEvent? {
        guard let raw = buffer.readSlice(length: length) else { return nil }
        scanned = 0
        atLineStart = true
        awaitsFinalLF = false
        let event = SSEParser.read(raw, isFirst: isFirstEvent)
        isFirstEvent = false
        return event
    }

    /// The length of the first event in `buffer`, once its blank line is there.
    private mutating func endOfEvent() -> Int? {
        var scanned = self.scanned
        var atLineStart = self.atLineStart
        var afterCR = self.afterCR
        let skipsMark = isFirstEvent
        var seenCRLF = hasSeenCRLF
        var awaits = awaitsFinalLF
        let length: Int? = buffer.withUnsafeReadableBytes { bytes in
            // A byte order mark is no text: a blank line behind it is blank.
            if skipsMark, scanned < 3, !SSEParser.passMark(bytes, &scanned) { return nil }
            while scanned < bytes.count {
                if afterCR {
                    afterCR = false
                    if bytes[scanned] == 0x0A {
                        scanned += 1
                        seenCRLF = true
                        if awaits { return scanned }
                        continue
                    }
                    // The blank line ended with a bare CR after all.
                    if awaits { return scanned }
                }
                let stop = Bytes.firstIndex(of: 0x0A, or: 0x0D, in: bytes, from: scanned)
                if stop > scanned { atLineStart = false }
                scanned = stop
                guard stop < bytes.count else { return nil }
                scanned += 1
                let isBlank = atLineStart
                atLineStart = true
                guard bytes[stop] == 0x0D else {
                    if isBlank { return scanned }
                    continue
                }
                if scanned < bytes.count, bytes[scanned] == 0x0A {
                    scanned += 1
                    seenCRLF = true
                    if isBlank { return scanned }
                    continue
                }
                afterCR = true
                guard isBlank else { continue }
                if scanned < bytes.count || !seenCRLF { return scanned }
                awaits = true
            }
            return nil
        }
        self.scanned = scanned
        self.atLineStart = atLineStart
        self.afterCR = afterCR
        self.awaitsFinalLF = awaits
        self.hasSeenCRLF = seenCRLF
        return length
    }

    /// Moves behind a leading byte order mark; false while it cannot be told yet whether there is one.
    private static func passMark(_ bytes: UnsafeRawBufferPointer, _ scanned: inout Int) -> Bool {
        let mark: (UInt8, UInt8, UInt8) = (0xEF, 0xBB, 0xBF)
        guard scanned == 0, bytes.count > 0, bytes[0] == mark.0 else { return true }
        guard bytes.count > 1 else { return false }
        guard bytes[1] == mark.1 else { return true }
        guard bytes.count > 2 else { return false }
        if bytes[2] == mark.2 { scanned = 3 }
        return true
    }

    /// Reads the fields of a whole event.
    private static func read(_ raw: ByteBuffer, isFirst: Bool) -> SSEEvent {
        var event = SSEEvent(raw: raw)
        var dataRanges = 0
        var data: Range<Int> = 0..<0
        var joined: ByteBuffer?
        var name: Range<Int>?
        raw.withUnsafeReadableBytes { bytes in
            var line = 0
            if isFirst { _ = passMark(bytes, &line) }
            while line < bytes.count {
                let end = Bytes.firstIndex(of: 0x0A, or: 0x0D, in: bytes, from: line)
                if let value = value(of: "data", in: bytes, line: line, end: end) {
                    if dataRanges == 0 {
                        data = value
                    } else {
                        if joined == nil {
                            var first = ByteBufferAllocator().buffer(capacity: bytes.count)
                            first.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[data]))
                            joined = first
                        }
                        joined?.writeInteger(0x0A as UInt8)
                        joined?.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[value]))
                    }
                    dataRanges += 1
                } else if let value = value(of: "event", in: bytes, line: line, end: end) {
                    name = value
                }
                line = end + 1
            }
        }
        if dataRanges == 1 {
            event.data = raw.getSlice(at: raw.readerIndex + data.lowerBound, length: data.count)
            event.dataOffset = data.lowerBound
        } else {
            event.data = joined
        }
        if let name { event.name = raw.getSlice(at: raw.readerIndex + name.lowerBound, length: name.count) }
        return event
    }

    /// The value of a line with this field name, one leading space removed; nil for another field.
    private static func value(of field: StaticString, in bytes: UnsafeRawBufferPointer, line: Int, end: Int) -> Range<Int>? {
        let count = field.utf8CodeUnitCount
        guard end - line >= count else { return nil }
        let isField = field.withUTF8Buffer { name in
            for index in 0..<count where bytes[line + index] != name[index] { return false }
            return true
        }
        guard isField else { return nil }
        guard end > line + count else { return end..<end }
        guard bytes[line + count] == 0x3A else { return nil }
        var start = line + count + 1
        if start < end, bytes[start] == 0x20 { start += 1 }
        return start..<end
    }
}
