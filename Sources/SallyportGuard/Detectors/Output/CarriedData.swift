/// Looks for data that an address carries away: readable text, plain or encoded, in query, path, fragment or host name.
struct CarriedData {
    struct Fact: Sendable, Hashable {
        let confidence: Double
        /// The rule's name.
        let rule: String
    }

    /// Parameters whose opaque values are signatures, tokens of a session or render options of well-known services.
    private static let opaqueNames: Set<String> = [
        "sig", "signature", "sign", "hmac", "hash", "h", "hm", "s", "sv", "se", "sp", "sr", "st", "spr", "skoid", "sktid", "policy",
        "key-pair-id", "expires",
        "x-amz-signature", "x-amz-credential", "x-amz-security-token", "x-amz-date", "x-amz-algorithm", "x-goog-signature",
        "x-goog-credential", "token", "jwt",
        "access_token", "auth", "oh", "oe", "_nc_ohc", "_nc_gid", "_nc_sid", "ixid", "ixlib", "state", "nonce", "code_challenge",
        "samlrequest", "cursor", "after",
        "before", "page_token", "pagetoken", "continuation", "gclid", "fbclid", "msclkid", "tbn", "usqp", "v", "itag", "ved", "usg",
        "sxsrf", "ei",
    ]
    /// Parameters and placeholders that name what an attacker is after.
    private static let tellingNames: Set<String> = [
        "exfil", "leak", "leaked", "secret", "secrets", "stolen", "conversation", "history", "chat", "chathistory", "chat_history",
        "prompt", "systemprompt",
        "system_prompt", "context", "password", "passwd", "pwd", "apikey", "api_key", "ssn", "cookie", "cookies", "creds", "credentials",
        "dump", "userdata",
        "user_data", "transcript", "conv",
    ]
    private static let placeholderWords: Set<String> = [
        "data", "conversation", "history", "prompt", "message", "messages", "chat", "context", "secret", "secrets", "password", "token",
        "key", "email", "input",
        "summary", "info", "information", "content", "encoded", "base64", "leak", "answer", "response", "details", "credentials", "name",
        "document", "text",
    ]
    /// Hosts where long text in an address is how the service is used.
    private static let textHosts: Set<String> = [
        "google.com", "bing.com", "duckduckgo.com", "twitter.com", "x.com", "github.com", "linkedin.com", "facebook.com", "wikipedia.org",
        "reddit.com",
        "stackoverflow.com", "deepl.com", "wolframalpha.com", "t.me", "wa.me", "api.whatsapp.com", "outlook.office.com", "outlook.live.com",
        "youtube.com",
        "perplexity.ai", "chatgpt.com", "translate.google.com", "regex101.com", "play.rust-lang.org", "godbolt.org", "typescriptlang.org",
    ]

    private let address: WebAddress
    private let use: OutputLink.Use
    private let depth: Int

    init(_ address: WebAddress, use: OutputLink.Use, depth: Int = 0) {
        self.address = address
        self.use = use
        self.depth = depth
    }

    private var isLoaded: Bool { use == .loaded }

    /// The strongest fact, or nil for an ordinary address.
    var fact: Fact? {
        var best: Fact?
        func note(_ fact: Fact?) {
            if let fact, fact.confidence > best?.confidence ?? 0 { best = fact }
        }
        for pair in address.query.split(whereSeparator: { $0 == UInt8(ascii: "&") || $0 == UInt8(ascii: ";") }).prefix(256) {
            let parts = pair.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            let name = parts.count == 2 ? String(decoding: Percent.decoded(parts[0]), as: UTF8.self).lowercased() : ""
            note(parameter(name, parts.count == 2 ? parts[1] : parts[0]))
        }
        for segment in address.path.split(separator: UInt8(ascii: "/")).prefix(64) { note(segmentFact(Percent.decoded(segment))) }
        note(fragmentFact)
        note(hostFact)
        return best
    }

    private func parameter(_ name: String, _ raw: ArraySlice<UInt8>) -> Fact? {
        let value = Percent.decoded(raw, plusIsSpace: true)
        // A plus is a space in text but a digit in base64.
        if let fact = encoded(value, name: name) ?? encoded(Percent.decoded(raw), name: name) { return fact }
        if let fact = plain(value, minimumLength: isLoaded ? 32 : 160, minimumWords: isLoaded ? 5 : 20) { return fact }
        guard isLoaded else { return nil }
        if placeholder(in: value) { return Fact(confidence: 0.8, rule: "placeholder") }
        if let at = value.firstIndex(of: UInt8(ascii: "@")), at > 1, value[at...].contains(UInt8(ascii: ".")), value.count < 256,
            value[at...].dropFirst().allSatisfy({ $0.isASCIIAlphanumeric || ".-_".utf8.contains($0) })
        {
            return Fact(confidence: 0.8, rule: "mail-address")
        }
        if Self.tellingNames.contains(name), value.count >= 4, !value.allSatisfy(\.isASCIIDigit) {
            return Fact(confidence: value.count >= 12 ? 0.75 : 0.6, rule: "telling-parameter")
        }
        if value.count >= 96, !Self.opaqueNames.contains(name), Readable.isOpaque(value) {
            return Fact(confidence: 0.6, rule: "opaque-parameter")
        }
        return nil
    }

    private func segmentFact(_ value: [UInt8]) -> Fact? {
        if let fact = encoded(value, name: "") { return fact }
        if let dot = value.lastIndex(of: UInt8(ascii: ".")), let fact = encoded(Array(value[..<dot]), name: "") { return fact }
        guard isLoaded else { return nil }
        if placeholder(in: value) { return Fact(confidence: 0.8, rule: "placeholder") }
        let isFile = value.suffix(6).contains(UInt8(ascii: "."))
        return plain(value, minimumLength: isFile ? 96 : 48, minimumWords: isFile ? 14 : 8)
    }

    /// Never sent to the server, but read by the page it leads to. `#:~:text=` quotes the page itself.
    private var fragmentFact: Fact? {
        guard use != .code, !address.fragment.starts(with: ":~:".utf8) else { return nil }
        let value = Percent.decoded(address.fragment)
        let tail = value.split(separator: UInt8(ascii: "="), maxSplits: 1).last.map(Array.init) ?? value
        return encoded(value, name: "") ?? encoded(tail, name: "")
    }

    /// `<data>.attacker.example`: name servers see it even when nothing is fetched.
    private var hostFact: Fact? {
        let labels = address.labels
        guard labels.count > 2 else { return nil }
        let inner = labels.dropLast(2)
        for label in inner where label.utf8.count >= 16 {
            if let text = Readable.decodedLabel(Array(label.utf8)), Readable.words(text) >= 2 || text.count >= 12 {
                return Fact(confidence: isLoaded ? 0.95 : 0.85, rule: "encoded-host")
            }
        }
        if isLoaded, inner.contains(where: { placeholder(in: Array($0.utf8)) }) { return Fact(confidence: 0.8, rule: "placeholder") }
        // Data cut into labels of allowed length.
        let long = inner.filter { $0.utf8.count >= 30 && Readable.isOpaque(Array($0.utf8)) }
        return long.count >= 2 ? Fact(confidence: isLoaded ? 0.8 : 0.65, rule: "opaque-host") : nil
    }

    private func encoded(_ value: [UInt8], name: String) -> Fact? {
        guard value.count >= 16, let text = Readable.decoded(value) else { return nil }
        // Image proxies carry the address of the image.
        if depth < 2, text.starts(with: "http".utf8), let inner = WebAddress(text), !inner.scheme.isEmpty {
            return CarriedData(inner, use: use, depth: depth + 1).fact
        }
        if Self.opaqueNames.contains(name), Readable.words(text) < 8 || value.contains(UInt8(ascii: ".")) { return nil }
        let words = Readable.words(text)
        if isLoaded { return words >= 2 || text.count >= 16 ? Fact(confidence: 0.95, rule: "encoded-text") : nil }
        guard text.count >= 24, words >= 4, text.contains(0x20) else { return nil }
        return Fact(confidence: use == .code ? 0.7 : 0.85, rule: "encoded-text")
    }

    private func plain(_ value: [UInt8], minimumLength: Int, minimumWords: Int) -> Fact? {
        guard use != .code, value.count >= minimumLength, value.contains(0x20) || value.contains(0x0A),
            Readable.words(value) >= minimumWords,
            Readable.isText(value), isLoaded || !address.isWithin(Self.textHosts)
        else { return nil }
        return Fact(confidence: isLoaded ? 0.85 : 0.6, rule: "plain-text")
    }

    /// `{conversation}`, `[DATA]`, `<secret>`, `$history`: a template that was not filled in.
    private func placeholder(in value: [UInt8]) -> Bool {
        guard value.count < 512 else { return false }
        var index = 0
        while index < value.count {
            let opening = value[index]
            index += 1
            guard "{[<$".utf8.contains(opening) else { continue }
            let rest = value[index...].drop { "{[<$_ ".utf8.contains($0) }
            let body = rest.prefix { $0.isASCIIAlphanumeric || "_- ".utf8.contains($0) }
            guard opening == UInt8(ascii: "$") || (body.endIndex < value.count && "}]>".utf8.contains(value[body.endIndex])) else {
                continue
            }
            let words = body.split { !$0.isASCIILetter }.map { String(decoding: $0, as: UTF8.self).lowercased() }
            if words.contains(where: { Self.placeholderWords.contains($0) }) { return true }
        }
        return false
    }
}
