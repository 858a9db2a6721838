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
