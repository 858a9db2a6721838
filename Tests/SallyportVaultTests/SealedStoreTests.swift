import Foundation
import SallyportCore
import SallyportStorage
import SallyportVault
import Testing

/// Stores over a database with a vault: nothing that was given to them stands in its files.
@Suite struct SealedStoreTests {
    private let place = Place()

    private func fill(_ database: SQLiteDatabase) throws {
        try SQLDocumentStore(database).put(
            DocumentRecord(
                index: "i", id: "d", source: "a.txt", origin: "/a.txt", owner: "o", access: AccessList([.everyone]),
                hash: [UInt8](repeating: 1, count: 32), pipeline: "p", title: "MARKER-title", format: .text, addedAt: 1),
            chunks: [
                ChunkRecord(
                    position: 0, range: 0..<10, headings: ["MARKER-heading"], text: "MARKER-content",
                    vector: .init(scale: 1, values: Array("MARKER-vector".utf8).map { Int8(bitPattern: $0) }))
            ])
        _ = try SQLBlocklistStore(database).upsert(Blocklist(name: "b"), of: .default)
        try SQLBlocklistStore(database).add([BlocklistItem(id: "1", text: "MARKER-item")], to: "b", tenant: .default)
        let category = try SQLCategoryStore(database).add(
            "c", definition: "MARKER-definition", samples: [CategorySample(text: "MARKER-sample", isPositive: true)], of: .default, at: 1)
        try SQLCategoryStore(database).setStatus(
            .succeeded, error: nil, classifier: Array("MARKER-classifier".utf8), of: "c", version: category.version, tenant: .default)
        _ = try SQLIncidentStore(database).upsert(
            TextIncident(name: "n", definition: "MARKER-incident", createdAt: 1, updatedAt: 1), of: .default)
        try SQLIncidentStore(database).add([IncidentSample(id: "s", text: "MARKER-incident-sample")], to: "n", tenant: .default, at: 1)
        try SQLIncidentStore(database).deploy(Array("MARKER-vectors".utf8), of: "n", tenant: .default)
    }

    private func verify(_ database: SQLiteDatabase) throws {
        let documents = SQLDocumentStore(database)
        let chunk = try #require(try documents.chunks(of: "d", in: "i", of: .default, searchableOnly: true).first)
        #expect(chunk.text == "MARKER-content")
        #expect(chunk.headings == ["MARKER-heading"])
        #expect(chunk.vector?.values == Array("MARKER-vector".utf8).map { Int8(bitPattern: $0) })
        #expect(try documents.documents(in: "i", of: .default).first?.title == "MARKER-title")
        #expect(try documents.chunks([ChunkID("d", 0)], in: "i", of: .default).first?.chunk.text == "MARKER-content")
        #expect(try SQLBlocklistStore(database).items(of: "b", tenant: .default).first?.text == "MARKER-item")
        let categories = SQLCategoryStore(database)
        #expect(try categories.categories(of: .default).first?.definition == "MARKER-definition")
        #expect(try categories.samples(of: "c", version: 1, tenant: .default).first?.text == "MARKER-sample")
        #expect(try categories.classifier(of: "c", version: 1, tenant: .default) == Array("MARKER-classifier".utf8))
        let incidents = SQLIncidentStore(database)
        #expect(try incidents.incident("n", of: .default)?.definition == "MARKER-incident")
        #expect(try incidents.samples(of: "n", tenant: .default).first?.text == "MARKER-incident-sample")
        #expect(try incidents.deployed("n", tenant: .default) == Array("MARKER-vectors".utf8))
    }

    @Test func nothingStandsInTheClear() throws {
        let database = try place.database(place.vault())
        try fill(database)
        try verify(database)
        #expect(try !place.holds("MARKER"))
    }

    @Test func theSearchFindsThemWithoutEncryption() throws {
        let database = try place.database(place.vault(mode: .off))
        try fill(database)
        try verify(database)
        #expect(try place.holds("MARKER"))
    }

    @Test func aDamagedValueKeepsItsOwnDocumentOutAndNoOther() throws {
        let database = try place.database(place.vault())
        try fill(database)
        let documents = SQLDocumentStore(database)
        var other = try #require(try documents.documents(in: "i", of: .default).first)
        (other.id, other.source, other.title) = ("e", "b.txt", "Other")
        try documents.put(other, chunks: [ChunkRecord(position: 0, range: 0..<5, text: "words")])
        func write(_ statement: String) throws { _ = try database.write { try $0.execute(statement, []) } }
        try write("UPDATE document_chunk SET content = 'slp1.AAAA' WHERE document = 'd'")
        #expect(throws: DamagedDocument.self) { try documents.chunks(of: "d", in: "i", of: .default, searchableOnly: true) }
        #expect(try documents.chunks(of: "e", in: "i", of: .default, searchableOnly: true).first?.text == "words")
        let found = try documents.chunks([ChunkID("d", 0), ChunkID("e", 0)], in: "i", of: .default)
        #expect(found.map(\.id) == [ChunkID("e", 0)])
        try write("UPDATE document SET title = 'slp1.AAAA' WHERE id = 'd'")
        for listed in [try documents.documents(in: "i", of: .default), try documents.changes(since: -1).changed] {
            #expect(listed.map(\.id) == ["d", "e"])
            // It admits nobody, and can be taken in anew or removed.
            #expect(listed[0].access.grantees.isEmpty && listed[0].provenance == nil && listed[0].source == "a.txt")
            #expect(listed[1].title == "Other" && listed[1].access.grantees == [.everyone])
        }
        // Keys that cannot be had are another matter: nothing is known then.
        #expect(throws: Fault.self) {
            try SQLDocumentStore(SQLiteDatabase(.file(place.path + "/sallyport.sqlite"))).documents(in: "i", of: .default)
        }
    }

    @Test func aDatabaseWithoutAVaultKeepsNothing() throws {
        let database = try SQLiteDatabase(.file(place.path + "/sallyport.sqlite"))
        #expect(throws: Fault.self) { try fill(database) }
    }

    private func sweep(_ database: SQLiteDatabase, adoptsClear: Bool, limit: Int = 2, steps: Int = .max) throws -> (
        changed: Int, unreadable: Int
    ) {
        let sweep = SealingSweep(database, adoptsClear: adoptsClear)
        var position = SealingSweep.Position()
        var sums = (changed: 0, unreadable: 0)
        var left = steps
        while !position.isAtEnd, left > 0 {
            let step = try sweep.step(position, limit: limit)
            sums.changed += step.changed
            sums.unreadable += step.unreadable
            position = step.next
            left -= 1
        }
        return sums
    }

    @Test func sealsWhatLaysInTheClear() throws {
        try fill(try place.database(place.vault(mode: .off)))
        let database = try place.database(place.vault())
        #expect(throws: DamagedDocument.self) { try verify(database) }
        #expect(try sweep(database, adoptsClear: true).changed == 11)
        try database.scrubDeleted()
        try verify(database)
        #expect(try !place.holds("MARKER"))
        #expect(try sweep(database, adoptsClear: true).changed == 0)
    }

    @Test func sealsAnewAfterARotationAlsoWhenBrokenOff() throws {
        let vault = try place.vault()
        let database = try place.database(vault)
        try fill(database)
        _ = try vault.rotate(.default)
        #expect(try sweep(database, adoptsClear: false, limit: 1, steps: 4).changed > 0)
        try verify(database)
        let rest = try sweep(database, adoptsClear: false)
        #expect(rest.changed > 0)
        #expect(rest.unreadable == 0)
        // Nothing needs the old key any more.
        var old = try #require(try vault.store.tenantKeys().first)
        old.state = .retired
        try vault.store.remove(old)
        try verify(try place.database(place.vault()))
        #expect(try SealingSweep(database, adoptsClear: false).count() == 11)
    }

    @Test func aValueMovedToAnotherRowDoesNotOpen() throws {
        let database = try place.database(place.vault())
        try fill(database)
        try database.write { db in _ = try db.execute("UPDATE blocklist_item SET id = $1", [.text("2")]) }
        #expect(throws: Fault.self) { try SQLBlocklistStore(database).items(of: "b", tenant: .default) }
    }
}
