import SallyportCore

/// The few broad expressions of the shared scan that make the scanners look closer. The exact work is done in Swift.
enum SensitiveTrigger: Int, CaseIterable {
    case digits, lettersAfterDigits, fiscalCode, announcement, at, dottedQuad, colons, hexDashes, coordinates, street, streetFirst, zip,
        birth, plate, diagnosis, bankCode, machineReadable
    case base58, bech32, ethereum, coin, web, age, monthName

    /// Looked for only where everything is wanted.
    var isSeldomSensitive: Bool { self == .web || self == .age || self == .monthName }

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
        case .web: Pattern(#"https?://"#, ignoresCase: true, needsStart: false)
        case .age:
            Pattern(
                #"years?[ -]old|\baged? |turn(?:s|ed|ing) [0-9]|(?:he|she|i|they) (?:was|is|am|are) [0-9]{2}"#, ignoresCase: true,
                needsStart: false)
        case .monthName:
            Pattern(
                #"\b(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)[ .,][ ]?[0-9]|[0-9] (?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)|[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{1,2}[./][0-9]{1,2}[./][0-9]{2}"#,
                ignoresCase: true, needsStart: false)
        }
    }
}
