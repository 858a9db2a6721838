import NIOCore

/// Metrics in Prometheus' text format 0.0.4, gathered by family: samples of one name come out together, under one HELP and one TYPE,
/// in whatever order they were added.
///
/// What is added is made valid: names lose characters that the format does not know, label values are escaped. Of a family that comes with
/// two types, the first stands. The caller sees to it that no two samples of a family have the same labels.
package struct Exposition {
    package typealias Labels = [(name: String, value: String)]

    /// The content type of what ``encoded()`` returns.
    package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    enum Kind: String { case counter, gauge, histogram }

    private struct Family {
        let kind: Kind
        var text: [UInt8]
    }

    private var families: [Family] = []
    private var positions: [String: Int] = [:]

    package init() {}

    /// - Parameter name: ends with `_total` by convention.
    package mutating func counter(_ name: String, help: String, _ value: Double, labels: Labels = []) {
        add(.counter, name, help) { Exposition.sample(&$0, $1, "", labels, nil, Exposition.spelling(value)) }
    }

    package mutating func gauge(_ name: String, help: String, _ value: Double, labels: Labels = []) {
        add(.gauge, name, help) { Exposition.sample(&$0, $1, "", labels, nil, Exposition.spelling(value)) }
    }

    /// - Parameters:
    ///   - bounds: ascending, without the infinite one.
    ///   - counts: per bucket, not cumulative; one more than bounds, for what is above the last.
    package mutating func histogram(_ name: String, help: String, bounds: [Double], counts: [UInt64], sum: Double, labels: Labels = []) {
        guard counts.count == bounds.count + 1 else { return }
        add(.histogram, name, help) { text, name in
            var total: UInt64 = 0
            for (index, count) in counts.enumerated() {
                total += count
                let bound = index < bounds.count ? Exposition.spelling(bounds[index]) : "+Inf"
                Exposition.sample(&text, name, "_bucket", labels, bound, "\(total)")
            }
            Exposition.sample(&text, name, "_sum", labels, nil, Exposition.spelling(sum))
            Exposition.sample(&text, name, "_count", labels, nil, "\(total)")
        }
    }

    package func encoded() -> ByteBuffer {
        var buffer = ByteBuffer()
        buffer.reserveCapacity(families.reduce(0) { $0 + $1.text.count })
        for family in families { buffer.writeBytes(family.text) }
        return buffer
    }

    // MARK: Writing

    private mutating func add(_ kind: Kind, _ name: String, _ help: String, _ write: (inout [UInt8], String) -> Void) {
        let name = Exposition.validName(name, allowingColon: true)
        let position: Int
        if let known = positions[name] {
            guard families[known].kind == kind else { return }
            position = known
        } else {
            position = families.count
            positions[name] = position
            var text = Array("# HELP \(name) ".utf8)
            Exposition.escape(help, quotes: false, to: &text)
            text.append(contentsOf: "\n# TYPE \(name) \(kind.rawValue)\n".utf8)
            families.append(Family(kind: kind, text: text))
        }
        write(&families[position].text, name)
    }

    private static func sample(
        _ text: inout [UInt8], _ name: String, _ suffix: String, _ labels: Labels, _ bound: String?, _ value: String
    ) {
        text.append(contentsOf: name.utf8)
        text.append(contentsOf: suffix.utf8)
        if !labels.isEmpty || bound != nil {
            var separator = UInt8(ascii: "{")
            for label in labels {
                text.append(separator)
                separator = UInt8(ascii: ",")
                text.append(contentsOf: validName(label.name, allowingColon: false).utf8)
                text.append(contentsOf: "=\"".utf8)
                escape(label.value, quotes: true, to: &text)
                text.append(UInt8(ascii: "\""))
            }
            if let bound {
                text.append(separator)
                text.append(contentsOf: "le=\"\(bound)\"".utf8)
            }
            text.append(UInt8(ascii: "}"))
        }
        text.append(UInt8(ascii: " "))
        text.append(contentsOf: value.utf8)
        text.append(UInt8(ascii: "\n"))
    }

    private static func escape(_ value: String, quotes: Bool, to text: inout [UInt8]) {
        for byte in value.utf8 {
            switch byte {
            case UInt8(ascii: "\\"): text.append(contentsOf: "\\\\".utf8)
            case UInt8(ascii: "\n"): text.append(contentsOf: "\\n".utf8)
            case UInt8(ascii: "\"") where quotes: text.append(contentsOf: "\\\"".utf8)
            default: text.append(byte)
            }
        }
    }

    private static func validName(_ name: String, allowingColon: Bool) -> String {
        func isValid(_ byte: UInt8, first: Bool) -> Bool {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"): true
            case UInt8(ascii: "0")...UInt8(ascii: "9"): !first
            case UInt8(ascii: ":"): allowingColon
            default: false
            }
        }
        var isFirst = true
        var needsChange = name.isEmpty
        for byte in name.utf8 {
            if !isValid(byte, first: isFirst) { needsChange = true }
            isFirst = false
        }
        // Labels that begin with two underscores are Prometheus' own.
        if !allowingColon && name.hasPrefix("__") { needsChange = true }
        guard needsChange else { return name }
        var bytes = name.utf8.map { isValid($0, first: false) ? $0 : UInt8(ascii: "_") }
        if bytes.first.map({ !isValid($0, first: true) }) ?? true { bytes.insert(UInt8(ascii: "_"), at: 0) }
        if !allowingColon {
            while bytes.starts(with: [UInt8(ascii: "_"), UInt8(ascii: "_")]) { bytes.removeFirst() }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Integers without a fraction, since most samples are counts.
    static func spelling(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        if value.rounded() == value && abs(value) < 9e15 { return "\(Int64(value))" }
        return "\(value)"
    }
}
