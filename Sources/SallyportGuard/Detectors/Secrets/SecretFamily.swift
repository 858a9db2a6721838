import SallyportCore

/// One kind of secret with a shape of its own: how it begins, how far it goes on, and how it is checked.
struct SecretFamily: Sendable {
    /// An Azure AI Language name where one exists, else a name of our own in the same style.
    let name: String
    /// Of one fixed length, so that its start costs nothing: what every such secret begins with.
    let pattern: Pattern
    /// How many bytes of the match stand before the secret itself.
    let lead: Int
    /// What the secret is made of; it is read on from the match to the first other byte.
    let alphabet: ByteSet
    /// Bytes of the secret as a whole.
    let lengths: ClosedRange<Int>
    let confidence: Double
    /// Says how certain it is; nil: it is none. Without a check the shape is enough.
    let check: (@Sendable (UnsafeRawBufferPointer, Range<Int>) -> Double?)?

    init(
        _ name: String, _ expression: String, _ alphabet: ByteSet, _ lengths: ClosedRange<Int>, lead: Int = 0, confidence: Double = 0.85,
        ignoresCase: Bool = false, check: (@Sendable (UnsafeRawBufferPointer, Range<Int>) -> Double?)? = nil
    ) {
        self.name = name
        pattern = Pattern(expression, ignoresCase: ignoresCase)
        self.lead = lead
        self.alphabet = alphabet
        self.lengths = lengths
        self.confidence = confidence
        self.check = check
    }

    /// The secret that begins at a hit of the pattern.
    func secret(in text: UnsafeRawBufferPointer, at hit: Range<Int>) -> SecretMatch? {
        let start = hit.lowerBound + lead
        guard hit.lowerBound >= 0, hit.upperBound <= text.count, start < hit.upperBound else { return nil }
        // A longer word that merely contains the shape is none.
        if lead == 0, start > 0, alphabet.contains(text[start - 1]), ASCII.isAlphanumeric(text[start - 1]) { return nil }
        var end = hit.upperBound
        while end < text.count, end - start <= lengths.upperBound, alphabet.contains(text[end]) { end += 1 }
        // The full stop that ends a sentence belongs to no secret.
        while end > hit.upperBound, text[end - 1] == UInt8(ascii: ".") { end -= 1 }
        guard lengths.contains(end - start), !SecretChecks.isPlaceholder(text, start..<end) else { return nil }
        guard let check else { return SecretMatch(name, start..<end, confidence) }
        return check(text, start..<end).map { SecretMatch(name, start..<end, $0) }
    }
}

/// A secret and where it stands.
struct SecretMatch: Sendable, Hashable {
    let name: String
    let range: Range<Int>
    let confidence: Double
    init(_ name: String, _ range: Range<Int>, _ confidence: Double) {
        self.name = name
        self.range = range
        self.confidence = confidence
    }
}

/// ASCII characters as bits.
struct ByteSet: Sendable, Hashable {
    private var low: UInt64 = 0
    private var high: UInt64 = 0

    init(_ characters: String) {
        for byte in characters.utf8 where byte < 128 {
            if byte < 64 { low |= 1 << UInt64(byte) } else { high |= 1 << UInt64(byte - 64) }
        }
    }

    @inline(__always)
    func contains(_ byte: UInt8) -> Bool {
        byte < 64 ? low >> UInt64(byte) & 1 == 1 : byte < 128 && high >> UInt64(byte - 64) & 1 == 1
    }

    private static let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    static let digits = ByteSet("0123456789")
    static let hex = ByteSet("0123456789abcdefABCDEF")
    static let alphanumeric = ByteSet(letters + "0123456789")
    /// Base64's URL alphabet, which most issuers draw from.
    static let word = ByteSet(letters + "0123456789_-")
    static let dottedWord = ByteSet(letters + "0123456789_-.")
    static let base64 = ByteSet(letters + "0123456789+/=")
    static let entra = ByteSet(letters + "0123456789_-.~")
    static let percent = ByteSet(letters + "0123456789%+/=_-")
    /// Anything that stands in an opaque credential.
    static let credential = ByteSet(letters + "0123456789_-.~+/=")
}
