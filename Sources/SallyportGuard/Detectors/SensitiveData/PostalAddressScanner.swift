/// Postal addresses, found from their postal code: the town beside it, and backwards over commas and lines to the street and house.
///
/// Works for the forms of most countries, since they share the order: house and street, then the town, parts set off by commas or lines.
enum PostalAddressScanner {
    private static let order = 1_590
    private static let maximumParts = 6
    private static let reach = 160

    /// - Parameter hit: just after the first letter of the town that follows a postal code.
    static func codeFirst(_ text: UnsafeRawBufferPointer, at hit: Int, into candidates: inout [SensitiveCandidate]) -> Int {
        let reader = Reader(text, around: hit)
        var index = hit - 1
        while index > 0, hit - index < 4, text[index - 1] == 0x20 || text[index - 1] == 0x2C || text[index - 1] == 0x0A { index -= 1 }
        guard let start = reader.codeStart(before: index), reader.mayBeCode(start..<index) else { return hit }
        guard let end = reader.townEnd(from: hit - 1) else { return hit }
        return reader.add(codeStart: start, end: end, needsHouse: reader.digits(start..<index) < 5, &candidates) ?? hit
    }

    /// - Parameter hit: after a postal code that follows its town.
    static func townFirst(_ text: UnsafeRawBufferPointer, at hit: Int, into candidates: inout [SensitiveCandidate]) -> Int {
        guard hit >= text.count || !IdentifierText.isAlphanumeric(text[hit]) else { return hit }
        let reader = Reader(text, around: hit)
        guard var start = reader.codeStart(before: hit) else { return hit }
        if reader.isLabelled(start) { return hit }
        var end = hit
        // ZIP+4.
        if end + 4 < text.count, text[end] == 0x2D, (1...4).allSatisfy({ IdentifierText.isDigit(text[end + $0]) }) { end += 5 }
        // The state before the code, or the first half of it: `CA 90210`, `PE8 8ZL`.
        if start > 1, text[start - 1] == 0x20 {
            var word = start - 1
            while word > 0, IdentifierText.isAlphanumeric(text[word - 1]), start - word < 6 { word -= 1 }
            if word < start - 1, start - 1 - word <= 4, reader.isCode(text[word]) { start = word }
        }
        return reader.add(codeStart: start, end: end, needsHouse: true, &candidates) ?? hit
    }

    private struct Reader {
        let text: UnsafeRawBufferPointer
        /// Nothing is written in capitals here: they say nothing then.
        let isCaseless: Bool
        let floor: Int

        init(_ text: UnsafeRawBufferPointer, around hit: Int) {
            self.text = text
            floor = max(0, hit - PostalAddressScanner.reach)
            var hasCapital = false
            for index in floor..<min(text.count, hit + 20) where text[index] >= 0x41 && text[index] <= 0x5A {
                hasCapital = true
                break
            }
            isCaseless = !hasCapital
        }

        func digits(_ range: Range<Int>) -> Int { range.reduce(0) { IdentifierText.isDigit(text[$1]) ? $0 + 1 : $0 } }

        func codeStart(before end: Int) -> Int? {
            var start = end
            while start > floor, IdentifierText.isAlphanumeric(text[start - 1]) || text[start - 1] == 0x2D, end - start < 10 { start -= 1 }
            guard start < end else { return nil }
            // `123 45 Town`, `1234 AB Town`.
            if digits(start..<end) < 3 || digits(start..<end) == 2, start > floor + 3, text[start - 1] == 0x20 {
                var first = start - 1
                while first > floor, IdentifierText.isDigit(text[first - 1]), start - first < 6 { first -= 1 }
                if (3...4).contains(start - 1 - first) { start = first }
            }
            while start < end, text[start] == 0x2D { start += 1 }
            return start
        }

        /// A letter as codes and states are written in.
        func isCode(_ byte: UInt8) -> Bool { byte >= 0x41 && byte <= 0x5A || isCaseless && IdentifierText.isLetter(byte) }

        /// The letters of `1234 AB` are capitals; `1980 in` is a year and a word.
        func mayBeCode(_ code: Range<Int>) -> Bool {
            // `12 March 1980`.
            if code.lowerBound > floor, text[code.lowerBound - 1] == 0x20, DateReader.isMonth(text, word(before: code.lowerBound - 1)) {
                return false
            }
            guard code.count > 2, IdentifierText.isLetter(text[code.upperBound - 1]) else { return true }
            let letters = code.upperBound - 2..<code.upperBound
            return letters.allSatisfy { isCode(text[$0]) }
                && !(isCaseless && Words.small.union(Words.between).contains(Array(text[letters])))
        }

        /// `VAT 2404620`, `Order A-127625`: the line's number is no postal code.
        func isLabelled(_ code: Int) -> Bool {
            var index = code
            while index > floor, text[index - 1] == 0x20 || text[index - 1] == 0x2D { index -= 1 }
            var word = self.word(before: index)
            // `Boise, ID 83701` is in Idaho.
            if word.count == 2, isCapital(word.lowerBound), isCapital(word.lowerBound + 1), word.lowerBound > floor + 1,
                text[word.lowerBound - 1] == 0x20, text[word.lowerBound - 2] == 0x2C
            {
                return false
            }
            // The letter of `A-127625`.
            if word.count <= 3, word.lowerBound > floor, text[word.lowerBound - 1] == 0x20 {
                let before = self.word(before: word.lowerBound - 1)
                if Words.labels.contains(lower(before)) { word = before }
            }
            return Words.labels.contains(lower(word))
        }

        // MARK: The town

        /// Over the words of a town's name, and a region after a slash or in parentheses.
        func townEnd(from start: Int) -> Int? {
            var end = start
            var words = 0
            var index = start
            while words < 5, index < text.count {
                let word = self.word(from: index)
                guard !word.isEmpty, !Words.labels.contains(lower(word)), !isCaseless || !Words.plain.contains(lower(word)),
                    !isCaseless || !DateReader.isMonth(text, word), isName(word) || words > 0 && Words.small.contains(lower(word))
                else { break }
                words += 1
                if isName(word) { end = word.upperBound }
                guard word.upperBound < text.count, text[word.upperBound] == 0x20 else { break }
                index = word.upperBound + 1
            }
            guard words > 0, end > start else { return nil }
            if end + 4 < text.count, text[end] == 0x20, text[end + 1] == 0x2F, text[end + 2] == 0x20, isCapital(end + 3),
                isCapital(end + 4)
                    || isCaseless
            {
                return end + 5
            }
            if end + 4 < text.count, text[end] == 0x20, text[end + 1] == 0x28 {
                var close = end + 2
                while close < text.count, close - end < 8, IdentifierText.isLetter(text[close]) { close += 1 }
                if close < text.count, text[close] == 0x29, close > end + 2 { return close + 1 }
            }
            return end
        }

        // MARK: Backwards

        /// What a part between commas or lines is.
        private struct Part {
            var words: [Range<Int>] = []
            /// It goes on before, with what belongs to no address.
            var isCut = false
            var isEnd = false
            var start: Int { words[0].lowerBound }
        }

        func add(codeStart: Int, end: Int, needsHouse: Bool, _ candidates: inout [SensitiveCandidate]) -> Int? {
            guard let start = houseStart(before: codeStart, needsHouse: needsHouse), end - start >= 10, end - start <= 200 else {
                return nil
            }
            candidates.append(
                SensitiveCandidate(range: start..<end, category: "Address", confidence: 0.75, evidence: "pattern", order: order))
            return end
        }

        /// Where house and street begin; nil when there are none.
        private func houseStart(before codeStart: Int, needsHouse: Bool) -> Int? {
            var cursor = codeStart
            var start: Int?
            var awaitsStreet = false
            /// The street, found without a number.
            var lacksNumber = false
            for position in 0..<PostalAddressScanner.maximumParts {
                guard let part = part(before: cursor) else { return start }
                if part.words.isEmpty {
                    // Nothing between the code and the comma or line before it.
                    if position == 0, !part.isCut, !part.isEnd {
                        cursor = partBorder(before: cursor)
                        continue
                    }
                    return start
                }
                cursor = part.start
                if start != nil, lacksNumber, let number = part.words.last, part.words.count == 1 || part.isCut || isLabel(part.words[0]),
                    isNumber(number)
                {
                    // `22, rue de Bertrand`.
                    start = number.lowerBound
                    lacksNumber = false
                    if part.words.count == 1, !part.isCut, let street = self.part(before: partBorder(before: number.lowerBound)),
                        let first = streetWord(of: street)
                    {
                        // `Passarela Vieira, 90, Vila Sumaré`.
                        return street.words[first].lowerBound
                    }
                    return start
                } else if start != nil, !awaitsStreet {
                    // The street is known: only a flat can stand before.
                    if isFlat(part) { start = part.start } else { return start }
                } else if awaitsStreet {
                    start = part.start
                    awaitsStreet = false
                } else if part.words.allSatisfy({ isNumber($0) || Words.flats.contains(lower($0)) }), part.words.contains(where: isNumber),
                    !isFlat(part)
                {
                    awaitsStreet = true
                } else if let first = houseWord(of: part) {
                    start = part.words[first].lowerBound
                    lacksNumber = !part.words[first...].contains(where: isNumber)
                    if first > 0 { return start }
                } else if isFlat(part) {
                    start = part.start
                } else if let first = streetWord(of: part) {
                    start = part.words[first].lowerBound
                    lacksNumber = true
                    if first > 0 { return start }
                } else if position > 3 {
                    return start
                }
                if part.isCut || part.isEnd { return start }
                cursor = partBorder(before: cursor)
            }
            return start
        }

        /// Index of the word at which the house begins: `12 Main Street`, `Hauptstraße 12`; nil when the part names no house.
        private func houseWord(of part: Part) -> Int? {
            let words = part.words
            guard words.count >= 2 else { return nil }
            if isCaseless {
                for index in words.indices.dropLast() where isNumber(words[index]) {
                    if !isNumber(words[index + 1]), !Words.flats.contains(lower(words[index + 1])) { return index }
                }
                guard let last = words.last, isNumber(last) else { return nil }
                let street = words.lastIndex { isStreet($0) } ?? -1
                return street >= 0 ? street : nil
            }
            if let last = words.last, isNumber(last) {
                // `Anna Scott 92 Mill Lane Apt. 5`: the house is the number that a name follows.
                if let first = words.firstIndex(where: isNumber), first + 1 < words.count, isName(words[first + 1]),
                    !isNumber(words[first + 1]),
                    !Words.flats.contains(lower(words[first + 1]))
                {
                    // `al. 3 Maja 5`: a day in a street's name.
                    return first > 0 && Words.leading.contains(lower(words[first - 1])) ? first - 1 : first
                }
                // `Witness Kowal of plac Partyzantów 83`.
                return streetWord(of: part) ?? words.lastIndex { Words.before.contains(lower($0)) }.map { $0 + 1 } ?? 0
            }
            if let first = words.firstIndex(where: isNumber) { return first + 1 < words.count ? first : nil }
            return isStreet(words[0]) || words.last.map { isStreet($0) } ?? false ? 0 : nil
        }

        /// Index of a word that streets are called; no name stands before one, but whose it is may.
        private func streetWord(of part: Part) -> Int? {
            part.words.indices.first { index in
                let word = lower(part.words[index])
                return Words.streets.contains(word) && index + 1 < part.words.count
                    && (index == 0 || Words.leading.contains(word) && Words.before.contains(lower(part.words[index - 1])))
            }
        }

        /// `address:` and the like stand before a number in the same line.
        private func isLabel(_ word: Range<Int>) -> Bool { Words.before.contains(lower(word)) }

        private func isFlat(_ part: Part) -> Bool {
            guard let first = part.words.first else { return false }
            return Words.flats.contains(lower(first)) && (part.words.count > 1 || Words.ships.contains(lower(first)))
        }

        /// The words before `end`, as far as they can belong to an address.
        private func part(before end: Int) -> Part? {
            guard end > floor else { return nil }
            var part = Part()
            var index = end
            while true {
                while index > floor, text[index - 1] == 0x20 { index -= 1 }
                guard index > floor else {
                    part.isEnd = true
                    break
                }
                let byte = text[index - 1]
                if byte == 0x2C || byte == 0x0A { break }
                if byte == 0x2D, part.words.isEmpty {
                    index -= 1
                    continue
                }
                let word = self.word(before: index)
                guard !word.isEmpty, part.words.count < 8, !isForeign(word) else {
                    part.isCut = true
                    break
                }
                // A full stop after a long word ends a sentence.
                if text[word.upperBound - 1] == 0x2E, word.count > 6, !part.words.isEmpty {
                    part.isCut = true
                    break
                }
                guard
                    isName(word) || isNumber(word) || Words.small.contains(lower(word)) || Words.streets.contains(lower(word))
                        || Words.flats.contains(lower(word))
                else {
                    part.isCut = true
                    break
                }
                part.words.insert(word, at: 0)
                index = word.lowerBound
            }
            // Small words do not begin an address.
            while let first = part.words.first, Words.small.contains(lower(first)), !isNumber(first), !isCapital(first.lowerBound) {
                part.words.removeFirst()
            }
            return part
        }

        /// What no address holds: mail addresses, and, where nothing is written in capitals, the words of a sentence.
        private func isForeign(_ word: Range<Int>) -> Bool {
            text[word].contains(0x40) || isCaseless && Words.plain.contains(lower(word))
        }

        /// Before the comma or line end that stands before `index`.
        private func partBorder(before index: Int) -> Int {
            var cursor = index
            while cursor > floor, text[cursor - 1] == 0x20 { cursor -= 1 }
            if cursor > floor, text[cursor - 1] == 0x2C || text[cursor - 1] == 0x0A { cursor -= 1 }
            if cursor > floor, text[cursor - 1] == 0x2C || text[cursor - 1] == 0x0D { cursor -= 1 }
            return cursor
        }

        // MARK: Words

        private func isBreak(_ byte: UInt8) -> Bool {
            byte <= 0x20 || byte == 0x2C || byte == 0x3B || byte == 0x3A || byte == 0x22 || byte == 0x28 || byte == 0x29 || byte == 0x3C
                || byte == 0x3E || byte == 0x7C || byte == 0x21 || byte == 0x3F || byte == 0x7B || byte == 0x7D || byte == 0x3D
        }

        private func word(before end: Int) -> Range<Int> {
            var start = end
            while start > floor, !isBreak(text[start - 1]), end - start < 40 { start -= 1 }
            return start..<end
        }

        private func word(from start: Int) -> Range<Int> {
            var end = start
            while end < text.count, !isBreak(text[end]), end - start < 40 { end += 1 }
            // A full stop at the end is the sentence's.
            if end > start, text[end - 1] == 0x2E, end - start > 3 { end -= 1 }
            return start..<end
        }

        private func isCapital(_ index: Int) -> Bool {
            let byte = text[index]
            if byte >= 0x41 && byte <= 0x5A { return true }
            guard byte >= 0xC3, index + 1 < text.count else { return false }
            // Capital letters of Latin-1 are 0x80 to 0x9E; in the extended blocks capitals are even, mostly.
            if byte == 0xC3 { return text[index + 1] <= 0x9E || isCaseless }
            return true
        }

        private func isName(_ word: Range<Int>) -> Bool {
            let byte = text[word.lowerBound]
            if isCapital(word.lowerBound) { return true }
            if isCaseless { return IdentifierText.isLetter(byte) || byte >= 0xC3 }
            // d'Artagnan, l'Église.
            return word.count > 2 && (byte | 0x20 == 0x64 || byte | 0x20 == 0x6C)
                && (text[word.lowerBound + 1] == 0x27 || text[word.lowerBound + 1] == 0xE2)
        }

        /// 12, 12a, 51/74, 21-76, 74V, No:5, #3.
        private func isNumber(_ word: Range<Int>) -> Bool {
            var start = word.lowerBound
            if text[start] == 0x23 { start += 1 }
            guard start < word.upperBound, IdentifierText.isDigit(text[start]), word.upperBound - start <= 7 else { return false }
            var letters = 0
            for index in start..<word.upperBound {
                let byte = text[index]
                if IdentifierText.isLetter(byte) {
                    letters += 1
                } else if !IdentifierText.isDigit(byte) && byte != 0x2F && byte != 0x2D && byte != 0x2E {
                    return false
                }
            }
            return letters <= 1
        }

        private func lower(_ word: Range<Int>) -> [UInt8] {
            guard word.count <= 14 else { return [] }
            var bytes = text[word].map { $0 >= 0x41 && $0 <= 0x5A ? $0 | 0x20 : $0 }
            if bytes.last == 0x2E { bytes.removeLast() }
            return bytes
        }

        private func isStreet(_ word: Range<Int>) -> Bool {
            let word = text[word].map { $0 >= 0x41 && $0 <= 0x5A ? $0 | 0x20 : $0 }
            if Words.streets.contains(word) { return true }
            return Words.endings.contains { word.count > $0.count && word.suffix($0.count).elementsEqual($0) }
        }
    }

    private enum Words {
        private static func set(_ text: String) -> Set<[UInt8]> { Set(text.split(whereSeparator: \.isWhitespace).map { Array($0.utf8) }) }

        static let small = set(
            "de la le les du des del della dei di da do dos das der den dem van von am im of the y e an auf sur sous les en el los las ter 't op bei"
        )
        /// Other short words that follow a number.
        static let between = set("in at to or is no if it we by as so up my he me us be")
        /// Where somebody lives comes after these.
        static let before = set("of to at in from is address adres adresse lives live")
        /// Kinds of streets that no name ends in.
        static let leading = set(
            "rue avenue boulevard chemin impasse quai calle avenida plaza paseo via viale piazza corso vicolo rua rodovia alameda ul ulica al aleja pl plac os"
        )
        /// What numbers of other kinds are called.
        static let labels = set(
            """
            vat tax tel phone fax mobile order invoice ref reference customer account acct iban case ticket sku isbn id no nr code error line page
            release version build model chapter verse extension routing article item items part serial usd eur gbp chf total
            """)
        /// Words of sentences.
        static let plain = set(
            """
            on by at is was were and or not for from with has had have the this that last next left who when moves lives called between states it he she they we
            i you your my his her its our their a an as to up out be been do does did said says sales rose items usd eur if than then
            """)
        static let flats = set(
            """
            suite apt apartment unit ste flat floor box studio psc hsc rr room piso piano appartamento interno etage appt bis esc esq int
            cmr uscgc usns uss usnv usnm house h.no no hno etg wohnung lok m daire kat block plot p.o po
            """)
        static let ships = set("uscgc usns uss usnv")
        static let streets = set(
            """
            rue avenue av boulevard bd chemin place allée impasse quai route calle avenida avda plaza paseo pasaje ronda camino carrer cuesta
            glorieta alameda callejón vereda rambla rambla cañada acceso urbanización via viale piazza corso largo vicolo strada stretto borgo
            canale contrada rotonda incrocio piazzale rua travessa praça praca ladeira rodovia alameda estrada largo quadra lote loteamento
            jardim setor morro condomínio residencial recanto núcleo parque passarela sítio favela campo conjunto colônia distrito esplanada
            estação fazenda feira lago lagoa área trecho trevo vale via viaduto viela vila ul ulica al aleja pl plac os osiedle rondo sk cd
            cad sok sokak cadde mah street road lane drive square marg nagar chowk ganj circle
            """)
        static let endings: [[UInt8]] = [
            "straße", "strasse", "str.", "gasse", "weg", "platz", "allee", "ring", "damm", "ufer", "straat", "laan", "plein", "gracht",
            "singel",
            "kade", "dreef", "hof", "pad", "steeg", "gatan", "vägen", "torget", "stigen", "gränd", "backen", "street", "road", "vej",
            "gade",
            "katu", "tie", "vei", "veien",
        ].map { Array($0.utf8) }
    }
}
