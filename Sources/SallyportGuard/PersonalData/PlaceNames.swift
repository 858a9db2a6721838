import SallyportCore

/// Countries, states of the US and large cities by their names: what everybody calls a place need not be guessed by a model. Looked for only
/// where names are, and only as names are written.
enum PlaceNames {
    private static let longest = 4

    /// Findings under `Location`; none that touches one of `known`.
    static func findings(in passage: Passage, beside known: [Finding], detector: DetectorID) -> [Finding] {
        passage.withBytes { text in
            var found: [Finding] = []
            let words = Self.words(in: text)
            var first = 0
            while first < words.count {
                guard isCapital(text[words[first].lowerBound]), let last = match(words, first, text) else {
                    first += 1
                    continue
                }
                let range = words[first].lowerBound..<words[last].upperBound
                if !known.contains(where: { $0.range.overlaps(range) }) {
                    found.append(Finding(detector, .init(.sensitive, "Location"), at: range, confidence: 0.75, evidence: "list"))
                }
                first = last + 1
            }
            return found
        }
    }

    /// The longest name that begins with the word.
    private static func match(_ words: [Range<Int>], _ first: Int, _ text: UnsafeRawBufferPointer) -> Int? {
        var name: [UInt8] = []
        var best: Int?
        for last in first..<min(words.count, first + longest) {
            if last > first {
                // One blank between the words of a name.
                guard words[last].lowerBound == words[last - 1].upperBound + 1, text[words[last - 1].upperBound] == 0x20 else { break }
                name.append(0x20)
            }
            name += text[words[last]]
            if all.contains(name) { best = last }
        }
        return best
    }

    /// Runs of letters, hyphens and apostrophes.
    private static func words(in text: UnsafeRawBufferPointer) -> [Range<Int>] {
        var found: [Range<Int>] = []
        var index = 0
        while index < text.count {
            guard isPart(text[index]) else {
                index += 1
                continue
            }
            let start = index
            while index < text.count, isPart(text[index]) { index += 1 }
            found.append(start..<index)
        }
        return found
    }

    private static func isPart(_ byte: UInt8) -> Bool {
        IdentifierText.isLetter(byte) || byte >= 0x80 || byte == 0x2D || byte == 0x27
    }

    private static func isCapital(_ byte: UInt8) -> Bool { byte >= 0x41 && byte <= 0x5A || byte >= 0xC3 && byte <= 0xC5 }

    private static let all: Set<[UInt8]> = Set((countries + others + states + cities).split(separator: "|").map { Array($0.utf8) })

    private static let countries = """
        Afghanistan|Albania|Algeria|Andorra|Angola|Argentina|Armenia|Australia|Austria|Azerbaijan|Bahamas|Bahrain|Bangladesh|Barbados|Belarus|\
        Belgium|Belize|Benin|Bhutan|Bolivia|Botswana|Brazil|Brunei|Bulgaria|Burundi|Cambodia|Cameroon|Canada|Cape Verde|Chile|China|Colombia|\
        Comoros|Costa Rica|Croatia|Cuba|Cyprus|Czech Republic|Czechia|Denmark|Djibouti|Dominica|Dominican Republic|Ecuador|Egypt|El Salvador|\
        Eritrea|Estonia|Eswatini|Ethiopia|Fiji|Finland|France|Gabon|Gambia|Germany|Ghana|Greece|Greenland|Grenada|Guatemala|Guernsey|Guinea|\
        Guyana|Haiti|Honduras|Hong Kong|Hungary|Iceland|India|Indonesia|Iran|Iraq|Ireland|Israel|Italy|Ivory Coast|Jamaica|Japan|Kazakhstan|\
        Kenya|Kiribati|Kosovo|Kuwait|Kyrgyzstan|Laos|Latvia|Lebanon|Lesotho|Liberia|Libya|Liechtenstein|Lithuania|Luxembourg|Macao|Madagascar|\
        Malawi|Malaysia|Maldives|Malta|Mauritania|Mauritius|Mexico|Micronesia|Moldova|Monaco|Mongolia|Montenegro|Morocco|Mozambique|Myanmar|\
        Namibia|Nauru|Nepal|Netherlands|New Zealand|Nicaragua|Nigeria|North Korea|North Macedonia|Norway|Oman|Pakistan|Palau|Palestine|Panama|\
        Papua New Guinea|Paraguay|Peru|Philippines|Poland|Portugal|Puerto Rico|Qatar|Romania|Russia|Rwanda|Samoa|San Marino|Saudi Arabia|\
        Senegal|Serbia|Seychelles|Sierra Leone|Singapore|Slovakia|Slovenia|Solomon Islands|Somalia|South Africa|South Korea|South Sudan|Spain|\
        Sri Lanka|Sudan|Suriname|Sweden|Switzerland|Syria|Taiwan|Tajikistan|Tanzania|Thailand|Togo|Tonga|Trinidad and Tobago|Tunisia|\
        Turkmenistan|Tuvalu|Uganda|Ukraine|United Arab Emirates|United Kingdom|United States|United States of America|Uruguay|Uzbekistan|\
        Vanuatu|Venezuela|Vietnam|Yemen|Zambia|Zimbabwe|England|Scotland|Wales|Northern Ireland|
        """
    private static let others = """
        Deutschland|Österreich|Schweiz|Frankreich|Italien|Spanien|Polen|Niederlande|Belgien|Schweden|Dänemark|Norwegen|Finnland|Griechenland|\
        Ungarn|Tschechien|Russland|Türkei|Großbritannien|Irland|Allemagne|Autriche|Suisse|Espagne|Italie|Pologne|Belgique|Suède|Danemark|\
        Norvège|Grèce|Hongrie|Russie|Turquie|Royaume-Uni|Irlande|Maroc|Algérie|Tunisie|Alemania|Suiza|Francia|Italia|España|Polonia|Bélgica|\
        Suecia|Dinamarca|Noruega|Grecia|Hungría|Rusia|Turquía|Reino Unido|Irlanda|Marruecos|Brasil|México|Perú|Panamá|Japón|Egipto|Germania|\
        Svizzera|Spagna|Belgio|Svezia|Danimarca|Norvegia|Finlandia|Ungheria|Turchia|Regno Unito|Giappone|Egitto|Brasile|Niemcy|Szwajcaria|\
        Francja|Włochy|Hiszpania|Holandia|Belgia|Szwecja|Norwegia|Grecja|Węgry|Rosja|Turcja|Ukraina|Polska|Alemanha|Áustria|Suíça|França|\
        Espanha|Itália|Polónia|Holanda|Suécia|Grécia|Hungria|Rússia|Duitsland|Oostenrijk|Zwitserland|Frankrijk|Spanje|Italië|Zweden|\
        Denemarken|Noorwegen|Griekenland|Hongarije|Rusland|Turkije|Nederland|België|Almanya|Avusturya|İsviçre|Fransa|İspanya|İtalya|Polonya|\
        Hollanda|Belçika|İsveç|Danimarka|Norveç|Yunanistan|Macaristan|Rusya|Türkiye|İngiltere|Tyskland|Österrike|Frankrike|Spanien|Polen|\
        Nederländerna|Sverige|Danmark|Norge|Grekland|Ungern|Ryssland|Turkiet|Storbritannien|
        """
    private static let states = """
        Alabama|Alaska|Arizona|Arkansas|California|Colorado|Connecticut|Delaware|Florida|Hawaii|Idaho|Illinois|Indiana|Iowa|Kansas|Kentucky|\
        Louisiana|Maine|Maryland|Massachusetts|Michigan|Minnesota|Mississippi|Missouri|Montana|Nebraska|Nevada|New Hampshire|New Jersey|\
        New Mexico|New York|New York City|North Carolina|North Dakota|Ohio|Oklahoma|Oregon|Pennsylvania|Rhode Island|South Carolina|South Dakota|Tennessee|\
        Texas|Utah|Vermont|West Virginia|Wisconsin|Wyoming|Bavaria|Saxony|Catalonia|Tuscany|Lombardy|Ontario|Quebec|
        """
    private static let cities = """
        London|Paris|Berlin|Madrid|Rome|Vienna|Zurich|Zürich|Geneva|Amsterdam|Rotterdam|Brussels|Lisbon|Porto|Dublin|Edinburgh|Glasgow|\
        Manchester|Birmingham|Liverpool|Leeds|Bristol|Copenhagen|Stockholm|Oslo|Helsinki|Warsaw|Krakow|Kraków|Warszawa|Prague|Budapest|\
        Bucharest|Athens|Istanbul|İstanbul|Ankara|Moscow|Kyiv|Kiev|Hamburg|Munich|München|Frankfurt|Cologne|Köln|Stuttgart|Leipzig|Dresden|\
        Lyon|Marseille|Toulouse|Bordeaux|Barcelona|Seville|Sevilla|Valencia|Milan|Milano|Naples|Napoli|Turin|Torino|Roma|Lisboa|\
        São Paulo|Rio de Janeiro|Buenos Aires|Bogotá|Lima|Santiago|Mexico City|Toronto|Montreal|Vancouver|Ottawa|Chicago|Boston|Houston|\
        Los Angeles|San Francisco|San Diego|Seattle|Dallas|Miami|Atlanta|Denver|Detroit|Las Vegas|Philadelphia|Baltimore|Washington DC|\
        Tokyo|Osaka|Kyoto|Beijing|Shanghai|Shenzhen|Seoul|Taipei|Bangkok|Jakarta|Manila|Hanoi|Kuala Lumpur|Mumbai|Delhi|New Delhi|Bangalore|\
        Chennai|Kolkata|Hyderabad|Karachi|Lahore|Dhaka|Dubai|Abu Dhabi|Doha|Riyadh|Jeddah|Tehran|Baghdad|Damascus|Beirut|Jerusalem|Tel Aviv|\
        Cairo|Alexandria|Casablanca|Tunis|Algiers|Lagos|Accra|Nairobi|Addis Ababa|Johannesburg|Cape Town|Sydney|Melbourne|Brisbane|Perth|\
        Auckland|Wellington
        """
}
