/// National identifiers of the Americas, Asia, Africa and the Pacific.
extension Checksums {
    // MARK: United States and Canada

    /// Social security number: no check digit, but areas, groups and serials that are never given out.
    package static func ssn(_ c: Characters) -> Bool {
        guard c.count == 9, let area = number(c, 0..<3), let group = number(c, 3..<5), let serial = number(c, 5..<9) else { return false }
        return area != 0 && area != 666 && area < 900 && group != 0 && serial != 0
    }

    /// Individual taxpayer identification number.
    package static func itin(_ c: Characters) -> Bool {
        guard c.count == 9, c[0] == 0x39, isDigits(c, 0..<9), let group = number(c, 3..<5) else { return false }
        return (50...65).contains(group) || (70...88).contains(group) || (90...92).contains(group) || (94...99).contains(group)
    }

    /// ABA routing number: weights 3 7 1, and a Federal Reserve prefix.
    package static func abaRouting(_ c: Characters) -> Bool {
        guard c.count == 9, let sum = weighted(c, [3, 7, 1, 3, 7, 1, 3, 7, 1]), let prefix = number(c, 0..<2) else { return false }
        return sum % 10 == 0 && number(c, 0..<9) != 0
            && (prefix <= 12 || (21...32).contains(prefix) || (61...72).contains(prefix) || prefix == 80)
    }

    /// National provider identifier: Luhn over 80840 and the number, which adds 24.
    package static func npi(_ c: Characters) -> Bool {
        guard c.count == 10, c[0] == 0x31 || c[0] == 0x32, let sum = luhnSum(c, 0..<10) else { return false }
        return (sum + 24) % 10 == 0
    }

    /// DEA registration: two letters and seven digits.
    package static func dea(_ c: Characters) -> Bool {
        guard c.count == 9, "ABCDEFGHJKLMPRSTUX".utf8.contains(c[0]), isLetter(c[1]) || c[1] == 0x39, isDigits(c, 2..<9) else {
            return false
        }
        let sum = digit(c, 2) + digit(c, 4) + digit(c, 6) + 2 * (digit(c, 3) + digit(c, 5) + digit(c, 7))
        return sum % 10 == digit(c, 8)
    }

    /// Medicare beneficiary identifier: no check digit, a fixed pattern without S, L, O, I, B, Z.
    package static func mbi(_ c: Characters) -> Bool {
        guard c.count == 11, c[0] >= 0x31, c[0] <= 0x39 else { return false }
        func letter(_ index: Int) -> Bool { isLetter(c[index]) && !"SLOIBZ".utf8.contains(c[index]) }
        func number(_ index: Int) -> Bool { digit(c, index) >= 0 }
        return letter(1) && (letter(2) || number(2)) && number(3) && letter(4) && (letter(5) || number(5)) && number(6) && letter(7)
            && letter(8) && number(9) && number(10)
    }

    /// Canadian social insurance number: Luhn, never beginning with 8.
    package static func sin(_ c: Characters) -> Bool {
        c.count == 9 && c[0] != 0x38 && luhn(c)
    }

    // MARK: Latin America

    /// Brazilian CPF: two mod-11 digits.
    package static func cpf(_ c: Characters) -> Bool {
        guard c.count == 11, let first = weighted(c, [10, 9, 8, 7, 6, 5, 4, 3, 2]),
            let second = weighted(c, [11, 10, 9, 8, 7, 6, 5, 4, 3, 2])
        else { return false }
        return first * 10 % 11 % 10 == digit(c, 9) && second * 10 % 11 % 10 == digit(c, 10)
    }

    /// Brazilian CNPJ, alphanumeric since July 2026: a character counts as its ASCII code less 48.
    package static func cnpj(_ c: Characters) -> Bool {
        guard c.count == 14, isDigits(c, 12..<14) else { return false }
        func check(_ count: Int) -> Int? {
            var sum = 0
            for index in 0..<count {
                let byte = c[index]
                guard isLetter(byte) || digit(c, index) >= 0 else { return nil }
                sum += (Int(byte) - 48) * ((count - 1 - index) % 8 + 2)
            }
            let rest = sum % 11
            return rest < 2 ? 0 : 11 - rest
        }
        return check(12) == digit(c, 12) && check(13) == digit(c, 13)
    }

    /// Argentine CUIT/CUIL: a known type and a mod-11 digit.
    package static func cuit(_ c: Characters) -> Bool {
        guard c.count == 11, let sum = weighted(c, [5, 4, 3, 2, 7, 6, 5, 4, 3, 2]), let type = number(c, 0..<2),
            [20, 23, 24, 25, 26, 27, 30, 33, 34].contains(type)
        else { return false }
        // Where ten would come out, the type is changed and nine is given.
        let check = (11 - sum % 11) % 11
        return min(check, 9) == digit(c, 10)
    }

    /// Chilean RUT of eight or nine characters: mod 11, K for ten.
    package static func rut(_ c: Characters) -> Bool {
        guard c.count == 8 || c.count == 9 else { return false }
        var sum = 0
        for index in 0..<c.count - 1 {
            let d = digit(c, c.count - 2 - index)
            if d < 0 { return false }
            sum += d * (index % 6 + 2)
        }
        let check = 11 - sum % 11
        let last = c[c.count - 1]
        return check == 10 ? last == 0x4B : Int(last) - 0x30 == check % 11
    }

    // MARK: Asia

    /// Aadhaar: Verhoeff, first digit 2 to 9.
    package static func aadhaar(_ c: Characters) -> Bool { c.count == 12 && c[0] >= 0x32 && verhoeff(c) }

    /// Indian PAN: no public check; the fourth letter names the kind of holder.
    package static func pan(_ c: Characters) -> Bool {
        guard c.count == 10, isDigits(c, 5..<9), isLetter(c[9]), "ABCFGHLJPTK".utf8.contains(c[3]) else { return false }
        for index in 0..<5 where !isLetter(c[index]) { return false }
        return number(c, 5..<9) != 0
    }

    /// Chinese resident identity number: ISO 7064 mod 11-2 and a date.
    package static func chineseIdentity(_ c: Characters) -> Bool {
        guard c.count == 18, let sum = weighted(c, [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]), let year = number(c, 6..<10),
            let month = number(c, 10..<12), let day = number(c, 12..<14), (1800...2199).contains(year), c[0] != 0x30
        else { return false }
        return Array("10X98765432".utf8)[sum % 11] == c[17] && isDate(year: year, month: month, day: day)
    }

    /// Korean resident registration number: a date and a century digit; the check is not certain since 2020.
    package static func koreanResident(_ c: Characters) -> Bool {
        guard c.count == 13, isDigits(c, 0..<13), let year = number(c, 0..<2), let month = number(c, 2..<4), let day = number(c, 4..<6)
        else { return false }
        return isDate(year: year, month: month, day: day) && c[6] >= 0x31 && c[6] <= 0x38
    }

    /// Japanese My Number of a person.
    package static func myNumber(_ c: Characters) -> Bool {
        guard c.count == 12, let sum = weighted(c, [6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) else { return false }
        let rest = sum % 11
        return (rest <= 1 ? 0 : 11 - rest) == digit(c, 11)
    }

    /// Hong Kong identity card: one or two letters, six digits, a check of 0-9 or A.
    package static func hongKongIdentity(_ c: Characters) -> Bool {
        guard c.count == 8 || c.count == 9, isLetter(c[0]) else { return false }
        let two = c.count == 9
        if two { guard isLetter(c[1]) else { return false } }
        var sum = two ? (Int(c[0]) - 55) * 9 + (Int(c[1]) - 55) * 8 : 36 * 9 + (Int(c[0]) - 55) * 8
        let start = two ? 2 : 1
        for index in 0..<6 {
            let d = digit(c, start + index)
            if d < 0 { return false }
            sum += d * (7 - index)
        }
        let check = (11 - sum % 11) % 11
        return c[c.count - 1] == (check == 10 ? 0x41 : UInt8(0x30 + check))
    }

    /// Singapore NRIC and FIN.
    package static func nric(_ c: Characters) -> Bool {
        guard c.count == 9, let base = weighted(c, [2, 7, 6, 5, 4, 3, 2], from: 1) else { return false }
        let rest: Int
        let letters: [UInt8]
        switch c[0] {
        case 0x53: (rest, letters) = (base % 11, Array("JZIHGFEDCBA".utf8))
        case 0x54: (rest, letters) = ((base + 4) % 11, Array("JZIHGFEDCBA".utf8))
        case 0x46: (rest, letters) = (base % 11, Array("XWUTRQPNMLK".utf8))
        case 0x47: (rest, letters) = ((base + 4) % 11, Array("XWUTRQPNMLK".utf8))
        case 0x4D: (rest, letters) = (10 - (base + 3) % 11, Array("KLJNPQRTUWX".utf8))
        default: return false
        }
        return c[8] == letters[rest]
    }

    /// Taiwanese national identity number: a letter, 1 or 2, eight digits.
    package static func taiwaneseIdentity(_ c: Characters) -> Bool {
        guard c.count == 10, isLetter(c[0]), c[1] == 0x31 || c[1] == 0x32, isDigits(c, 1..<10) else { return false }
        let values = [10, 11, 12, 13, 14, 15, 16, 17, 34, 18, 19, 20, 21, 22, 35, 23, 24, 25, 26, 27, 28, 29, 32, 30, 31, 33]
        let letter = values[Int(c[0]) - 0x41]
        var sum = letter / 10 + letter % 10 * 9
        for index in 1..<9 { sum += digit(c, index) * (9 - index) }
        return (sum + digit(c, 9)) % 10 == 0
    }

    /// Thai identity number.
    package static func thaiIdentity(_ c: Characters) -> Bool {
        guard c.count == 13, c[0] != 0x30, let sum = weighted(c, [13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2]) else { return false }
        return (11 - sum % 11) % 10 == digit(c, 12)
    }

    /// Malaysian identity card: a date and a place of birth; no check digit.
    package static func malaysianIdentity(_ c: Characters) -> Bool {
        guard c.count == 12, isDigits(c, 0..<12), let year = number(c, 0..<2), let month = number(c, 2..<4), let day = number(c, 4..<6),
            let place = number(c, 6..<8)
        else { return false }
        return isDate(year: year, month: month, day: day) && place != 0 && place != 17 && place != 18 && place != 19 && place != 20
    }

    /// Israeli identity number: nine digits, Luhn from the left.
    package static func israeliIdentity(_ c: Characters) -> Bool { c.count == 9 && luhn(c) && number(c, 0..<9) != 0 }

    // MARK: Africa and the Pacific

    /// South African identity number: a date, a citizenship digit, Luhn.
    package static func southAfricanIdentity(_ c: Characters) -> Bool {
        guard c.count == 13, luhn(c), let year = number(c, 0..<2), let month = number(c, 2..<4), let day = number(c, 4..<6) else {
            return false
        }
        return isDate(year: year, month: month, day: day) && c[10] <= 0x32
    }

    /// Australian tax file number of nine digits.
    package static func tfn(_ c: Characters) -> Bool {
        guard c.count == 9, let sum = weighted(c, [1, 4, 3, 7, 5, 8, 6, 9, 10]), sum > 0 else { return false }
        return sum % 11 == 0
    }

    /// Australian business number: one off the first digit, mod 89.
    package static func abn(_ c: Characters) -> Bool {
        guard c.count == 11, let sum = weighted(c, [10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]), c[0] != 0x30 else { return false }
        return (sum - 10) % 89 == 0
    }

    /// Australian company number.
    package static func acn(_ c: Characters) -> Bool {
        guard c.count == 9, let sum = weighted(c, [8, 7, 6, 5, 4, 3, 2, 1]), sum > 0 else { return false }
        return (10 - sum % 10) % 10 == digit(c, 8)
    }

    /// Australian Medicare card of ten digits, the ninth is the check; an eleventh is the person on it.
    package static func medicare(_ c: Characters) -> Bool {
        guard c.count == 10 || c.count == 11, c[0] >= 0x32, c[0] <= 0x36, let sum = weighted(c, [1, 3, 7, 9, 1, 3, 7, 9]),
            isDigits(c, 8..<c.count)
        else { return false }
        return sum % 10 == digit(c, 8)
    }

    /// New Zealand inland revenue number of eight or nine digits: two-step mod 11.
    package static func ird(_ c: Characters) -> Bool {
        guard c.count == 8 || c.count == 9, let value = number(c, 0..<c.count), (10_000_000...150_000_000).contains(value) else {
            return false
        }
        func check(_ weights: [Int]) -> Int {
            var rest = value / 10
            var sum = 0
            for weight in weights.reversed() {
                sum += rest % 10 * weight
                rest /= 10
            }
            return (11 - sum % 11) % 11
        }
        var digitWanted = check([3, 2, 7, 6, 5, 4, 3, 2])
        if digitWanted == 10 { digitWanted = check([7, 4, 3, 2, 5, 2, 7, 6]) }
        return digitWanted != 10 && digitWanted == value % 10
    }
}
