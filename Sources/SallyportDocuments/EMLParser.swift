import CMail
import Foundation
import SallyportCore

/// Mail (RFC 5322, MIME) through GMime: what a reader of it sees, and what is attached.
enum EMLParser {
    static func parse(_ bytes: [UInt8]) throws(DocumentProblem) -> (ParsedDocument, [ContainedFile]) {
        for magic in ["%PDF-", "PK\u{3}\u{4}"] where bytes.starts(with: Array(magic.utf8)) { throw .mismatch }
        guard !bytes.prefix(65_536).contains(0) else { throw .mismatch }
        let mail = try MailMessage(bytes)
        var builder = BlockBuilder()
        let subject = mail.header("Subject")
        let heads = ["From", "To", "Cc", "Date", "Message-ID"].map { mail.header($0) }
        guard subject != nil || heads.contains(where: { $0 != nil }) else { throw .mismatch }
        try Letter.head(
            into: &builder, subject: subject, from: heads[0], to: heads[1], copy: heads[2], date: heads[3])
        var files: [ContainedFile] = []
        var notes: [String] = []
        var others = 0
        for part in 0..<mail.count {
            if mail.kind(part) == MAIL_MULTIPART {
                // Cut short: what would follow is missing, and a reader must not be told that this is the whole.
                guard let boundary = mail.boundary(part), mail.closes(boundary, in: bytes) else { throw .malformed }
                continue
            }
            let type = mail.type(part)
            // Of alternatives a reader sees one; the others are for machines, and nobody checks that they say the same.
            guard mail.isShown(part) else {
                if type != "text/plain" && type != "text/html" { others += 1 }
                continue
            }
            if mail.kind(part) == MAIL_MESSAGE {
                guard let content = mail.content(part) else { throw .malformed }
                files.append(ContainedFile(name: "message-\(files.count + 1).eml", format: .eml, content: content))
                continue
            }
            let name = mail.fileName(part)
            if mail.kind(part) == MAIL_TEXT, !mail.isAttachment(part),
                name == nil || type == "text/plain" && name.flatMap(DocumentFormat.init(fileName:)) == nil
            {
                guard let content = mail.content(part) else { throw .malformed }
                try Letter.body(content, isHTML: type == "text/html", into: &builder)
                continue
            }
            if type == "application/pkcs7-mime" || type == "application/pgp-encrypted" {
                notes.append("an encrypted part")
                continue
            }
            guard let format = name.flatMap(DocumentFormat.init(fileName:)) ?? DocumentFormat(mediaType: type) else {
                others += 1
                continue
            }
            // Small pictures of signatures are furniture.
            guard let content = mail.content(part) else { throw .malformed }
            if content.isEmpty || format == .image && !mail.isAttachment(part) && content.count < 20_000 { continue }
            let safe = ContainedFile.safeName(name ?? "", number: files.count + 1, format: format.rawValue)
            files.append(ContainedFile(name: Letter.unique(safe, among: files), format: format, content: content))
        }
        if others > 0 { notes.append("\(others) attachments of other formats") }
        return (ParsedDocument(title: subject.flatMap(Letter.title), blocks: builder.blocks, notes: notes), files)
    }
}

/// What mail of both formats becomes.
enum Letter {
    static func title(_ subject: String) -> String? {
        let text = BlockBuilder.collapsed(subject.prefix(500))
        return text.isEmpty ? nil : text
    }

    static func head(
        into builder: inout BlockBuilder, subject: String?, from: String?, to: String?, copy: String?, date: String?
    ) throws(DocumentProblem) {
        if let subject = subject.flatMap(title) {
            try builder.add(subject)
            try builder.end(.heading, level: 1)
        }
        let lines = [("From", from), ("To", to), ("Cc", copy), ("Date", date)].compactMap { name, value in
            value.map { "\(name): \(BlockBuilder.collapsed($0.prefix(2000)))" }
        }
        if !lines.isEmpty { try builder.append(.init(.paragraph, lines.joined(separator: "; "))) }
    }

    static func body(_ content: [UInt8], isHTML: Bool, into builder: inout BlockBuilder) throws(DocumentProblem) {
        if content.allSatisfy({ $0 <= 0x20 }) { return }
        let document: ParsedDocument
        if isHTML {
            document = try HTMLParser.parse(content)
        } else {
            document = try PlainTextParser.paragraphs(of: String(decoding: content, as: UTF8.self), hasTitle: false)
        }
        for block in document.blocks { try builder.append(block) }
    }

    static func unique(_ name: String, among files: [ContainedFile]) -> String {
        files.contains { $0.name == name } ? "\(files.count + 1)-\(name)" : name
    }
}

extension DocumentFormat {
    /// Of an attachment without a name that says it.
    init?(mediaType: String) {
        switch mediaType {
        case "application/pdf": self = .pdf
        case "text/html": self = .html
        case "text/csv": self = .csv
        case "text/markdown": self = .markdown
        case "text/plain": self = .text
        case "application/zip", "application/x-zip-compressed": self = .zip
        case "application/vnd.openxmlformats-officedocument.wordprocessingml.document": self = .docx
        case "application/vnd.openxmlformats-officedocument.presentationml.presentation": self = .pptx
        case "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": self = .xlsx
        case "application/vnd.ms-outlook": self = .msg
        case "image/png", "image/jpeg", "image/tiff", "image/bmp", "image/gif", "image/webp": self = .image
        default: return nil
        }
    }
}

/// GMime's view of a message.
struct MailMessage: ~Copyable {
    private let message: OpaquePointer
    let count: Int

    init(_ bytes: [UInt8]) throws(DocumentProblem) {
        var made: OpaquePointer?
        let status = bytes.withUnsafeBufferPointer { mail_parse($0.baseAddress, $0.count, &made) }
        guard status == 0, let made else { throw status == 1 ? .readerMissing : status == 3 ? .tooDeep : .mismatch }
        message = made
        count = mail_count(made)
    }

    deinit { mail_free(message) }

    func header(_ name: String) -> String? {
        guard let text = mail_header(message, name) else { return nil }
        defer { free(text) }
        let value = BlockBuilder.collapsed(String(cString: text).prefix(10_000))
        return value.isEmpty ? nil : value
    }

    func kind(_ part: Int) -> mail_kind { mail_part_kind(message, part) }
    func type(_ part: Int) -> String {
        (String(cString: mail_type(message, part)) + "/" + String(cString: mail_subtype(message, part))).lowercased()
    }
    func boundary(_ part: Int) -> String? { mail_boundary(message, part).map { String(cString: $0) } }
    func fileName(_ part: Int) -> String? { mail_file_name(message, part).map { String(cString: $0) } }
    func isAttachment(_ part: Int) -> Bool { mail_is_attachment(message, part) != 0 }

    func content(_ part: Int) -> [UInt8]? {
        var length = 0
        guard let bytes = mail_content(message, part, &length) else { return nil }
        defer { free(bytes) }
        return Array(UnsafeBufferPointer(start: bytes, count: length))
    }

    /// The part of a choice that mail programs show: HTML, else plain text, else the last.
    func best(of group: Int) -> Int? {
        let children = (0..<count).filter { mail_parent(message, $0) == Int32(group) }
        func holds(_ child: Int, _ wanted: String) -> Bool {
            (0..<count).contains { ($0 == child || isWithin($0, child)) && type($0) == wanted && kind($0) == MAIL_TEXT }
        }
        return children.last { holds($0, "text/html") } ?? children.last { holds($0, "text/plain") } ?? children.last
    }

    func isWithin(_ part: Int, _ other: Int) -> Bool {
        var at = Int(mail_parent(message, part))
        while at >= 0 {
            if at == other { return true }
            at = Int(mail_parent(message, at))
        }
        return false
    }

    /// Whether it is the chosen one of every choice that it stands in.
    func isShown(_ part: Int) -> Bool {
        var child = part
        var parent = Int(mail_parent(message, child))
        while parent >= 0 {
            if type(parent) == "multipart/alternative", best(of: parent) != child { return false }
            (child, parent) = (parent, Int(mail_parent(message, parent)))
        }
        return true
    }

    /// Whether the mark that ends a multipart stands in the file.
    func closes(_ boundary: String, in bytes: [UInt8]) -> Bool {
        let mark = Array("--\(boundary)--".utf8)
        return mark.withUnsafeBufferPointer { mark in
            bytes.withUnsafeBufferPointer { bytes in mail_finds(bytes.baseAddress, bytes.count, mark.baseAddress, mark.count) != 0 }
        }
    }
}
