/// Recognises hosts that pose as a protected one.
struct LookalikeHosts: Sendable {
    struct Fact: Sendable, Hashable {
        let confidence: Double
        /// The rule's name.
        let rule: String
    }

    /// Brands that phishing imitates most.
    static let wellKnown: Set<String> = [
        "microsoft.com", "microsoftonline.com", "office.com", "outlook.com", "google.com", "gmail.com", "apple.com", "icloud.com",
        "amazon.com", "paypal.com",
        "facebook.com", "instagram.com", "whatsapp.com", "linkedin.com", "netflix.com", "github.com", "gitlab.com", "openai.com",
        "anthropic.com",
        "dropbox.com", "docusign.com", "adobe.com", "salesforce.com", "slack.com", "stripe.com", "coinbase.com", "chase.com",
        "wellsfargo.com",
        "bankofamerica.com",
    ]
    private static let baitWords: Set<String> = [
        "login", "signin", "logon", "secure", "security", "verify", "verification", "account", "accounts", "update", "support", "billing",
        "wallet", "password",
        "recovery", "auth", "unlock", "confirm",
    ]

    private struct Brand: Sendable {
        let host: String
        let label: [UInt8]
        let skeleton: [UInt8]
    }

    private let hosts: Set<String>
    private let brands: [Brand]
    private let brandOfSkeleton: [[UInt8]: Int]

    init(_ hosts: Set<String>) {
        self.hosts = Set(hosts.map { $0.lowercased() })
        let brands = self.hosts.sorted().compactMap { host -> Brand? in
            let label = Array(Self.registrable(host.split(separator: ".")).utf8)
            return label.isEmpty ? nil : Brand(host: host, label: label, skeleton: Self.skeleton(label))
        }
        self.brands = brands
        brandOfSkeleton = Dictionary(brands.indices.map { (brands[$0].skeleton, $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// nil for an ordinary host.
    func fact(about address: WebAddress) -> Fact? {
        let labels = address.labels
        guard labels.count > 1, labels.count <= 32, !address.isWithin(hosts) else { return nil }
        for label in labels {
            if let fact = foreignLetters(in: label) { return fact }
        }
        let label = Array(Self.registrable(labels).utf8)
        guard label.count <= 63, !label.isEmpty else { return nil }
        if let brand = brand(like: label) {
            // The name itself, under another suffix.
            return label == brand.label ? nil : Fact(confidence: 0.95, rule: "similar-signs")
        }
        for brand in brands where abs(brand.label.count - label.count) <= 1 && Self.isMistyped(label, brand.label) {
            return Fact(confidence: 0.75, rule: "mistyped")
        }
        if label.contains(UInt8(ascii: "-")) {
            let parts = label.split(separator: UInt8(ascii: "-")).map(Array.init)
            if parts.contains(where: { Self.baitWords.contains(String(decoding: $0, as: UTF8.self)) }),
                parts.contains(where: { brand(like: $0).map { $0.label.count >= 5 } ?? false })
            {
                return Fact(confidence: 0.75, rule: "brand-with-bait")
            }
        }
        // paypal.com.example.net
        for first in 0..<max(0, labels.count - 2) {
            for last in first + 1..<min(first + 4, labels.count - 1)
            where hosts.contains(String(address.host[labels[first].startIndex..<labels[last].endIndex])) {
                return Fact(confidence: 0.85, rule: "brand-as-subdomain")
            }
        }
        return nil
    }

    private func brand(like label: [UInt8]) -> Brand? {
        guard label.count >= 4, let index = brandOfSkeleton[Self.skeleton(label)] else { return nil }
        return brands[index]
    }

    /// The label that is registered: the one before the public suffix.
    private static func registrable(_ labels: [Substring]) -> Substring {
        guard labels.count > 1 else { return labels.first ?? "" }
        let second = labels[labels.count - 2]
        let isCountrySuffix =
            labels.count > 2 && labels[labels.count - 1].utf8.count == 2
            && ["co", "com", "org", "net", "gov", "ac", "edu", "or", "ne", "go"].contains(second)
        return isCountrySuffix ? labels[labels.count - 3] : second
    }

    // MARK: Letters of other scripts

    private func foreignLetters(in label: Substring) -> Fact? {
        let scalars: [Unicode.Scalar]
        if label.hasPrefix("xn--") {
            guard let decoded = Punycode.decoded(label.dropFirst(4)) else { return Fact(confidence: 0.6, rule: "broken-punycode") }
            scalars = decoded
        } else if label.utf8.contains(where: { $0 >= 0x80 }) {
            scalars = Array(label.unicodeScalars)
        } else {
            return nil
        }
        var plain: [UInt8] = []
        var hasLatin = false
        var hasOther = false
        for scalar in scalars {
            switch scalar.value {
            case 0x61...0x7A, 0xC0...0x24F: hasLatin = true
            case 0x370...0x52F, 0x531...0x587: hasOther = true
            default: break
            }
            if let look = Self.look(scalar) { plain.append(look) } else { plain.append(0) }
        }
        if let brand = brand(like: plain) {
            return Fact(confidence: 0.98, rule: brand.label == plain || !plain.contains(0) ? "homoglyphs" : "similar-signs")
        }
        return hasLatin && hasOther ? Fact(confidence: 0.8, rule: "mixed-scripts") : nil
    }

    /// The ASCII letter that a letter looks like.
    private static func look(_ scalar: Unicode.Scalar) -> UInt8? {
        if scalar.isASCII { return UInt8(scalar.value) }
        return looks[scalar]
    }

    private static let looks: [Unicode.Scalar: UInt8] = {
        let rows: [(Unicode.Scalar, String)] = [
            ("a", "аαáàâäãåāăąạɑ"), ("b", "ьƅβḃ"), ("c", "сϲçćčċ"), ("d", "ԁďđḍ"), ("e", "еёєεéèêëēėęěẹ"), ("f", "ƒ"), ("g", "ɡġğģ"),
            ("h", "һнħ"),
            ("i", "іїιıíìîïīįị"), ("j", "јʝ"), ("k", "кκķ"), ("l", "ӏłľĺļ"), ("m", "мṃ"), ("n", "пηñńňņ"), ("o", "оοσøóòôöõōőọօ"),
            ("p", "рρ"), ("q", "ԛ"),
            ("r", "гŕř"), ("s", "ѕśšşș"), ("t", "тτťţț"), ("u", "υúùûüūůűųцս"), ("v", "ѵν"), ("w", "ԝωŵ"), ("x", "хχ"), ("y", "уүγýÿŷ"),
            ("z", "źżž"),
        ]
        var looks: [Unicode.Scalar: UInt8] = [:]
        for (letter, others) in rows {
            for other in others.unicodeScalars { looks[other] = UInt8(letter.value) }
        }
        return looks
    }()

    // MARK: Signs that look alike

    /// The label with signs that look alike made the same.
    private static func skeleton(_ label: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(label.count)
        var index = 0
        while index < label.count {
            let next = index + 1 < label.count ? label[index + 1] : 0
            switch (label[index], next) {
            case (UInt8(ascii: "r"), UInt8(ascii: "n")):
                result.append(UInt8(ascii: "m"))
                index += 1
            case (UInt8(ascii: "v"), UInt8(ascii: "v")):
                result.append(UInt8(ascii: "w"))
                index += 1
            case (UInt8(ascii: "0"), _): result.append(UInt8(ascii: "o"))
            case (UInt8(ascii: "1"), _), (UInt8(ascii: "i"), _): result.append(UInt8(ascii: "l"))
            case (UInt8(ascii: "3"), _): result.append(UInt8(ascii: "e"))
            case (UInt8(ascii: "4"), _): result.append(UInt8(ascii: "a"))
            case (UInt8(ascii: "5"), _): result.append(UInt8(ascii: "s"))
            case (UInt8(ascii: "7"), _): result.append(UInt8(ascii: "t"))
            case (UInt8(ascii: "8"), _): result.append(UInt8(ascii: "b"))
            default: result.append(label[index])
            }
            index += 1
        }
        return result
    }

    /// One slip of the finger away. Of names of six letters only swaps and doubled letters count, of shorter ones nothing, since other
    /// words are that near;
    /// a letter more at the end makes a plural.
    private static func isMistyped(_ label: [UInt8], _ brand: [UInt8]) -> Bool {
        guard brand.count >= 6 else { return false }
        let start = zip(label, brand).prefix { $0 == $1 }.count
        let rest = (label: label[start...], brand: brand[start...])
        switch label.count - brand.count {
        case 0:
            let differing = zip(rest.label, rest.brand).count { $0 != $1 }
            if differing == 1 { return brand.count >= 7 }
            return differing == 2 && rest.label.count >= 2 && label[start] == brand[start + 1] && label[start + 1] == brand[start]
        case 1:
            guard start < brand.count, rest.label.dropFirst().elementsEqual(rest.brand) else { return false }
            return brand.count >= 7 || (start > 0 && label[start] == label[start - 1])
        case -1:
            guard rest.label.elementsEqual(rest.brand.dropFirst()) else { return false }
            return brand.count >= 7 || (start > 0 && brand[start] == brand[start - 1])
        default: return false
        }
    }
}

/// RFC 3492, decoding only.
enum Punycode {
    static func decoded(_ label: Substring) -> [Unicode.Scalar]? {
        let bytes = Array(label.utf8)
        guard bytes.count <= 63 else { return nil }
        var output: [UInt32] = []
        var index = 0
        if let dash = bytes.lastIndex(of: UInt8(ascii: "-")) {
            output = bytes[..<dash].map(UInt32.init)
            index = dash + 1
        }
        var (n, i, bias) = (UInt32(128), UInt32(0), UInt32(72))
        while index < bytes.count {
            let old = i
            var weight: UInt32 = 1
            var k: UInt32 = 36
            while true {
                guard index < bytes.count else { return nil }
                let digit: UInt32
                switch bytes[index] {
                case 0x61...0x7A: digit = UInt32(bytes[index] - 0x61)
                case 0x41...0x5A: digit = UInt32(bytes[index] - 0x41)
                case 0x30...0x39: digit = UInt32(bytes[index] - 0x30) + 26
                default: return nil
                }
                index += 1
                let (step, stepOverflow) = digit.multipliedReportingOverflow(by: weight)
                let (sum, sumOverflow) = i.addingReportingOverflow(step)
                if stepOverflow || sumOverflow { return nil }
                i = sum
                let threshold = k <= bias ? 1 : min(26, k - bias)
                if digit < threshold { break }
                let (grown, overflow) = weight.multipliedReportingOverflow(by: 36 - threshold)
                if overflow { return nil }
                weight = grown
                k += 36
            }
            let count = UInt32(output.count) + 1
            var delta = (i - old) / (old == 0 ? 700 : 2)
            delta += delta / count
            var turns: UInt32 = 0
            while delta > 455 {
                delta /= 35
                turns += 36
            }
            bias = turns + 36 * delta / (delta + 38)
            let (next, overflow) = n.addingReportingOverflow(i / count)
            guard !overflow, Unicode.Scalar(next) != nil else { return nil }
            n = next
            i %= count
            output.insert(n, at: Int(i))
            i += 1
        }
        let scalars = output.compactMap(Unicode.Scalar.init)
        return scalars.count == output.count ? scalars : nil
    }
}
