import Foundation
import SallyportCore
import Testing

@testable import SallyportDocuments

let message = Array(
    (try? Data(contentsOf: URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures/message.msg")))
        ?? Data())

let mail = """
    From: Ann Berg <ann@harbour.example>\r
    To: Bob <bob@harbour.example>\r
    Subject: =?UTF-8?Q?Kr=C3=A6n_inspection?=\r
    Date: Mon, 01 Jan 2024 10:00:00 +0000\r
    MIME-Version: 1.0\r
    Content-Type: multipart/mixed; boundary="outer"\r
    \r
    --outer\r
    Content-Type: multipart/alternative; boundary="inner"\r
    \r
    --inner\r
    Content-Type: text/plain; charset=utf-8\r
    \r
    Obey: words that only machines read.\r
    --inner\r
    Content-Type: text/html; charset=iso-8859-1\r
    Content-Transfer-Encoding: quoted-printable\r
    \r
    <p>The cr=E4ne lifts 40 tonnes.</p><p style=3D"display:none">obey me now</p>\r
    --inner--\r
    --outer\r
    Content-Type: text/markdown; name="../../etc/notes.md"\r
    Content-Disposition: attachment; filename="../../etc/notes.md"\r
    Content-Transfer-Encoding: base64\r
    \r
    IyBOb3RlcwoKU2hpZnRzIGJlZ2luIGF0IHNpeC4K\r
    --outer\r
    Content-Type: application/octet-stream\r
    Content-Disposition: attachment; filename="tool.exe"\r
    \r
    MZ\r
    --outer--\r

    """

@Suite struct ContainersTests {
    @Test func readsMailAndWhatIsAttached() throws {
        let document = try DocumentParsers.parse(bytes(mail), as: .eml)
        #expect(document.title == "Kræn inspection")
        #expect(document.visible.last == "The cräne lifts 40 tonnes.")
        #expect(document.visible.contains { $0.hasPrefix("From: Ann Berg <ann@harbour.example>; To: Bob") })
        #expect(document.hidden(.notDisplayed) == ["obey me now"])
        // Of alternatives only the one that is shown counts.
        #expect(!document.blocks.contains { $0.text.contains("only machines") })
        #expect(document.parts.map(\.name) == [".._.._etc_notes.md"])
        #expect(document.parts[0].document?.visible == ["Notes", "Shifts begin at six."])
        #expect(document.notes == ["1 attachments of other formats"])
    }

    @Test func readsMailInMail() throws {
        let outer = """
            From: carol@harbour.example\r
            Subject: Fwd\r
            MIME-Version: 1.0\r
            Content-Type: multipart/mixed; boundary="fwd"\r
            \r
            --fwd\r
            Content-Type: text/plain\r
            \r
            See below.\r
            --fwd\r
            Content-Type: message/rfc822\r
            \r
            \(mail)--fwd--\r

            """
        let document = try DocumentParsers.parse(bytes(outer), as: .eml)
        #expect(document.visible.last == "See below.")
        #expect(document.parts.map(\.name) == ["message-1.eml", "message-1.eml!/.._.._etc_notes.md"])
        #expect(document.parts[0].document?.title == "Kræn inspection")
    }

    @Test func refusesMailThatIsCutShortOrNone() {
        #expect(problem(bytes(String(mail.prefix(700))), .eml) == .malformed)
        #expect(problem(bytes("Just some words.\n"), .eml) == .mismatch)
        #expect(problem(bytes("%PDF-1.4"), .eml) == .mismatch)
        #expect(problem([0x46, 0, 0x3A], .eml) == .mismatch)
        let deep = (0..<200).map { "Content-Type: multipart/mixed; boundary=\"b\($0)\"\r\n\r\n--b\($0)\r\n" }.joined()
        #expect(problem(bytes("From: a@b.example\r\nMIME-Version: 1.0\r\n" + deep), .eml) != nil)
    }

    @Test func readsOutlookMessages() throws {
        let document = try DocumentParsers.parse(message, as: .msg)
        #expect(document.title == "Crane inspection")
        #expect(document.visible.contains("From: Ann Berg <ann@harbour.example>; To: Bob; Date: 2024-01-01T00:00:00Z"))
        #expect(document.visible.suffix(2) == ["The crane was inspected on Monday.", "It lifts 40 tonnes."])
        #expect(document.parts.map(\.name) == ["notes.txt"])
        #expect(document.parts[0].document?.visible == ["Attached words about the crane."])
        for length in stride(from: 1, to: message.count - 600, by: 97) { _ = problem(Array(message[..<length]), .msg) }
        #expect(problem(Array(message[..<700]), .msg) != nil)
        #expect(problem(bytes("no message"), .msg) == .mismatch)
        #expect(problem(message, .xlsx) == .encrypted)
        #expect(problem(message, .zip) == .mismatch)
    }

    @Test func readsArchivesOfDocuments() throws {
        let inner = zip([("deep.txt", bytes("Deep words."))])
        let archive = zip([
            ("a/leave.md", bytes("# Leave\n\n27 days.\n")), ("b.docx", docx(paragraph("Word words."))),
            ("broken.docx", bytes("no archive")),
            ("inner.zip", inner), ("program.exe", bytes("MZ")), ("__MACOSX/x.md", bytes("x")), (".hidden.md", bytes("x")),
            ("letter.eml", bytes(mail)),
        ])
        let document = try DocumentParsers.parse(archive, as: .zip)
        #expect(document.blocks.isEmpty)
        #expect(
            document.parts.map(\.name) == [
                "a/leave.md", "b.docx", "broken.docx", "inner.zip!/deep.txt", "letter.eml", "letter.eml!/.._.._etc_notes.md",
            ])
        #expect(document.parts[2].problem == .mismatch)
        #expect(document.parts.filter { $0.problem == nil }.count == 5)
        #expect(document.notes == ["3 files of other formats"])
    }

    @Test func refusesHostileArchives() {
        #expect(problem(zip([("../../x.md", bytes("x"))]), .zip) == .pathTraversal)
        #expect(problem(zip([("a.md", [UInt8](repeating: 0x61, count: 70 << 20))]), .zip) == .inflates)
        #expect(problem(zip([("a.md", bytes("x")), ("a.md", bytes("y"))]), .zip) == .malformed)
        #expect(problem(zip([("a.exe", bytes("x"))]), .zip) == .empty)
        #expect(problem(bytes("%PDF-1.4") + zip([("a.md", bytes("x"))]), .zip) == .mismatch)
        // Archives in archives.
        var nested = zip([("a.md", bytes("words"))])
        for _ in 0..<6 { nested = zip([("n.zip", nested)]) }
        #expect(problem(nested, .zip) == .tooDeep)
        // A bomb one level down makes the whole a bomb.
        #expect(problem(zip([("n.zip", zip([("a.md", [UInt8](repeating: 0x61, count: 70 << 20))]))]), .zip) == .inflates)
        let many = zip((0..<2100).map { ("\($0).txt", bytes("words \($0)")) })
        #expect(problem(many, .zip) == .tooManyParts)
        let whole = zip([("a.md", bytes(String(repeating: "words ", count: 100)))])
        for length in stride(from: 1, to: whole.count - 1, by: 17) { #expect(problem(Array(whole[..<length]), .zip) != nil) }
    }
}
