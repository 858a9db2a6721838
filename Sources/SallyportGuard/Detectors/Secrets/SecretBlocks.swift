/// Secrets of several lines or parts: private keys in their armour, tokens of three parts, credentials in addresses.
enum SecretBlocks {
    /// A PEM or PGP private key, from a hit on `-----BEGIN ` to its END line, or to the end of the text: a key cut off is still one.
    static func privateKey(in text: UnsafeRawBufferPointer, from start: Int, after end: Int) -> SecretMatch? {
        guard start >= 0, let closing = dashes(in: text, from: end, within: 64) else { return nil }
        let label = end..<closing
        guard SecretChecks.mentions("private key", in: text, near: label, within: 0) else { return nil }
        let name =
            SecretChecks.mentions("pgp", in: text, near: label, within: 0)
            ? "PGPPrivateKey"
            : SecretChecks.mentions("service_account", in: text, near: start..<start, within: 400)
                ? "GoogleServiceAccountKey" : "PrivateKey"
        let body = closing + 5
        var cursor = body
        var limit = min(text.count, body + 65_536)
        while cursor < limit {
            // Another block begins before this one ended.
            if text[cursor] == 0x2D, isHeader(text, at: cursor) {
                limit = cursor
                break
            }
            if text[cursor] == 0x2D, let finish = footer(in: text, at: cursor) {
                // Nothing between the lines: somebody writes about keys.
                let content = (body..<cursor).reduce(0) { $0 + (ASCII.isAlphanumeric(text[$1]) ? 1 : 0) }
                guard content >= 24, !SecretChecks.isPlaceholder(text, body + blanks(in: text, from: body)..<cursor) else { return nil }
                return SecretMatch(name, start..<finish, 0.95)
            }
            cursor += 1
        }
        let content = (body..<limit).reduce(0) { $0 + (ASCII.isAlphanumeric(text[$1]) ? 1 : 0) }
        guard content >= 24, isArmour(text, body..<limit) else { return nil }
        return SecretMatch(name, start..<limit, 0.85)
    }

    private static func blanks(in text: UnsafeRawBufferPointer, from start: Int) -> Int {
        var cursor = start
        while cursor < text.count, ASCII.isWhitespace(text[cursor]) || text[cursor] == 0x5C { cursor += 1 }
        return cursor - start
    }

    /// Without an END line: the first word of the body is as long as armoured lines are, or as much as was sent of one.
    private static func isArmour(_ text: UnsafeRawBufferPointer, _ range: Range<Int>) -> Bool {
        var run = 0
        for index in range {
            run = ByteSet.base64.contains(text[index]) ? run + 1 : 0
            if run >= 24 { return true }
        }
        return false
    }

    private static func dashes(in text: UnsafeRawBufferPointer, from start: Int, within distance: Int) -> Int? {
        var cursor = start
        let limit = min(text.count - 4, start + distance)
        while cursor < limit {
            if text[cursor] == 0x0A { return nil }
            if text[cursor] == 0x2D, text[cursor + 1] == 0x2D, text[cursor + 2] == 0x2D, text[cursor + 3] == 0x2D, text[cursor + 4] == 0x2D
            {
                return cursor
            }
            cursor += 1
        }
        return nil
    }

    private static func footer(in text: UnsafeRawBufferPointer, at offset: Int) -> Int? {
        let mark: StaticString = "-----END "
        guard offset + mark.utf8CodeUnitCount <= text.count else { return nil }
        for index in 0..<mark.utf8CodeUnitCount where text[offset + index] != mark.utf8Start[index] { return nil }
        let end = offset + mark.utf8CodeUnitCount
        return dashes(in: text, from: end, within: 64).map { $0 + 5 } ?? end
    }

    private static func isHeader(_ text: UnsafeRawBufferPointer, at offset: Int) -> Bool {
        let mark: StaticString = "-----BEGIN "
        guard offset + mark.utf8CodeUnitCount <= text.count else { return false }
        for index in 0..<mark.utf8CodeUnitCount where text[offset + index] != mark.utf8Start[index] { return false }
        return true
    }

    /// PuTTY's own format, to its authentication code.
    static func puttyKey(in text: UnsafeRawBufferPointer, from start: Int) -> SecretMatch? {
        let limit = min(text.count, start + 65_536)
        guard start >= 0, SecretChecks.mentions("private-lines", in: text, near: start..<min(limit, start + 4_096), within: 0) else {
            return nil
        }
        var cursor = start
        let mark: StaticString = "private-mac:"
        while cursor + mark.utf8CodeUnitCount < limit {
            if SecretChecks.folded(text[cursor]) == 0x70,
                SecretChecks.mentions(mark, in: text, near: cursor..<cursor + mark.utf8CodeUnitCount, within: 0)
            {
                while cursor < limit, text[cursor] != 0x0A { cursor += 1 }
                return SecretMatch("PuTTYPrivateKey", start..<cursor, 0.95)
            }
            cursor += 1
        }
        return SecretMatch("PuTTYPrivateKey", start..<limit, 0.85)
    }

    /// A JSON Web Token: three parts, the first of which decodes to a header with an algorithm.
    static func webToken(in text: UnsafeRawBufferPointer, from start: Int) -> SecretMatch? {
        guard start >= 0, start == 0 || !ByteSet.word.contains(text[start - 1]) else { return nil }
        var dots: [Int] = []
        var end = start
        while end < text.count, end - start <= 16_384, ByteSet.dottedWord.contains(text[end]) {
            if text[end] == 0x2E {
                if dots.count == 4 { break }
                dots.append(end)
            }
            end += 1
        }
        if let last = dots.last, last == end - 1, dots.count > 2 {
            end = last
            dots.removeLast()
        }
        guard dots.count == 2 || dots.count == 4, dots[0] - start >= 16, end - dots[dots.count - 1] > 16 else { return nil }
        guard let header = SecretChecks.base64(text, start..<dots[0]), header.first == 0x7B,
            header.withUnsafeBytes({ SecretChecks.mentions("\"alg\"", in: $0, near: 0..<$0.count, within: 0) })
        else { return nil }
        return SecretMatch("JSONWebToken", start..<end, 0.85)
    }

    /// The password in `scheme://user:password@host`.
    static func addressCredentials(in text: UnsafeRawBufferPointer, after end: Int) -> SecretMatch? {
        var colon: Int?
        var cursor = end
        while cursor < text.count, cursor - end < 300 {
            let byte = text[cursor]
            if byte == 0x40 { break }
            if byte <= 0x20 || byte >= 0x7F || byte == 0x2F || byte == 0x22 || byte == 0x27 || byte == 0x3C || byte == 0x3E || byte == 0x60
                || byte == 0x3F
            {
                return nil
            }
            if byte == 0x3A, colon == nil { colon = cursor }
            cursor += 1
        }
        guard let colon, cursor < text.count, text[cursor] == 0x40, cursor - colon > 3, cursor + 1 < text.count else { return nil }
        guard ASCII.isAlphanumeric(text[cursor + 1]) || text[cursor + 1] == 0x5B else { return nil }
        let password = colon + 1..<cursor
        guard !SecretChecks.isPlaceholder(text, password), !isNameForPassword(text, password) else { return nil }
        return SecretMatch("URLCredentials", password, 0.85)
    }

    /// `user:password@`, `user:pass@`: what examples write.
    private static func isNameForPassword(_ text: UnsafeRawBufferPointer, _ range: Range<Int>) -> Bool {
        for word: StaticString in ["pass", "password", "passwd", "secret", "token", "pwd", "pw"]
        where word.utf8CodeUnitCount == range.count && SecretChecks.mentions(word, in: text, near: range, within: 0) { return true }
        return false
    }
}
