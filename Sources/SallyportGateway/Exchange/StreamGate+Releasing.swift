import NIOCore
import SallyportCore
import SallyportGuard
import SallyportWire

/// What leaves the gate.
extension StreamGate {
    mutating func release() -> [ByteBuffer] {
        var out: [ByteBuffer] = []
        while head < queue.count {
            let held = queue[head]
            if !held.isDropped && !isAsynchronous && !isClear(held) { break }
            // What has gone is let go of: each event holds on to all that was read together with it.
            queue[head] = StreamGate.gone
            head += 1
            waitingBytes -= held.event.raw.readableBytes
            if held.isDropped { continue }
            let bytes = held.own ?? StreamGate.bytes(of: held.event, edits: held.allEdits())
            if held.isLast { final.append(bytes) } else { out.append(bytes) }
        }
        if head == queue.count {
            queue.removeAll(keepingCapacity: head <= 16)
            head = 0
        } else if head > 64 && head * 2 > queue.count {
            queue.removeFirst(head)
            head = 0
        }
        return out
    }

    private static let gone = HeldEvent(event: SSEEvent(raw: ByteBuffer()))

    /// The event as it came, but for the edited ranges of its data.
    static func bytes(of event: SSEEvent, edits: JSONEdits) -> ByteBuffer {
        guard !edits.isEmpty, let data = event.data else { return event.raw }
        let edited = edits.apply(to: data)
        var bytes = ByteBufferAllocator().buffer(capacity: event.raw.readableBytes + edited.readableBytes)
        if let offset = event.dataOffset {
            if let before = event.raw.getSlice(at: event.raw.readerIndex, length: offset) { bytes.writeImmutableBuffer(before) }
            bytes.writeImmutableBuffer(edited)
            let end = offset + data.readableBytes
            if let after = event.raw.getSlice(at: event.raw.readerIndex + end, length: event.raw.readableBytes - end) {
                bytes.writeImmutableBuffer(after)
            }
        } else {
            if let name = event.name {
                bytes.writeStaticString("event: ")
                bytes.writeImmutableBuffer(name)
                bytes.writeStaticString("\n")
            }
            bytes.writeStaticString("data: ")
            bytes.writeImmutableBuffer(edited)
            bytes.writeStaticString("\n\n")
        }
        return bytes
    }
}
