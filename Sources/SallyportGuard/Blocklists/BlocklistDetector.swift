import SallyportCore

/// Finds the items of a tenant's blocklists. It scans with their own index, since lists change while the shared patterns do not.
package struct BlocklistDetector: Detector {
    package let id: DetectorID = "blocklist"
    package let layers: TextLayer.Kinds = .all
    private let index: BlocklistIndex

    package init(_ index: BlocklistIndex) { self.index = index }

    /// Whether a word is part of a phrase on one of the lists; nil: no item has more than one word.
    package var phraseWords: (@Sendable (UnsafeRawBufferPointer) -> Bool)? {
        guard index.hasPhrases else { return nil }
        return { [index] word in index.isPartOfPhrase(word) }
    }

    package func findings(in passage: Passage, hits: [PatternHit]) throws -> [Finding] {
        try index.matches(in: passage).map {
            Finding(id, Finding.Category(.blocklist, $0.list), at: $0.range, evidence: $0.item.id)
        }
    }
}
