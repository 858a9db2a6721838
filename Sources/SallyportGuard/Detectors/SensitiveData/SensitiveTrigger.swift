import SallyportCore

/// The few broad expressions of the shared scan that make the scanners look closer. The exact work is done in Swift.
enum SensitiveTrigger: Int, CaseIterable {
    case digits, lettersAfterDigits, fiscalCode, announcement, at, dottedQuad, colons, hexDashes, coordinates, street, streetFirst, zip,
        birth, plate, diagnosis, bankCode, machineReadable
    case base58, bech32, ethereum, coin, postTown, townPost, wallet, web, age, monthName, number

    /// Looked for only where everything is wanted.
    var isSeldomSensitive: Bool { self == .web || self == .age || self == .monthName || self == .number }

    var pattern: Pattern {
        switch self {
        // Five digits, each at most one separator from the next.
        case .digits: Pattern(#"[0-9](?:(?:[ .()/\-\n]|[\x80-\xff]{1,3})?[0-9]){4}"#, needsStart: false)
        // PAN and the like: four digits and a letter.
        case .lettersAfterDigits: Pattern(#"[0-9]{4}[A-Za-z]"#, needsStart: false)
        // Italian fiscal codes and US Medicare numbers have no such run.
        case .fiscalCode:
            Pattern(
                #"[0-9]{2}[A-Za-z][0-9]{2} ?[A-Za-z][0-9]{3} ?[A-Za-z]|[1-9][A-Z][A-Z0-9][0-9]-?[A-Z][A-Z0-9][0-9]-?[A-Z]{2}[0-9]{2}"#,
                needsStart: false)
        // Identifiers in which letters may stand for most digits: only the words give them away.
        case .announcement:
            Pattern(
                #"codice fiscale|cod\. ?fisc|\bc\.f\. |cnpj|\bisin\b|\blei\b|personalausweis|ausweisnummer|reisepass|passport|passeport|pasaporte|passaporto|paspoort|medicare|\bvin\b"#,
                ignoresCase: true, needsStart: false)
        case .at: Pattern(#"@[0-9A-Za-z]"#, needsStart: false)
        case .dottedQuad: Pattern(#"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]"#, needsStart: false)
        case .colons: Pattern(#":[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]"#, needsStart: false)
        case .hexDashes: Pattern(#"-[0-9A-Fa-f]{2}-[0-9A-Fa-f]{2}-[0-9A-Fa-f]{2}-"#, needsStart: false)
        case .coordinates: Pattern(#"[0-9]\.[0-9]{3,8}(?:\xc2\xb0)? ?[NSns]?[,;/ ] ?[+\-]?[0-9]{1,3}\.[0-9]{3}"#, needsStart: false)
        // 993 Wells Street: the number stands before.
        case .street:
            Pattern(
                #"[a-z] (?:street|st\.|avenue|ave|road|rd|lane|drive|boulevard|blvd|court|square|terrace|parkway|highway)\b|[0-9],? (?:rue|avenue|boulevard|place|chemin) d?"#,
                ignoresCase: true, needsStart: false)
        // Hauptstraße 12, calle Mayor 5: the number stands after.
        case .streetFirst:
            Pattern(
                #"stra(?:\xc3\x9f|ss)e [0-9]|str\. [0-9]|\b(?:calle|avenida|via|viale|piazza|corso|rua|ul\.|ulica|al\.|plac) [a-z\xc3-\xc5]|(?:straat|laan|weg|gracht|plein|gasse|platz|allee) [0-9]"#,
                ignoresCase: true, needsStart: false)
        case .zip: Pattern(#", [A-Z]{2} [0-9]{5}"#, needsStart: false)
        case .birth:
            Pattern(
                #"date of birth|\bdob\b|birth ?date|birthday|\bborn (?:on )?|geboren (?:am )?|geburtsdatum|naissance|n\xc3\xa9e? le|nacimiento|nacid[oa]|nat[oa] il|nascita|urodz|nascido|nascimento|geboortedatum|do\xc4\x9fum"#,
                ignoresCase: true, needsStart: false)
        case .plate:
            Pattern(
                #"licen[sc]e plate|number ?plate|plate (?:number|no)|registration (?:plate|number)|kennzeichen|nummernschild|immatriculation|matr\xc3\xadcula|\btarga\b|rejestracyjn|kenteken|\bplaka"#,
                ignoresCase: true, needsStart: false)
        case .diagnosis:
            Pattern(#"\bicd[- ]?10|\bicd\b|diagnos[eit]|\bdx\b|rozpoznanie"#, ignoresCase: true, needsStart: false)
        case .bankCode: Pattern(#"SWIFT|BIC|[Ss]wift(?:/| code| number|-code)|\bbic\b"#, needsStart: false)
        case .machineReadable: Pattern(#"[A-Z0-9]<[A-Z0-9<]{8}"#, needsStart: false)
        case .base58: Pattern(#"[13][1-9A-HJ-NP-Za-km-z]{25}"#, needsStart: false)
        case .bech32: Pattern(#"(?:bc1|tb1|ltc1|BC1)[02-9ac-hj-np-zAC-HJ-NP-Z]{8}"#, needsStart: false)
        case .ethereum: Pattern(#"0x[0-9A-Fa-f]{40}"#, needsStart: false)
        case .coin: Pattern(#"litecoin|dogecoin|\bxrp\b|ripple"#, ignoresCase: true, needsStart: false)
        // A postal code and its town: `10117 Berlin`, `1234 AB Delft`, `15-880 Ostróda`.
        case .postTown:
            Pattern(
                #"[ ,\n\-](?:[0-9]{4,5}|[0-9]{5}-?[0-9]{3}|[0-9]{4}-[0-9]{3}|[0-9]{2}-[0-9]{3}|[0-9]{3} [0-9]{2}|[0-9]{4} ?[A-Za-z]{2}),?[ \n][A-Za-z\xc3-\xc5]"#,
                needsStart: false)
        // The town and then the code: `IN 47904`, `PE8 8ZL`, `Bharatpur-210406`, `Zamora, 44939`.
        case .townPost:
            Pattern(
                #"\b[a-z]{2} [0-9]{5}\b|\b[a-z]{1,2}[0-9][0-9a-z]? [0-9][a-z]{2}\b|\b[a-z][0-9][a-z] [0-9][a-z][0-9]\b|[a-z\x80-\xff](?:, ?| |-|\n)[0-9]{5,6}\b|\b(?:nsw|vic|qld|tas|act|nt|wa|sa),? [0-9]{4}\b"#,
                ignoresCase: true, needsStart: false)
        case .wallet:
            Pattern(
                #"wallet|\bbtc\b|bitcoin|\beth\b|ethereum|crypto(?:currency)? ?(?:address|payment|account)"#, ignoresCase: true,
                needsStart: false)
        case .web: Pattern(#"https?://|\bwww\.[a-z0-9]"#, ignoresCase: true, needsStart: false)
        case .age:
            Pattern(
                #"[0-9][ -]?(?:years?[ -](?:old|of age)|y/?o\b|yrs? old|jahre alt|ans\b|a\xc3\xb1os|anni\b|lat\b|jaar\b|anos\b|ya\xc5\x9f\xc4\xb1nda|\xc3\xa5r\b)|\bage[d]?[\"']?[:= ][ \"']?[0-9]|\bage of [0-9]|\bturn(?:s|ed|ing) [0-9]|(?:he|she|i|they) (?:was|is|am|are) [0-9]{2}|\b(?:i'm|he's|she's) [0-9]{2}|im alter von [0-9]|[\"']age[\"']: ?[0-9]"#,
                ignoresCase: true, needsStart: false)
        case .monthName:
            Pattern(
                #"\b(?:jan(?:uary|uar|uari|vier|eiro)?|feb(?:ruary|ruar|ruari|rero|braio)?|f[e\xc3]\xa9?v(?:rier|ereiro)|mar(?:ch|s|zo|\xc3\xa7o|t)?|m\xc3\xa4rz|maart|apr(?:il|ile)?|avril|abril|may|mai|mayo|maggio|maio|mei|june?|juni|juin|junio|junho|giugno|july?|juli|juillet|julio|julho|luglio|aug(?:ust|ustus)?|ao\xc3\xbbt|agosto|sept?(?:ember|iembre|embre)?|settembre|setembro|o[ck]t(?:ober|obre|ubre)?|outubro|ottobre|nov(?:ember|embre|iembre|embro)?|de[cz](?:ember|embre|embro)?|d\xc3\xa9cembre|diciembre|dicembre|stycznia|lutego|marca|kwietnia|maja|czerwca|lipca|sierpnia|wrze\xc5\x9bnia|pa\xc5\xbadziernika|listopada|grudnia|ocak|\xc5\x9fubat|mart|nisan|may\xc4\xb1s|haziran|temmuz|a\xc4\x9fustos|eyl\xc3\xbcl|ekim|kas\xc4\xb1m|aral\xc4\xb1k)(?:[ .,/\-]| de )[ ]?[0-9]|[0-9](?:st|nd|rd|th)?[. /\-] ?(?:de )?(?:of )?(?:jan|feb|f\xc3\xa9v|mar|m\xc3\xa4r|apr|avr|abr|ma[yij]|mei|jun|jui|jul|aug|ao\xc3\xbb|ago|sep|set|o[ck]t|out|ott|nov|de[cz]|d\xc3\xa9c|dic|gen|ene|giu|lug|mag|sty|lut|kwi|cze|lip|sie|wrz|pa\xc5\xba|lis|gru|oca|\xc5\x9fub|nis|haz|tem|a\xc4\x9fu|eyl|eki|kas|ara)|[0-9]{4}[-/.][0-9]{2}[-/.][0-9]{2}|[0-9]{1,2}[-./][0-9]{1,2}[-./][0-9]{2}"#,
                ignoresCase: true, needsStart: false)
        // A number set off by commas after a name, or in parentheses: perhaps an age.
        case .number:
            Pattern(#"[a-z.\x80-\xff](?:, [1-9][0-9],| \([1-9][0-9]\))"#, ignoresCase: true, needsStart: false)
        }
    }
}
