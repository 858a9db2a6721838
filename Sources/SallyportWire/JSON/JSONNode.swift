/// One value or key on a document's tape: what it is and where its bytes stand.
package struct JSONNode: Sendable {
    package enum Kind: UInt8, Sendable {
        case object, array, key, string, number, `true`, `false`, null
    }

    private let storedStart: UInt32
    private var storedEnd: UInt32
    private var storedNext: UInt32
    package let kind: Kind
    private let flags: UInt8

    /// A string or key that holds at least one backslash escape.
    package var hasEscapes: Bool { flags & JSONNode.escapesFlag != 0 }
    /// Every byte of the (decoded) text is below 0x80. True for everything that is not a string or a key.
    package var isASCII: Bool { flags & JSONNode.nonASCIIFlag == 0 }
    /// Byte offset in the document. Strings and keys: of the content behind the opening quote; containers: of the bracket.
    package var start: Int { Int(storedStart) }
    /// Byte offset behind the last byte. Strings and keys: of the closing quote; containers: behind the bracket.
    package var end: Int { Int(storedEnd) }
    /// Tape index after this whole subtree. A key's `next` is the index after its value; the value of a key at k is k + 1.
    package var next: Int { Int(storedNext) }

    static let escapesFlag: UInt8 = 1
    static let nonASCIIFlag: UInt8 = 2

    @inline(__always)
    init(_ kind: Kind, start: Int, end: Int, next: Int, flags: UInt8 = 0) {
        self.kind = kind
        self.flags = flags
        self.storedStart = UInt32(truncatingIfNeeded: start)
        self.storedEnd = UInt32(truncatingIfNeeded: end)
        self.storedNext = UInt32(truncatingIfNeeded: next)
    }

    /// While a container is open its `next` holds the tape index of the container around it; this closes it.
    @inline(__always)
    mutating func close(end: Int, next: Int) {
        storedEnd = UInt32(truncatingIfNeeded: end)
        storedNext = UInt32(truncatingIfNeeded: next)
    }

    @inline(__always)
    mutating func setNext(_ next: Int) { storedNext = UInt32(truncatingIfNeeded: next) }
}
