/// National identifiers of central, eastern and south-eastern Europe.
extension Checksums {
    /// Czech and Slovak rodné číslo of ten digits: a multiple of eleven and a date (women +50, reserves +20).
    package static func rodneCislo(_ c: Characters) -> Bool {
        guard c.count == 10, let value = number(c, 0..<10), let year = number(c, 0..<2), let month = number(c, 2..<4),
            let day = number(c, 4..<6)
        else { return false }
        let plainMonth = month % 50 > 20 ? month % 50 - 20 : month % 50
        guard isDate(year: year, month: plainMonth, day: day) else { return false }
        // Numbers given out before 1985 may end in 0 where the remainder was 10.
        return value % 11 == 0 || (value / 10 % 11 == 10 && value % 10 == 0)
    }

    /// Romanian CNP.
    package static func cnp(_ c: Characters) -> Bool {
        guard c.count == 13, c[0] != 0x30, let sum = weighted(c, [2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9]), let year = number(c, 1..<3),
            let month = number(c, 3..<5), let day = number(c, 5..<7), isDate(year: year, month: month, day: day)
        else { return false }
        let check = sum % 11
        return (check == 10 ? 1 : check) == digit(c, 12)
    }

    /// Bulgarian EGN: months of the 1800s +20, of the 2000s +40.
    package static func egn(_ c: Characters) -> Bool {
        guard c.count == 10, let sum = weighted(c, [2, 4, 8, 5, 10, 9, 7, 3, 6]), let year = number(c, 0..<2),
            let month = number(c, 2..<4), let day = number(c, 4..<6)
        else { return false }
        return sum % 11 % 10 == digit(c, 9) && isDate(year: year, month: month % 20, day: day)
    }

    /// Croatian OIB.
    package static func oib(_ c: Characters) -> Bool { c.count == 11 && mod11_10(c) }

    /// The former Yugoslav unique master citizen number (Slovenia's EMŠO, JMBG): a date and a mod-11 digit.
    package static func emso(_ c: Characters) -> Bool {
        guard c.count == 13, let sum = weighted(c, [7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]), let day = number(c, 0..<2),
            let month = number(c, 2..<4), let year = number(c, 4..<7)
        else { return false }
        let check = (11 - sum % 11) % 11
        return check != 10 && check == digit(c, 12) && isDate(year: year > 800 ? 1000 + year : 2000 + year, month: month, day: day)
    }

    /// Slovenian tax number.
    package static func slovenianTaxID(_ c: Characters) -> Bool {
        guard c.count == 8, c[0] != 0x30, let sum = weighted(c, [8, 7, 6, 5, 4, 3, 2]) else { return false }
        let check = 11 - sum % 11
        return (check == 10 ? 0 : check) == digit(c, 7)
    }

    /// Hungarian tax identification number: begins with 8.
    package static func hungarianTaxID(_ c: Characters) -> Bool {
        guard c.count == 10, c[0] == 0x38, let sum = weighted(c, [1, 2, 3, 4, 5, 6, 7, 8, 9]) else { return false }
        return sum % 11 == digit(c, 9)
    }

    /// Greek AFM: powers of two, mod 11, mod 10.
    package static func greekTaxID(_ c: Characters) -> Bool {
        guard c.count == 9, let sum = weighted(c, [256, 128, 64, 32, 16, 8, 4, 2]), number(c, 0..<9) != 0 else { return false }
        return sum % 11 % 10 == digit(c, 8)
    }

    /// Greek AMKA: a date and Luhn.
    package static func amka(_ c: Characters) -> Bool {
        guard c.count == 11, luhn(c), let day = number(c, 0..<2), let month = number(c, 2..<4), let year = number(c, 4..<6) else {
            return false
        }
        return isDate(year: year, month: month, day: day)
    }

    /// Turkish identity number.
    package static func tckn(_ c: Characters) -> Bool {
        guard c.count == 11, c[0] != 0x30, isDigits(c, 0..<11) else { return false }
        let odd = digit(c, 0) + digit(c, 2) + digit(c, 4) + digit(c, 6) + digit(c, 8)
        let even = digit(c, 1) + digit(c, 3) + digit(c, 5) + digit(c, 7)
        let tenth = ((7 * odd - even) % 10 + 10) % 10
        return tenth == digit(c, 9) && (odd + even + tenth) % 10 == digit(c, 10)
    }

    /// Russian INN of a person (12 digits): two mod-11 digits.
    package static func inn(_ c: Characters) -> Bool {
        guard c.count == 12, let first = weighted(c, [7, 2, 4, 10, 3, 5, 9, 4, 6, 8]),
            let second = weighted(c, [3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8])
        else { return false }
        return first % 11 % 10 == digit(c, 10) && second % 11 % 10 == digit(c, 11)
    }
}
