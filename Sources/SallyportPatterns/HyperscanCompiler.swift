import CHyperscan
import SallyportCore

/// Compiles patterns with Hyperscan: linear time whatever the text, many patterns for about the price of one.
///
/// For authors of patterns:
/// - Without code point constructs an expression is matched byte by byte, which is faster. `.`, `[^…]`, `\W`, `\D`, `\S`, `\p{…}`,
///   `\x{…}` and
///   letters beyond ASCII switch that expression to code points; `[\x21-\x7e\x80-\xff]` says "anything visible" without it.
/// - An expression with letters beyond ASCII follows Unicode's classes and case pairs; `\b` is not to be had in it.
/// - Starts are free for literals and for expressions of one fixed length, and cost tracking for all others.
/// - An expression that ends in an open repeat (`[a-z]{20,}`) is reported once for every end: stop at the shortest and read on by hand.
package struct HyperscanCompiler: PatternCompiler {
    /// Bounds on what is compiled, so that no list of patterns costs minutes or gigabytes.
    package struct Limits: Sendable {
        package var patterns = 50_000
        /// UTF-8 bytes of one expression.
        package var expressionBytes = 8_192
        /// Positions of one expression with its repeats written out.
        package var positions = 20_000
        /// Positions of all expressions together.
        package var totalPositions = 4_000_000
        package init() {}
    }

    private let limits: Limits

    /// - Throws: ``HyperscanError`` `.unsupportedPlatform` where the engine cannot run.
    package init(limits: Limits = Limits()) throws {
        guard hs_valid_platform() == HS_SUCCESS else { throw HyperscanError.unsupportedPlatform }
        self.limits = limits
    }

    package func compile(_ patterns: [Pattern]) throws -> any PatternDatabase {
        if patterns.isEmpty { return EmptyDatabase() }
        guard patterns.count <= limits.patterns else {
            throw PatternError(index: limits.patterns, reason: "more than \(limits.patterns) patterns")
        }
        let onlyLiterals = patterns.allSatisfy { $0.isLiteral && !($0.ignoresCase && $0.expression.utf8.contains { $0 >= 0x80 }) }
        var plan = Plan(capacity: patterns.count)
        var total = 0
        for (index, pattern) in patterns.enumerated() {
            total += try check(pattern, at: index)
            guard total <= limits.totalPositions else { throw PatternError(index: index, reason: "the patterns together are too large") }
            if onlyLiterals { plan.addBare(pattern) } else { try plan.addExpression(for: pattern, at: index) }
        }
        return try HyperscanDatabase(database: plan.build(onlyLiterals: onlyLiterals), starts: plan.starts)
    }

    /// Positions of the pattern, once it is known to be within the limits.
    private func check(_ pattern: Pattern, at index: Int) throws -> Int {
        let bytes = pattern.expression.utf8
        guard !bytes.isEmpty else { throw PatternError(index: index, reason: "the expression is empty") }
        guard bytes.count <= limits.expressionBytes else {
            throw PatternError(index: index, reason: "the expression is longer than \(limits.expressionBytes) bytes")
        }
        if pattern.isLiteral { return bytes.count }
        guard !bytes.contains(0) else { throw PatternError(index: index, reason: "the expression holds a NUL byte; write \\x00") }
        let traits = ExpressionTraits(bytes)
        guard !traits.isTooDeep else {
            throw PatternError(index: index, reason: "groups are nested deeper than \(ExpressionTraits.maximumDepth)")
        }
        guard traits.positions <= limits.positions else {
            throw PatternError(index: index, reason: "the expression is too large once its repeats are written out")
        }
        return traits.positions
    }

    /// Proves that the library in place finds what it must, with the right places. A few milliseconds, for start-up.
    package func selfTest() throws {
        let patterns = [
            Pattern("needle", isLiteral: true, ignoresCase: true),
            Pattern("h[aeiou]y+stack"),
            Pattern("stroh", isLiteral: true, needsStart: false),
            Pattern("é.", ignoresCase: true),
        ]
        let expected = [
            PatternHit(pattern: 0, range: 2..<8), PatternHit(pattern: 1, range: 9..<19), PatternHit(pattern: 2, range: 0..<25),
            PatternHit(pattern: 3, range: 26..<30),
        ]
        var hits: [PatternHit] = []
        try compile(patterns).scan(Array("a NEEDLE hayyystack stroh ÉÉ".utf8)) {
            hits.append($0)
            return true
        }
        guard hits == expected else { throw HyperscanError.selfTestFailed("mixed patterns") }
        hits.removeAll()
        try compile([patterns[0]]).scan(Array("no such thing".utf8)) {
            hits.append($0)
            return true
        }
        guard hits.isEmpty else { throw HyperscanError.selfTestFailed("a literal that is not there") }
    }
}

extension PatternDatabase {
    /// Scans an array's bytes.
    package func scan(_ bytes: [UInt8], onHit: (PatternHit) -> Bool) throws {
        try bytes.withUnsafeBytes { try scan($0, onHit: onHit) }
    }
}

/// No patterns, no hits.
private struct EmptyDatabase: PatternDatabase {
    func scan(_ text: UnsafeRawBufferPointer, onHit: (PatternHit) -> Bool) throws {}
}

/// The expressions as the engine takes them: one block of bytes, each with a NUL after it, and flags.
private struct Plan {
    private(set) var starts: [StartRule] = []
    private var bytes: [CChar] = []
    private var offsets: [Int] = []
    private var lengths: [Int] = []
    private var flags: [UInt32] = []

    init(capacity: Int) {
        starts.reserveCapacity(capacity)
        offsets.reserveCapacity(capacity)
        lengths.reserveCapacity(capacity)
        flags.reserveCapacity(capacity)
    }

    private mutating func append(_ expression: some Sequence<UInt8>, flags: UInt32, start: StartRule) {
        offsets.append(bytes.count)
        bytes.append(contentsOf: expression.lazy.map { CChar(bitPattern: $0) })
        lengths.append(bytes.count - offsets[offsets.count - 1])
        bytes.append(0)
        self.flags.append(flags)
        starts.append(start)
    }

    /// For the engine's literal interface, which takes bytes as they stand.
    mutating func addBare(_ pattern: Pattern) {
        let bytes = pattern.expression.utf8
        append(
            bytes, flags: pattern.ignoresCase ? UInt32(HS_FLAG_CASELESS) : 0,
            start: pattern.needsStart ? .before(bytes.count) : .none)
    }

    mutating func addExpression(for pattern: Pattern, at index: Int) throws {
        var flags: UInt32 = pattern.ignoresCase ? UInt32(HS_FLAG_CASELESS) : 0
        var expression = Array(pattern.expression.utf8)
        if pattern.isLiteral {
            if pattern.ignoresCase, expression.contains(where: { $0 >= 0x80 }) {
                flags |= UInt32(HS_FLAG_UTF8 | HS_FLAG_UCP)
                expression = expression.flatMap { $0 >= 0x80 ? [$0] : Self.escaped($0) }
            } else {
                let length = expression.count
                append(
                    expression.lazy.flatMap(Self.escaped), flags: flags, start: pattern.needsStart ? .before(length) : .none)
                return
            }
        } else {
            let traits = ExpressionTraits(expression)
            if traits.speaksOfCodePoints { flags |= UInt32(HS_FLAG_UTF8) }
            if traits.namesNonASCII { flags |= UInt32(HS_FLAG_UCP) }
        }
        guard pattern.needsStart else {
            append(expression, flags: flags, start: .none)
            return
        }
        if let width = try Self.fixedWidth(expression, flags: flags, at: index) {
            append(expression, flags: flags, start: .before(width))
        } else {
            append(expression, flags: flags | UInt32(HS_FLAG_SOM_LEFTMOST), start: .reported)
        }
    }

    private static func escaped(_ byte: UInt8) -> [UInt8] {
        let digits = Array("0123456789abcdef".utf8)
        return [UInt8(ascii: "\\"), UInt8(ascii: "x"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
    }

    /// The number of bytes that every match has, when it is one number.
    private static func fixedWidth(_ expression: [UInt8], flags: UInt32, at index: Int) throws -> Int? {
        var info: UnsafeMutablePointer<hs_expr_info_t>?
        var failure: UnsafeMutablePointer<hs_compile_error_t>?
        let code = (expression + [0]).withUnsafeBytes { raw in
            hs_expression_info(raw.baseAddress?.assumingMemoryBound(to: CChar.self), flags, &info, &failure)
        }
        guard code == HS_SUCCESS, let info else { throw patternError(failure, otherwise: index) }
        defer { free(info) }
        return info.pointee.min_width == info.pointee.max_width ? Int(info.pointee.min_width) : nil
    }

    func build(onlyLiterals: Bool) throws -> OpaquePointer {
        var database: OpaquePointer?
        var failure: UnsafeMutablePointer<hs_compile_error_t>?
        let ids = (0..<UInt32(offsets.count)).map { $0 }
        let code = bytes.withUnsafeBufferPointer { block in
            let expressions: [UnsafePointer<CChar>?] = offsets.map { offset in block.baseAddress.map { $0 + offset } }
            return onlyLiterals
                ? hs_compile_lit_multi(
                    expressions, flags, ids, lengths, UInt32(ids.count), UInt32(HS_MODE_BLOCK), nil, &database, &failure)
                : hs_compile_multi(expressions, flags, ids, UInt32(ids.count), UInt32(HS_MODE_BLOCK), nil, &database, &failure)
        }
        guard code == HS_SUCCESS, let database else { throw Self.patternError(failure, otherwise: 0) }
        return database
    }

    /// The engine's complaint. Of a complaint about the whole set, the first pattern is named.
    private static func patternError(_ failure: UnsafeMutablePointer<hs_compile_error_t>?, otherwise index: Int) -> any Error {
        guard let failure else { return HyperscanError.outOfMemory }
        defer { hs_free_compile_error(failure) }
        let reason = failure.pointee.message.map { String(cString: $0) } ?? "unknown"
        let named = failure.pointee.expression
        return PatternError(index: named > 0 ? Int(named) : index, reason: reason)
    }
}
