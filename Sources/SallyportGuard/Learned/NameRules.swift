import SallyportCore

/// What everybody knows of names and a small model does not: titles, legal forms, words that join the parts of a firm's name, and words
/// that are none (months, codes, articles).
struct NameRules {
    let text: UnsafeRawBufferPointer

    /// - Parameter spans: in order, not overlapping.
    func settled(_ spans: [NameSpan]) -> [NameSpan] {
        var settled: [NameSpan] = []
        for span in spans {
            if let last = settled.last, let whole = joined(last, span) {
                settled[settled.count - 1] = whole
            } else {
                settled.append(span)
            }
        }
        return partnerships(nicknamed(settled)).compactMap { span in
            guard var span = trimmed(span), isName(span) else { return nil }
            if span.kind != .location, let end = legalFormEnd(span.range) {
                // `Kaya Tekstil` + `A.Ş.`: no person has a legal form.
                span.kind = .organization
                span.range = span.range.lowerBound..<end
            }
            switch span.kind {
            case .person: span.range = titled(span.range)
            case .organization: span.range = whole(span.range)
            case .location: break
            }
            if span.kind != .person { span.range = initialled(span.range) }
            span.range = tagged(span.range)
            return span
        }
    }

    // MARK: Joining

    /// Both as one name; nil: they are two.
    private func joined(_ first: NameSpan, _ second: NameSpan) -> NameSpan? {
        let gap = second.range.lowerBound - first.range.upperBound
        guard gap <= 9 else { return nil }
        let between = lower(first.range.upperBound..<second.range.lowerBound)
        var whole = first
        whole.range = first.range.lowerBound..<second.range.upperBound
        whole.confidence = min(first.confidence, second.confidence)
        if between == "-" {
            // Marcacci-Procacci: one word is of one kind.
            if first.kind != second.kind, !hasBlank(first.range), second.kind == .organization { whole.kind = .organization }
            return whole
        }
        let isBlank = between == " "
        let (head, tail) = (lastWord(first.range), firstWord(second.range))
        // `Bank of` + `Ireland`, `Ganesh and` + `Sons`: the word that joins was read as a part.
        if isBlank, Self.joints.contains(head), first.range.count > head.utf8.count,
            first.kind == .organization || first.kind == second.kind
        {
            return whole
        }
        if first.kind == .organization, second.kind == .location {
            // `Bank` + `of England`.
            if isBlank, tail == "of", hasBlank(second.range), !Self.joints.contains(head) { return whole }
            return between == " of " ? whole : nil
        }
        if first.kind == .person, second.kind == .person {
            if (isBlank || between == ". ") && Self.titles.contains(lower(first.range)) { return whole }
            // `van` + `den` + `Hoek`, `Heribert` + `van Laon`.
            if isBlank {
                return Self.nobiliary.contains(String(decoding: text[wordRange(from: second.range.lowerBound)], as: UTF8.self))
                    ? whole : nil
            }
            return isNobiliary(first.range.upperBound..<second.range.lowerBound) ? whole : nil
        }
        // `Al - Hilla`: the article of Arabic names.
        if first.kind == second.kind, between == " - ", head == "al" || head == "el" { return whole }
        guard second.kind == .organization, first.kind != .organization else { return nil }
        whole.kind = .organization
        if Self.joining.contains(between), Self.partners.contains(tail) { return whole }
        guard isBlank else { return nil }
        // `Malaysia Airlines`, `Ibrahim Nyberg HB`; but `Christian Hall` is a person, and what follows a place may stand alone.
        if !Self.forms.contains(lastWord(second.range)) {
            guard first.kind == .person else { return nil }
            whole.kind = .person
        }
        return whole
    }

    /// Blanks around the small words that hold a surname together, and nothing else.
    private func isNobiliary(_ gap: Range<Int>) -> Bool {
        guard gap.count > 3, text[gap.lowerBound] == 0x20, text[gap.upperBound - 1] == 0x20 else { return false }
        let words = lower(gap.lowerBound + 1..<gap.upperBound - 1)
        return words.split(separator: " ", omittingEmptySubsequences: false).allSatisfy { Self.nobiliary.contains(String($0)) }
    }

    /// `Rubin "Hurricane" Carter`: what stands in quotes between two parts of a person's name is one of its parts.
    private func nicknamed(_ spans: [NameSpan]) -> [NameSpan] {
        var done: [NameSpan] = []
        var index = 0
        while index < spans.count {
            var whole = spans[index]
            if index + 2 < spans.count, spans[index...index + 2].allSatisfy({ $0.kind == .person }),
                let opening = quote(spans[index].range.upperBound..<spans[index + 1].range.lowerBound),
                opening == quote(spans[index + 1].range.upperBound..<spans[index + 2].range.lowerBound)
            {
                whole.range = whole.range.lowerBound..<spans[index + 2].range.upperBound
                whole.confidence = spans[index...index + 2].map(\.confidence).min() ?? whole.confidence
                index += 2
            }
            done.append(whole)
            index += 1
        }
        return done
    }

    /// The quote that is all there is in a gap, but for blanks.
    private func quote(_ gap: Range<Int>) -> UInt8? {
        let signs = text[gap].filter { $0 != 0x20 }
        guard gap.count <= 3, signs.count == 1, signs[0] == 0x22 || signs[0] == 0x27 else { return nil }
        return signs[0]
    }

    /// `Evans, Sykes and Adams`: surnames in a list that ends in "and" are a firm's, where each was read as one.
    private func partnerships(_ spans: [NameSpan]) -> [NameSpan] {
        var done: [NameSpan] = []
        var index = 0
        while index < spans.count {
            var last = index
            var isClosed = false
            if spans[index].kind == .organization, isSurname(spans[index].range) {
                while last + 1 < spans.count, spans[last + 1].kind == .organization, !isClosed {
                    let between = lower(spans[last].range.upperBound..<max(spans[last].range.upperBound, spans[last + 1].range.lowerBound))
                    let next = spans[last + 1].range
                    let words = lower(next).split(separator: " ").map(String.init)
                    let isPair = words.count == 3 && Self.joints.contains(words[1])
                    if between == ", ", isSurname(next) || isPair {
                        isClosed = isPair
                    } else if last > index, Self.joining.contains(between), isSurname(next) {
                        isClosed = true
                    } else {
                        break
                    }
                    last += 1
                }
            }
            var whole = spans[index]
            if isClosed {
                whole.range = whole.range.lowerBound..<spans[last].range.upperBound
                index = last
            }
            done.append(whole)
            index += 1
        }
        return done
    }

    /// One word in letters, the first of them large; not in capitals throughout.
    private func isSurname(_ range: Range<Int>) -> Bool {
        let word = text[range]
        guard let first = word.first, first >= 0x41 && first <= 0x5A || first >= 0xC3, word.count > 2 else { return false }
        return word.dropFirst().allSatisfy { $0 >= 0x61 && $0 <= 0x7A || $0 >= 0x80 || $0 == 0x27 }
    }

    // MARK: What is none

    private func trimmed(_ span: NameSpan) -> NameSpan? {
        var range = span.range
        while !range.isEmpty {
            let word = lastWord(range)
            guard Self.joints.contains(word) || Self.particles.contains(word) else { break }
            range = range.lowerBound..<range.upperBound - word.utf8.count
            while !range.isEmpty, isGap(text[range.upperBound - 1]) { range = range.lowerBound..<range.upperBound - 1 }
        }
        while !range.isEmpty {
            let word = firstWord(range)
            let isRole = span.kind == .person && Self.roles.contains(word) && word.utf8.count < range.count
            guard isRole || Self.particles.contains(word) && text[range.lowerBound] >= 0x61 else { break }
            range = range.lowerBound + word.utf8.count..<range.upperBound
            while !range.isEmpty, isGap(text[range.lowerBound]) { range = range.lowerBound + 1..<range.upperBound }
        }
        guard !range.isEmpty else { return nil }
        var span = span
        span.range = range
        return span
    }

    private func isName(_ span: NameSpan) -> Bool {
        let range = span.range
        if !hasBlank(range) {
            let word = lower(range)
            if Self.particles.contains(word) || Self.joints.contains(word) || Self.codes.contains(word) { return false }
            if DateReader.isMonth(text, range) || DateReader.isWeekday(text, range) {
                return span.kind == .person && Self.given.contains(word)
            }
            if isCode(range) { return false }
        }
        return true
    }

    /// `FX` of `FX-6230`, `ORD735103`, `NHS` before `number`.
    private func isCode(_ range: Range<Int>) -> Bool {
        var digits = 0
        for index in range where IdentifierText.isDigit(text[index]) { digits += 1 }
        if digits >= 4 { return true }
        let end = range.upperBound
        if range.count <= 5, end + 3 < text.count, text[end] == 0x2D, (1...3).allSatisfy({ IdentifierText.isDigit(text[end + $0]) }) {
            return true
        }
        guard range.count <= 5, range.allSatisfy({ text[$0] >= 0x41 && text[$0] <= 0x5A }), end < text.count, text[end] == 0x20 else {
            return false
        }
        return Self.labels.contains(lower(wordRange(from: end + 1)))
    }

    // MARK: Titles and legal forms

    /// With the titles before it and the degrees behind it.
    private func titled(_ range: Range<Int>) -> Range<Int> {
        var range = range
        for _ in 0..<4 {
            var end = range.lowerBound
            guard end > 1, text[end - 1] == 0x20 else { break }
            end -= 1
            var start = end
            while start > 0, !isSpace(text[start - 1]), end - start < 14, !Self.opening.contains(text[start - 1]) { start -= 1 }
            var word = lower(start..<end)
            while word.hasSuffix(".") { word.removeLast() }
            guard start < end, Self.titles.contains(word) else { break }
            range = start..<range.upperBound
        }
        for _ in 0..<3 {
            var start = range.upperBound
            if start < text.count, text[start] == 0x2E, isAbbreviated(range) {
                start += 1
                range = range.lowerBound..<start
            }
            guard start + 1 < text.count, text[start] == 0x20 else { break }
            let word = wordRange(from: start + 1)
            var name = lower(word)
            while name.hasSuffix(".") { name.removeLast() }
            guard Self.degrees.contains(name) else { break }
            range = range.lowerBound..<word.upperBound
            if text[range.upperBound - 1] == 0x2E, !isDotted(range) { range = range.lowerBound..<range.upperBound - 1 }
        }
        return range
    }

    /// With the full stop of a legal form, and what belongs to it.
    private func whole(_ range: Range<Int>) -> Range<Int> {
        var range = range
        if range.upperBound < text.count, text[range.upperBound] == 0x2E, isAbbreviated(range) || Self.dotted.contains(lastWord(range)) {
            range = range.lowerBound..<range.upperBound + 1
        }
        return range
    }

    /// `U. S.`, `U.S.`, `D.C.`: with the letters that follow, and the last one's full stop.
    private func initialled(_ range: Range<Int>) -> Range<Int> {
        var range = range
        guard isInitial(lastWord(range)) else { return range }
        while range.upperBound < text.count, text[range.upperBound] == 0x2E {
            let dot = range.upperBound
            let next = dot + 1 < text.count && text[dot + 1] == 0x20 ? dot + 2 : dot + 1
            guard next + 1 < text.count, text[next] >= 0x41, text[next] <= 0x5A, text[next + 1] == 0x2E else {
                // One letter alone is the end of a sentence more often than a name's.
                return range.count > 1 && isAbbreviation(range) ? range.lowerBound..<dot + 1 : range
            }
            range = range.lowerBound..<next + 1
        }
        return range
    }

    private func isInitial(_ word: String) -> Bool {
        word.utf8.count == 1 || word.utf8.count > 2 && word.utf8.dropLast().last == 0x2E && !word.hasSuffix(".")
    }

    /// Single capitals with full stops between them, and nothing else.
    private func isAbbreviation(_ range: Range<Int>) -> Bool {
        text[range].split(whereSeparator: { $0 == 0x2E || $0 == 0x20 }).allSatisfy { $0.count == 1 }
    }

    /// A hashtag is its name, mark and all.
    private func tagged(_ range: Range<Int>) -> Range<Int> {
        guard range.lowerBound > 0, text[range.lowerBound - 1] == 0x23 else { return range }
        guard range.lowerBound == 1 || !IdentifierText.isAlphanumeric(text[range.lowerBound - 2]) else { return range }
        return range.lowerBound - 1..<range.upperBound
    }

    /// Where a name ends whose last word, or the one behind it, is a legal form and nothing else; nil: it has none.
    private func legalFormEnd(_ range: Range<Int>) -> Int? {
        func isForm(_ word: Range<Int>) -> Bool {
            guard let first = text[word].first, first >= 0x41 && first <= 0x5A else { return false }
            return Self.legalForms.contains(lower(word))
                || text[word.upperBound - 1] == 0x2E
                    && Self.legalForms.contains(String(lower(word).dropLast()))
        }
        var last = range.upperBound
        while last > range.lowerBound, text[last - 1] != 0x20 { last -= 1 }
        if last > range.lowerBound, isForm(last..<range.upperBound) { return range.upperBound }
        guard range.upperBound + 1 < text.count, text[range.upperBound] == 0x20 else { return nil }
        let next = wordRange(from: range.upperBound + 1)
        guard !next.isEmpty, isForm(next) else { return nil }
        // The full stop of a sentence is none of the form's, but for those that are written with full stops; `whole` sees to that.
        return text[next.upperBound - 1] == 0x2E ? next.upperBound - 1 : next.upperBound
    }

    /// The last word has full stops inside: S.A, B.Eng.
    private func isAbbreviated(_ range: Range<Int>) -> Bool {
        let word = lastWord(range)
        return word.contains(".") && !word.hasSuffix(".") && (word.split(separator: ".").last?.count ?? 9) <= 3
    }

    private func isDotted(_ range: Range<Int>) -> Bool { lastWord(range).dropLast().contains(".") }

    // MARK: Words

    private func isGap(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x2C || byte == 0x26 || byte == 0x2E }
    private func isSpace(_ byte: UInt8) -> Bool { byte <= 0x20 }
    private func hasBlank(_ range: Range<Int>) -> Bool { text[range].contains(0x20) }

    private func lower(_ range: Range<Int>) -> String {
        guard !range.isEmpty, range.count <= 40 else { return "" }
        return String(decoding: text[range], as: UTF8.self).lowercased()
    }

    private func lastWord(_ range: Range<Int>) -> String {
        var start = range.upperBound
        while start > range.lowerBound, text[start - 1] != 0x20 { start -= 1 }
        return lower(start..<range.upperBound)
    }

    private func firstWord(_ range: Range<Int>) -> String {
        var end = range.lowerBound
        while end < range.upperBound, text[end] != 0x20 { end += 1 }
        return lower(range.lowerBound..<end)
    }

    private func wordRange(from start: Int) -> Range<Int> {
        var end = start
        while end < text.count, !isSpace(text[end]), end - start < 16, !",;:()<>\"".utf8.contains(text[end]) { end += 1 }
        return start..<end
    }

    private static func set(_ words: String) -> Set<String> { Set(words.split(whereSeparator: \.isWhitespace).map(String.init)) }

    private static let opening = Set("(\"'<>[:,;".utf8)
    /// Between the parts of one name.
    private static let joints = set("and & of e y et und en och i ve for")
    private static let joining: Set<String> = [" and ", " & ", " e ", " y ", " et ", " und ", " en ", " och ", " i ", " ve "]
    private static let partners = set(
        "sons son asociados figli hijos fils söhne zonen co co. daughters brothers partners söner associates filhos")
    /// Words that are no name when they stand alone, and no part of one at its border.
    private static let particles = set(
        "the to in at on a an about from by with is was or as s this that these those we it he she they i you for not no")
    /// Small words of surnames, as they are written within a name.
    private static let nobiliary = set("van von der den de del della di da do dos das la le du ter ten zu zum zur bin ibn al el")
    private static let roles = set(
        "user customer patient witness employee client dear hi hello hey call contact name mail from account holder")
    /// Given names that are months too.
    private static let given = set("april may june august jan mart julio juli julia mai augusto nisan eylül abril mars")
    private static let codes = set(
        """
        iban bic swift vat sku ssn itin dob mrn url uri uuid guid pin cv gp eur usd gbp chf pdf api http https json xml sql csv html select insert
        values update delete null true false tel fax mobile phone email e-mail invoice order isbn
        """)
    private static let labels = set("number no no. code key id ids nr nr. numbers codes keys")
    private static let titles = set(
        """
        mr mrs ms miss mx dr prof professor sir dame lord lady herr frau dipl.-ing ing univ.prof mag hr fr pan pani sig sig.ra sig.na dott dott.ssa
        dr.ssa avv okt öğr av arş gör doç bay bayan sr sra srta d dña m mme mlle monsieur madame señor señora senhor senhora meneer mevrouw dhr mw
        doutor doutora drs ir
        """)
    private static let degrees = set("md dvm phd dds jr sr ii iii iv mba b.sc b.eng b.a m.sc m.eng m.a ba bsc msc ma esq cpa rn")
    /// Legal forms and what firms and institutions are called.
    private static let forms = set(
        """
        gmbh ag kg ohg ug se ltd ltd. limited llc llp plc inc inc. corp corp. corporation company co co. group holding holdings hb ab oy as a/s aps
        bv b.v n.v nv s.a s.a. sa s.l s.l. sl s.r.l s.r.l. srl spa s.p.a s.p.a. sarl sas eurl sp o.o o.o. s.k s.j a.ş a.ş. şti şti. tic san e.g e.g. e.v
        airlines airways exchange bank university college school institute foundation association society club council committee commission congress
        parliament ministry department agency authority court police army forces church hospital museum library theatre orchestra league team
        stadium star-telegram times post news tribune press radio television tv channel records studios games software systems technologies
        technology solutions services industries motors energy oil gas insurance partners associates sons brothers trust fund union party stoppers
        network aquarium railway company' design works international
        """)
    /// Words that say of a name what it is, and are nothing else.
    private static let legalForms = set(
        "gmbh ltd limited llc llp plc inc corp s.a a.ş s.r.l s.p.a sarl b.v n.v oyj pty aps ohg a.s s.a.s s.l z.o.o sp.j sp.k k.k")
    private static let dotted = set("ltd inc corp co tic şti san bros ass")
}
