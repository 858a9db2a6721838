import CMail
import Foundation
import SallyportCore

/// Outlook's messages: a compound file (read by libgsf) whose streams are properties (MS-OXMSG).
enum MSGParser {
    private static let largest = 64 << 20
    private static let most = 128 << 20

    static func parse(_ bytes: [UInt8]) throws(DocumentProblem) -> (ParsedDocument, [ContainedFile]) {
        guard bytes.starts(with: [0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1]) else { throw .mismatch }
        let streams = try CompoundFile.streams(of: bytes, limit: largest, total: most)
        // Excel's and Word's old files are compound files too.
        guard streams.keys.contains(where: { $0.hasPrefix("__properties_version1.0") }) else { throw .mismatch }
        var budget = 100
        return try message(streams, at: "", depth: 0, budget: &budget)
    }

    private static func message(
        _ streams: [String: [UInt8]], at place: String, depth: Int, budget: inout Int
    ) throws(DocumentProblem) -> (ParsedDocument, [ContainedFile]) {
        guard depth <= 4 else { throw .tooDeep }
        func text(_ property: String, in place: String = place) -> String? {
            if let bytes = streams["\(place)__substg1.0_\(property)001F"] {
                var units: [UInt16] = []
                units.reserveCapacity(bytes.count / 2)
                for at in stride(from: 0, to: bytes.count - 1, by: 2) { units.append(UInt16(bytes[at]) | UInt16(bytes[at + 1]) << 8) }
                return String(decoding: units, as: UTF16.self).replacing("\0", with: "")
            }
            guard let bytes = streams["\(place)__substg1.0_\(property)001E"] else { return nil }
            let plain = bytes.filter { $0 != 0 }
            if let text = String(validating: plain, as: UTF8.self) { return text }
            return String(bytes: plain, encoding: .windowsCP1252) ?? String(decoding: plain, as: UTF8.self)
        }
        var builder = BlockBuilder()
        let subject = text("0037")
        let sender = [text("0C1A"), (text("5D01") ?? text("0C1F")).map { "<\($0)>" }].compactMap { $0 }.joined(separator: " ")
        try Letter.head(
            into: &builder, subject: subject, from: sender.isEmpty ? nil : sender, to: text("0E04"), copy: text("0E03"),
            date: sent(streams["\(place)__properties_version1.0"], isTop: depth == 0))
        // As in mail: a reader sees the HTML where there is one.
        if let html = streams["\(place)__substg1.0_10130102"] ?? text("1013").map({ Array($0.utf8) }), html.count > 1 {
            try Letter.body(html.last == 0 ? html.dropLast() : html, isHTML: true, into: &builder)
        } else if let plain = text("1000") {
            try Letter.body(Array(plain.utf8), isHTML: false, into: &builder)
        }
        var document = ParsedDocument(title: subject.flatMap(Letter.title), blocks: [])
        if builder.blocks.count <= 2, streams["\(place)__substg1.0_10090102"] != nil, text("1000") == nil {
            document.notes.append("a body in RTF only, not read")
        }
        var files: [ContainedFile] = []
        var others = 0
        let attachments = Set(
            streams.keys.compactMap { key -> String? in
                guard key.hasPrefix("\(place)__attach_version1.0_"), let slash = key.dropFirst(place.count).firstIndex(of: "/") else {
                    return nil
                }
                return String(key[...slash])
            }
        ).sorted()
        for attachment in attachments {
            budget -= 1
            guard budget >= 0 else { throw .tooManyParts }
            let inner = "\(attachment)__substg1.0_3701000D/"
            if streams.keys.contains(where: { $0.hasPrefix(inner) }) {
                let (nested, more) = try message(streams, at: inner, depth: depth + 1, budget: &budget)
                // A message within the message is one of its sections: it is no file that could be parsed by itself.
                for block in nested.blocks { try builder.append(block) }
                document.notes += nested.notes
                for file in more {
                    files.append(ContainedFile(name: Letter.unique(file.name, among: files), format: file.format, content: file.content))
                }
                continue
            }
            let name = text("3707", in: attachment) ?? text("3704", in: attachment) ?? ""
            guard let content = streams["\(attachment)__substg1.0_37010102"], !content.isEmpty else { continue }
            let type = (text("370E", in: attachment) ?? "").lowercased()
            guard let format = DocumentFormat(fileName: name) ?? DocumentFormat(mediaType: type) else {
                others += 1
                continue
            }
            let safe = ContainedFile.safeName(name, number: files.count + 1, format: format.rawValue)
            files.append(ContainedFile(name: Letter.unique(safe, among: files), format: format, content: content))
        }
        if others > 0 { document.notes.append("\(others) attachments of other formats") }
        document.blocks = builder.blocks
        return (document, files)
    }

    /// When it was handed in (0039), else delivered (0E06): 100 nanoseconds since 1601.
    private static func sent(_ properties: [UInt8]?, isTop: Bool) -> String? {
        guard let properties else { return nil }
        func number(_ at: Int, _ count: Int) -> UInt64 { (0..<count).reduce(0) { $0 | UInt64(properties[at + $1]) << (8 * UInt64($1)) } }
        for wanted: UInt64 in [0x0039_0040, 0x0E06_0040] {
            for at in stride(from: isTop ? 32 : 24, to: properties.count - 15, by: 16) where number(at, 4) == wanted {
                let seconds = Double(number(at + 8, 8)) / 1e7 - 11_644_473_600
                guard seconds > 0, seconds < 4e9 else { continue }
                return Date(timeIntervalSince1970: seconds.rounded(.down)).formatted(.iso8601)
            }
        }
        return nil
    }
}

/// The streams of a compound file by path.
enum CompoundFile {
    static func streams(of bytes: [UInt8], limit: Int, total: Int) throws(DocumentProblem) -> [String: [UInt8]] {
        var problem: DocumentProblem?
        var found: [String: [UInt8]] = [:]
        bytes.withUnsafeBufferPointer { raw in
            var file: OpaquePointer?
            let status = compound_open(raw.baseAddress, raw.count, &file)
            guard status == 0, let file else {
                problem = status == 1 ? .readerMissing : status == 3 ? .tooDeep : .malformed
                return
            }
            defer { compound_free(file) }
            var left = total
            for stream in 0..<compound_count(file) {
                var length = 0
                guard let content = compound_content(file, stream, min(limit, left), &length) else {
                    problem = .malformed
                    return
                }
                defer { free(content) }
                left -= length
                // Two streams of one name: two programs would read two messages.
                let name = String(cString: compound_name(file, stream))
                guard found.updateValue(Array(UnsafeBufferPointer(start: content, count: length)), forKey: name) == nil else {
                    problem = .malformed
                    return
                }
            }
        }
        if let problem { throw problem }
        return found
    }
}
