/// An identifier's characters as the checks read them: upper-case ASCII, separators removed.
package typealias Characters = UnsafeBufferPointer<UInt8>

/// The published check-digit rules as pure functions: no allocation, no state. Each returns false for a wrong length or alphabet.
/// This file holds the rules that belong to no country; `Checksums+…` hold the national ones.
package enum Checksums {
    /// The digit at `index`, or -1.
    @inline(__always)
    static func digit(_ c: Characters, _ index: Int) -> Int {
        let byte = c[index]
        return byte >= 0x30 && byte <= 0x39 ? Int(byte) - 0x30 : -1
    }

    static func isLetter(_ byte: UInt8) -> Bool { byte >= 0x41 && byte <= 0x5A }

    static func isDigits(_ c: Characters, _ range: Range<Int>) -> Bool {
        for index in range where c[index] < 0x30 || c[index] > 0x39 { return false }
        return true
    }

    /// Reads decimal digits; nil when one is none.
    static func number(_ c: Characters, _ range: Range<Int>) -> Int? {
        var value = 0
        for index in range {
            let d = digit(c, index)
            if d < 0 || value > (Int.max - 9) / 10 { return nil }
            value = value * 10 + d
        }
        return value
    }

    /// Σ weight × digit over the first digits; nil when one is none.
    static func weighted(_ c: Characters, _ weights: [Int], from start: Int = 0) -> Int? {
        guard c.count >= start + weights.count else { return nil }
        var sum = 0
        for index in weights.indices {
            let d = digit(c, start + index)
            if d < 0 { return nil }
            sum += d * weights[index]
        }
        return sum
    }

    /// A day that exists, in a year of two or four digits (29 February is accepted in any year of two digits).
    static func isDate(year: Int, month: Int, day: Int) -> Bool {
        guard month >= 1, month <= 12, day >= 1 else { return false }
        let leap = year < 100 ? year % 4 == 0 : (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
        switch month {
        case 2: return day <= (leap ? 29 : 28)
        case 4, 6, 9, 11: return day <= 30
        default: return day <= 31
        }
    }

    /// The Luhn rule (ISO/IEC 7812-1 annex B) over any number of digits.
    package static func luhn(_ c: Characters) -> Bool {
        guard c.count > 1 else { return false }
        return luhnSum(c, 0..<c.count).map { $0 % 10 == 0 } ?? false
    }

    static func luhnSum(_ c: Characters, _ range: Range<Int>) -> Int? {
        var sum = 0
        var doubled = false
        for index in range.reversed() {
            var d = digit(c, index)
            if d < 0 { return nil }
            if doubled {
                d *= 2
                if d > 9 { d -= 9 }
            }
            sum += d
            doubled.toggle()
        }
        return sum
    }

    /// Remainder mod 97 of the characters read as one number, letters as 10 to 35 (ISO 7064).
    static func mod97(_ c: Characters, _ range: Range<Int>, from start: Int = 0) -> Int? {
        var value = start
        for index in range {
            let byte = c[index]
            if byte >= 0x30 && byte <= 0x39 {
                value = (value * 10 + Int(byte) - 0x30) % 97
            } else if isLetter(byte) {
                value = (value * 100 + Int(byte) - 0x41 + 10) % 97
            } else {
                return nil
            }
        }
        return value
    }

    /// Verhoeff's dihedral check, check digit last: finds every single-digit error and every adjacent swap.
    package static func verhoeff(_ c: Characters) -> Bool {
        guard c.count > 1 else { return false }
        var check = 0
        for position in 0..<c.count {
            let d = digit(c, c.count - 1 - position)
            if d < 0 { return false }
            check = dihedral(check, permuted(d, position))
        }
        return check == 0
    }

    private static func dihedral(_ a: Int, _ b: Int) -> Int {
        switch (a < 5, b < 5) {
        case (true, true): (a + b) % 5
        case (true, false): 5 + (a + b - 5) % 5
        case (false, true): 5 + (a - 5 - b + 5) % 5
        case (false, false): (a - b + 5) % 5
        }
    }

    private static func permuted(_ digit: Int, _ position: Int) -> Int {
        var value = digit
        for _ in 0..<(position % 8) {
            switch value {
            case 0: value = 1
            case 1: value = 5
            case 2: value = 7
            case 3: value = 6
            case 4: value = 2
            case 5: value = 8
            case 6: value = 3
            case 7: value = 0
            case 8: value = 9
            default: value = 4
            }
        }
        return value
    }

    /// ISO 7064 mod 11,10, check digit last.
    package static func mod11_10(_ c: Characters) -> Bool {
        guard c.count > 1 else { return false }
        var product = 10
        for index in 0..<c.count - 1 {
            let d = digit(c, index)
            if d < 0 { return false }
            var sum = (d + product) % 10
            if sum == 0 { sum = 10 }
            product = sum * 2 % 11
        }
        return digit(c, c.count - 1) == (11 - product) % 10
    }

    /// IBAN (ISO 13616): known country, its length, mod 97 = 1.
    package static func iban(_ c: Characters) -> Bool {
        guard c.count >= 15, c.count <= 34, isLetter(c[0]), isLetter(c[1]), isDigits(c, 2..<4) else { return false }
        let country = UInt16(c[0]) << 8 | UInt16(c[1])
        guard ibanLength(country) == c.count, let front = mod97(c, 4..<c.count), let whole = mod97(c, 0..<4, from: front) else {
            return false
        }
        return whole == 1
    }

    /// The registered length for a country's two letters; 0 for none.
    static func ibanLength(_ country: UInt16) -> Int {
        for (length, codes) in ibanCountries {
            var index = codes.startIndex
            while index + 1 < codes.endIndex {
                if UInt16(codes[index]) << 8 | UInt16(codes[index + 1]) == country { return length }
                index += 2
            }
        }
        return 0
    }

    private static let ibanCountries: [(Int, [UInt8])] = [
        (15, "NO"), (16, "BE"), (18, "DKFIFKFOGLNLSD"), (19, "MKSI"), (20, "ATBAEEKZLTLUXKMN"), (21, "CHHRLILV"),
        (22, "BGBHCRDEGBGEIEMERSVA"), (23, "AEILIQTLGIOMSO"), (24, "ADCZESMDPKROSASESKTNVG"), (25, "LYPTST"),
        (26, "ISTR"), (27, "BIDJFRGRITMCMRSM"), (26, "DZ"), (28, "ALAZBYCYDOGTHNHULBNIPLSV"), (29, "BREGPSQAUA"), (30, "JOKWMUYE"),
        (31, "MTSC"), (32, "LC"), (33, "RU"),
    ].map { ($0.0, Array($0.1.utf8)) }

    /// LEI (ISO 17442): 20 characters, mod 97 = 1.
    package static func lei(_ c: Characters) -> Bool {
        c.count == 20 && isDigits(c, 18..<20) && mod97(c, 0..<20) == 1
    }

    /// ISIN (ISO 6166): two letters, nine characters, a digit; letters to numbers, then Luhn.
    package static func isin(_ c: Characters) -> Bool {
        guard c.count == 12, isLetter(c[0]), isLetter(c[1]), digit(c, 11) >= 0 else { return false }
        var sum = 0
        var doubled = false
        func add(_ value: Int) {
            let d = doubled ? (value > 4 ? value * 2 - 9 : value * 2) : value
            sum += d
            doubled.toggle()
        }
        for index in (0..<12).reversed() {
            let byte = c[index]
            if isLetter(byte) {
                let value = Int(byte) - 0x41 + 10
                add(value % 10)
                add(value / 10)
            } else {
                let d = digit(c, index)
                if d < 0 { return false }
                add(d)
            }
        }
        return sum % 10 == 0
    }

    /// The ICAO 9303 check digit (weights 7 3 1, `<` = 0) over a range; nil for a character that may not stand there.
    package static func icaoDigit(_ c: Characters, _ range: Range<Int>) -> Int? {
        var sum = 0
        for (position, index) in range.enumerated() {
            let byte = c[index]
            let value: Int
            if byte >= 0x30 && byte <= 0x39 {
                value = Int(byte) - 0x30
            } else if isLetter(byte) {
                value = Int(byte) - 0x41 + 10
            } else if byte == 0x3C {
                value = 0
            } else {
                return nil
            }
            sum += value * (position % 3 == 0 ? 7 : position % 3 == 1 ? 3 : 1)
        }
        return sum % 10
    }

    /// VIN (ISO 3779 with the check digit of 49 CFR 565): 17 characters without I, O, Q; the ninth is the check.
    package static func vin(_ c: Characters) -> Bool {
        guard c.count == 17 else { return false }
        var sum = 0
        for index in 0..<17 {
            guard let value = vinValue(c[index]) else { return false }
            sum += value * vinWeights[index]
        }
        let check = sum % 11
        return c[8] == (check == 10 ? 0x58 : UInt8(0x30 + check))
    }

    private static let vinWeights = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2]

    static func vinValue(_ byte: UInt8) -> Int? {
        switch byte {
        case 0x30...0x39: Int(byte) - 0x30
        case 0x41...0x48: Int(byte) - 0x40  // A-H: 1-8
        case 0x4A...0x4E: Int(byte) - 0x49  // J-N: 1-5
        case 0x50: 7
        case 0x52: 9
        case 0x53...0x5A: Int(byte) - 0x51  // S-Z: 2-9
        default: nil
        }
    }

    /// IMEI: 15 digits, Luhn, no all-zero type allocation.
    package static func imei(_ c: Characters) -> Bool {
        c.count == 15 && luhn(c) && number(c, 0..<8) != 0
    }

    /// A payment card: an issuer's prefix with a length that it uses, and Luhn.
    package static func card(_ c: Characters) -> Bool {
        cardIssuer(c) != nil && luhn(c)
    }

    /// The issuer by prefix and length (ISO/IEC 7812 ranges as published by the networks), without the check digit.
    package static func cardIssuer(_ c: Characters) -> String? {
        guard c.count >= 12, c.count <= 19, let first4 = number(c, 0..<4), let first6 = number(c, 0..<6) else { return nil }
        let first2 = first4 / 100
        let first3 = first4 / 10
        let count = c.count
        switch first4 {
        case 4000...4999: return count == 16 || count == 13 || count == 19 ? "visa" : nil
        case 5100...5599, 2221...2720: return count == 16 ? "mastercard" : nil
        case 3528...3589: return count >= 16 ? "jcb" : nil
        case 1800, 2131: return count == 15 ? "jcb" : nil
        default: break
        }
        if first2 == 34 || first2 == 37 { return count == 15 ? "amex" : nil }
        if (first3 >= 300 && first3 <= 305) || first4 == 3095 || first2 == 36 || first2 == 38 || first2 == 39 {
            return count == 14 || (count >= 16 && first2 != 39) ? "diners" : nil
        }
        if first4 == 6011 || first2 == 65 || (first3 >= 644 && first3 <= 649) || (first6 >= 622126 && first6 <= 622925) {
            return count == 16 || count == 19 ? "discover" : nil
        }
        if first2 == 62 || first2 == 81 { return count >= 16 ? "unionpay" : nil }
        if first4 >= 2200 && first4 <= 2204 { return count >= 16 ? "mir" : nil }
        if first4 == 9792 { return count == 16 ? "troy" : nil }
        if first2 == 60 && (first4 == 6521 || first3 == 608) { return count == 16 ? "rupay" : nil }
        if first2 == 50 || (first2 >= 56 && first2 <= 58) || first2 == 60 || first2 == 61 || first2 == 63 || first2 == 66
            || first2 == 67 || first2 == 68 || first2 == 69
        {
            return "maestro"
        }
        return nil
    }
}
