/// What a document may cost before it is refused.
package struct JSONLimits: Sendable, Hashable {
    /// How deep arrays and objects may nest; a scalar document has depth 0.
    package var maximumDepth: Int
    /// How many nodes (values and keys) the tape may hold.
    package var maximumNodes: Int

    package init(maximumDepth: Int = 64, maximumNodes: Int = 1_000_000) {
        self.maximumDepth = maximumDepth
        self.maximumNodes = maximumNodes
    }

    package static let standard = JSONLimits()
}

/// Why a document was refused, and where. Holds no text of the document.
package struct JSONFault: Error, Sendable, Equatable {
    package enum Reason: String, Sendable, CaseIterable {
        case syntax, depth, duplicateKey, invalidUTF8, loneSurrogate, tooManyNodes, trailingBytes, empty
    }
    package let reason: Reason
    /// Byte offset from the document's first byte.
    package let offset: Int

    package init(_ reason: Reason, at offset: Int) {
        self.reason = reason
        self.offset = offset
    }
}
