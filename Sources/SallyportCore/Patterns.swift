/// One expression of a multi-pattern scan, in the subset that Hyperscan supports (linear time; no back-references, no look-around).
package struct Pattern: Sendable, Hashable {
    package let expression: String
    /// Taken as it stands, byte for byte, instead of as a regular expression.
    package let isLiteral: Bool
    package let ignoresCase: Bool
    /// Report where the match starts. Without it (cheaper) a hit's lower bound is 0.
    package let needsStart: Bool

    package init(_ expression: String, isLiteral: Bool = false, ignoresCase: Bool = false, needsStart: Bool = true) {
        self.expression = expression
        self.isLiteral = isLiteral
        self.ignoresCase = ignoresCase
        self.needsStart = needsStart
    }
}

/// A place where a pattern matched. Overlapping matches are all reported; expressions may match at several ends.
package struct PatternHit: Sendable, Hashable {
    /// Index in the list that was compiled.
    package let pattern: Int
    /// UTF-8 byte offsets.
    package let range: Range<Int>
    package init(pattern: Int, range: Range<Int>) {
        self.pattern = pattern
        self.range = range
    }
}

/// Many patterns compiled to one scanner. Safe to use from several threads at once.
package protocol PatternDatabase: Sendable {
    /// Calls `onHit` for every match, in order of match end; it returns false to stop. Throws when the scan could not finish.
    func scan(_ text: UnsafeRawBufferPointer, onHit: (PatternHit) -> Bool) throws
}

/// A pattern that cannot be compiled, with the engine's reason.
package struct PatternError: Error, Sendable {
    /// Index in the list given to `compile`.
    package let index: Int
    package let reason: String
    package init(index: Int, reason: String) {
        self.index = index
        self.reason = reason
    }
}

/// Makes pattern databases. Compiling takes milliseconds to seconds: never on an event loop.
package protocol PatternCompiler: Sendable {
    /// - Throws: ``PatternError`` for the first pattern that is not supported.
    func compile(_ patterns: [Pattern]) throws -> any PatternDatabase
}
