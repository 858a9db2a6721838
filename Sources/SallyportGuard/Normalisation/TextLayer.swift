import NIOCore
import SallyportCore

/// One reading of a text: as it stands, folded to what a person or a model would read, or decoded from an encoding inside it.
package struct TextLayer: Sendable {
    package enum Kind: String, Sendable, CaseIterable, Codable {
        /// As it stands.
        case original
        /// Invisible characters removed, compatibility forms and homoglyphs folded.
        case folded
        /// Letters that were spaced or split apart, joined.
        case joined
        /// Digits and signs read as letters (1337).
        case leet
        case rot13, reversed
        /// Decoded from inside the text, in one or more steps. Base32 goes with base64, binary digits go with hex, the spelling
        /// alphabet goes with Morse, quoted-printable with URLs.
        case base64, hex, morse, url, htmlEntities, tagCharacters, variationSelectors
    }

    /// A set of kinds, one bit each: guards ask what it holds a few hundred times for each request.
    package struct Kinds: Sendable, Hashable, ExpressibleByArrayLiteral {
        private var bits: UInt32 = 0

        package static let all = Kinds(Kind.allCases)

        package init(_ kinds: some Sequence<Kind>) { for kind in kinds { insert(kind) } }
        package init(arrayLiteral kinds: Kind...) { self.init(kinds) }

        /// Each kind has a byte of its own, as an enumeration without payloads.
        private static func bit(_ kind: Kind) -> UInt32 { withUnsafeBytes(of: kind) { 1 << UInt32($0[0]) } }

        package func contains(_ kind: Kind) -> Bool { bits & Kinds.bit(kind) != 0 }
        package mutating func insert(_ kind: Kind) { bits |= Kinds.bit(kind) }
        package mutating func formUnion(_ other: Kinds) { bits |= other.bits }
        package func union(_ other: Kinds) -> Kinds {
            var union = self
            union.formUnion(other)
            return union
        }
    }

    package let kind: Kind
    /// How many decoding steps lie between the original and this reading; 0 for the original.
    package let depth: Int
    package let passage: Passage
    package let map: OffsetMap

    package init(kind: Kind, depth: Int, passage: Passage, map: OffsetMap) {
        self.kind = kind
        self.depth = depth
        self.passage = passage
        self.map = map
    }
}

/// Takes byte ranges of a derived text back to the original text.
package struct OffsetMap: Sendable {
    /// A run of the derived text that stands for a range of the original. In a `linear` run byte i stands for byte i;
    /// otherwise any part of the run stands for the whole source range.
    package struct Run: Sendable, Hashable {
        package let derived: Range<Int>
        package let source: Range<Int>
        package let isLinear: Bool
        package init(derived: Range<Int>, source: Range<Int>, isLinear: Bool) {
            self.derived = derived
            self.source = source
            self.isLinear = isLinear
        }
    }
    /// Sorted by `derived`, contiguous from 0. Empty: the identity.
    package let runs: [Run]
    /// The derived text is the source backwards, byte ranges count from `source` length: only `reversed` uses it.
    package let reversedLength: Int?

    package init(runs: [Run], reversedLength: Int? = nil) {
        self.runs = runs
        self.reversedLength = reversedLength
    }

    package static let identity = OffsetMap(runs: [])

    /// The smallest range of the original that holds everything `range` came from.
    package func original(_ range: Range<Int>) -> Range<Int> {
        if let length = reversedLength {
            let mirrored = max(0, length - range.upperBound)..<max(0, length - range.lowerBound)
            return runs.isEmpty ? mirrored : through(mirrored)
        }
        return runs.isEmpty ? range : through(range)
    }

    private func through(_ range: Range<Int>) -> Range<Int> {
        guard let first = run(at: range.lowerBound) else { return range }
        let last = range.isEmpty ? first : (run(at: range.upperBound - 1) ?? first)
        let lower = first.isLinear ? first.source.lowerBound + (range.lowerBound - first.derived.lowerBound) : first.source.lowerBound
        let upper = last.isLinear ? last.source.lowerBound + (range.upperBound - last.derived.lowerBound) : last.source.upperBound
        return min(lower, upper)..<max(lower, upper)
    }

    /// Binary search for the run that holds `offset`; the last one for an offset past the end.
    private func run(at offset: Int) -> Run? {
        var low = 0
        var high = runs.count
        while low < high {
            let middle = (low + high) / 2
            if runs[middle].derived.upperBound <= offset { low = middle + 1 } else { high = middle }
        }
        return low < runs.count ? runs[low] : runs.last
    }
}
