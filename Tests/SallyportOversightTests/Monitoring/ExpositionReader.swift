/// A strict reader of Prometheus' text format 0.0.4: what it does not know is an error.
struct ExpositionReader {
    struct Mistake: Error, CustomStringConvertible { let description: String }

    struct Sample: Equatable {
        let name: String
        let labels: [String: String]
        let value: Double
    }

    struct Family {
        let name: String
        let type: String
        let help: String
        var samples: [Sample] = []
    }

    private(set) var families: [Family] = []

    init(_ text: String) throws {
        guard text.isEmpty || text.hasSuffix("\n") else { throw Mistake(description: "no line feed at the end") }
        var pendingHelp: (name: String, text: String)?
        var names: Set<String> = []
        var series: Set<String> = []
        for line in text.split(separator: "\n", omittingEmptySubsequences: false).dropLast() {
            if line.hasPrefix("# HELP ") {
                let rest = line.dropFirst(7)
                guard let space = rest.firstIndex(of: " ") else { throw Mistake(description: "HELP without a text: \(line)") }
                try Self.checkEscapes(rest[space...], allowed: "\\n")
                pendingHelp = (String(rest[..<space]), String(rest[rest.index(after: space)...]))
            } else if line.hasPrefix("# TYPE ") {
                let parts = line.dropFirst(7).split(separator: " ")
                guard parts.count == 2, ["counter", "gauge", "histogram"].contains(parts[1]) else {
                    throw Mistake(description: "bad TYPE: \(line)")
                }
                let name = String(parts[0])
                guard let help = pendingHelp, help.name == name else { throw Mistake(description: "TYPE without HELP: \(line)") }
                guard Self.isName(name, colon: true) else { throw Mistake(description: "bad name: \(name)") }
                guard names.insert(name).inserted else { throw Mistake(description: "a family twice: \(name)") }
                families.append(Family(name: name, type: String(parts[1]), help: help.text))
                pendingHelp = nil
            } else if line.hasPrefix("#") {
                throw Mistake(description: "a comment: \(line)")
            } else {
                guard pendingHelp == nil, !families.isEmpty else { throw Mistake(description: "a sample without TYPE: \(line)") }
                let sample = try Self.sample(line)
                let family = families[families.count - 1]
                let expected = family.type == "histogram" ? ["_bucket", "_sum", "_count"].map { family.name + $0 } : [family.name]
                guard expected.contains(sample.name) else { throw Mistake(description: "\(sample.name) under \(family.name)") }
                let identity = sample.name + sample.labels.sorted { $0.key < $1.key }.map { "|\($0.key)=\($0.value)" }.joined()
                guard series.insert(identity).inserted else { throw Mistake(description: "a series twice: \(identity)") }
                families[families.count - 1].samples.append(sample)
            }
        }
        for family in families {
            guard !family.samples.isEmpty else { throw Mistake(description: "an empty family: \(family.name)") }
            if family.type == "counter" {
                guard family.name.hasSuffix("_total") else { throw Mistake(description: "a counter without _total: \(family.name)") }
                guard family.samples.allSatisfy({ $0.value >= 0 }) else { throw Mistake(description: "a negative counter: \(family.name)") }
            }
            if family.type == "histogram" { try Self.checkHistogram(family) }
        }
    }

    func value(_ name: String, _ labels: [String: String] = [:]) -> Double? {
        let found = families.flatMap(\.samples).filter { sample in
            sample.name == name && labels.allSatisfy { sample.labels[$0.key] == $0.value }
        }
        return found.isEmpty ? nil : found.reduce(0) { $0 + $1.value }
    }

    func labels(of name: String) -> Set<String> {
        Set(families.flatMap(\.samples).filter { $0.name == name }.flatMap(\.labels.keys))
    }

    func values(of label: String, in name: String) -> Set<String> {
        Set(families.flatMap(\.samples).filter { $0.name == name }.compactMap { $0.labels[label] })
    }

    private static func checkHistogram(_ family: Family) throws {
        var groups: [[String: String]: (last: (bound: Double, count: Double)?, hasSum: Bool, count: Double?)] = [:]
        for sample in family.samples {
            var labels = sample.labels
            let bound = labels.removeValue(forKey: "le")
            var group = groups[labels] ?? (nil, false, nil)
            if sample.name.hasSuffix("_bucket") {
                guard let text = bound, let bound = text == "+Inf" ? .infinity : Double(text) else {
                    throw Mistake(description: "no le: \(sample)")
                }
                if let last = group.last, !(bound > last.bound && sample.value >= last.count) {
                    throw Mistake(description: "buckets do not grow: \(sample)")
                }
                group.last = (bound, sample.value)
            } else {
                guard bound == nil else { throw Mistake(description: "le outside a bucket: \(sample)") }
                if sample.name.hasSuffix("_sum") { group.hasSum = true } else { group.count = sample.value }
            }
            groups[labels] = group
        }
        for (labels, group) in groups {
            guard group.hasSum, group.last?.bound == .infinity, group.last?.count == group.count else {
                throw Mistake(description: "an incomplete histogram: \(family.name) \(labels)")
            }
        }
    }

    private static func sample(_ line: Substring) throws -> Sample {
        var rest = line
        let name = String(rest.prefix { $0 != "{" && $0 != " " })
        guard isName(name, colon: true) else { throw Mistake(description: "bad name: \(line)") }
        rest.removeFirst(name.count)
        var labels: [String: String] = [:]
        if rest.first == "{" {
            rest.removeFirst()
            while true {
                let label = String(rest.prefix { $0 != "=" })
                guard isName(label, colon: false), !label.hasPrefix("__") else { throw Mistake(description: "bad label: \(line)") }
                rest.removeFirst(label.count)
                guard rest.hasPrefix("=\"") else { throw Mistake(description: "bad label: \(line)") }
                rest.removeFirst(2)
                var value = ""
                while let character = rest.first, character != "\"" {
                    rest.removeFirst()
                    guard character == "\\" else {
                        value.append(character)
                        continue
                    }
                    guard let escaped = rest.popFirst(), let plain = ["\\": "\\", "n": "\n", "\"": "\""][escaped] else {
                        throw Mistake(description: "bad escape: \(line)")
                    }
                    value.append(contentsOf: plain)
                }
                guard rest.popFirst() == "\"" else { throw Mistake(description: "open label: \(line)") }
                guard labels.updateValue(value, forKey: label) == nil else { throw Mistake(description: "a label twice: \(line)") }
                let next = rest.popFirst()
                if next == "}" { break }
                guard next == "," else { throw Mistake(description: "bad labels: \(line)") }
            }
        }
        guard rest.popFirst() == " " else { throw Mistake(description: "no value: \(line)") }
        let value: Double
        switch rest {
        case "+Inf": value = .infinity
        case "-Inf": value = -.infinity
        case "NaN": value = .nan
        default:
            guard let number = Double(rest) else { throw Mistake(description: "bad value: \(line)") }
            value = number
        }
        return Sample(name: name, labels: labels, value: value)
    }

    private static func checkEscapes(_ text: Substring, allowed: String) throws {
        var isEscaped = false
        for character in text {
            if isEscaped {
                guard allowed.contains(character) else { throw Mistake(description: "bad escape in HELP") }
                isEscaped = false
            } else {
                isEscaped = character == "\\"
            }
        }
        guard !isEscaped else { throw Mistake(description: "open escape in HELP") }
    }

    private static func isName(_ name: String, colon: Bool) -> Bool {
        guard let first = name.utf8.first, !(0x30...0x39).contains(first) else { return false }
        return name.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) || byte == 0x5F
                || colon && byte == 0x3A
        }
    }
}
