/// The values of number spellings that the parser accepted.
enum JSONNumber {
    /// The value when it is exactly an integer within `Int`.
    static func integer(_ spelling: UnsafeRawBufferPointer) -> Int? {
        var offset = 0
        let isNegative = spelling.first == 0x2D
        if isNegative { offset = 1 }
        var digits: UInt64 = 0
        var overflow = false
        /// How far the point stands to the left of the last digit taken.
        var scale = 0
        /// Zeros seen but not yet multiplied in, so that `1000e-3` and `1.000` stay exact.
        var zeros = 0
        var isFraction = false
        var exponent = 0
        while offset < spelling.count {
            let byte = spelling[offset]
            if byte == 0x2E {
                isFraction = true
            } else if byte | 0x20 == 0x65 {
                guard let value = exponentValue(spelling, from: offset + 1) else { return digits == 0 && !overflow ? 0 : nil }
                exponent = value
                break
            } else {
                if isFraction { scale += 1 }
                if byte == 0x30 {
                    zeros += 1
                } else {
                    for _ in 0..<(digits == 0 ? 0 : Swift.min(zeros, 21)) {
                        let (product, didOverflow) = digits.multipliedReportingOverflow(by: 10)
                        if didOverflow { overflow = true }
                        digits = product
                    }
                    zeros = 0
                    let (product, first) = digits.multipliedReportingOverflow(by: 10)
                    let (sum, second) = product.addingReportingOverflow(UInt64(byte - 0x30))
                    if first || second { overflow = true }
                    digits = sum
                }
            }
            offset += 1
        }
        if overflow { return nil }
        if digits == 0 { return 0 }
        var power = exponent + zeros - scale
        guard power >= 0, power <= 19 else { return nil }
        while power > 0 {
            let (product, didOverflow) = digits.multipliedReportingOverflow(by: 10)
            if didOverflow { return nil }
            digits = product
            power -= 1
        }
        if isNegative { return digits <= UInt64(Int.max) + 1 ? Int(truncatingIfNeeded: 0 &- digits) : nil }
        return Int(exactly: digits)
    }

    /// nil when it does not fit a small number.
    private static func exponentValue(_ spelling: UnsafeRawBufferPointer, from start: Int) -> Int? {
        var offset = start
        var isNegative = false
        if spelling[offset] == 0x2D || spelling[offset] == 0x2B {
            isNegative = spelling[offset] == 0x2D
            offset += 1
        }
        var value = 0
        while offset < spelling.count {
            value = value * 10 + Int(spelling[offset] - 0x30)
            if value > 1_000_000_000 { return nil }
            offset += 1
        }
        return isNegative ? -value : value
    }

    /// The nearest double; nil when it is beyond the largest.
    static func double(_ spelling: UnsafeRawBufferPointer) -> Double? {
        if let small = simple(spelling) { return small }
        guard let value = Double(Substring(decoding: spelling, as: UTF8.self)), value.isFinite else { return nil }
        return value
    }

    /// Spellings of up to 15 digits without an exponent: one correctly rounded division of two exact doubles.
    private static func simple(_ spelling: UnsafeRawBufferPointer) -> Double? {
        guard spelling.count <= 17 else { return nil }
        var digits: UInt64 = 0
        var count = 0
        var scale = -1
        var isNegative = false
        for (offset, byte) in spelling.enumerated() {
            switch byte {
            case 0x2D where offset == 0: isNegative = true
            case 0x2E: scale = 0
            case 0x30...0x39:
                digits = digits * 10 + UInt64(byte - 0x30)
                count += 1
                if scale >= 0 { scale += 1 }
            default: return nil
            }
        }
        guard count <= 15 else { return nil }
        var divisor = 1.0
        for _ in 0..<Swift.max(scale, 0) { divisor *= 10 }
        let value = Double(digits) / divisor
        return isNegative ? -value : value
    }
}
