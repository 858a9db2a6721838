/// Makes random values and spells them in random ways.
struct JSONGenerator {
    var random: SplitMix64

    mutating func value(depth: Int = 0) -> ReferenceJSON {
        switch random.below(depth > 4 ? 5 : 9) {
        case 0: return .null
        case 1: return .bool(random.chance(2))
        case 2: return .number(number())
        case 3, 4: return .string(string())
        case 5, 6:
            return .array((0..<random.below(5)).map { _ in value(depth: depth + 1) })
        default:
            var members: [ReferenceJSON.Member] = []
            for _ in 0..<random.below(depth == 0 && random.chance(9) ? 60 : 5) {
                let key = Array(string().utf8)
                if !members.contains(where: { $0.key == key }) { members.append(.init(key: key, value: value(depth: depth + 1))) }
            }
            return .object(members)
        }
    }

    mutating func number() -> String {
        var text = random.chance(3) ? "-" : ""
        text += random.pick(["0", "7", "10", "\(random.below(1 << 40))", "12345678901234567890123"])
        if random.chance(2) { text += "." + random.pick(["0", "5", "000", "250", "10000000000000000001"]) }
        if random.chance(3) { text += random.pick(["e", "E"]) + random.pick(["", "+", "-"]) + random.pick(["0", "2", "007", "400"]) }
        return text
    }

    mutating func string() -> String {
        var text = ""
        let pieces = [
            "a", "role", "content", " ", "\"", "\\", "/", "\n", "\t", "\u{0}", "\u{1f}", "\u{7f}", "é", "ß", "日本", "😀", "\u{10FFFF}",
            "\u{2028}", "{", "]", ",", ":", "e\u{301}",
        ]
        for _ in 0..<random.below(random.chance(8) ? 120 : 7) {
            text += random.chance(3) ? random.pick(pieces) : random.pick(["plain ", "words", "of text, "])
        }
        return text
    }

    mutating func spell(_ value: ReferenceJSON) -> [UInt8] {
        var out: [UInt8] = []
        space(&out)
        spell(value, &out)
        space(&out)
        return out
    }

    private mutating func space(_ out: inout [UInt8]) {
        guard random.chance(4) else { return }
        for _ in 0..<random.below(12) { out.append(random.pick([0x20, 0x20, 0x20, 0x0A, 0x0D, 0x09])) }
    }

    private mutating func spell(_ value: ReferenceJSON, _ out: inout [UInt8]) {
        switch value {
        case .null: out += Array("null".utf8)
        case .bool(let flag): out += Array((flag ? "true" : "false").utf8)
        case .number(let text): out += Array(text.utf8)
        case .string(let text): spell(text, &out)
        case .array(let elements):
            out.append(UInt8(ascii: "["))
            for (index, element) in elements.enumerated() {
                if index > 0 { out.append(UInt8(ascii: ",")) }
                space(&out)
                spell(element, &out)
                space(&out)
            }
            if elements.isEmpty { space(&out) }
            out.append(UInt8(ascii: "]"))
        case .object(let members):
            out.append(UInt8(ascii: "{"))
            for (index, member) in members.enumerated() {
                if index > 0 { out.append(UInt8(ascii: ",")) }
                space(&out)
                spell(String(decoding: member.key, as: UTF8.self), &out)
                space(&out)
                out.append(UInt8(ascii: ":"))
                space(&out)
                spell(member.value, &out)
                space(&out)
            }
            if members.isEmpty { space(&out) }
            out.append(UInt8(ascii: "}"))
        }
    }

    mutating func spell(_ text: String, _ out: inout [UInt8]) {
        out.append(UInt8(ascii: "\""))
        for scalar in text.unicodeScalars {
            let short: [UInt32: String] = [0x22: "\\\"", 0x5C: "\\\\", 0x2F: "\\/", 8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r"]
            let mustEscape = scalar.value < 0x20 || scalar.value == 0x22 || scalar.value == 0x5C
            if let spelling = short[scalar.value], mustEscape ? !random.chance(3) : random.chance(3) {
                out += Array(spelling.utf8)
            } else if mustEscape || random.chance(9) {
                for unit in String(Character(scalar)).utf16 {
                    let digits = String(unit, radix: 16, uppercase: random.chance(2))
                    out += Array("\\u\(String(repeating: "0", count: 4 - digits.count))\(digits)".utf8)
                }
            } else {
                out += Array(String(Character(scalar)).utf8)
            }
        }
        out.append(UInt8(ascii: "\""))
    }
}
