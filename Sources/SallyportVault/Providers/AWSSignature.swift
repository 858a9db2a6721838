import Crypto
import SallyportCore

/// AWS Signature Version 4 of one request.
struct AWSSignature {
    var accessKeyID: String
    var secretAccessKey: Redacted<String>
    var sessionToken: Redacted<String>?
    var region: String
    var service: String

    /// - Parameters:
    ///   - headers: those that are signed, `host` included; `x-amz-date` and `x-amz-security-token` are added.
    ///   - time: seconds since 1970.
    /// - Returns: the headers to add.
    func headers(
        method: String, path: String, query: [(name: String, value: String)] = [], headers: [(name: String, value: String)], body: [UInt8],
        time: Int64
    ) -> [(name: String, value: String)] {
        let moment = Self.moment(time)
        var signed = headers + [(name: "x-amz-date", value: moment)]
        if let sessionToken { signed.append((name: "x-amz-security-token", value: sessionToken.reveal())) }
        let fields = signed.map { (name: $0.name.lowercased(), value: Self.trimmed($0.value)) }.sorted { $0.name < $1.name }
        let names = fields.map(\.name).joined(separator: ";")
        let canonicalQuery = query.map { (Self.encoded($0.name), Self.encoded($0.value)) }.sorted { $0 < $1 }.map { "\($0.0)=\($0.1)" }
            .joined(separator: "&")
        let canonicalPath = path.split(separator: "/", omittingEmptySubsequences: false).map { Self.encoded(String($0)) }.joined(
            separator: "/")
        let canonical = [
            method, canonicalPath.isEmpty ? "/" : canonicalPath, canonicalQuery, fields.map { "\($0.name):\($0.value)\n" }.joined(), names,
            Hex.encode(SHA256.hash(data: body)),
        ].joined(separator: "\n")
        let day = String(moment.prefix(8))
        let scope = "\(day)/\(region)/\(service)/aws4_request"
        let text = ["AWS4-HMAC-SHA256", moment, scope, Hex.encode(SHA256.hash(data: Array(canonical.utf8)))].joined(separator: "\n")
        var key = SymmetricKey(data: Array("AWS4\(secretAccessKey.reveal())".utf8))
        for part in [day, region, service, "aws4_request"] {
            key = SymmetricKey(data: HMAC<SHA256>.authenticationCode(for: Array(part.utf8), using: key))
        }
        let signature = Hex.encode(HMAC<SHA256>.authenticationCode(for: Array(text.utf8), using: key))
        return signed.dropFirst(headers.count) + [
            (
                name: "authorization",
                value: "AWS4-HMAC-SHA256 Credential=\(accessKeyID)/\(scope), SignedHeaders=\(names), Signature=\(signature)"
            )
        ]
    }

    private static func trimmed(_ value: String) -> String {
        value.split(separator: " ", omittingEmptySubsequences: true).joined(separator: " ")
    }

    /// Everything but RFC 3986's unreserved characters.
    private static func encoded(_ text: String) -> String {
        var result = ""
        for byte in text.utf8 {
            switch byte {
            case 48...57, 65...90, 97...122, 45, 46, 95, 126: result.unicodeScalars.append(Unicode.Scalar(byte))
            default: result += (byte < 16 ? "%0" : "%") + String(byte, radix: 16, uppercase: true)
            }
        }
        return result
    }

    /// `20150830T123600Z`.
    static func moment(_ seconds: Int64) -> String {
        let date = CivilDate(secondsSince1970: seconds)
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let second = date.secondOfDay
        return "\(date.day.filter { $0 != "-" })T\(two(second / 3600))\(two(second / 60 % 60))\(two(second % 60))Z"
    }
}
