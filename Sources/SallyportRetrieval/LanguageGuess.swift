/// Tells the language of a text by its script and its smallest words. Good enough for a filter, not for more.
package enum LanguageGuess {
    package struct Guess: Sendable, Hashable {
        /// ISO 639-1, or `und`.
        package let language: String
        /// In English.
        package let name: String
        /// The share of its letters, or of the smallest words that were found, that speak for the language.
        package let confidence: Double
    }

    private static let names = [
        "en": "English", "de": "German", "fr": "French", "es": "Spanish", "it": "Italian", "nl": "Dutch", "pt": "Portuguese",
        "pl": "Polish", "ru": "Russian", "el": "Greek", "he": "Hebrew", "ar": "Arabic", "ja": "Japanese", "zh": "Chinese", "ko": "Korean",
    ]

    private static let words: [(String, Set<String>)] = [
        ("en", ["the", "and", "of", "to", "is", "in", "that", "for", "with", "are"]),
        ("de", ["der", "die", "und", "das", "ist", "nicht", "mit", "ein", "eine", "für", "den", "von"]),
        ("fr", ["le", "les", "et", "des", "est", "une", "dans", "que", "pour", "du", "sur"]),
        ("es", ["el", "los", "y", "que", "las", "una", "por", "con", "para", "del", "es"]),
        ("it", ["il", "che", "di", "per", "una", "del", "della", "sono", "gli", "è", "nel"]),
        ("nl", ["het", "een", "van", "en", "dat", "niet", "zijn", "voor", "met", "op"]),
        ("pt", ["os", "uma", "não", "para", "com", "dos", "do", "da", "em", "mais", "é"]),
        ("pl", ["i", "w", "na", "się", "nie", "jest", "że", "do", "oraz", "przez"]),
    ]

    /// - Returns: ISO 639-1, or `und`.
    static func language(of text: String) -> String { guess(text).language }

    package static func guess(_ text: String) -> Guess {
        let (language, confidence) = best(text)
        return Guess(language: language, name: names[language] ?? "(Unknown)", confidence: confidence)
    }

    private static func best(_ text: String) -> (language: String, confidence: Double) {
        var counts: [String: Int] = [:]
        var total = 0
        for scalar in text.unicodeScalars.prefix(20_000) where scalar.properties.isAlphabetic {
            total += 1
            switch scalar.value {
            case 0x0400...0x052F: counts["ru", default: 0] += 1
            case 0x0370...0x03FF: counts["el", default: 0] += 1
            case 0x0590...0x05FF: counts["he", default: 0] += 1
            case 0x0600...0x06FF: counts["ar", default: 0] += 1
            case 0x3040...0x30FF: counts["ja", default: 0] += 3
            case 0x4E00...0x9FFF: counts["zh", default: 0] += 1
            case 0xAC00...0xD7AF: counts["ko", default: 0] += 1
            default: break
            }
        }
        if let (language, count) = counts.max(by: { ($0.value, $1.key) < ($1.value, $0.key) }), count * 2 > total {
            return (language, min(1, Double(count) / Double(total)))
        }
        var best = (language: "und", count: 2)
        var all = 0
        let found = Words.folded(text, limit: 2000)
        for (language, small) in words {
            let count = found.count(where: small.contains)
            all += count
            if count > best.count { best = (language, count) }
        }
        return best.language == "und" ? ("und", 0) : (best.language, Double(best.count) / Double(all))
    }
}
