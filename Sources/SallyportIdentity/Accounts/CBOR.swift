/// The part of CBOR (RFC 8949) that authenticators write: whole numbers, byte and text strings, arrays, maps, true, false, null; lengths told
/// beforehand. Everything else is refused, and so is a map with one key twice.
indirect enum CBOR: Hashable, Sendable {
    case integer(Int64)
    case bytes([UInt8])
    case text(String)
    case array([CBOR])
    case map([CBOR: CBOR])
    case bool(Bool)
    case null

    enum Mistake: Error, Equatable { case truncated, unsupported, tooDeep, tooLong, repeatedKey, notText, trailing }

    static let maximumDepth = 8
    static let maximumItems = 256

    /// All of the bytes.
    init(_ bytes: [UInt8]) throws(Mistake) {
        var reader = Reader(bytes)
        self = try reader.item(depth: 0)
        guard reader.isAtEnd else { throw .trailing }
    }

    /// The first item, and how many bytes it takes.
    static func first(of bytes: ArraySlice<UInt8>) throws(Mistake) -> (item: CBOR, length: Int) {
        var reader = Reader(Array(bytes))
        let item = try reader.item(depth: 0)
        return (item, reader.position)
    }

    private struct Reader {
        let bytes: [UInt8]
        var position = 0
        var items = 0

        init(_ bytes: [UInt8]) { self.bytes = bytes }
        var isAtEnd: Bool { position == bytes.count }

        mutating func item(depth: Int) throws(Mistake) -> CBOR {
            guard depth <= CBOR.maximumDepth else { throw .tooDeep }
            items += 1
            guard items <= CBOR.maximumItems else { throw .tooLong }
            let initial = try byte()
            if initial >> 5 == 7 {
                switch initial & 31 {
                case 20: return .bool(false)
                case 21: return .bool(true)
                case 22: return .null
                default: throw .unsupported
                }
            }
            let argument = try argument(initial & 31)
            switch initial >> 5 {
            case 0: return .integer(argument)
            case 1: return .integer(-1 - argument)
            case 2: return .bytes(try take(argument))
            case 3:
                guard let text = String(validating: try take(argument), as: UTF8.self) else { throw .notText }
                return .text(text)
            case 4:
                var elements: [CBOR] = []
                for _ in 0..<(try count(argument)) { elements.append(try item(depth: depth + 1)) }
                return .array(elements)
            case 5:
                var members: [CBOR: CBOR] = [:]
                for _ in 0..<(try count(argument)) {
                    let key = try item(depth: depth + 1)
                    switch key {
                    case .integer, .text: break
                    default: throw .unsupported
                    }
                    guard members.updateValue(try item(depth: depth + 1), forKey: key) == nil else { throw .repeatedKey }
                }
                return .map(members)
            default: throw .unsupported
            }
        }

        private mutating func byte() throws(Mistake) -> UInt8 {
            guard position < bytes.count else { throw .truncated }
            defer { position += 1 }
            return bytes[position]
        }

        private mutating func argument(_ information: UInt8) throws(Mistake) -> Int64 {
            let width: Int
            switch information {
            case 0..<24: return Int64(information)
            case 24: width = 1
            case 25: width = 2
            case 26: width = 4
            case 27: width = 8
            default: throw .unsupported
            }
            var value: UInt64 = 0
            for _ in 0..<width { value = value << 8 | UInt64(try byte()) }
            guard value <= UInt64(Int64.max) else { throw .unsupported }
            return Int64(value)
        }

        /// An element takes a byte at least: what promises more of them than there are bytes is not believed.
        private func count(_ promised: Int64) throws(Mistake) -> Int {
            guard promised <= Int64(bytes.count - position) else { throw .truncated }
            return Int(promised)
        }

        private mutating func take(_ promised: Int64) throws(Mistake) -> [UInt8] {
            guard promised <= Int64(bytes.count - position) else { throw .truncated }
            defer { position += Int(promised) }
            return Array(bytes[position..<(position + Int(promised))])
        }
    }

    subscript(key: Int64) -> CBOR? { if case .map(let members) = self { members[.integer(key)] } else { nil } }
    subscript(key: String) -> CBOR? { if case .map(let members) = self { members[.text(key)] } else { nil } }
    var asInteger: Int64? { if case .integer(let value) = self { value } else { nil } }
    var asBytes: [UInt8]? { if case .bytes(let value) = self { value } else { nil } }
    var asText: String? { if case .text(let value) = self { value } else { nil } }
}
