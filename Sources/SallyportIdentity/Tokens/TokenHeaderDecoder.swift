import FoundationEssentials

/// JSON of a token's header.
enum TokenHeaderDecoder {
    static func decode<T: Decodable>(_ type: T.Type, _ json: [UInt8]) throws -> T { try JSONDecoder().decode(type, from: Data(json)) }
}
