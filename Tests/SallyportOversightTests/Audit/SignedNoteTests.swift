import SallyportCore
import Testing

@testable import SallyportOversight

@Suite struct SignedNoteTests {
    /// The example of Go's note package, the reference implementation of the format.
    private static let vkey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    private static let skey = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
    private static let text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    private static let note =
        text
        + "\n\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"

    @Test func readsTheReferenceNoteAndItsKey() throws {
        let verifier = try NoteVerifier(vkey: Self.vkey)
        #expect(verifier.name == "PeterNeumann")
        #expect(verifier.vkey == Self.vkey)
        let note = try SignedNote(parsing: Self.note)
        #expect(note.text == Self.text)
        #expect(note.encoded == Self.note)
        #expect(verifier.accepts(note))
    }

    @Test func signsSoThatTheReferenceKeyAccepts() throws {
        let signer = try NoteSigner(encoded: Self.skey)
        #expect(signer.encoded == Self.skey)
        #expect(signer.verifier.vkey == Self.vkey)
        #expect(try NoteVerifier(vkey: Self.vkey).accepts(signer.sign("another\n")))
    }

    @Test func acceptsNoNoteWithAChangedByte() throws {
        let verifier = try NoteVerifier(vkey: Self.vkey)
        let original = Array(Self.note.utf8)
        for position in original.indices {
            for flip: UInt8 in [0x01, 0x20, 0x80] {
                var changed = original
                changed[position] ^= flip
                guard let text = String(validating: changed, as: UTF8.self), let note = try? SignedNote(parsing: text) else { continue }
                #expect(!verifier.accepts(note), "byte \(position) ^ \(flip)")
            }
        }
    }

    @Test func passesOverSignaturesOfOtherKeys() throws {
        let witness = try NoteSigner(name: "witness.example").sign(Self.text)
        let note = try SignedNote(parsing: Self.note + witness.encoded.dropFirst(Self.text.utf8.count + 1))
        #expect(note.signatures.count == 2)
        #expect(try NoteVerifier(vkey: Self.vkey).accepts(note))
        #expect(try !NoteVerifier(vkey: Self.vkey).accepts(witness))
    }

    @Test(arguments: [
        "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+AhpC2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", "PeterNeumann+c74f20a3+ARpc", "PeterNeumann", "",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW\n",
    ])
    func refusesKeysThatDoNotFit(vkey: String) {
        #expect(throws: AuditError.self) { try NoteVerifier(vkey: vkey) }
    }

    @Test(arguments: [
        "", "text\n", "text\n\n", "text\n\n\u{2014} name\n", "text\n\n\u{2014} name AAAA\n", "text\n\n- name AAAAAAAA\n",
        "text\n\n\u{2014} name AAAAAAAA", "te\u{1}xt\n\n\u{2014} name AAAAAAAA\n", "\n\u{2014} name AAAAAAAA\n",
        "text\n\n\u{2014} name AAAAAA=A\n",
    ])
    func refusesWhatIsNoNote(note: String) {
        #expect(throws: AuditError.self) { try SignedNote(parsing: note) }
    }

    @Test func readsItsOwnCheckpoints() throws {
        let signer = try NoteSigner(name: "log.example/audit")
        let checkpoint = Checkpoint(origin: "log.example/audit", size: 12, root: .emptyTree)
        let signed = try SignedCheckpoint(checkpoint, by: signer)
        #expect(
            signed.encoded.hasPrefix("log.example/audit\n12\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n\u{2014} log.example/audit "))
        let read = try SignedCheckpoint(parsing: signed.encoded)
        #expect(read == signed)
        #expect(read.isSigned(by: signer.verifier))
        #expect(try !read.isSigned(by: NoteSigner(name: "log.example/audit").verifier))
    }

    @Test(arguments: [
        "a\n01\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n", "a\n1\nAAAA\n", "a\n-1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
        "a\n1\n",
    ])
    func refusesWhatIsNoCheckpoint(text: String) {
        #expect(throws: AuditError.self) { try Checkpoint(text: text) }
    }

    @Test func keepsBase64Strict() {
        for count in 0..<40 {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 37 + 11) }
            #expect(Base64.decode(Base64.encode(bytes).utf8) == bytes)
        }
        #expect(Base64.encode(Array("foobar".utf8)) == "Zm9vYmFy")
        #expect(Base64.decode("Zm9vYg==".utf8) == Array("foob".utf8))
        for wrong in ["Zm9vYg=", "Zm9vYh==", "Zm9v Yg=", "Zg==Zg==", "Z===", "Zm9vYg==\n"] { #expect(Base64.decode(wrong.utf8) == nil) }
    }
}
