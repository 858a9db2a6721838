import SallyportCore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A time of the wall clock in milliseconds, spelled as records spell it: `2026-11-24T10:00:00.000Z`.
package struct AuditTime: Sendable, Hashable, Comparable, CustomStringConvertible {
    package let millisecondsSince1970: Int64
    package init(millisecondsSince1970: Int64) { self.millisecondsSince1970 = millisecondsSince1970 }

    package static func now() -> AuditTime {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return AuditTime(millisecondsSince1970: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }

    package static func < (a: AuditTime, b: AuditTime) -> Bool { a.millisecondsSince1970 < b.millisecondsSince1970 }

    package var description: String {
        String(unsafeUninitializedCapacity: Self.width) { text in
            write(into: text)
            return Self.width
        }
    }

    /// Bytes of the spelling.
    static let width = 24

    /// Fills 24 bytes, for the years 0 to 9999.
    func write(into text: UnsafeMutableBufferPointer<UInt8>) {
        // Clamped: one fixed width, whatever a caller's clock says.
        let milliseconds = max(-62_167_219_200_000, min(253_402_300_799_999, millisecondsSince1970))
        let fraction = Int((milliseconds % 1000 + 1000) % 1000)
        let date = CivilDate(secondsSince1970: (milliseconds - Int64(fraction)) / 1000)
        let second = date.secondOfDay
        func put(_ value: Int, _ width: Int, at position: Int, then separator: Unicode.Scalar) {
            var value = value
            for digit in stride(from: position + width - 1, through: position, by: -1) {
                text[digit] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value % 10)
                value /= 10
            }
            text[position + width] = UInt8(ascii: separator)
        }
        put(date.year, 4, at: 0, then: "-")
        put(date.monthNumber, 2, at: 5, then: "-")
        put(date.dayOfMonth, 2, at: 8, then: "T")
        put(second / 3600, 2, at: 11, then: ":")
        put(second / 60 % 60, 2, at: 14, then: ":")
        put(second % 60, 2, at: 17, then: ".")
        put(fraction, 3, at: 20, then: "Z")
    }
}
