import NIOCore

/// Readings of a whole text that keep its length.
enum Respelling {
    static func rot13(_ text: UnsafeRawBufferPointer) -> ByteBuffer {
        filled(text.count) { out in
            guard let from = text.baseAddress, let to = out.baseAddress else { return }
            var offset = 0
            while offset + 16 <= text.count {
                let x = from.loadUnaligned(fromByteOffset: offset, as: SIMD16<UInt8>.self)
                let letter = (x | 0x20) &- 0x61
                let up = unsafeBitCast(letter.below(13), to: SIMD16<UInt8>.self) & 13
                let down = unsafeBitCast(letter.below(26) .& letter.atLeast(13), to: SIMD16<UInt8>.self) & 13
                to.storeBytes(of: x &+ up &- down, toByteOffset: offset, as: SIMD16<UInt8>.self)
                offset += 16
            }
            while offset < text.count {
                to.storeBytes(of: rot13(text[offset]), toByteOffset: offset, as: UInt8.self)
                offset += 1
            }
        }
    }

    @inline(__always)
    static func rot13(_ byte: UInt8) -> UInt8 {
        let letter = (byte | 0x20) &- 0x61
        return letter < 13 ? byte &+ 13 : letter < 26 ? byte &- 13 : byte
    }

    /// By code point, so that it stays UTF-8.
    static func reversed(_ text: UnsafeRawBufferPointer) -> ByteBuffer {
        filled(text.count) { out in
            guard let from = text.baseAddress, let to = out.baseAddress else { return }
            var left = text.count
            var offset = 0
            while left > 0 {
                if left >= 8 {
                    let word = from.loadUnaligned(fromByteOffset: left - 8, as: UInt64.self)
                    if word & 0x8080_8080_8080_8080 == 0 {
                        to.storeBytes(of: word.byteSwapped, toByteOffset: offset, as: UInt64.self)
                        left -= 8
                        offset += 8
                        continue
                    }
                }
                let start = text.start(before: left) ?? 0
                for i in start..<left { to.storeBytes(of: text[i], toByteOffset: offset + i - start, as: UInt8.self) }
                offset += left - start
                left = start
            }
        }
    }

    private static func filled(_ count: Int, _ body: (UnsafeMutableRawBufferPointer) -> Void) -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: count)
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count) {
            body(UnsafeMutableRawBufferPointer(rebasing: $0[0..<count]))
            return count
        }
        return buffer
    }
}
