import NIOHTTP1
import SallyportCore
import SallyportOversight

/// Which header fields pass, each way. What is not listed stays here: credentials, cookies, identity and routing headers above all.
enum HeaderRules {
    private static let upstreamward = HeaderNames([
        "content-type", "accept", "openai-beta", "aoai-evals", "aoai-copy-ft-checkpoints", "x-ms-client-request-id", "if-match",
        "if-none-match", "prefer", "operation-id",
    ])
    private static let callerward = HeaderNames([
        "content-type", "retry-after", "retry-after-ms", "x-ms-region", "azureml-model-session", "x-ms-rai-invoked", "x-request-id",
        "openai-processing-ms", "openai-version", "x-ratelimit-remaining-requests", "x-ratelimit-remaining-tokens",
        "x-ratelimit-limit-requests", "x-ratelimit-limit-tokens", "x-ratelimit-reset-requests", "x-ratelimit-reset-tokens", "cache-control",
        "content-disposition", "etag", "x-should-retry", "odata-version", "preference-applied", "x-ms-error-code",
    ])

    /// Two credentials that differ are no credential: nobody can say which one was meant.
    static func presented(in headers: HTTPHeaders) throws -> Substring? {
        var found: Substring?
        for (name, value) in headers {
            var candidate: Substring?
            switch name.utf8.count {
            case 7 where HeaderFields.sameName(name, "api-key"): candidate = Substring(value)
            case 25 where HeaderFields.sameName(name, "ocp-apim-subscription-key"): candidate = Substring(value)
            case 13 where HeaderFields.sameName(name, "authorization"):
                guard value.utf8.count > 7, HeaderFields.sameName(String(value.prefix(7)), "bearer ") else { throw Fault.invalidKey }
                candidate = value.dropFirst(7)
            default: continue
            }
            if let found, found != candidate { throw Fault.invalidKey }
            found = candidate
        }
        guard let found else { return nil }
        guard !found.isEmpty else { throw Fault.invalidKey }
        return found
    }

    static func forUpstream(_ headers: HTTPHeaders, trace: TraceContext) -> HeaderFields {
        var fields = HeaderFields()
        fields.reserveCapacity(6)
        for (name, value) in headers { if let known = upstreamward[name] { fields.append(known, value) } }
        fields.append("user-agent", "sallyport")
        fields.set("accept-encoding", "identity")
        fields.set("traceparent", trace.outgoing)
        return fields
    }

    /// Values that go upstream and could say anything: guards read them as they read the query.
    static func texts(forUpstream headers: HTTPHeaders) -> [String] {
        var texts: [String] = []
        for (name, value) in headers where upstreamward[name] != nil && !saysNothing(value) { texts.append(value) }
        return texts
    }

    /// Media types that every client sends, ids of hexadecimal digits, and the boundary of a form, which its body repeats.
    private static func saysNothing(_ value: String) -> Bool {
        if plainValues.contains(value) { return true }
        func isNumber(_ text: some StringProtocol) -> Bool {
            text.utf8.count <= 70
                && text.utf8.allSatisfy {
                    ($0 >= 0x30 && $0 <= 0x39) || ($0 | 0x20 >= 0x61 && $0 | 0x20 <= 0x66) || $0 == UInt8(ascii: "-")
                }
        }
        let form = "multipart/form-data; boundary="
        if value.hasPrefix(form) { return isNumber(value.dropFirst(form.count)) }
        return value.utf8.count == 36 && isNumber(value)
    }

    private static let plainValues: Set<String> = [
        "application/json", "application/json; charset=utf-8", "application/json;charset=utf-8", "*/*", "application/octet-stream",
        "application/binary", "text/event-stream", "preview", "true", "*",
    ]

    /// - Parameter ownLimits: the rate limits told are ours; the upstream's are not passed on.
    static func forCaller(_ upstream: HeaderFields, ownLimits: Bool, into headers: inout HeaderFields) {
        for (name, value) in upstream.fields {
            guard let name = callerward[name], !(ownLimits && name.hasPrefix("x-ratelimit-")) else { continue }
            headers.set(name, value)
        }
    }

    /// Values that come back to the caller and could say anything: guards read them.
    static func saysSomething(_ name: String, _ value: String) -> Bool {
        guard callerward[name] != nil else { return false }
        if silentAnswers.contains(value) { return false }
        let bytes = value.utf8
        // Numbers, versions, times (`1s`, `6m0s`, `2024-10-21`): no room for a word.
        func isPlain(_ byte: UInt8) -> Bool {
            byte >= 0x30 && byte <= 0x39 || ".-:+,= ".utf8.contains(byte) || "smh".utf8.contains(byte)
        }
        let beginsWithDigit = bytes.first.map { $0 >= 0x30 && $0 <= 0x39 || $0 == 0x2D } ?? true
        if bytes.count <= 32, beginsWithDigit, bytes.allSatisfy(isPlain) { return false }
        // Ids and tags of hexadecimal digits.
        let tag = value.hasPrefix("W/") ? value.dropFirst(2) : Substring(value)
        func isID(_ byte: UInt8) -> Bool {
            byte >= 0x30 && byte <= 0x39 || byte >= 0x61 && byte <= 0x66 || byte >= 0x41 && byte <= 0x46 || byte == 0x2D || byte == 0x22
        }
        let id = tag.hasPrefix("\"0x") ? tag.dropFirst(3) : tag.hasPrefix("req_") ? tag.dropFirst(4) : tag
        return !(id.utf8.count <= 70 && id.utf8.allSatisfy(isID))
    }

    private static let silentAnswers: Set<String> = [
        "application/json", "application/json; charset=utf-8", "application/json;charset=utf-8", "text/event-stream",
        "text/event-stream; charset=utf-8", "text/event-stream;charset=utf-8", "application/octet-stream", "text/plain",
        "text/plain; charset=utf-8", "text/plain;charset=utf-8", "audio/mpeg", "audio/wav", "audio/ogg", "audio/aac", "audio/flac",
        "image/png", "image/jpeg", "application/x-ndjson", "application/jsonl",
        "true", "false", "no-cache", "no-store", "no-cache, must-revalidate", "no-store, no-cache", "max-age=0", "private",
        "odata.include-annotations=*", "return=minimal", "return=representation", "4.0",
        // Azure's regions, as they call themselves.
        "East US", "East US 2", "West US", "West US 2", "West US 3", "Central US", "North Central US", "South Central US",
        "West Central US", "Canada Central", "Canada East", "Brazil South", "North Europe", "West Europe", "UK South", "UK West",
        "France Central", "Germany West Central", "Sweden Central", "Switzerland North", "Switzerland West", "Norway East",
        "Poland Central", "Italy North", "Spain Central", "Japan East", "Japan West", "Korea Central", "South India", "Central India",
        "Southeast Asia", "East Asia", "Australia East", "UAE North", "South Africa North", "Qatar Central", "Israel Central",
    ]
}

/// Names of header fields, found without regard to case and without hashing.
struct HeaderNames: Sendable {
    private let byLength: [[String]]

    init(_ names: [String]) {
        let longest = names.map(\.utf8.count).max() ?? 0
        byLength = (0...longest).map { length in names.filter { $0.utf8.count == length } }
    }

    /// The name in its own spelling, when it is one of them.
    subscript(name: String) -> String? {
        let length = name.utf8.count
        guard length < byLength.count else { return nil }
        for known in byLength[length] where HeaderFields.sameName(known, name) { return known }
        return nil
    }
}

/// W3C Trace Context (Recommendation, 2021): the caller's trace goes on, with our span as the parent of the upstream's.
struct TraceContext: Sendable {
    let traceID: String
    let spanID: String
    let parentSpanID: String?
    let isSampled: Bool

    init(_ header: String?, random: inout some RandomNumberGenerator, sampling: Double) {
        let own = TraceContext.hex(random.next())
        if let header, let (trace, parent, flags) = TraceContext.parse(header) {
            (traceID, spanID, parentSpanID, isSampled) = (trace, own, parent, flags & 1 == 1)
        } else {
            (traceID, spanID, parentSpanID) = (TraceContext.hex(random.next(), random.next()), own, nil)
            isSampled = sampling > 0 && Double.random(in: 0..<1, using: &random) < sampling
        }
    }

    /// For the upstream. Its parent is the span of the call to it, so that its own spans hang below that one; where nothing is exported
    /// the exchange's own id will do.
    var outgoing: String {
        isSampled ? "00-\(traceID)-\(TraceExporter.upstreamSpanID(of: spanID))-01" : "00-\(traceID)-\(spanID)-00"
    }

    private static func parse(_ header: String) -> (String, String, UInt8)? {
        let bytes = Array(header.utf8)
        guard bytes.count >= 55, bytes[2] == 0x2D, bytes[35] == 0x2D, bytes[52] == 0x2D, bytes[0...1] != [0x66, 0x66],
            (bytes[0...1] + bytes[3..<35] + bytes[36..<52] + bytes[53..<55]).allSatisfy({
                ($0 >= 0x30 && $0 <= 0x39) || ($0 >= 0x61 && $0 <= 0x66)
            }),
            bytes[3..<35].contains(where: { $0 != 0x30 }), bytes[36..<52].contains(where: { $0 != 0x30 })
        else { return nil }
        let text = { (range: Range<Int>) in String(decoding: bytes[range], as: UTF8.self) }
        return (text(3..<35), text(36..<52), UInt8(text(53..<55), radix: 16) ?? 0)
    }

    /// Sixteen lower-case digits for each word.
    private static func hex(_ words: UInt64...) -> String {
        String(unsafeUninitializedCapacity: 16 * words.count) { out in
            for (number, word) in words.enumerated() {
                for digit in 0..<16 { out[16 * number + digit] = TraceContext.digit(word, digit) }
            }
            return 16 * words.count
        }
    }

    /// The hexadecimal digit at a place, from the left.
    private static func digit(_ word: UInt64, _ place: Int) -> UInt8 {
        let digit = UInt8(truncatingIfNeeded: word >> UInt64(60 - 4 * place)) & 15
        return digit < 10 ? 0x30 + digit : 0x57 + digit
    }

    /// A random UUID (RFC 9562, version 4).
    static func uuid(_ random: inout some RandomNumberGenerator) -> String {
        let high = random.next() & ~0xF000 | 0x4000
        let low = random.next() & ~(0xC000_0000_0000_0000 as UInt64) | 0x8000_0000_0000_0000
        return String(unsafeUninitializedCapacity: 36) { out in
            var position = 0
            for place in 0..<32 {
                if place == 8 || place == 12 || place == 16 || place == 20 {
                    out[position] = 0x2D
                    position += 1
                }
                out[position] = place < 16 ? digit(high, place) : digit(low, place - 16)
                position += 1
            }
            return 36
        }
    }
}
