/// European national identifiers.
extension Checksums {
    // MARK: Poland

    /// PESEL: ten weighted digits, a check digit, and a birth date with the century in the month.
    package static func pesel(_ c: Characters) -> Bool {
        guard c.count == 11, let sum = weighted(c, [1, 3, 7, 9, 1, 3, 7, 9, 1, 3]), (10 - sum % 10) % 10 == digit(c, 10),
            let year = number(c, 0..<2), let month = number(c, 2..<4), let day = number(c, 4..<6)
        else { return false }
        let centuries = [1900, 2000, 2100, 2200, 1800]
        return isDate(year: centuries[min(4, month / 20)] + year, month: month % 20, day: day)
    }

    /// NIP, the tax number.
    package static func nip(_ c: Characters) -> Bool {
        guard c.count == 10, let sum = weighted(c, [6, 5, 7, 2, 3, 4, 5, 6, 7]), c[0] != 0x30 else { return false }
        return sum % 11 == digit(c, 9)
    }

    /// REGON of 9 digits, or of 14 that begin with a valid one of 9.
    package static func regon(_ c: Characters) -> Bool {
        guard c.count == 9 || c.count == 14, let sum = weighted(c, [8, 9, 2, 3, 4, 5, 6, 7]), sum % 11 % 10 == digit(c, 8) else {
            return false
        }
        if c.count == 9 { return true }
        guard let long = weighted(c, [2, 4, 8, 5, 0, 9, 7, 3, 6, 1, 2, 4, 8]) else { return false }
        return long % 11 % 10 == digit(c, 13)
    }

    /// Identity card: three letters, six digits, the first of which is the check.
    package static func polishIdentityCard(_ c: Characters) -> Bool {
        c.count == 9 && isDigits(c, 3..<9) && lettersThenDigits(c, letters: 3, weights: [7, 3, 1, 9, 7, 3, 1, 7, 3])
    }

    /// Passport: two letters, seven digits.
    package static func polishPassport(_ c: Characters) -> Bool {
        c.count == 9 && isDigits(c, 2..<9) && lettersThenDigits(c, letters: 2, weights: [7, 3, 9, 1, 7, 3, 1, 7, 3])
    }

    private static func lettersThenDigits(_ c: Characters, letters: Int, weights: [Int]) -> Bool {
        var sum = 0
        for index in 0..<weights.count {
            if index < letters {
                guard isLetter(c[index]) else { return false }
                sum += (Int(c[index]) - 0x41 + 10) * weights[index]
            } else {
                sum += digit(c, index) * weights[index]
            }
        }
        return sum % 10 == 0
    }

    // MARK: United Kingdom and Ireland

    /// NHS number.
    package static func nhs(_ c: Characters) -> Bool {
        guard c.count == 10, let sum = weighted(c, [10, 9, 8, 7, 6, 5, 4, 3, 2]) else { return false }
        let check = 11 - sum % 11
        return check != 10 && (check == 11 ? 0 : check) == digit(c, 9)
    }

    /// National insurance number: no check digit, but many prefixes were never given out.
    package static func nino(_ c: Characters) -> Bool {
        guard c.count == 9, isLetter(c[0]), isLetter(c[1]), isDigits(c, 2..<8), c[8] >= 0x41, c[8] <= 0x44 else { return false }
        guard !"DFIQUV".utf8.contains(c[0]), !"DFIOQUV".utf8.contains(c[1]) else { return false }
        return !["BG", "GB", "KN", "NK", "NT", "TN", "ZZ"].contains { $0.utf8.elementsEqual(c[0..<2]) }
    }

    /// Unique taxpayer reference: the check digit comes first.
    package static func ukTaxpayer(_ c: Characters) -> Bool {
        guard c.count == 10, let sum = weighted(c, [6, 7, 8, 9, 10, 5, 4, 3, 2], from: 1) else { return false }
        let checks = [2, 1, 9, 8, 7, 6, 5, 4, 3, 2, 1]
        return checks[sum % 11] == digit(c, 0)
    }

    /// Personal public service number: seven digits, a check letter, sometimes a second letter.
    package static func pps(_ c: Characters) -> Bool {
        guard c.count == 8 || c.count == 9, let base = weighted(c, [8, 7, 6, 5, 4, 3, 2]) else { return false }
        var sum = base
        if c.count == 9 {
            guard c[8] == 0x57 || (c[8] >= 0x41 && c[8] <= 0x49) else { return false }
            sum += c[8] == 0x57 ? 0 : 9 * (Int(c[8]) - 0x40)
        }
        let check = sum % 23
        return c[7] == (check == 0 ? 0x57 : UInt8(0x40 + check))
    }

    // MARK: Germany, Austria, Switzerland

    /// Steueridentifikationsnummer: ISO 7064 mod 11,10, and among the first ten one digit two or three times, the others at most once.
    package static func germanTaxID(_ c: Characters) -> Bool {
        guard c.count == 11, c[0] != 0x30, mod11_10(c) else { return false }
        var counts = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        return withUnsafeMutableBytes(of: &counts) { raw in
            let counts = raw.bindMemory(to: Int.self)
            for index in 0..<10 { counts[digit(c, index)] += 1 }
            var repeated = 0
            for index in 0..<10 where counts[index] > 1 {
                repeated += 1
                if counts[index] > 3 { return false }
            }
            return repeated == 1
        }
    }

    /// Document number of the German identity card or passport: nine characters of a reduced alphabet and the ICAO check digit.
    package static func germanDocument(_ c: Characters) -> Bool {
        guard c.count == 10, isLetter(c[0]), let check = icaoDigit(c, 0..<9) else { return false }
        for index in 0..<9 where isLetter(c[index]) && !"CFGHJKLMNPRTVWXYZ".utf8.contains(c[index]) { return false }
        return check == digit(c, 9)
    }

    /// German value added tax number: DE and nine digits, ISO 7064 mod 11,10.
    package static func germanVAT(_ c: Characters) -> Bool {
        c.count == 11 && c[0] == 0x44 && c[1] == 0x45 && c[2] != 0x30 && mod11_10(Characters(rebasing: c[2...]))
    }

    /// Sozialversicherungsnummer: the check digit is the fourth.
    package static func austrianSocialSecurity(_ c: Characters) -> Bool {
        guard c.count == 10, c[0] != 0x30, let sum = weighted(c, [3, 7, 9, 0, 5, 8, 4, 2, 1, 6]), let day = number(c, 4..<6),
            let month = number(c, 6..<8)
        else { return false }
        return sum % 11 == digit(c, 3) && day >= 1 && day <= 31 && month >= 1 && month <= 15
    }

    /// Austrian value added tax number: ATU and eight digits.
    package static func austrianVAT(_ c: Characters) -> Bool {
        guard c.count == 11, c[0] == 0x41, c[1] == 0x54, c[2] == 0x55, isDigits(c, 3..<11) else { return false }
        var sum = 4
        for index in 0..<7 {
            let d = digit(c, 3 + index) * (index % 2 == 0 ? 1 : 2)
            sum += d > 9 ? d - 9 : d
        }
        return (10 - sum % 10) % 10 == digit(c, 10)
    }

    /// AHV number: EAN-13 that starts with Switzerland's 756.
    package static func ahv(_ c: Characters) -> Bool {
        guard c.count == 13, c[0] == 0x37, c[1] == 0x35, c[2] == 0x36,
            let sum = weighted(c, [1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3])
        else { return false }
        return (10 - sum % 10) % 10 == digit(c, 12)
    }

    // MARK: France, Belgium, Netherlands

    /// NIR: 13 characters and a key of two digits, 97 − n mod 97; Corsica's 2A and 2B count as 19 and 18.
    package static func nir(_ c: Characters) -> Bool {
        guard c.count == 15, isDigits(c, 13..<15), let key = number(c, 13..<15), "12347 8".utf8.contains(c[0]),
            let month = number(c, 3..<5), (1...12).contains(month) || month == 20 || (30...42).contains(month) || month >= 50
        else { return false }
        var value = 0
        for index in 0..<13 {
            var d = digit(c, index)
            if d < 0 {
                guard index == 6, c[5] == 0x32, c[6] == 0x41 || c[6] == 0x42 else { return false }
                // 2A is 19 and 2B is 18: one ten less for the 2, and the unit.
                value -= 1
                d = c[6] == 0x41 ? 9 : 8
            }
            value = value * 10 + d
        }
        return key == 97 - value % 97
    }

    /// SIREN (9 digits) or SIRET (14): Luhn; La Poste's establishments sum to a multiple of five.
    package static func siren(_ c: Characters) -> Bool {
        guard c.count == 9 || c.count == 14, let sum = luhnSum(c, 0..<c.count) else { return false }
        if c.count == 14, number(c, 0..<9) == 356_000_000 {
            var plain = 0
            for index in 0..<14 { plain += digit(c, index) }
            return plain % 5 == 0
        }
        return sum % 10 == 0 && (c.count == 9 || luhnSum(c, 0..<9).map { $0 % 10 == 0 } ?? false)
    }

    /// French value added tax number: FR, a key of two digits, a SIREN.
    package static func frenchVAT(_ c: Characters) -> Bool {
        guard c.count == 13, c[0] == 0x46, c[1] == 0x52, let key = number(c, 2..<4), let siren = number(c, 4..<13) else { return false }
        return key == (12 + 3 * (siren % 97)) % 97
    }

    /// Belgian national register number: 97 − the first nine mod 97, with a 2 in front for those born from 2000.
    package static func belgianNational(_ c: Characters) -> Bool {
        guard c.count == 11, let base = number(c, 0..<9), let check = number(c, 9..<11), let month = number(c, 2..<4),
            let day = number(c, 4..<6), month % 20 <= 12, day <= 31
        else { return false }
        return check == 97 - base % 97 || check == 97 - (2_000_000_000 + base) % 97
    }

    /// Burgerservicenummer: the eleven test.
    package static func bsn(_ c: Characters) -> Bool {
        guard c.count == 9, let sum = weighted(c, [9, 8, 7, 6, 5, 4, 3, 2, -1]), number(c, 0..<9) ?? 0 > 9_999_999 else { return false }
        return sum % 11 == 0
    }

    // MARK: Spain, Portugal, Italy

    private static let dniLetters = Array("TRWAGMYFPDXBNJZSQVHLCKE".utf8)

    /// DNI: eight digits and a letter.
    package static func dni(_ c: Characters) -> Bool {
        guard c.count == 9, let value = number(c, 0..<8) else { return false }
        return dniLetters[value % 23] == c[8]
    }

    /// NIE: X, Y or Z, seven digits and a letter.
    package static func nie(_ c: Characters) -> Bool {
        guard c.count == 9, c[0] >= 0x58, c[0] <= 0x5A, let value = number(c, 1..<8) else { return false }
        return dniLetters[(Int(c[0]) - 0x58) * 10_000_000 + value > 0 ? ((Int(c[0]) - 0x58) * 10_000_000 + value) % 23 : 0] == c[8]
    }

    /// CIF, the tax number of organisations: letter, seven digits, a digit or a letter.
    package static func cif(_ c: Characters) -> Bool {
        guard c.count == 9, "ABCDEFGHJNPQRSUVW".utf8.contains(c[0]), isDigits(c, 1..<8) else { return false }
        var sum = 0
        for index in 0..<7 {
            let d = digit(c, 1 + index)
            sum += index % 2 == 0 ? d * 2 / 10 + d * 2 % 10 : d
        }
        let check = (10 - sum % 10) % 10
        let letter = Array("JABCDEFGHI".utf8)[check]
        if "PQRSNW".utf8.contains(c[0]) { return c[8] == letter }
        return digit(c, 8) == check || (c[8] == letter && !"ABEH".utf8.contains(c[0]))
    }

    /// Spanish social security number: province, eight digits, and the remainder mod 97.
    package static func spanishSocialSecurity(_ c: Characters) -> Bool {
        guard c.count == 12, let province = number(c, 0..<2), (1...53).contains(province) || province == 66,
            let serial = number(c, 2..<10), let check = number(c, 10..<12)
        else { return false }
        let base = serial < 10_000_000 ? serial + province * 10_000_000 : number(c, 0..<10) ?? 0
        return base % 97 == check
    }

    /// Portuguese NIF.
    package static func portugueseTaxID(_ c: Characters) -> Bool {
        guard c.count == 9, let sum = weighted(c, [9, 8, 7, 6, 5, 4, 3, 2]), c[0] != 0x30, c[0] != 0x34 else { return false }
        let check = 11 - sum % 11
        return (check > 9 ? 0 : check) == digit(c, 8)
    }

    /// Portuguese citizen card: twelve characters, Luhn over base 36 values.
    package static func portugueseCitizenCard(_ c: Characters) -> Bool {
        guard c.count == 12, isDigits(c, 0..<9), digit(c, 11) >= 0, isLetter(c[9]), isLetter(c[10]) || digit(c, 10) >= 0 else {
            return false
        }
        var sum = 0
        for index in 0..<12 {
            var value = isLetter(c[index]) ? Int(c[index]) - 0x41 + 10 : digit(c, index)
            if index % 2 == 0 {
                value *= 2
                if value > 9 { value -= 9 }
            }
            sum += value
        }
        return sum % 10 == 0
    }

    /// Codice fiscale with omocodia: where a digit stands, the letters LMNPQRSTUV may.
    package static func codiceFiscale(_ c: Characters) -> Bool {
        guard c.count == 16 else { return false }
        let omocodia = Array("LMNPQRSTUV".utf8)
        for index in 0..<16 {
            switch index {
            case 0...5, 8, 11, 15: guard isLetter(c[index]) else { return false }
            default: guard digit(c, index) >= 0 || omocodia.contains(c[index]) else { return false }
            }
        }
        guard "ABCDEHLMPRST".utf8.contains(c[8]) else { return false }
        let odd = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23]
        var sum = 0
        for index in 0..<15 {
            let value = isLetter(c[index]) ? Int(c[index]) - 0x41 : digit(c, index)
            sum += index % 2 == 0 ? odd[value] : value
        }
        return Int(c[15]) - 0x41 == sum % 26
    }

    /// Partita IVA: eleven digits, Luhn, an issuing office that exists.
    package static func partitaIVA(_ c: Characters) -> Bool {
        guard c.count == 11, luhn(c), let office = number(c, 7..<10) else { return false }
        return (1...100).contains(office) || office == 120 || office == 121 || office == 888 || office == 999
    }

    // MARK: Nordic and Baltic

    /// Swedish personnummer of ten or twelve digits: Luhn over ten, a date (coordination numbers add 60 to the day).
    package static func personnummer(_ c: Characters) -> Bool {
        guard c.count == 10 || c.count == 12 else { return false }
        let start = c.count - 10
        if start == 2 { guard let century = number(c, 0..<2), (18...20).contains(century) else { return false } }
        guard let sum = luhnSum(c, start..<c.count), sum % 10 == 0, let year = number(c, start..<start + 2),
            let month = number(c, start + 2..<start + 4), let day = number(c, start + 4..<start + 6)
        else { return false }
        return isDate(year: year, month: month, day: day > 60 ? day - 60 : day)
    }

    /// Norwegian fødselsnummer: two mod-11 digits; D-numbers add 40 to the day, synthetic ones 40 or 80 to the month.
    package static func fodselsnummer(_ c: Characters) -> Bool {
        guard c.count == 11, let first = weighted(c, [3, 7, 6, 1, 8, 9, 4, 5, 2, 1]),
            let second = weighted(c, [5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1]), let day = number(c, 0..<2), let month = number(c, 2..<4),
            let year = number(c, 4..<6)
        else { return false }
        return first % 11 == 0 && second % 11 == 0 && isDate(year: year, month: month % 40, day: day % 40)
    }

    /// Danish CPR: a date only; the check digit is no longer certain since 2007.
    package static func cpr(_ c: Characters) -> Bool {
        guard c.count == 10, let day = number(c, 0..<2), let month = number(c, 2..<4), let year = number(c, 4..<6),
            isDigits(c, 6..<10)
        else { return false }
        return isDate(year: year, month: month, day: day)
    }

    private static let hetuCheck = Array("0123456789ABCDEFHJKLMNPRSTUVWXY".utf8)

    /// Finnish henkilötunnus without its century sign, which is a separator here or a letter: DDMMYY NNN C.
    package static func hetu(_ c: Characters) -> Bool {
        // 131052-308T loses its dash (10 characters), 010100A123D keeps its letter (11).
        guard c.count == 10 || c.count == 11 else { return false }
        let serial = c.count - 4
        if c.count == 11 { guard "ABCDEFYXWVU".utf8.contains(c[6]) else { return false } }
        guard let day = number(c, 0..<2), let month = number(c, 2..<4), let year = number(c, 4..<6),
            let individual = number(c, serial..<serial + 3), let date = number(c, 0..<6), individual >= 2
        else { return false }
        return isDate(year: year, month: month, day: day) && hetuCheck[(date * 1000 + individual) % 31] == c[c.count - 1]
    }

    /// Estonian and Lithuanian personal code: two-step mod 11, and a date.
    package static func balticPersonal(_ c: Characters) -> Bool {
        guard c.count == 11, c[0] >= 0x31, c[0] <= 0x38, let first = weighted(c, [1, 2, 3, 4, 5, 6, 7, 8, 9, 1]),
            let year = number(c, 1..<3), let month = number(c, 3..<5), let day = number(c, 5..<7),
            isDate(year: year, month: month, day: day)
        else { return false }
        var check = first % 11
        if check == 10 {
            guard let second = weighted(c, [3, 4, 5, 6, 7, 8, 9, 1, 2, 3]) else { return false }
            check = second % 11 % 10
        }
        return check == digit(c, 10)
    }

    /// Latvian personal code: a date and a mod-11 digit (codes from 2017 begin with 32 and have none).
    package static func latvianPersonal(_ c: Characters) -> Bool {
        guard c.count == 11, let sum = weighted(c, [1, 6, 3, 7, 9, 10, 5, 8, 4, 2]), let day = number(c, 0..<2),
            let month = number(c, 2..<4), let year = number(c, 4..<6)
        else { return false }
        if day == 32 { return true }
        return (1101 - sum) % 11 % 10 == digit(c, 10) && isDate(year: year, month: month, day: day)
    }
}
