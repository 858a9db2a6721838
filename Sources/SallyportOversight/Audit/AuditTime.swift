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
        let day = milliseconds.floorDivided(by: 86_400_000)
        let rest = Int(milliseconds - day * 86_400_000)
        // Days to a Gregorian date, counted from 1 March of the year 0 in eras of 400 years (H. Hinnant's civil_from_days).
        let shifted = day + 719_468
        let era = shifted.floorDivided(by: 146_097)
        let dayOfEra = Int(shifted - era * 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let dayOfMonth = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        let year = yearOfEra + Int(era) * 400 + (month <= 2 ? 1 : 0)
        func put(_ value: Int, _ width: Int, at position: Int, then separator: Unicode.Scalar) {
            var value = value
            for digit in stride(from: position + width - 1, through: position, by: -1) {
                text[digit] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value % 10)
                value /= 10
            }
            text[position + width] = UInt8(ascii: separator)
        }
        put(year, 4, at: 0, then: "-")
        put(month, 2, at: 5, then: "-")
        put(dayOfMonth, 2, at: 8, then: "T")
        put(rest / 3_600_000, 2, at: 11, then: ":")
        put(rest / 60_000 % 60, 2, at: 14, then: ":")
        put(rest / 1000 % 60, 2, at: 17, then: ".")
        put(rest % 1000, 3, at: 20, then: "Z")
    }
}

extension Int64 {
    fileprivate func floorDivided(by divisor: Int64) -> Int64 { self >= 0 ? self / divisor : -((-self + divisor - 1) / divisor) }
}
