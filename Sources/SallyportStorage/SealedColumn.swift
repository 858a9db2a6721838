import SallyportCore

/// A column whose values are sealed. The catalogue is what the re-sealing after a rotation, the sealing of older data and the statistics
/// go by: a column that is not in it is not sealed again when keys are rotated.
///
/// To seal a column: a line here, ``SQLDatabase/sealed(_:_:of:row:)`` before the write transaction where a value is bound, and
/// ``SQLDatabase/opened(_:_:_:of:row:)`` where a row is read.
package struct SealedColumn: Sendable, Hashable {
    package enum Kind: Sendable { case text, blob }
    package let table: String
    package let column: String
    /// The primary key without the tenant, in the order in which it is bound to the ciphertext.
    package let keys: [String]
    package let kind: Kind
    /// The column that names whose key seals the value; nil: the tenant's key.
    package let subjectColumn: String?

    package init(_ table: String, _ column: String, keys: [String], _ kind: Kind = .text, subjectColumn: String? = nil) {
        self.table = table
        self.column = column
        self.keys = keys
        self.kind = kind
        self.subjectColumn = subjectColumn
    }

    package var place: String { "\(table).\(column)" }

    package func context(_ tenant: TenantID, _ row: [String], subject: String? = nil) -> SealContext {
        SealContext(tenant: tenant, place: place, row: row, subject: subject)
    }

    package static let all: [SealedColumn] = [
        documentTitle, chunkHeadings, chunkContent, chunkVector, blocklistContent, categoryDefinition, categoryClassifier, categorySample,
        incidentDefinition, incidentVectors, incidentSample, pseudonym, accountFactor, sessionContent, pendingChange, exchangePrompt,
        exchangeAnswer, tenantSecret, fileReport, blocklistDescription,
    ]

    private static let chunk = ["collection", "document", "position"]
    static let documentTitle = SealedColumn("document", "title", keys: ["collection", "id"])
    static let chunkHeadings = SealedColumn("document_chunk", "headings", keys: chunk)
    static let chunkContent = SealedColumn("document_chunk", "content", keys: chunk)
    static let chunkVector = SealedColumn("document_chunk", "vector", keys: chunk, .blob)
    static let blocklistContent = SealedColumn("blocklist_item", "content", keys: ["list", "id"])
    static let blocklistDescription = SealedColumn("blocklist_item", "description", keys: ["list", "id"])
    private static let category = ["name", "version"]
    static let categoryDefinition = SealedColumn("custom_category", "definition", keys: category)
    static let categoryClassifier = SealedColumn("custom_category", "classifier", keys: category, .blob)
    static let categorySample = SealedColumn("custom_category_sample", "content", keys: category + ["position"])
    static let incidentDefinition = SealedColumn("text_incident", "definition", keys: ["name"])
    static let incidentVectors = SealedColumn("text_incident", "vectors", keys: ["name"], .blob)
    // Sealed by Identity, which holds their values in memory only.
    static let accountFactor = SealedColumn("account_factor", "secret", keys: ["id"], .blob)
    static let sessionContent = SealedColumn("console_session", "content", keys: ["id"], .blob)
    static let pendingChange = SealedColumn("pending_change", "content", keys: ["id"], .blob)
    static let fileReport = SealedColumn("file_report", "report", keys: ["id"], .blob, subjectColumn: "owner")
    static let pseudonym = SealedColumn("pseudonym", "content", keys: ["principal", "conversation", "code"], subjectColumn: "principal")
    static let incidentSample = SealedColumn("text_incident_sample", "content", keys: ["incident", "id"])
}

extension SQLDatabase {
    package func sealed(_ text: String, _ column: SealedColumn, of tenant: TenantID, row: [String], subject: String? = nil) throws
        -> SQLValue
    { try .text(sealer.sealText(text, for: column.context(tenant, row, subject: subject))) }

    package func sealed(_ text: String?, _ column: SealedColumn, of tenant: TenantID, row: [String], subject: String? = nil) throws
        -> SQLValue
    { try text.map { try sealed($0, column, of: tenant, row: row, subject: subject) } ?? .null }

    package func sealed(_ bytes: [UInt8]?, _ column: SealedColumn, of tenant: TenantID, row: [String], subject: String? = nil) throws
        -> SQLValue
    { try bytes.map { try .blob(sealer.seal($0, for: column.context(tenant, row, subject: subject))) } ?? .null }

    package func opened(_ values: SQLRow, _ index: Int, _ column: SealedColumn, of tenant: TenantID, row: [String], subject: String? = nil)
        throws -> String
    { try sealer.openText(values.text(index), for: column.context(tenant, row, subject: subject)) }

    package func openedIfPresent(
        _ values: SQLRow, _ index: Int, _ column: SealedColumn, of tenant: TenantID, row: [String], subject: String? = nil
    ) throws -> String? {
        try values.optionalText(index).map { try sealer.openText($0, for: column.context(tenant, row, subject: subject)) }
    }

    package func openedBytes(
        _ values: SQLRow, _ index: Int, _ column: SealedColumn, of tenant: TenantID, row: [String], subject: String? = nil
    ) throws -> [UInt8] { try sealer.open(values.blob(index), for: column.context(tenant, row, subject: subject)) }
}
