/// Values that only the word before them makes a secret: `password = …`, `api_key: …`, `Authorization: Bearer …`.
enum SecretAssignments {
    enum Kind: Sendable { case password, secret, header, bearer }

    private static let closing = ByteSet("\"'`)]}>,;&<|\u{20}\t\r\n")

    /// What is assigned to the word that ends at `end`.
    static func value(in text: UnsafeRawBufferPointer, after end: Int, kind: Kind) -> SecretMatch? {
        guard let (range, isQuoted, isProse) = assigned(in: text, after: end, kind: kind) else { return nil }
        guard range.count >= 6, range.count <= 512 else { return nil }
        let match: SecretMatch?
        switch kind {
        case .header: match = authorization(text, range)
        case .bearer, .secret: match = secret(text, range, isBearer: kind == .bearer)
        case .password:
            match =
                connectionString(text, range) ?? secret(text, range, isBearer: false)
                ?? (isPassword(text, range, isQuoted: isQuoted, isProse: isProse) ? SecretMatch("Password", range, 0.75) : nil)
        }
        return match.flatMap { SecretChecks.isPlaceholder(text, $0.range) ? nil : $0 }
    }

    /// Reads over the rest of the name, the sign and the quotes.
    private static func assigned(in text: UnsafeRawBufferPointer, after end: Int, kind: Kind) -> (
        Range<Int>, isQuoted: Bool, isProse: Bool
    )? {
        var cursor = end
        if kind != .bearer {
            // The rest of the name: `secret_access_key`; a password's name ends here, but for a plural or a number.
            let rest = kind == .password ? 2 : 24
            while cursor < text.count, cursor - end <= rest, ByteSet.word.contains(text[cursor]) { cursor += 1 }
            if cursor - end > rest { return nil }
            while cursor < text.count, cursor - end < rest + 3,
                text[cursor] == 0x22 || text[cursor] == 0x27 || text[cursor] == 0x5D || text[cursor] == 0x60
            {
                cursor += 1
            }
        }
        let afterName = cursor
        cursor = skipBlanks(text, cursor)
        guard cursor < text.count else { return nil }
        var isProse = false
        switch text[cursor] {
        case 0x3A, 0x3D:
            cursor += 1
            while cursor < text.count, text[cursor] == 0x3D || text[cursor] == 0x3E { cursor += 1 }
        default:
            guard cursor > afterName || kind == .bearer else { return nil }
            if kind != .bearer {
                guard let next = verb(text, at: cursor) ?? netrc(text, at: cursor, end: end) else { return nil }
                cursor = next
                isProse = true
                if cursor < text.count, text[cursor] == 0x3A { cursor += 1 }
            }
        }
        cursor = skipBlanks(text, cursor)
        guard cursor < text.count else { return nil }
        let quote = text[cursor]
        let isQuoted = quote == 0x22 || quote == 0x27 || quote == 0x60
        if isQuoted { cursor += 1 }
        var finish = cursor
        while finish < text.count, finish - cursor <= 512 {
            let byte = text[finish]
            if isQuoted && byte == quote { break }
            if byte == 0x0A || byte == 0x0D { break }
            if kind == .header {
                if !isQuoted, byte == 0x22 || byte == 0x27 { break }
            } else if closing.contains(byte), !(isQuoted && byte != 0x20), !(isProse && byte == 0x26) {
                // `&` parts the fields of a query; in a sentence it belongs to the password.
                break
            }
            finish += 1
        }
        // A sentence's last sign is no part of a value without quotes.
        while !isQuoted, finish > cursor, text[finish - 1] == 0x2E || text[finish - 1] == 0x3A { finish -= 1 }
        return finish > cursor ? (cursor..<finish, isQuoted, isProse) : nil
    }

    private static func skipBlanks(_ text: UnsafeRawBufferPointer, _ start: Int) -> Int {
        var cursor = start
        while cursor < text.count, cursor - start < 4, text[cursor] == 0x20 || text[cursor] == 0x09 { cursor += 1 }
        return cursor
    }

    private static func verb(_ text: UnsafeRawBufferPointer, at start: Int) -> Int? {
        for word: StaticString in ["is ", "is: ", "ist ", "est ", "es ", "to "] {
            let end = start + word.utf8CodeUnitCount
            if end < text.count, SecretChecks.mentions(word, in: text, near: start..<end, within: 0) { return end }
        }
        return nil
    }

    /// `machine … login … password VALUE`: no sign at all.
    private static func netrc(_ text: UnsafeRawBufferPointer, at start: Int, end: Int) -> Int? {
        SecretChecks.mentions("login ", in: text, near: max(0, end - 200)..<end, within: 0)
            && SecretChecks.mentions("machine ", in: text, near: max(0, end - 300)..<end, within: 0) ? start : nil
    }

    // MARK: Judging

    private static func authorization(_ text: UnsafeRawBufferPointer, _ range: Range<Int>) -> SecretMatch? {
        var cursor = range.lowerBound
        while cursor < range.upperBound, ASCII.isLetter(text[cursor]) || text[cursor] == 0x2D { cursor += 1 }
        let scheme = range.lowerBound..<cursor
        guard cursor < range.upperBound, text[cursor] == 0x20 else { return secret(text, word(text, range), isBearer: true) }
        let value = word(text, skipBlanks(text, cursor)..<range.upperBound)
        guard !value.isEmpty else { return nil }
        if SecretChecks.mentions("basic", in: text, near: scheme, within: 0) {
            guard let decoded = SecretChecks.base64(text, value), decoded.contains(0x3A), decoded.count >= 5 else { return nil }
            return SecretMatch("BasicCredentials", value, 0.85)
        }
        return secret(text, value, isBearer: true)
    }

    private static func word(_ text: UnsafeRawBufferPointer, _ range: Range<Int>) -> Range<Int> {
        var end = range.lowerBound
        while end < range.upperBound, ByteSet.credential.contains(text[end]) { end += 1 }
        return range.lowerBound..<end
    }

    private static func secret(_ text: UnsafeRawBufferPointer, _ range: Range<Int>, isBearer: Bool) -> SecretMatch? {
        guard range.allSatisfy({ ByteSet.credential.contains(text[$0]) }), SecretChecks.isRandom(text, range) else { return nil }
        if isBearer { return SecretMatch("BearerToken", range, 0.75) }
        let around = max(0, range.lowerBound - 120)..<range.upperBound
        if range.count == 40,
            SecretChecks.mentions("aws", in: text, near: around, within: 0)
                || SecretChecks.mentions("secretaccesskey", in: text, near: around, within: 0)
                || SecretChecks.mentions("secret_access_key", in: text, near: around, within: 0)
        {
            return SecretMatch("AWSSecretAccessKey", range, 0.85)
        }
        if range.count == 32, range.allSatisfy({ ByteSet.hex.contains(text[$0]) }),
            SecretChecks.mentions("azure", in: text, near: around, within: 40)
                || SecretChecks.mentions("subscription-key", in: text, near: around, within: 0)
                || SecretChecks.mentions("openai", in: text, near: around, within: 40)
                || SecretChecks.mentions("cognitive", in: text, near: around, within: 40)
        {
            return SecretMatch("AzureAPIKey", range, 0.85)
        }
        return SecretMatch("GenericSecret", range, 0.75)
    }

    /// The password of an ADO, JDBC or Redis connection string.
    private static func connectionString(_ text: UnsafeRawBufferPointer, _ range: Range<Int>) -> SecretMatch? {
        let before = max(0, range.lowerBound - 300)..<range.lowerBound
        if SecretChecks.mentions(".redis.", in: text, near: before, within: 0),
            SecretChecks.mentions("ssl=", in: text, near: range, within: 60)
        {
            return SecretMatch("AzureRedisCacheString", range, 0.9)
        }
        guard
            SecretChecks.mentions("server=", in: text, near: before, within: 0)
                || SecretChecks.mentions("data source=", in: text, near: before, within: 0)
                || SecretChecks.mentions("jdbc:", in: text, near: before, within: 0)
                || SecretChecks.mentions("host=", in: text, near: before, within: 0)
        else { return nil }
        let isAzure = SecretChecks.mentions("database.windows.net", in: text, near: before, within: 0)
        return SecretMatch(isAzure ? "AzureIAASDatabaseConnectionAndSQLString" : "SQLServerConnectionString", range, 0.85)
    }

    /// Characters of at least two kinds, as passwords have and names in programs have not.
    private static func isPassword(_ text: UnsafeRawBufferPointer, _ range: Range<Int>, isQuoted: Bool, isProse: Bool) -> Bool {
        var letters = 0
        var digits = 0
        var signs = 0
        for index in range {
            let byte = text[index]
            if ASCII.isLetter(byte) {
                letters += 1
            } else if ASCII.isDigit(byte) {
                digits += 1
            } else if byte == 0x28 || byte == 0x7C || byte == 0x2F || byte == 0x5C || byte == 0x3D || byte == 0x7B
                || byte == 0x24 && index == range.lowerBound
            {
                return false
            } else if byte == 0x21 || byte == 0x23 || byte == 0x40 || byte == 0x24 || byte == 0x25 || byte == 0x5E || byte == 0x26
                || byte == 0x2A || byte == 0x3F
                || byte == 0x2B || byte == 0x7E || byte >= 0x80
            {
                signs += 1
            }
        }
        if isProse { return letters > 0 && digits > 0 && range.count >= 6 || signs > 0 && digits > 0 }
        // `config.password2`, `user.password_1`: a path in a program.
        if !isQuoted, text[range].contains(0x2E), signs == 0 { return false }
        return letters > 0 && (digits > 0 || signs > 0 && isQuoted) || digits >= 8 || digits > 0 && signs > 0
    }
}
