import SallyportCore

/// A text in all the readings that were asked for, and what the normaliser noticed on the way.
package struct NormalisedText: Sendable {
    /// Layer 0 is the original, always.
    package let layers: [TextLayer]
    /// Facts about hidden or disguised characters: detector ``Normaliser/detectorID``, ranges in the original.
    package let observations: [Finding]
    /// False when an encoded text lies deeper than the depth bound, or the byte bound was reached: what is inside was not read.
    /// Ordinary text never gets there: only what decodes to plausible text counts.
    package let isComplete: Bool

    package init(layers: [TextLayer], observations: [Finding] = [], isComplete: Bool = true) {
        self.layers = layers
        self.observations = observations
        self.isComplete = isComplete
    }

    /// The layers that a detector with these kinds looks at, each once. Where nothing needed folding the original is the folded
    /// reading. `.url` and `.htmlEntities` name one reading, in which all escapes are undone: either asks for it.
    package func reading(_ kinds: TextLayer.Kinds) -> [TextLayer] {
        var wanted = kinds
        if kinds.contains(.url) || kinds.contains(.htmlEntities) { wanted.formUnion([.url, .htmlEntities]) }
        if kinds.contains(.folded), !layers.contains(where: { $0.kind == .folded }) { wanted.insert(.original) }
        return layers.filter { wanted.contains($0.kind) }
    }
}
