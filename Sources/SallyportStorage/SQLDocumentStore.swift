import SallyportCore

/// Documents and their chunks in SQL. A document and its chunks are written in one transaction: after a kill it is there whole or not.
package struct SQLDocumentStore: DocumentStore {
    private let database: any SQLDatabase
    package init(_ database: any SQLDatabase) { self.database = database }

    private static let columns = """
        d.tenant, d.collection, d.id, d.source, d.origin, d.owner, d.access, d.label, d.label_declared, d.language, d.hash, d.pipeline, \
        d.title, d.format, d.notes, d.added_at, d.label_origin, d.provenance, \
        (SELECT count(*) FROM document_chunk c WHERE c.tenant = d.tenant AND c.collection = d.collection AND c.document = d.id), \
        (SELECT count(*) FROM document_chunk c WHERE c.tenant = d.tenant AND c.collection = d.collection AND c.document = d.id \
        AND c.quarantine IS NOT NULL)
        """
    private static let chunkColumns = "position, start_byte, end_byte, pages, headings, content, hiding, quarantine, vector"

    private static let doubtful = Fault(.conflict, "The document is not as it was taken in: take it in again.")
    private static let moved = Fault(.conflict, "The document was changed meanwhile: try again.")
    private static let noDocument = Fault(.notFound, "There is no such document.")
    /// Note of a document whose description is damaged.
    private static let damage = "damaged: take it in again"
    /// How often a change is tried on what somebody else changes too.
    private static let attempts = 8

    // MARK: Writing

    package func put(_ document: DocumentRecord, chunks: [ChunkRecord]) throws {
        let arguments = try arguments(document) + [.blob(try DocumentProvenance.sign(document, chunks, by: database.sealer))]
        let rows = try chunks.map { chunk -> [SQLValue] in
            let row = [document.index.rawValue, document.id.rawValue, "\(chunk.position)"]
            return [
                .text(document.tenant), .text(document.index), .text(document.id), .integer(chunk.position),
                .integer(chunk.range.lowerBound), .integer(chunk.range.upperBound), .text(try JSONColumn.text(chunk.pages)),
                try database.sealed(JSONColumn.text(chunk.headings), .chunkHeadings, of: document.tenant, row: row),
                try database.sealed(chunk.text, .chunkContent, of: document.tenant, row: row), .text(chunk.hiding?.rawValue),
                .text(chunk.quarantine),
                try database.sealed(chunk.vector.map(Self.bytes(of:)), .chunkVector, of: document.tenant, row: row),
            ]
        }
        try database.write { db in
            let revision = try Self.next(db)
            let old = try db.rows(
                "SELECT id FROM document WHERE tenant = $1 AND collection = $2 AND source = $3",
                [.text(document.tenant), .text(document.index), .text(document.source)])
            for row in old { try Self.remove(DocumentID(try row.text(0)), document.index, document.tenant, revision, db) }
            try db.execute(
                """
                INSERT INTO document (tenant, collection, id, source, origin, owner, access, label, label_declared, language, hash, pipeline,
                    title, format, notes, added_at, label_origin, provenance, revision)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
                """, arguments + [.integer(revision)])
            for row in rows {
                try db.execute(
                    """
                    INSERT INTO document_chunk (tenant, collection, document, \(Self.chunkColumns))
                    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
                    """, row)
            }
        }
    }

    package func update(_ document: DocumentRecord) throws {
        let now = try current(document.id, in: document.index, of: document.tenant, searchableOnly: true)
        guard let now else { throw Self.noDocument }
        guard try isAuthentic(now.document, chunks: now.chunks), let signature = now.document.provenance else { throw Self.doubtful }
        // The signature says which state the caller has seen.
        guard signature == document.provenance else { throw Self.moved }
        let provenance = try DocumentProvenance.sign(document, now.chunks, by: database.sealer)
        try database.write { db in
            let revision = try Self.next(db)
            // What was checked above is still there: keys are not asked for within a transaction.
            let changed = try db.execute(
                """
                UPDATE document SET origin = $1, owner = $2, access = $3, label = $4, label_declared = $5, label_origin = $6,
                    provenance = $7, revision = $8
                WHERE tenant = $9 AND collection = $10 AND id = $11 AND provenance = $12
                """,
                [
                    .text(document.origin), .text(document.owner), .text(document.access.text), .integer(document.label.rawValue),
                    .integer(document.isLabelDeclared ? 1 : 0), .text(document.labelOrigin.description),
                    .blob(provenance), .integer(revision), .text(document.tenant), .text(document.index), .text(document.id),
                    .blob(signature),
                ])
            guard changed == 1 else { throw Self.moved }
        }
    }

    /// A document and its chunks, of one moment.
    private func current(_ id: DocumentID, in index: IndexID, of tenant: TenantID, searchableOnly: Bool) throws -> (
        document: DocumentRecord, chunks: [ChunkRecord]
    )? {
        try database.read { db in
            let rows = try db.rows(
                "SELECT \(Self.columns) FROM document d WHERE d.tenant = $1 AND d.collection = $2 AND d.id = $3",
                [.text(tenant), .text(index), .text(id)])
            guard let document = try rows.first.map(record) else { return nil }
            return (document, try chunks(of: id, in: index, of: tenant, searchableOnly: searchableOnly, db))
        }
    }

    package func remove(_ id: DocumentID, in index: IndexID, of tenant: TenantID) throws -> Bool {
        let existed = try database.write { db in try Self.remove(id, index, tenant, try Self.next(db), db) }
        if existed { try database.scrubDeleted() }
        return existed
    }

    package func release(_ id: ChunkID, in index: IndexID, of tenant: TenantID, by reviewer: PrincipalID, at now: Int64) throws -> Bool {
        for _ in 0..<Self.attempts {
            guard var (document, chunks) = try current(id.document, in: index, of: tenant, searchableOnly: false) else { return false }
            // What was changed behind the gateway's back is not signed again.
            guard try isAuthentic(document, chunks: chunks), let signature = document.provenance else { throw Self.doubtful }
            guard let position = chunks.firstIndex(where: { $0.position == id.position && $0.quarantine != nil }) else { return false }
            chunks[position].quarantine = nil
            document.provenance = try DocumentProvenance.sign(document, chunks, by: database.sealer)
            let isDone = try database.write { [document] db in
                let revision = try Self.next(db)
                let place: [SQLValue] = [.text(tenant), .text(index), .text(id.document)]
                // Another release, or a change of who may read it, was first: what was signed above is not what is there.
                guard
                    try db.execute(
                        """
                        UPDATE document SET revision = $1, provenance = $2
                        WHERE tenant = $3 AND collection = $4 AND id = $5 AND provenance = $6
                        """, [.integer(revision), .blob(document.provenance ?? [])] + place + [.blob(signature)]) == 1
                else { return false }
                let changed = try db.execute(
                    """
                    UPDATE document_chunk SET quarantine = NULL, released_by = $1, released_at = $2
                    WHERE tenant = $3 AND collection = $4 AND document = $5 AND position = $6 AND quarantine IS NOT NULL
                    """, [.text(reviewer), .integer(now)] + place + [.integer(id.position)])
                guard changed == 1 else { throw Self.doubtful }
                return true
            }
            if isDone { return true }
        }
        throw Self.moved
    }

    @discardableResult
    private static func remove(
        _ id: DocumentID, _ index: IndexID, _ tenant: TenantID, _ revision: Int64, _ db: any SQLConnection
    ) throws -> Bool {
        let place: [SQLValue] = [.text(tenant), .text(index), .text(id)]
        try db.execute("DELETE FROM document_chunk WHERE tenant = $1 AND collection = $2 AND document = $3", place)
        guard try db.execute("DELETE FROM document WHERE tenant = $1 AND collection = $2 AND id = $3", place) == 1 else { return false }
        try db.execute(
            "INSERT INTO document_removal (tenant, collection, id, revision) VALUES ($1, $2, $3, $4)", place + [.integer(revision)])
        return true
    }

    private static func next(_ db: any SQLConnection) throws -> Int64 {
        try Revision.documents.bump(db)
        return try Revision.documents.number(db)
    }

    // MARK: Reading

    package func document(source: String, in index: IndexID, of tenant: TenantID) throws -> DocumentRecord? {
        try database.read { db in
            try db.rows(
                "SELECT \(Self.columns) FROM document d WHERE d.tenant = $1 AND d.collection = $2 AND d.source = $3",
                [.text(tenant), .text(index), .text(source)]
            ).first.map(record)
        }
    }

    package func isAuthentic(_ document: DocumentRecord, chunks: [ChunkRecord]) throws -> Bool {
        try DocumentProvenance.isSigned(document, chunks, by: database.sealer)
    }

    /// What is signed of a document, for others to verify: the bytes, the signature (64 bytes) and the public key (32 bytes, Ed25519).
    /// - Throws: ``Fault`` `.conflict` when the document is not as it was taken in.
    package func statement(
        of document: DocumentRecord, chunks: [ChunkRecord]
    ) throws -> (bytes: [UInt8], signature: [UInt8], publicKey: [UInt8]) {
        guard try isAuthentic(document, chunks: chunks), let signature = document.provenance else { throw Self.doubtful }
        return (
            try DocumentProvenance.statement(document, chunks), signature,
            try DocumentProvenance.publicKey(of: document.tenant, by: database.sealer)
        )
    }

    package func documents(in index: IndexID, of tenant: TenantID) throws -> [DocumentRecord] {
        try database.read { db in
            try db.rows(
                "SELECT \(Self.columns) FROM document d WHERE d.tenant = $1 AND d.collection = $2 ORDER BY d.source",
                [.text(tenant), .text(index)]
            ).map(record)
        }
    }

    package func indexes(of tenant: TenantID) throws -> [IndexID] {
        try database.read { db in
            try db.rows("SELECT DISTINCT collection FROM document WHERE tenant = $1 ORDER BY collection", [.text(tenant)])
                .map { IndexID(try $0.text(0)) }
        }
    }

    package func sizes(of tenant: TenantID) throws -> [IndexSize] {
        try database.read { db in
            try db.rows(
                """
                SELECT d.collection, count(*),
                    sum((SELECT count(*) FROM document_chunk c
                        WHERE c.tenant = d.tenant AND c.collection = d.collection AND c.document = d.id)),
                    sum((SELECT count(c.quarantine) FROM document_chunk c
                        WHERE c.tenant = d.tenant AND c.collection = d.collection AND c.document = d.id)),
                    max(d.added_at)
                FROM document d WHERE d.tenant = $1 GROUP BY d.collection ORDER BY d.collection
                """, [.text(tenant)]
            ).map { row in
                IndexSize(
                    index: IndexID(try row.text(0)), documents: Int(try row.integer(1)), chunks: Int(try row.integer(2)),
                    quarantined: Int(try row.integer(3)), addedAt: try row.integer(4))
            }
        }
    }

    package func chunks(of id: DocumentID, in index: IndexID, of tenant: TenantID, searchableOnly: Bool) throws -> [ChunkRecord] {
        try database.read { db in try chunks(of: id, in: index, of: tenant, searchableOnly: searchableOnly, db) }
    }

    private func chunks(
        of id: DocumentID, in index: IndexID, of tenant: TenantID, searchableOnly: Bool, _ db: any SQLConnection
    ) throws -> [ChunkRecord] {
        let rows = try db.rows(
            """
            SELECT \(Self.chunkColumns) FROM document_chunk WHERE tenant = $1 AND collection = $2 AND document = $3
            \(searchableOnly ? "AND quarantine IS NULL" : "") ORDER BY position
            """, [.text(tenant), .text(index), .text(id)])
        do { return try rows.map { try chunk($0, of: id, index, tenant) } } catch  where Self.isDamage(error) { throw DamagedDocument(id) }
    }

    /// Whether a value is damaged, or its key was destroyed; not, whether keys cannot be had now.
    private static func isDamage(_ error: any Error) -> Bool {
        switch (error as? Fault)?.cause as? SealError {
        case .damaged, .destroyed: true
        case .revoked, .unavailable, .closed: false
        case nil: error is SQLColumnError || error is DecodingError
        }
    }

    package func chunks(_ ids: [ChunkID], in index: IndexID, of tenant: TenantID) throws -> [(id: ChunkID, chunk: ChunkRecord)] {
        try database.read { db in
            var found: [(id: ChunkID, chunk: ChunkRecord)] = []
            for id in ids {
                let rows = try db.rows(
                    """
                    SELECT \(Self.chunkColumns) FROM document_chunk
                    WHERE tenant = $1 AND collection = $2 AND document = $3 AND position = $4 AND quarantine IS NULL
                    """, [.text(tenant), .text(index), .text(id.document), .integer(id.position)])
                guard let row = rows.first else { continue }
                do { found.append((id, try chunk(row, of: id.document, index, tenant))) } catch  where Self.isDamage(error) {
                    // Left out; whoever asked sees that it is missing.
                    continue
                }
            }
            return found
        }
    }

    package func quarantined(in index: IndexID, of tenant: TenantID) throws -> [QuarantinedChunk] {
        try quarantined("c.collection = $2 ORDER BY d.source, c.position", [.text(tenant), .text(index)])
    }

    package func quarantined(ownedBy owner: PrincipalID, of tenant: TenantID) throws -> [QuarantinedChunk] {
        try quarantined("d.owner = $2 ORDER BY d.collection, d.source, c.position", [.text(tenant), .text(owner)])
    }

    package func quarantined(_ id: ChunkID, in index: IndexID, of tenant: TenantID) throws -> QuarantinedChunk? {
        try quarantined(
            "c.collection = $2 AND c.document = $3 AND c.position = $4",
            [.text(tenant), .text(index), .text(id.document), .integer(id.position)]
        ).first
    }

    private func quarantined(_ condition: String, _ arguments: [SQLValue]) throws -> [QuarantinedChunk] {
        try database.read { db in
            try db.rows(
                """
                SELECT c.collection, c.document, c.position, d.source, d.owner, c.quarantine, c.pages FROM document_chunk c
                JOIN document d ON d.tenant = c.tenant AND d.collection = c.collection AND d.id = c.document
                WHERE c.tenant = $1 AND c.quarantine IS NOT NULL AND \(condition)
                """, arguments
            ).map { row in
                QuarantinedChunk(
                    index: IndexID(try row.text(0)), id: ChunkID(DocumentID(try row.text(1)), Int(try row.integer(2))),
                    source: try row.text(3), owner: PrincipalID(try row.text(4)), reason: try row.text(5),
                    pages: try JSONColumn.value(of: row, 6))
            }
        }
    }

    package func changes(since revision: Int64) throws -> DocumentChanges {
        try database.read { db in
            let changed = try db.rows(
                "SELECT \(Self.columns) FROM document d WHERE d.revision > $1 ORDER BY d.revision, d.id", [.integer(revision)]
            ).map(record)
            let removed = try db.rows(
                "SELECT tenant, collection, id FROM document_removal WHERE revision > $1", [.integer(revision)]
            ).map { (tenant: TenantID(try $0.text(0)), index: IndexID(try $0.text(1)), id: DocumentID(try $0.text(2))) }
            return DocumentChanges(revision: try Revision.documents.number(db), changed: changed, removed: removed)
        }
    }

    package func revision() throws -> Int64 { try database.read(Revision.documents.number) }

    // MARK: Rows

    private func arguments(_ document: DocumentRecord) throws -> [SQLValue] {
        [
            .text(document.tenant), .text(document.index), .text(document.id), .text(document.source), .text(document.origin),
            .text(document.owner), .text(document.access.text), .integer(document.label.rawValue),
            .integer(document.isLabelDeclared ? 1 : 0), .text(document.language), .blob(document.hash), .text(document.pipeline),
            try database.sealed(document.title, .documentTitle, of: document.tenant, row: [document.index.rawValue, document.id.rawValue]),
            .text(document.format.rawValue), .text(try JSONColumn.text(document.notes)), .integer(document.addedAt),
            .text(document.labelOrigin.description),
        ]
    }

    private func record(_ row: SQLRow) throws -> DocumentRecord {
        do { return try wholeRecord(row) } catch  where Self.isDamage(error) { return try damagedRecord(row) }
    }

    private func wholeRecord(_ row: SQLRow) throws -> DocumentRecord {
        guard let access = AccessList(text: try row.text(6)), let label = SensitivityLabel(rawValue: Int(try row.integer(7))),
            let format = DocumentFormat(rawValue: try row.text(13))
        else { throw SQLColumnError(column: 6, expected: "what this version of Sallyport writes") }
        return DocumentRecord(
            tenant: TenantID(try row.text(0)), index: IndexID(try row.text(1)), id: DocumentID(try row.text(2)), source: try row.text(3),
            origin: try row.text(4), owner: PrincipalID(try row.text(5)), access: access, label: label,
            isLabelDeclared: try row.integer(8) == 1,
            labelOrigin: try row.optionalText(16).flatMap { LabelOrigin($0) }, language: try row.text(9), hash: try row.blob(10),
            pipeline: try row.text(11),
            title: try database.opened(row, 12, .documentTitle, of: TenantID(row.text(0)), row: [row.text(1), row.text(2)]), format: format,
            notes: try JSONColumn.value(of: row, 14), addedAt: try row.integer(15),
            provenance: row.values[17] == .null ? nil : try row.blob(17), chunks: Int(try row.integer(18)),
            quarantined: Int(try row.integer(19)))
    }

    /// What can be told of a document whose description is damaged. It admits nobody and has no provenance: an access list or label that
    /// this version cannot read must not become a wider one.
    private func damagedRecord(_ row: SQLRow) throws -> DocumentRecord {
        let source = try row.text(3)
        return DocumentRecord(
            tenant: TenantID(try row.text(0)), index: IndexID(try row.text(1)), id: DocumentID(try row.text(2)), source: source,
            origin: try row.text(4), owner: PrincipalID(try row.text(5)), access: AccessList([]), label: .restricted, hash: [],
            pipeline: "", title: "", format: DocumentFormat(fileName: source) ?? .text, notes: [Self.damage],
            addedAt: (try? row.integer(15)) ?? 0, chunks: Int(try row.integer(18)), quarantined: Int(try row.integer(19)))
    }

    private func chunk(_ row: SQLRow, of id: DocumentID, _ index: IndexID, _ tenant: TenantID) throws -> ChunkRecord {
        let place = [index.rawValue, id.rawValue, "\(try row.integer(0))"]
        let headings = try database.opened(row, 4, .chunkHeadings, of: tenant, row: place)
        let (start, end) = (Int(try row.integer(1)), Int(try row.integer(2)))
        guard start >= 0, end >= start else { throw SQLColumnError(column: 1, expected: "a range") }
        return ChunkRecord(
            position: Int(try row.integer(0)), range: start..<end, pages: try JSONColumn.value(of: row, 3),
            headings: try JSONColumn.value(of: SQLRow([.text(headings)]), 0),
            text: try database.opened(row, 5, .chunkContent, of: tenant, row: place),
            hiding: try row.optionalText(6).flatMap(ParsedDocument.Hiding.init(rawValue:)), quarantine: try row.optionalText(7),
            vector: row.values[8] == .null
                ? nil : Self.vector(of: try database.openedBytes(row, 8, .chunkVector, of: tenant, row: place)))
    }

    /// Four bytes of scale, little-endian, then a byte for each dimension.
    private static func bytes(of vector: ChunkRecord.Vector) -> [UInt8] {
        withUnsafeBytes(of: vector.scale.bitPattern.littleEndian, Array.init) + vector.values.map { UInt8(bitPattern: $0) }
    }

    private static func vector(of bytes: [UInt8]) -> ChunkRecord.Vector? {
        guard bytes.count > 4 else { return nil }
        let bits = bytes[..<4].enumerated().reduce(UInt32(0)) { $0 | UInt32($1.element) << (8 * $1.offset) }
        return ChunkRecord.Vector(scale: Float(bitPattern: bits), values: bytes[4...].map { Int8(bitPattern: $0) })
    }
}
