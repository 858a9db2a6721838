/// Reads stretches of digit and letter groups and tries every shape of the catalogue on them.
///
/// Built once from the catalogue; holds nothing of a text.
struct IdentifierScanner: Sendable {
    private struct Entry: Sendable {
        let type: Int
        let shape: IdentifierShape
    }

    private static let longest = 36
    let types: [SensitiveDataType]
    /// For each number of characters, the shapes made of digits only, and the others.
    private let numeric: [[Entry]]
    private let mixed: [[Entry]]
    /// The beginnings of all groupings: what is none of them need not be read on.
    private let groupings: Set<UInt64>

    init(_ types: [SensitiveDataType]) {
        self.types = types
        var numeric = [[Entry]](repeating: [], count: Self.longest + 1)
        var mixed = numeric
        for (index, type) in types.enumerated() {
            for shape in type.shapes {
                let entry = Entry(type: index, shape: shape)
                let onlyDigits: UInt64 = (1 << UInt64(shape.count)) - 1
                if shape.letters == 0 { numeric[shape.count].append(entry) }
                // A shape with `X` may also be all digits; it then stands in both lists.
                if shape.digits != onlyDigits { mixed[shape.count].append(entry) }
            }
        }
        self.numeric = numeric
        self.mixed = mixed
        var groupings: Set<UInt64> = []
        for grouping in types.flatMap(\.shapes).map(\.grouping) where grouping != 0 {
            for groups in 1...16 { groupings.insert(groups == 16 ? grouping : grouping & ((1 << UInt64(groups * 4)) - 1)) }
        }
        self.groupings = groupings
    }

    private struct Group {
        let start: Int
        let end: Int
        let hasDigit: Bool
        let hasLetter: Bool
        /// What follows up to the next group.
        var gap: IdentifierText.Separator
        var count: Int { end - start }
    }

    /// Finds identifiers in the stretch around `hit`, and says where the stretch ends.
    /// - Parameter floor: where an earlier stretch ended.
    func scan(
        _ text: UnsafeRawBufferPointer, around hit: Int, from floor: Int, context: inout KeywordIndex,
        into candidates: inout [SensitiveCandidate]
    ) -> Int {
        let groups = stretch(text, around: hit, from: floor)
        guard let last = groups.last else { return hit }
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Self.longest) { buffer in
            for first in groups.indices { tryShapes(text, groups, first, buffer, &context, &candidates) }
        }
        return max(hit, last.end)
    }

    // MARK: Groups

    /// The groups around a position: each holds a digit, or is a short word that may belong to an identifier.
    private func stretch(_ text: UnsafeRawBufferPointer, around hit: Int, from floor: Int) -> [Group] {
        var start = min(hit, text.count)
        while start > floor, IdentifierText.isAlphanumeric(text[start - 1]) { start -= 1 }
        // Back over at most a few groups: a hit comes at the fifth digit, so only the beginning of the stretch lies behind it.
        var words = 0
        for _ in 0..<16 {
            guard let previous = groupBefore(text, start, floor) else { break }
            let hasDigit = (previous..<start).contains { IdentifierText.isDigit(text[$0]) }
            if !hasDigit {
                words += 1
                if words > 2 { break }
            }
            start = previous
        }
        var groups: [Group] = []
        var index = start
        words = 0
        while index < text.count {
            let begin = index
            var hasDigit = false
            var hasLetter = false
            while index < text.count, IdentifierText.isAlphanumeric(text[index]) {
                if text[index] <= 0x39 { hasDigit = true } else { hasLetter = true }
                index += 1
            }
            if index == begin { break }
            if hasDigit { words = 0 } else { words += 1 }
            if !hasDigit && (index - begin > 6 || words > 2) { break }
            groups.append(Group(start: begin, end: index, hasDigit: hasDigit, hasLetter: hasLetter, gap: .none))
            let gap = IdentifierText.gap(text, from: index)
            guard gap.kind != .none, gap.end < text.count, IdentifierText.isAlphanumeric(text[gap.end]) else { break }
            groups[groups.count - 1].gap = gap.kind
            index = gap.end
        }
        while let last = groups.last, !last.hasDigit, last.end > hit, last.count > 3 { groups.removeLast() }
        return groups
    }

    /// Where the group begins that ends before `index` with a gap between; nil when none belongs to the stretch.
    private func groupBefore(_ text: UnsafeRawBufferPointer, _ index: Int, _ floor: Int) -> Int? {
        var end = index
        var separators = 0
        while end > floor, separators < 3 {
            let byte = text[end - 1]
            if byte == 0x20 || byte == 0x2D || byte == 0x2E || byte == 0x2F || byte == 0x0A || byte == 0x0D {
                end -= 1
            } else if byte == 0xA0, end - 2 >= floor, text[end - 2] == 0xC2 {
                end -= 2
            } else if byte >= 0x80, end - 3 >= floor, text[end - 3] == 0xE2, IdentifierText.separator(text, at: end - 3).length == 3 {
                end -= 3
            } else {
                break
            }
            separators += 1
        }
        guard separators > 0, end > floor, IdentifierText.isAlphanumeric(text[end - 1]) else { return nil }
        var start = end
        var hasDigit = false
        while start > floor, IdentifierText.isAlphanumeric(text[start - 1]) {
            start -= 1
            if text[start] <= 0x39 { hasDigit = true }
            if end - start > Self.longest { return nil }
        }
        return hasDigit || end - start <= 6 ? start : nil
    }

    // MARK: Shapes

    private func tryShapes(
        _ text: UnsafeRawBufferPointer, _ groups: [Group], _ first: Int, _ buffer: UnsafeMutableBufferPointer<UInt8>,
        _ context: inout KeywordIndex, _ candidates: inout [SensitiveCandidate]
    ) {
        var count = 0
        var digits: UInt64 = 0
        var grouping: UInt64 = 0
        // Characters that stand by themselves are tried once, from the first of them.
        var single = first == 0 || groups[first - 1].count != 1 || !groups[first - 1].hasDigit
        var brokenOnce = true
        var last = first
        while last < groups.count {
            let group = groups[last]
            if count + group.count > Self.longest { return }
            for index in group.start..<group.end {
                let byte = text[index]
                if byte <= 0x39 {
                    digits |= 1 << UInt64(count)
                    buffer[count] = byte
                } else {
                    buffer[count] = byte & 0xDF
                }
                count += 1
            }
            let position = last - first
            grouping = position < 16 && group.count < 16 ? grouping | UInt64(group.count) << UInt64(position * 4) : UInt64.max
            if group.count != 1 { single = false }
            if position > 1 || (position == 1 && groups[first].gap != .line) { brokenOnce = false }
            let allDigits: UInt64 = (1 << UInt64(count)) - 1
            let entries = digits == allDigits ? numeric[count] : mixed[count]
            if !entries.isEmpty {
                let characters = Characters(rebasing: UnsafeBufferPointer(buffer)[..<count])
                for entry in entries {
                    let shape = entry.shape
                    guard shape.digits & digits == shape.digits, shape.letters & digits == 0 else { continue }
                    let isOdd: Bool
                    if position == 0 {
                        guard shape.allowsPlain else { continue }
                        isOdd = false
                    } else if shape.grouping == grouping {
                        isOdd = false
                    } else if shape.allowsPlain && (single && isWholeRun(groups, first...last) || brokenOnce && position == 1) {
                        isOdd = true
                    } else {
                        continue
                    }
                    consider(entry.type, characters, text, groups, first...last, isOdd, &context, &candidates)
                }
            }
            if !single && !groupings.contains(grouping) && !(position == 0 && group.gap == .line) { return }
            last += 1
        }
    }

    /// No further characters stand by themselves before or after.
    private func isWholeRun(_ groups: [Group], _ span: ClosedRange<Int>) -> Bool {
        if span.lowerBound > 0, groups[span.lowerBound - 1].count == 1, groups[span.lowerBound - 1].hasDigit { return false }
        return span.upperBound + 1 >= groups.count || groups[span.upperBound + 1].count != 1 || !groups[span.upperBound + 1].hasDigit
    }

    private func consider(
        _ index: Int, _ characters: Characters, _ text: UnsafeRawBufferPointer, _ groups: [Group], _ span: ClosedRange<Int>, _ isOdd: Bool,
        _ context: inout KeywordIndex, _ candidates: inout [SensitiveCandidate]
    ) {
        let type = types[index]
        let range = groups[span.lowerBound].start..<groups[span.upperBound].end
        if let check = type.check, !check(characters) {
            guard type.acceptsAnnounced, !isOdd, !Self.isObvious(characters) else { return }
            guard let distance = context.distance(to: type.topics, from: range, within: 24), distance <= 24 else { return }
            candidates.append(
                SensitiveCandidate(
                    range: range, category: type.category, confidence: 0.65, evidence: "context", order: index, distance: distance))
            return
        }
        if Self.isObvious(characters) { return }
        var strength = type.strength
        if isOdd { strength = .contextual }
        if strength != .contextual && !Self.isAlone(text, range, groups, span) {
            strength = strength == .distinctive ? .weak : .contextual
        }
        if strength == .contextual && !Self.isBounded(text, range) { return }
        let distance = context.distance(to: type.topics, from: range, within: type.proximity)
        let hasContext = distance != nil
        let confidence: Double
        switch strength {
        case .distinctive: confidence = hasContext ? 0.85 : 0.75
        case .weak: confidence = hasContext ? 0.85 : 0.65
        case .contextual:
            guard hasContext else { return }
            confidence = type.check == nil ? 0.75 : 0.85
        }
        let evidence =
            PublishedSamples.contains(characters)
            ? "test" : type.check == nil ? "context" : hasContext ? "check+context" : "check"
        candidates.append(
            SensitiveCandidate(
                range: range, category: type.category, confidence: confidence, evidence: evidence, order: index,
                distance: distance ?? Int.max))
    }

    /// One digit over and over, or counting up or down: nobody's number.
    static func isObvious(_ c: Characters) -> Bool {
        guard c.count > 3 else { return false }
        var same = true
        var up = true
        var down = true
        for index in 1..<c.count {
            guard IdentifierText.isDigit(c[index]), IdentifierText.isDigit(c[index - 1]) else { return false }
            let step = (Int(c[index]) - Int(c[index - 1]) + 10) % 10
            if step != 0 { same = false }
            if step != 1 { up = false }
            if step != 9 { down = false }
        }
        return same || up || down
    }

    /// No digits hang on to it that would make it a part of something longer.
    private static func isAlone(_ text: UnsafeRawBufferPointer, _ range: Range<Int>, _ groups: [Group], _ span: ClosedRange<Int>) -> Bool {
        if span.lowerBound > 0 {
            let previous = groups[span.lowerBound - 1]
            if previous.hasDigit && previous.gap != .line { return false }
        }
        if span.upperBound + 1 < groups.count {
            let next = groups[span.upperBound + 1]
            if next.hasDigit && groups[span.upperBound].gap != .line { return false }
        }
        return isBounded(text, range)
    }

    /// Not a decimal's fraction, an amount of money, or a piece of an address in memory or on the web.
    private static func isBounded(_ text: UnsafeRawBufferPointer, _ range: Range<Int>) -> Bool {
        if range.lowerBound > 0 {
            let before = text[range.lowerBound - 1]
            if before == 0x24 || before == 0x25 { return false }
            if before == 0x2C || before == 0x2E, range.lowerBound > 1, IdentifierText.isDigit(text[range.lowerBound - 2]) { return false }
        }
        if range.upperBound + 1 < text.count {
            let after = text[range.upperBound]
            if after == 0x2C || after == 0x2E, IdentifierText.isDigit(text[range.upperBound + 1]) { return false }
        }
        if range.upperBound < text.count, text[range.upperBound] == 0x25 { return false }
        return true
    }
}
