/// What on-your-data keeps: documents, their chunks, and what is gone.
extension Schema {
    static let documents = Migration(
        name: "0004-documents",
        statements: [
            "INSERT INTO revision (store, number) VALUES ('documents', 0)",
            // `access`: one grantee a line, sorted.
            """
            CREATE TABLE document (
                tenant TEXT NOT NULL,
                collection TEXT NOT NULL,
                id TEXT NOT NULL,
                source TEXT NOT NULL,
                origin TEXT NOT NULL,
                owner TEXT NOT NULL,
                access TEXT NOT NULL,
                label BIGINT NOT NULL,
                label_declared BIGINT NOT NULL CHECK (label_declared IN (0, 1)),
                language TEXT NOT NULL,
                hash BLOB NOT NULL CHECK (length(hash) = 32),
                pipeline TEXT NOT NULL,
                title TEXT NOT NULL,
                format TEXT NOT NULL,
                notes TEXT NOT NULL,
                added_at BIGINT NOT NULL,
                revision BIGINT NOT NULL,
                PRIMARY KEY (tenant, collection, id),
                UNIQUE (tenant, collection, source)
            )
            """,
            "CREATE INDEX document_revision ON document (revision)",
            """
            CREATE TABLE document_chunk (
                tenant TEXT NOT NULL,
                collection TEXT NOT NULL,
                document TEXT NOT NULL,
                position BIGINT NOT NULL,
                start_byte BIGINT NOT NULL,
                end_byte BIGINT NOT NULL,
                pages TEXT NOT NULL,
                headings TEXT NOT NULL,
                content TEXT NOT NULL,
                hiding TEXT,
                quarantine TEXT,
                released_by TEXT,
                released_at BIGINT,
                vector BLOB,
                PRIMARY KEY (tenant, collection, document, position),
                FOREIGN KEY (tenant, collection, document) REFERENCES document (tenant, collection, id) ON DELETE CASCADE
            )
            """,
            // What is gone, so that another process's index forgets it.
            """
            CREATE TABLE document_removal (
                tenant TEXT NOT NULL,
                collection TEXT NOT NULL,
                id TEXT NOT NULL,
                revision BIGINT NOT NULL,
                PRIMARY KEY (tenant, collection, id)
            )
            """,
            "CREATE INDEX document_removal_revision ON document_removal (revision)",
        ])
}
