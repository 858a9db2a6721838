/// Telephone numbers: E.164 by country code, North American by form, others by the words around them.
enum PhoneScanner {
    private static let order = 1_000
    private static let context = TopicSet([.phone])

    private struct Number {
        var range: Range<Int>
        var digits: [UInt8] = []
        var groups: [Int] = []
        var hasPlus = false
        var hasParentheses = false
        var hasBlanksOnly = true
        var hasSlashes = false
    }

    /// Reads the numbers in the stretch around `hit`, and says where it ends.
    static func scan(
        _ text: UnsafeRawBufferPointer, around hit: Int, from floor: Int, context index: inout KeywordIndex,
        into candidates: inout [SensitiveCandidate]
    ) -> Int {
        var start = min(hit, text.count)
        let limit = max(floor, start - 24)
        while start > limit, isPart(text[start - 1]) { start -= 1 }
        var cursor = start
        var end = hit
        while cursor < text.count, cursor < end || cursor == start {
            guard isBeginning(text, cursor), var number = read(text, from: cursor) else {
                cursor += 1
                continue
            }
            if text[cursor] == 0x28 {
                if number.digits.isEmpty {
                    // No area code but a bracket around more than the number.
                    cursor += 1
                    continue
                }
                if text[number.range.upperBound - 1] == 0x29, number.range.count > 8 {
                    number.range = cursor + 1..<number.range.upperBound - 1
                    number.hasParentheses = false
                    end = max(end, number.range.upperBound + 1)
                }
            }
            end = max(end, number.range.upperBound)
            judge(number, in: text, &index, &candidates)
            cursor = number.range.upperBound
        }
        return max(hit, end)
    }

    private static func isPart(_ byte: UInt8) -> Bool {
        IdentifierText.isDigit(byte) || byte == 0x2B || byte == 0x28 || byte == 0x29 || byte == 0x20 || (byte >= 0x2D && byte <= 0x2F)
            || byte >= 0x80
    }

    private static func isBeginning(_ text: UnsafeRawBufferPointer, _ index: Int) -> Bool {
        let byte = text[index]
        guard byte == 0x2B || byte == 0x28 || IdentifierText.isDigit(byte) else { return false }
        guard index > 0 else { return true }
        let before = text[index - 1]
        if byte == 0x2B { return !IdentifierText.isAlphanumeric(before) || before == 0x3A }
        if IdentifierText.isAlphanumeric(before) || before == 0x2B || before == 0x24 || before == 0x23 { return false }
        // The next value of a row, not the rest of a number.
        if before == 0x2C, index > 1, IdentifierText.isLetter(text[index - 2]) { return true }
        if before == 0x2C || before == 0x2E || before == 0x2D || before == 0x2F, index > 1, IdentifierText.isAlphanumeric(text[index - 2]) {
            return false
        }
        return true
    }

    private static func read(_ text: UnsafeRawBufferPointer, from start: Int) -> Number? {
        var number = Number(range: start..<start)
        var index = start
        if text[index] == 0x2B {
            number.hasPlus = true
            index += 1
        }
        var group = 0
        var last = start
        var open = false
        while index < text.count, number.digits.count < 20 {
            let byte = text[index]
            if IdentifierText.isDigit(byte) {
                number.digits.append(byte)
                group += 1
                index += 1
                last = index
                continue
            }
            if group > 0 {
                number.groups.append(group)
                group = 0
            }
            if byte == 0x28, !open, number.groups.count < 3 {
                open = true
                number.hasParentheses = true
                index += 1
            } else if byte == 0x29, open {
                open = false
                index += 1
                last = index
                if index < text.count, text[index] == 0x20 || text[index] == 0x2D { index += 1 }
            } else {
                let separator = IdentifierText.separator(text, at: index)
                guard separator.length > 0, separator.kind != .line else { break }
                if separator.kind != .blank { number.hasBlanksOnly = false }
                if separator.kind == .slash { number.hasSlashes = true }
                let next = index + separator.length
                guard next < text.count, IdentifierText.isDigit(text[next]) || text[next] == 0x28 else { break }
                index = next
            }
        }
        if group > 0 { number.groups.append(group) }
        guard number.digits.count >= 7, !open else { return number.digits.count > 1 ? Number(range: start..<last) : nil }
        number.range = start..<last
        return number
    }

    private static func judge(
        _ number: Number, in text: UnsafeRawBufferPointer, _ index: inout KeywordIndex, _ candidates: inout [SensitiveCandidate]
    ) {
        let count = number.digits.count
        guard count >= 7, count <= 15 else { return }
        var range = number.range
        if range.upperBound < text.count {
            let after = text[range.upperBound]
            if after == 0x25 { return }
            if IdentifierText.isLetter(after) {
                guard let end = extensionEnd(text, from: range.upperBound) else { return }
                range = range.lowerBound..<end
            } else if let end = extensionEnd(text, from: range.upperBound) {
                range = range.lowerBound..<end
            }
        }
        let isObvious = number.digits.withUnsafeBufferPointer { IdentifierScanner.isObvious($0) }
        if isObvious { return }
        func add(_ confidence: Double, _ evidence: String) {
            candidates.append(
                SensitiveCandidate(range: range, category: "PhoneNumber", confidence: confidence, evidence: evidence, order: order))
        }
        let isInRow = followsMailbox(text, number.range.lowerBound)
        let hasContext = isInRow || index.mentions(context, near: number.range, within: 300)
        if number.hasPlus {
            if count >= 8, hasCountryCode(number.digits) { add(hasContext ? 0.85 : 0.75, hasContext ? "pattern+context" : "pattern") }
            return
        }
        if isInternationalPrefix(number), hasContext { return add(0.85, "pattern+context") }
        let groups = number.groups
        let digits = number.digits
        let isNorthAmerican = groups.suffix(3) == [3, 3, 4] && (groups.count == 3 || (groups.count == 4 && isTrunk(digits, groups[0])))
        if isNorthAmerican, !number.hasSlashes {
            let area = count - 10
            if digits[area] >= 0x32, digits[area + 3] >= 0x32 {
                let isDistinct = number.hasParentheses || !number.hasBlanksOnly
                add(hasContext ? 0.85 : isDistinct ? 0.75 : 0.65, hasContext ? "pattern+context" : "pattern")
                return
            }
            if number.hasParentheses, !hasContext { return add(0.75, "pattern") }
        }
        if looksLikeDate(groups, digits) { return }
        guard hasContext, isInRow || index.mentions(context, near: number.range, within: 50) else { return }
        // Dialled from abroad, whatever the country.
        if digits[0] == 0x30, digits[1] == 0x30, count >= 11, !number.hasSlashes { return add(0.75, "context") }
        guard count <= 12 else { return }
        let isWritten =
            groups.count >= 2
            ? groups.allSatisfy { $0 >= 2 && $0 <= 8 } && groups.count <= 6 || groups == [3, 1, 3] : count >= 9 && count <= 12
        if isWritten { add(digits[0] == 0x30 || isNorthAmerican ? 0.85 : 0.75, "context") }
    }

    /// The field before it, of a table's row or a signature, is an e-mail address.
    private static func followsMailbox(_ text: UnsafeRawBufferPointer, _ start: Int) -> Bool {
        var index = start
        while index > 0, start - index < 4, " ,;|\t\"/".utf8.contains(text[index - 1]) { index -= 1 }
        guard index < start, index > 4, IdentifierText.isLetter(text[index - 1]) else { return false }
        let floor = max(0, index - 64)
        while index > floor, text[index - 1] > 0x20, text[index - 1] != 0x2C {
            if text[index - 1] == 0x40 { return true }
            index -= 1
        }
        return false
    }

    /// `1` or `001` before a North American number.
    private static func isTrunk(_ digits: [UInt8], _ count: Int) -> Bool {
        count <= 3 && digits[count - 1] == 0x31 && digits.prefix(count - 1).allSatisfy { $0 == 0x30 }
    }

    private static func isInternationalPrefix(_ number: Number) -> Bool {
        number.digits.count >= 11 && number.digits[0] == 0x30 && number.digits[1] == 0x30
            && hasCountryCode(Array(number.digits.dropFirst(2)))
    }

    /// Dates, and the form of a social security number.
    private static func looksLikeDate(_ groups: [Int], _ digits: [UInt8]) -> Bool {
        groups == [4, 2, 2] || groups == [2, 2, 4] || groups == [1, 1, 4] || groups == [1, 2, 4] || groups == [2, 1, 4] || groups == [4, 4]
            || groups == [2, 2, 2] || groups == [3, 2, 4]
    }

    /// `x37100`, ` ext. 12`.
    private static func extensionEnd(_ text: UnsafeRawBufferPointer, from start: Int) -> Int? {
        var index = start
        if index < text.count, text[index] == 0x20 { index += 1 }
        guard index < text.count, text[index] | 0x20 == 0x78 || text[index] | 0x20 == 0x65 else { return nil }
        if text[index] | 0x20 == 0x65 {
            guard index + 2 < text.count, text[index + 1] | 0x20 == 0x78, text[index + 2] | 0x20 == 0x74 else { return nil }
            index += 3
            if index < text.count, text[index] == 0x2E { index += 1 }
        } else {
            index += 1
        }
        if index < text.count, text[index] == 0x20 { index += 1 }
        let digits = index
        while index < text.count, index - digits < 6, IdentifierText.isDigit(text[index]) { index += 1 }
        guard index > digits, index >= text.count || !IdentifierText.isAlphanumeric(text[index]) else { return nil }
        return index
    }

    /// The country calling codes that ITU has given out (E.164).
    private static func hasCountryCode(_ digits: [UInt8]) -> Bool {
        guard digits.count > 3 else { return false }
        let one = Int(digits[0]) - 0x30
        let two = one * 10 + Int(digits[1]) - 0x30
        let three = two * 10 + Int(digits[2]) - 0x30
        switch one {
        case 0: return false
        case 1: return digits.count == 11 && digits[1] >= 0x31
        case 7: return digits.count == 11
        case 2:
            return [20, 27, 28].contains(two) || (211...299).contains(three) && ![214, 215, 217, 219, 259].contains(three)
        case 3: return [30, 31, 32, 33, 34, 36, 39].contains(two) || (350...389).contains(three)
        case 4: return [40, 41, 43, 44, 45, 46, 47, 48, 49].contains(two) || [420, 421, 423].contains(three)
        case 5: return (51...58).contains(two) || (500...509).contains(three) || (590...599).contains(three)
        case 6: return (60...66).contains(two) || (670...692).contains(three)
        case 8:
            return [81, 82, 84, 86].contains(two) || [800, 808, 850, 852, 853, 855, 856, 870, 880, 881, 882, 883, 886, 888].contains(three)
        default: return [90, 91, 92, 93, 94, 95, 98].contains(two) || (960...979).contains(three) || (992...998).contains(three)
        }
    }
}
