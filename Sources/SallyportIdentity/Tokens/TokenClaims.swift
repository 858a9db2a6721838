import FoundationEssentials

/// The claims of a token that are looked at.
struct TokenClaims: Decodable {
    /// A text, or several.
    struct Texts: Decodable {
        let values: [String]
        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let one = try? container.decode(String.self) { values = [one] } else { values = try container.decode([String].self) }
        }
    }

    /// Seconds since 1970, whole or not.
    struct Moment: Decodable {
        let seconds: Int64
        init(from decoder: any Decoder) throws {
            let number = try decoder.singleValueContainer().decode(Double.self)
            guard number.isFinite, number >= 0, number < 1e12 else {
                throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: "no moment"))
            }
            seconds = Int64(number)
        }
    }

    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(_ name: String) { stringValue = name }
        init?(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    private let container: KeyedDecodingContainer<Key>

    init(from decoder: any Decoder) throws { container = try decoder.container(keyedBy: Key.self) }

    init(parsing json: [UInt8]) throws { self = try JSONDecoder().decode(TokenClaims.self, from: Data(json)) }

    /// A claim that is there but is no text is as bad as a wrong one: it must not count as missing.
    func text(_ name: String) throws -> String? { try container.decodeIfPresent(String.self, forKey: Key(name)) }
    func texts(_ name: String) throws -> [String]? { try container.decodeIfPresent(Texts.self, forKey: Key(name))?.values }
    func moment(_ name: String) throws -> Int64? { try container.decodeIfPresent(Moment.self, forKey: Key(name))?.seconds }
    func has(_ name: String) -> Bool { container.contains(Key(name)) }

    /// The names under `_claim_names`: claims that stand elsewhere because they did not fit.
    func claimsElsewhere() -> Set<String> {
        guard let inner = try? container.nestedContainer(keyedBy: Key.self, forKey: Key("_claim_names")) else { return [] }
        return Set(inner.allKeys.map(\.stringValue))
    }
}
