/// One kind of identifier: how it is written, how it is checked, and which words near it make it certain.
package struct SensitiveDataType: Sendable {
    /// What the shape and its check are worth without a word of context.
    package enum Strength: Sendable {
        /// Random text hardly ever looks like this: reported at 0.75, with context at 0.85.
        case distinctive
        /// A check digit that one random number in ten or so passes: 0.65 alone, with context 0.85.
        case weak
        /// Means nothing by itself: reported only with context, at 0.75 or, with a check digit, 0.85.
        case contextual
    }

    /// An Azure AI Language category where one exists, else a name of our own in the same style.
    package let category: String
    /// ISO 3166 alpha-2, or `*`.
    package let region: String
    package let shapes: [IdentifierShape]
    /// nil: the shape is all there is.
    let check: (@Sendable (Characters) -> Bool)?
    /// Reported at 0.65 when the check fails but a word right before it says what it is: a slip of the pen is no reason to send it on.
    let acceptsAnnounced: Bool
    package let strength: Strength
    /// Words that speak for this type.
    package let context: [ContextTopic]
    let topics: TopicSet
    /// How far from the identifier the words may stand, in bytes.
    let proximity: Int

    init(
        _ category: String, _ region: String, _ shapes: [IdentifierShape], _ strength: Strength, near context: [ContextTopic],
        within proximity: Int = 300, acceptsAnnounced: Bool = false, check: (@Sendable (Characters) -> Bool)? = nil
    ) {
        self.category = category
        self.region = region
        self.shapes = shapes
        self.check = check
        self.acceptsAnnounced = acceptsAnnounced
        self.strength = strength
        self.context = context
        topics = TopicSet(context)
        self.proximity = proximity
    }

    /// The same shapes where only the words close by count.
    var withoutCheck: SensitiveDataType {
        SensitiveDataType(category, region, shapes, .contextual, near: context, within: min(proximity, 60))
    }
}

/// How an identifier is written: `9` a digit, `A` a letter, `X` either; a blank where a separator may stand.
///
/// `"999 999 9999"` accepts the groups with one separator between each, and also the characters without any. Two more
/// spellings are accepted for every shape when context speaks for it: each character by itself, and broken over two lines.
/// A `!` at the end accepts the groups only.
package struct IdentifierShape: Sendable, ExpressibleByStringLiteral {
    /// Characters without separators.
    let count: Int
    /// Bit i: character i must be a digit, or a letter.
    let digits: UInt64
    let letters: UInt64
    /// Group lengths, four bits each, the first in the lowest. 0: written in one piece.
    let grouping: UInt64
    /// The characters may also stand without separators, or one by one.
    let allowsPlain: Bool

    package init(stringLiteral value: String) {
        var count = 0
        var digits: UInt64 = 0
        var letters: UInt64 = 0
        var groups: [Int] = [0]
        for byte in value.utf8 {
            switch byte {
            case UInt8(ascii: " "): groups.append(0)
            case UInt8(ascii: "!"): break
            case UInt8(ascii: "9"), UInt8(ascii: "A"), UInt8(ascii: "X"):
                if byte == UInt8(ascii: "9") { digits |= 1 << UInt64(count) }
                if byte == UInt8(ascii: "A") { letters |= 1 << UInt64(count) }
                count += 1
                groups[groups.count - 1] += 1
            default: preconditionFailure("a shape is written with 9, A, X, blanks and !")
            }
        }
        self.count = count
        allowsPlain = value.utf8.last != UInt8(ascii: "!")
        self.digits = digits
        self.letters = letters
        grouping = groups.count == 1 ? 0 : Self.pack(groups)
    }

    static func pack(_ groups: [Int]) -> UInt64 {
        var packed: UInt64 = 0
        for (index, group) in groups.enumerated() { packed |= UInt64(group & 15) << UInt64(index * 4) }
        return packed
    }
}
