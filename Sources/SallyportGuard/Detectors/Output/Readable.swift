/// Tells text that says something from identifiers, hashes and noise, also behind base64, base32 or hexadecimal.
enum Readable {
    /// Valid UTF-8 without control characters, mostly letters and spaces.
    static func isText(_ bytes: [UInt8]) -> Bool {
        guard bytes.count >= 12, let text = String(validating: bytes, as: UTF8.self) else { return false }
        var letters = 0
        var total = 0
        for scalar in text.unicodeScalars {
            total += 1
            if scalar.value < 0x20, scalar != "\n", scalar != "\t", scalar != "\r" { return false }
            if (0x7F...0x9F).contains(scalar.value) || scalar.value >= 0xE000 && scalar.value < 0xF900 { return false }
            if scalar == " " || (scalar.value < 0x80 ? UInt8(scalar.value).isASCIIAlphanumeric : scalar.properties.isAlphabetic) {
                letters += 1
            }
        }
        return letters * 10 >= total * 6
    }

    /// Runs of at least two letters or digits.
    static func words(_ bytes: [UInt8]) -> Int {
        bytes.split { !($0.isASCIIAlphanumeric || $0 >= 0x80) }.count { $0.count >= 2 }
    }

    /// Letters, digits and the signs of base64 only, as evenly spread as noise.
    static func isOpaque(_ bytes: [UInt8]) -> Bool {
        guard bytes.allSatisfy({ $0.isASCIIAlphanumeric || "+/=-_".utf8.contains($0) }) else { return false }
        var seen = [Bool](repeating: false, count: 128)
        var digits = 0
        var changes = 0
        for (index, byte) in bytes.enumerated() {
            seen[Int(byte)] = true
            if byte.isASCIIDigit { digits += 1 }
            if index > 0, kind(byte) != kind(bytes[index - 1]) { changes += 1 }
        }
        // Words change kind seldom; encoded bytes do at nearly every other place.
        return digits > 0 && changes * 4 >= bytes.count && seen.count { $0 } >= 10
    }

    private static func kind(_ byte: UInt8) -> Int {
        switch byte {
        case 0x30...0x39: 0
        case 0x41...0x5A: 1
        case 0x61...0x7A: 2
        default: 3
        }
    }

    /// The text behind base64 or hexadecimal; nil when there is none.
    static func decoded(_ value: [UInt8]) -> [UInt8]? {
        if let bytes = hexadecimal(value), isText(bytes) { return bytes }
        if let bytes = base64(value), isText(bytes) { return bytes }
        return nil
    }

    /// The same for a host name's label, which has no case: base32 or hexadecimal, or base64 of a client that kept the case.
    static func decodedLabel(_ value: [UInt8]) -> [UInt8]? {
        if let bytes = hexadecimal(value), isText(bytes) { return bytes }
        if let bytes = base32(value), isText(bytes) { return bytes }
        return nil
    }

    private static func hexadecimal(_ value: [UInt8]) -> [UInt8]? {
        guard value.count.isMultiple(of: 2), value.count >= 24 else { return nil }
        var result: [UInt8] = []
        result.reserveCapacity(value.count / 2)
        for index in stride(from: 0, to: value.count, by: 2) {
            guard let high = ASCII.hexValue(value[index]), let low = ASCII.hexValue(value[index + 1]) else { return nil }
            result.append(high << 4 | low)
        }
        return result
    }

    private static func base64(_ value: [UInt8]) -> [UInt8]? {
        bits(value, each: 6) { byte in
            switch byte {
            case 0x41...0x5A: byte - 0x41
            case 0x61...0x7A: byte - 0x47
            case 0x30...0x39: byte + 4
            case UInt8(ascii: "+"), UInt8(ascii: "-"): 62
            case UInt8(ascii: "/"), UInt8(ascii: "_"): 63
            default: nil
            }
        }
    }

    private static func base32(_ value: [UInt8]) -> [UInt8]? {
        bits(value, each: 5) { byte in
            switch byte {
            case 0x41...0x5A: byte - 0x41
            case 0x61...0x7A: byte - 0x61
            case 0x32...0x37: byte - 0x18
            default: nil
            }
        }
    }

    private static func bits(_ value: [UInt8], each: UInt32, digit: (UInt8) -> UInt8?) -> [UInt8]? {
        var result: [UInt8] = []
        result.reserveCapacity(value.count)
        var held: UInt32 = 0
        var count: UInt32 = 0
        var end = value.count
        while end > 0, value[end - 1] == UInt8(ascii: "=") { end -= 1 }
        for byte in value[..<end] {
            guard let digit = digit(byte) else { return nil }
            held = held << each | UInt32(digit)
            count += each
            if count >= 8 {
                count -= 8
                result.append(UInt8(truncatingIfNeeded: held >> count))
                held &= (1 << count) - 1
            }
        }
        return result
    }
}
