/// Dates as people write them: numbers with separators, or with a month's name in the main languages.
enum DateReader {
    static func value(_ text: UnsafeRawBufferPointer, _ range: Range<Int>) -> Int? {
        guard !range.isEmpty, range.count <= 4 else { return nil }
        var value = 0
        for index in range {
            guard IdentifierText.isDigit(text[index]) else { return nil }
            value = value * 10 + Int(text[index]) - 0x30
        }
        return value
    }

    /// The first date that begins in `range`.
    /// - Parameter needsYear: a day and a month are not enough.
    static func firstDate(_ text: UnsafeRawBufferPointer, in range: Range<Int>, needsYear: Bool) -> Range<Int>? {
        var index = range.lowerBound
        while index < range.upperBound {
            if isWordStart(text, index), let end = dateEnd(text, from: index, needsYear: needsYear) { return index..<end }
            index += 1
        }
        return nil
    }

    /// The longest date that holds the byte at `position`.
    static func date(_ text: UnsafeRawBufferPointer, holding position: Int) -> Range<Int>? {
        for start in max(0, position - 30)...max(0, position) where isWordStart(text, start) {
            if let end = dateEnd(text, from: start), end > position { return start..<end }
        }
        return nil
    }

    private static func isWordStart(_ text: UnsafeRawBufferPointer, _ index: Int) -> Bool {
        guard index < text.count, IdentifierText.isAlphanumeric(text[index]) || text[index] >= 0xC3 else { return false }
        guard index > 0 else { return true }
        let before = text[index - 1]
        return !IdentifierText.isAlphanumeric(before) && before < 0x80
            && !(before == 0x2E && index > 1 && IdentifierText.isDigit(text[index - 2]))
    }

    private enum Part {
        case number(Int, digits: Int)
        case month
    }

    /// Where a date that begins here ends: three parts with a month's name or three numbers in a possible order, or a day and a month's name.
    private static func dateEnd(_ text: UnsafeRawBufferPointer, from start: Int, needsYear: Bool = false) -> Int? {
        var parts: [Part] = []
        var ends: [Int] = []
        var index = afterWeekday(text, from: start)
        while parts.count < 3, index < text.count {
            let begin = index
            if IdentifierText.isDigit(text[index]) {
                while index < text.count, index - begin < 5, IdentifierText.isDigit(text[index]) { index += 1 }
                guard let number = value(text, begin..<index) else { break }
                parts.append(.number(number, digits: index - begin))
                // 1st, 2nd, 3rd, 4th.
                if index + 1 < text.count, ["st", "nd", "rd", "th"].contains(where: { $0.utf8.elementsEqual(text[index..<index + 2]) }) {
                    index += 2
                }
            } else {
                while index < text.count, index - begin < 16, IdentifierText.isLetter(text[index]) || text[index] >= 0x80 { index += 1 }
                guard isMonth(text, begin..<index) else { break }
                parts.append(.month)
            }
            ends.append(index)
            // Between the parts: blank, dash, dot, slash, comma, "de", "of".
            var gap = index
            while gap < text.count, gap - index < 3, " -./,\u{0A}".utf8.contains(text[gap]) { gap += 1 }
            if gap + 2 < text.count, text[gap] | 0x20 == 0x64, text[gap + 1] | 0x20 == 0x65, text[gap + 2] == 0x20 { gap += 3 }
            if gap + 2 < text.count, text[gap] == 0x6F, text[gap + 1] == 0x66, text[gap + 2] == 0x20 { gap += 3 }
            if gap == index { break }
            index = gap
        }
        if parts.count == 3, isDate(parts) { return timeEnd(text, ends[2]) }
        if !needsYear, parts.count >= 2, isDayAndMonth(parts[0], parts[1]) {
            return ends[1] < text.count && IdentifierText.isAlphanumeric(text[ends[1]]) ? nil : ends[1]
        }
        return nil
    }

    /// `Friday, ` and the like before a date.
    private static func afterWeekday(_ text: UnsafeRawBufferPointer, from start: Int) -> Int {
        var end = start
        while end < text.count, end - start < 16, IdentifierText.isLetter(text[end]) || text[end] >= 0x80 { end += 1 }
        guard end - start >= 2, weekdays.contains(folded(text, start..<end)) else { return start }
        var gap = end
        while gap < text.count, gap - end < 3, text[gap] == 0x20 || text[gap] == 0x2C || text[gap] == 0x2E { gap += 1 }
        if gap + 3 < text.count, text[gap..<gap + 4].elementsEqual("the ".utf8) { gap += 4 }
        return gap > end ? gap : start
    }

    /// A time of day right after a date belongs to it: `T20:52:26Z`, ` 14:05`.
    private static func timeEnd(_ text: UnsafeRawBufferPointer, _ end: Int) -> Int? {
        guard end < text.count else { return end }
        if text[end] | 0x20 == 0x74 || text[end] == 0x20, end + 5 < text.count, IdentifierText.isDigit(text[end + 1]),
            text[end + 3] == 0x3A,
            IdentifierText.isDigit(text[end + 4])
        {
            var index = end + 1
            while index < text.count, index - end < 24, IdentifierText.isDigit(text[index]) || text[index] == 0x3A || text[index] == 0x2E {
                index += 1
            }
            if index < text.count, text[index] | 0x20 == 0x7A {
                index += 1
            } else if index + 5 < text.count, text[index] == 0x2B || text[index] == 0x2D, text[index + 3] == 0x3A,
                IdentifierText.isDigit(text[index + 1])
            {
                index += 6
            }
            while text[index - 1] == 0x2E || text[index - 1] == 0x3A { index -= 1 }
            return index
        }
        return IdentifierText.isAlphanumeric(text[end]) ? nil : end
    }

    private static func isDayAndMonth(_ a: Part, _ b: Part) -> Bool {
        switch (a, b) {
        case (.month, .number(let year, digits: 4)): year >= 1900 && year < 2100
        case (.number(let day, let digits), .month), (.month, .number(let day, let digits)): day >= 1 && day <= 31 && digits <= 2
        default: false
        }
    }

    private static func isDate(_ parts: [Part]) -> Bool {
        switch (parts[0], parts[1], parts[2]) {
        case (.number(let day, let digits), .month, .number(let year, let yearDigits)),
            (.month, .number(let day, let digits), .number(let year, let yearDigits)):
            return day >= 1 && day <= 31 && digits <= 2 && isYear(year, yearDigits)
        case (.number(let a, let first), .number(let b, let second), .number(let c, let third)):
            guard second <= 2, b >= 1 else { return false }
            if first == 4 { return isYear(a, 4) && third <= 2 && Checksums.isDate(year: a, month: b, day: c) }
            guard first <= 2, isYear(c, third) else { return false }
            return Checksums.isDate(year: c, month: b, day: a) || Checksums.isDate(year: c, month: a, day: b)
        default: return false
        }
    }

    private static func isYear(_ year: Int, _ digits: Int) -> Bool { digits == 2 || (digits == 4 && year >= 1900 && year < 2100) }

    static func isWeekday(_ text: UnsafeRawBufferPointer, _ range: Range<Int>) -> Bool {
        range.count >= 5 && weekdays.contains(folded(text, range))
    }

    static func isMonth(_ text: UnsafeRawBufferPointer, _ range: Range<Int>) -> Bool {
        range.count >= 3 && months.contains(folded(text, range))
    }

    private static func folded(_ text: UnsafeRawBufferPointer, _ range: Range<Int>) -> [UInt8] {
        var folded: [UInt8] = []
        var index = range.lowerBound
        while index < range.upperBound {
            let (byte, length) = KeywordTrie.folded(text, index)
            folded.append(byte)
            index += length
        }
        return folded
    }

    private static let weekdays: Set<[UInt8]> = Set(
        """
        monday tuesday wednesday thursday friday saturday sunday mon tue tues wed thu thur thurs fri sat sun montag dienstag mittwoch donnerstag
        freitag samstag sonnabend sonntag lundi mardi mercredi jeudi vendredi samedi dimanche lunes martes miercoles jueves viernes sabado
        domingo lunedi martedi mercoledi giovedi venerdi domenica poniedzialek wtorek sroda czwartek piatek sobota niedziela segunda-feira
        terca-feira quarta-feira quinta-feira sexta-feira maandag dinsdag woensdag donderdag vrijdag zaterdag zondag mandag tisdag onsdag
        torsdag fredag lordag sondag pazartesi sali carsamba persembe cuma cumartesi pazar
        """.split(whereSeparator: \.isWhitespace).map { Array($0.utf8) })

    private static let months: Set<[UInt8]> = Set(
        """
        january february march april may june july august september october november december jan feb mar apr jun jul aug sep sept oct nov dec
        januar februar marz mai juni juli oktober dezember okt dez janvier fevrier mars avril juin juillet aout septembre octobre novembre decembre
        enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre gennaio febbraio aprile maggio giugno luglio
        settembre ottobre dicembre stycznia lutego marca kwietnia maja czerwca lipca sierpnia wrzesnia pazdziernika listopada grudnia styczen luty
        marzec kwiecien maj czerwiec lipiec sierpien wrzesien pazdziernik listopad grudzien janeiro fevereiro marco maio junho julho setembro
        outubro novembro dezembro januari februari maart mei augustus abr avr fev gen giu lug mag ene ago dic ott out set dez mars ocak subat mart nisan mayis haziran temmuz agustos eylul ekim kasim aralik
        """.split(whereSeparator: \.isWhitespace).map { Array($0.utf8) })
}
