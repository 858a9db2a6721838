import Crypto
import Dispatch
import NIOConcurrencyHelpers
import SallyportCore
import SallyportStorage
import Testing

@Suite struct DocumentProvenanceTests {
    private func stored() throws -> (SQLiteDatabase, SQLDocumentStore) {
        let database = try SQLiteDatabase(.temporary)
        let store = SQLDocumentStore(database)
        let record = DocumentRecord(
            index: "library", id: "d1", source: "a.md", origin: "/", owner: "ann", access: AccessList([.user("ann")]), label: .confidential,
            isLabelDeclared: true, hash: [UInt8](repeating: 7, count: 32), pipeline: "test", title: "A", format: .markdown, addedAt: 5)
        let chunks = [
            ChunkRecord(position: 0, range: 0..<5, headings: ["A"], text: "words"),
            ChunkRecord(position: 1, range: 6..<12, text: "secret", quarantine: "hidden text"),
        ]
        try store.put(record, chunks: chunks)
        return (database, store)
    }

    private func isAuthentic(_ store: SQLDocumentStore) throws -> Bool {
        let document = try #require(try store.documents(in: "library", of: .default).first)
        return try store.isAuthentic(
            document, chunks: store.chunks(of: document.id, in: "library", of: .default, searchableOnly: true))
    }

    @Test(arguments: [
        "UPDATE document SET access = 'everyone'", "UPDATE document SET label = 0", "UPDATE document SET owner = 'bob'",
        "UPDATE document SET source = 'b.md'", "UPDATE document SET label_origin = 'lowered'", "UPDATE document SET provenance = NULL",
        "UPDATE document_chunk SET quarantine = NULL", "UPDATE document_chunk SET content = 'others' WHERE position = 0",
        "UPDATE document_chunk SET end_byte = 4 WHERE position = 0", "DELETE FROM document_chunk WHERE position = 0",
    ])
    func whatIsChangedBehindTheStoreIsSeen(statement: String) throws {
        let (database, store) = try stored()
        #expect(try isAuthentic(store))
        _ = try database.write { try $0.execute(statement, []) }
        #expect(try !isAuthentic(store))
        // And is not sealed again by an honest change.
        let document = try #require(try store.documents(in: "library", of: .default).first)
        #expect(throws: Fault.self) { try store.update(document) }
    }

    @Test func othersCanVerifyWhatIsSigned() throws {
        let (database, store) = try stored()
        let document = try #require(try store.documents(in: "library", of: .default).first)
        let chunks = try store.chunks(of: document.id, in: "library", of: .default, searchableOnly: true)
        let signed = try store.statement(of: document, chunks: chunks)
        let key = try Curve25519.Signing.PublicKey(rawRepresentation: signed.publicKey)
        #expect(key.isValidSignature(signed.signature, for: signed.bytes))
        #expect(!key.isValidSignature(signed.signature, for: signed.bytes + [0x20]))
        let text = String(decoding: signed.bytes, as: UTF8.self)
        #expect(text.contains("words") && text.contains("user:ann") && !text.contains("secret"))
        _ = try database.write { try $0.execute("UPDATE document SET access = 'everyone'", []) }
        let changed = try #require(try store.documents(in: "library", of: .default).first)
        #expect(throws: Fault.self) { try store.statement(of: changed, chunks: chunks) }
    }

    @Test func aChangeOfWhatWasChangedMeanwhileIsRefused() throws {
        let (_, store) = try stored()
        var mine = try #require(try store.documents(in: "library", of: .default).first)
        var theirs = mine
        theirs.access = AccessList([.user("bob")])
        try store.update(theirs)
        mine.label = .public
        #expect(throws: Fault.self) { try store.update(mine) }
        #expect(try store.documents(in: "library", of: .default).first?.access == theirs.access)
        #expect(try store.documents(in: "library", of: .default).first?.label == .confidential)
        #expect(try isAuthentic(store))
    }

    @Test func releasesAtTheSameMomentAllCount() throws {
        let store = SQLDocumentStore(try SQLiteDatabase(.temporary))
        let record = DocumentRecord(
            index: "library", id: "d1", source: "a.md", origin: "/", owner: "ann", access: AccessList([.everyone]),
            hash: [UInt8](repeating: 7, count: 32), pipeline: "test", title: "A", format: .markdown, addedAt: 5)
        try store.put(
            record, chunks: (0..<6).map { ChunkRecord(position: $0, range: $0 * 10..<$0 * 10 + 5, text: "words", quarantine: "test") })
        let released = NIOLockedValueBox(0)
        DispatchQueue.concurrentPerform(iterations: 6) { position in
            let isDone = try? store.release(ChunkID("d1", position), in: "library", of: .default, by: "rita", at: 9)
            if isDone == true { released.withLockedValue { $0 += 1 } }
        }
        #expect(released.withLockedValue { $0 } == 6)
        #expect(try isAuthentic(store))
        #expect(try store.chunks(of: "d1", in: "library", of: .default, searchableOnly: true).count == 6)
    }

    @Test func whatWaitsIsListedForItsOwnerAlone() throws {
        let (_, store) = try stored()
        #expect(try store.quarantined(ownedBy: "ann", of: .default).map(\.id) == [ChunkID("d1", 1)])
        #expect(try store.quarantined(ownedBy: "ann", of: .default).map(\.index) == ["library"])
        #expect(try store.quarantined(ownedBy: "bob", of: .default).isEmpty)
        #expect(try store.quarantined(ownedBy: "ann", of: "other").isEmpty)
        #expect(try store.quarantined(ChunkID("d1", 1), in: "library", of: .default)?.reason == "hidden text")
        #expect(try store.quarantined(ChunkID("d1", 0), in: "library", of: .default) == nil)
    }

    @Test func whatTheStoreChangesStaysAuthentic() throws {
        let (_, store) = try stored()
        var document = try #require(try store.documents(in: "library", of: .default).first)
        document.access = AccessList([.everyone])
        document.label = .internal
        try store.update(document)
        #expect(try isAuthentic(store))
        #expect(try store.release(ChunkID("d1", 1), in: "library", of: .default, by: "rita", at: 9))
        #expect(try isAuthentic(store))
        #expect(try store.chunks(of: "d1", in: "library", of: .default, searchableOnly: true).count == 2)
        #expect(try !store.release(ChunkID("d1", 1), in: "library", of: .default, by: "rita", at: 9))
    }
}
