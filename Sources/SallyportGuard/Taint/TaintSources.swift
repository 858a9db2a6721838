import NIOCore
import SallyportCore

/// What in a call's arguments comes from a text that nobody vouches for.
package enum TaintTrace: String, Sendable, Hashable, CaseIterable {
    /// An address, a link, a number or a name that stands in such a text and not in the user's own.
    case value
    /// A run of words of such a text.
    case words
    /// The policy counts every call after such a text.
    case conversation
}

/// The untrusted texts of a conversation (documents, tool results, files) and the trusted ones (system, user), in a form in which
/// arguments can be held against them: runs of words and single values, as keyed numbers. What the user wrote too does not taint.
///
/// The caller says whose words are whose, and what it says is taken as its word: text that an application passes off as the user's is the
/// user's here. What an assistant said before neither taints nor clears.
package struct TaintSources: Sendable {
    /// So many words in a row are no coincidence.
    private static let run = 5
    /// Of one conversation; what is beyond makes every call suspicious.
    private static let mostWords = 200_000

    /// Of one side: runs of words, runs of shorter ones (shorter arguments are held against runs of their own length), single values.
    private struct Marks {
        var runs: Set<UInt64> = []
        var short: Set<UInt64> = []
        var values: Set<UInt64> = []

        mutating func formUnion(_ other: Marks) {
            runs.formUnion(other.runs)
            short.formUnion(other.short)
            values.formUnion(other.values)
        }

        /// - Returns: how many words it has.
        mutating func add(_ text: ByteBuffer, atMost most: Int) -> Int {
            let found = TaintSources.words(text)
            guard found.count <= most else { return found.count }
            for length in 2..<TaintSources.run { TaintSources.eachRun(found, length) { short.insert($0) } }
            TaintSources.eachRun(found, TaintSources.run) { runs.insert($0) }
            values.formUnion(TaintSources.values(text))
            return found.count
        }
    }

    private var untrusted = Marks()
    private var trusted = Marks()
    /// So many words were taken in.
    package private(set) var words = 0
    private var trustedWords = 0
    private var isBeyond = false
    /// An untrusted text is in the conversation.
    package private(set) var isTouched = false

    package init() {}

    /// - Parameter readings: as the normaliser reads it: what a text hides in an encoding counts like what it shows.
    package mutating func addUntrusted(_ readings: [ByteBuffer]) {
        isTouched = true
        for text in readings { note(untrusted.add(text, atMost: TaintSources.mostWords - words)) }
    }

    /// - Parameter readings: as of untrusted ones, so that neither side has a reading that the other lacks.
    package mutating func addTrusted(_ readings: [ByteBuffer]) {
        // Too many of them are left out: then more is tainted, never less.
        for text in readings { trustedWords += trusted.add(text, atMost: TaintSources.mostWords - trustedWords) }
    }

    private mutating func note(_ count: Int) {
        words += count
        if words > TaintSources.mostWords { isBeyond = true }
    }

    /// - Parameter readings: of one argument, decoded forms included.
    /// - Returns: nil when nothing in it leads to an untrusted text.
    package func trace(_ readings: [ByteBuffer]) -> TaintTrace? {
        guard isTouched else { return nil }
        if isBeyond { return .conversation }
        for text in readings {
            if TaintSources.values(text).contains(where: { untrusted.values.contains($0) && !trusted.values.contains($0) }) {
                return .value
            }
            let found = TaintSources.words(text)
            if found.count >= TaintSources.run {
                var isFound = false
                TaintSources.eachRun(found, TaintSources.run) { run in
                    isFound = isFound || untrusted.runs.contains(run) && !trusted.runs.contains(run)
                }
                if isFound { return .words }
            } else if found.count >= 2 {
                var isFound = false
                TaintSources.eachRun(found, found.count) { run in
                    isFound = isFound || untrusted.short.contains(run) && !trusted.short.contains(run)
                }
                if isFound { return .words }
            }
        }
        return nil
    }

    /// What was said before is not known here: every call is suspicious.
    package mutating func addUnknown() {
        isTouched = true
        isBeyond = true
    }

    /// What an earlier part of the same conversation brought.
    package mutating func formUnion(_ other: TaintSources) {
        untrusted.formUnion(other.untrusted)
        trusted.formUnion(other.trusted)
        words += other.words
        trustedWords += other.trustedWords
        isBeyond = isBeyond || other.isBeyond || words > TaintSources.mostWords
        isTouched = isTouched || other.isTouched
    }

    // MARK: Words

    /// Hashes of the words, whatever their case and what stands between them.
    private static func words(_ text: ByteBuffer) -> [UInt64] {
        var found: [UInt64] = []
        var hash = seed
        var isInWord = false
        for scalar in String(buffer: text).lowercased().unicodeScalars {
            if scalar.properties.isAlphabetic || scalar.properties.numericType != nil {
                hash = mix(hash, UInt64(scalar.value))
                isInWord = true
            } else if scalar.value == 0x27 || scalar.value == 0x2019 || scalar.properties.generalCategory == .nonspacingMark {
                continue
            } else if isInWord {
                found.append(hash)
                (hash, isInWord) = (seed, false)
            }
        }
        if isInWord { found.append(hash) }
        return found
    }

    private static func eachRun(_ words: [UInt64], _ length: Int, _ body: (UInt64) -> Void) {
        guard words.count >= length else { return }
        for start in 0...(words.count - length) {
            var hash = mix(seed, UInt64(length))
            for word in words[start..<(start + length)] { hash = mix(hash, word) }
            body(hash)
        }
    }

    /// Single things that lead somewhere: addresses, hosts, account and telephone numbers, keys, paths. Digits count without what separates
    /// them.
    private static func values(_ text: ByteBuffer) -> Set<UInt64> {
        var found: Set<UInt64> = []
        let lowered = String(buffer: text).lowercased()
        for piece in lowered.unicodeScalars.split(whereSeparator: {
            $0.properties.isWhitespace || "<>\"'()[]{},;|`".unicodeScalars.contains($0)
        }) {
            let bare = trimmed(piece)
            guard bare.count >= 4, bare.count <= 2048 else { continue }
            let digits = bare.count { (0x30...0x39).contains($0.value) }
            let isAddress = bare.contains("@") || bare.contains("/") || bare.contains("\\")
            let isHost = bare.contains(".") && bare.contains { $0.properties.isAlphabetic } && !bare.hasSuffix_(".")
            guard isAddress || isHost || digits >= 5 || bare.count >= 20 else { continue }
            found.insert(hash(bare))
            // The host of an address: another path of the same host leads to the same place.
            let parts = bare.split { "/:@?#\\".unicodeScalars.contains($0) }
            for part in parts where part.count >= 4 && part.contains(".") && part.contains(where: { $0.properties.isAlphabetic }) {
                found.insert(hash(part))
            }
        }
        // Runs of digits with single separators between them: an account number with blanks is the number without.
        var digits: [Unicode.Scalar] = []
        var gap = 0
        func end() {
            if digits.count >= 7 { found.insert(hash(digits[...])) }
            digits = []
            gap = 0
        }
        for scalar in lowered.unicodeScalars {
            if (0x30...0x39).contains(scalar.value) {
                digits.append(scalar)
                gap = 0
            } else if " -.".unicodeScalars.contains(scalar), !digits.isEmpty, gap == 0 {
                gap += 1
            } else {
                end()
            }
        }
        end()
        return found
    }

    private static func trimmed(_ piece: Substring.UnicodeScalarView) -> Substring.UnicodeScalarView {
        var piece = piece
        while let first = piece.first, ".:!?*_".unicodeScalars.contains(first) { piece.removeFirst() }
        while let last = piece.last, ".:!?*_".unicodeScalars.contains(last) { piece.removeLast() }
        return piece
    }

    private static func hash(_ scalars: some Sequence<Unicode.Scalar>) -> UInt64 {
        scalars.reduce(mix(seed, 7)) { mix($0, UInt64($1.value)) }
    }

    /// Of this process: nobody can make texts whose runs collide on purpose.
    private static let seed = UInt64.random(in: 1...UInt64.max)

    private static func mix(_ hash: UInt64, _ value: UInt64) -> UInt64 {
        var mixed = (hash ^ value) &* 0x9E37_79B9_7F4A_7C15
        mixed ^= mixed >> 32
        mixed = mixed &* 0xD6E8_FEB8_6659_FD93
        return mixed ^ mixed >> 29
    }
}

extension Substring.UnicodeScalarView {
    fileprivate func hasSuffix_(_ scalar: Unicode.Scalar) -> Bool { last == scalar }
}

/// Decides about a call of an outward tool.
package struct ToolCallGuard: Sendable {
    /// What is done, and why.
    package struct Decision: Sendable, Hashable {
        package let reaction: GuardPolicy.OutwardTool.Reaction
        package let effect: GuardPolicy.OutwardTool.Effect
        /// nil: the label of the data.
        package let trace: TaintTrace?
        package var reason: String { trace.map { "tainted: \($0.rawValue)" } ?? "label" }
    }

    private let tools: [GuardPolicy.OutwardTool]
    private let sources: TaintSources
    private let normaliser = Normaliser()

    package init?(policy: GuardPolicy, sources: TaintSources?) {
        guard !policy.outwardTools.isEmpty, let sources else { return nil }
        tools = policy.outwardTools
        self.sources = sources
    }

    /// - Parameters:
    ///   - arguments: the strings and numbers of the call's arguments, or the arguments as they stand.
    ///   - label: of the data that the conversation holds.
    /// - Returns: nil when the call is none of ours, or nothing is wrong with it.
    package func decision(on name: String, arguments: [ByteBuffer], label: SensitivityLabel?) -> Decision? {
        let called = tools.filter { $0.isCalled(name) }
        guard !called.isEmpty else { return nil }
        for tool in called {
            if let most = tool.maximumLabel, let label, label > most { return Decision(reaction: .block, effect: tool.effect, trace: nil) }
        }
        guard sources.isTouched else { return nil }
        var traced: TaintTrace??
        var worst: Decision?
        for tool in called where tool.reaction > (worst?.reaction ?? .allow) {
            let trace: TaintTrace?
            if tool.taint == .conversation {
                trace = .conversation
            } else {
                if traced == nil { traced = .some(self.trace(arguments)) }
                trace = traced ?? nil
            }
            if let trace { worst = Decision(reaction: tool.reaction, effect: tool.effect, trace: trace) }
        }
        return worst
    }

    private func trace(_ arguments: [ByteBuffer]) -> TaintTrace? {
        let all: [ByteBuffer] = arguments.flatMap { ToolCallGuard.readings(of: $0, by: normaliser) }
        if let found = sources.trace(all) { return found }
        // A text that was cut over several arguments.
        guard arguments.count > 1 else { return nil }
        var joined = ByteBuffer()
        for argument in arguments {
            joined.writeImmutableBuffer(argument)
            joined.writeStaticString(" ")
        }
        return sources.trace([joined])
    }

    /// A text in all its readings: what is hidden in an encoding is the same text.
    package static func readings(of text: ByteBuffer, by normaliser: Normaliser) -> [ByteBuffer] {
        let passage = Passage(text, origin: .toolResult, isASCII: text.withUnsafeReadableBytes { $0.allSatisfy { $0 < 0x80 } })
        return normaliser.layers(of: passage, wanting: kinds).layers.map(\.passage.text)
    }

    private static let kinds: TextLayer.Kinds = [
        .original, .folded, .joined, .reversed, .rot13, .base64, .hex, .url, .htmlEntities, .tagCharacters,
    ]
}
