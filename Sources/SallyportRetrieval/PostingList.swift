/// The chunks that hold a term, ascending, each with how often. The first stands in place: most words stand in one chunk only. Each further
/// one takes two bytes or so.
struct PostingList: Sendable {
    private let firstChunk: UInt32
    private var last: UInt32
    private(set) var count: Int32 = 1
    private let firstFrequency: UInt8
    private var rest: [UInt8] = []

    init(chunk: UInt32, frequency: UInt8) {
        firstChunk = chunk
        last = chunk
        firstFrequency = frequency
    }

    /// - Parameter chunk: higher than all before.
    mutating func append(chunk: UInt32, frequency: UInt8) {
        var value = UInt64(chunk - last) << 1 | (frequency == 1 ? 0 : 1)
        repeat {
            let low = UInt8(truncatingIfNeeded: value & 0x7F)
            value >>= 7
            rest.append(value == 0 ? low : low | 0x80)
        } while value != 0
        if frequency != 1 { rest.append(frequency) }
        last = chunk
        count += 1
    }

    @inline(__always)
    func forEach(_ body: (_ chunk: Int, _ frequency: Int) -> Void) {
        body(Int(firstChunk), Int(firstFrequency))
        guard !rest.isEmpty else { return }
        rest.withUnsafeBufferPointer { bytes in
            var chunk = UInt64(firstChunk)
            var index = 0
            while index < bytes.count {
                var value: UInt64 = 0
                var shift: UInt64 = 0
                var byte: UInt8
                repeat {
                    byte = bytes[index]
                    index += 1
                    value |= UInt64(byte & 0x7F) << shift
                    shift += 7
                } while byte & 0x80 != 0
                chunk += value >> 1
                var frequency = 1
                if value & 1 == 1 {
                    frequency = Int(bytes[index])
                    index += 1
                }
                body(Int(chunk), frequency)
            }
        }
    }
}
