/// A collection of documents that is searched together.
package struct IndexID: Identifier {
    package let rawValue: String
    package init(_ rawValue: String) { self.rawValue = rawValue }
}

/// A document's name for machines: random, so that it tells nothing of other documents.
package struct DocumentID: Identifier {
    package let rawValue: String
    package init(_ rawValue: String) { self.rawValue = rawValue }
}

/// Who may be named in an access list.
package enum Grantee: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// Everyone of the document's tenant.
    case everyone
    case group(String)
    case user(PrincipalID)

    /// `everyone`, `user:NAME` or `group:NAME`.
    package init?(_ text: String) {
        if text == "everyone" {
            self = .everyone
        } else if text.hasPrefix("user:"), text.utf8.count > 5, Grantee.isPlain(text) {
            self = .user(PrincipalID(String(text.dropFirst(5))))
        } else if text.hasPrefix("group:"), text.utf8.count > 6, Grantee.isPlain(text) {
            self = .group(String(text.dropFirst(6)))
        } else {
            return nil
        }
    }

    /// One per line in the store.
    private static func isPlain(_ text: String) -> Bool { text.utf8.count <= 512 && text.unicodeScalars.allSatisfy { $0.value >= 0x20 } }

    package var description: String {
        switch self {
        case .everyone: "everyone"
        case .group(let name): "group:\(name)"
        case .user(let id): "user:\(id)"
        }
    }

    package static func < (a: Grantee, b: Grantee) -> Bool { a.description < b.description }
}

/// Who may read a document. Nobody else learns that it exists.
package struct AccessList: Sendable, Hashable {
    package let grantees: Set<Grantee>
    package init(_ grantees: Set<Grantee>) { self.grantees = grantees }

    /// One grantee a line, sorted: equal lists have equal texts.
    package var text: String { grantees.map(\.description).sorted().joined(separator: "\n") }
    /// - Returns: nil when a line is no grantee: a list that cannot be read admits nobody.
    package init?(text: String) {
        var grantees: Set<Grantee> = []
        for line in text.split(separator: "\n") {
            guard let grantee = Grantee(String(line)) else { return nil }
            grantees.insert(grantee)
        }
        self.init(grantees)
    }

    package func admits(_ reader: DocumentReader) -> Bool { !grantees.isDisjoint(with: reader.grantees) }
}

/// A principal as access lists see it.
package struct DocumentReader: Sendable, Hashable {
    package let tenant: TenantID
    package let user: PrincipalID
    package let groups: Set<String>

    package init(tenant: TenantID = .default, user: PrincipalID, groups: Set<String> = []) {
        self.tenant = tenant
        self.user = user
        self.groups = groups
    }

    /// All that this reader is.
    package var grantees: Set<Grantee> { Set(groups.map { .group($0) }).union([.everyone, .user(user)]) }
}

/// How sensitive a document is; a higher one contains the lower.
package enum SensitivityLabel: Int, Sendable, Comparable, CaseIterable, CustomStringConvertible {
    case `public`, general, `internal`, confidential, highlyConfidential, restricted

    package var description: String {
        switch self {
        case .public: "public"
        case .general: "general"
        case .internal: "internal"
        case .confidential: "confidential"
        case .highlyConfidential: "highly-confidential"
        case .restricted: "restricted"
        }
    }

    package init?(_ name: String) {
        guard let label = SensitivityLabel.allCases.first(where: { $0.description == name }) else { return nil }
        self = label
    }

    package static func < (a: SensitivityLabel, b: SensitivityLabel) -> Bool { a.rawValue < b.rawValue }
}

/// A document in an index, without its text.
package struct DocumentRecord: Sendable, Hashable {
    package var tenant: TenantID
    package var index: IndexID
    package var id: DocumentID
    /// What answers name as the source: the path within the folder that was added.
    package var source: String
    /// The folder or file that was added, absolute.
    package var origin: String
    package var owner: PrincipalID
    package var access: AccessList
    package var label: SensitivityLabel
    /// False: nobody set the label, it is the index's default.
    package var isLabelDeclared: Bool
    package var labelOrigin: LabelOrigin
    /// ISO 639-1; `und` where it could not be told.
    package var language: String
    /// SHA-256 of the file.
    package var hash: [UInt8]
    /// Which version of parser and chunker, and which embedder, made the chunks.
    package var pipeline: String
    package var title: String
    package var format: DocumentFormat
    package var notes: [String]
    /// Seconds since 1970.
    package var addedAt: Int64
    /// A keyed seal over the record and its text, made by the store; nil: written without one.
    package var provenance: [UInt8]?
    /// Counted by the store.
    package var chunks: Int
    package var quarantined: Int

    package init(
        tenant: TenantID = .default, index: IndexID, id: DocumentID, source: String, origin: String, owner: PrincipalID, access: AccessList,
        label: SensitivityLabel = .general, isLabelDeclared: Bool = false, labelOrigin: LabelOrigin? = nil, language: String = "und",
        hash: [UInt8], pipeline: String,
        title: String, format: DocumentFormat, notes: [String] = [], addedAt: Int64, provenance: [UInt8]? = nil, chunks: Int = 0,
        quarantined: Int = 0
    ) {
        self.tenant = tenant
        self.index = index
        self.id = id
        self.source = source
        self.origin = origin
        self.owner = owner
        self.access = access
        self.label = label
        self.isLabelDeclared = isLabelDeclared
        self.labelOrigin = labelOrigin ?? (isLabelDeclared ? .declared : .standard)
        self.language = language
        self.hash = hash
        self.pipeline = pipeline
        self.title = title
        self.format = format
        self.notes = notes
        self.addedAt = addedAt
        self.provenance = provenance
        self.chunks = chunks
        self.quarantined = quarantined
    }
}

/// A piece of a document that is found and cited as one.
package struct ChunkRecord: Sendable, Hashable {
    /// From this byte of the document's text on, it is this page.
    package struct PageMark: Sendable, Hashable, Codable {
        package let offset: Int
        package let page: Int
        package init(offset: Int, page: Int) {
            self.offset = offset
            self.page = page
        }
    }
    package struct Vector: Sendable, Hashable {
        package let scale: Float
        package let values: [Int8]
        package init(scale: Float, values: [Int8]) {
            self.scale = scale
            self.values = values
        }
    }

    package var position: Int
    /// UTF-8 bytes of the document's extracted text; ``text`` is exactly these.
    package var range: Range<Int>
    /// Ascending; the first is at or before the chunk's start. Empty: no pages.
    package var pages: [PageMark]
    /// The headings above, the nearest last.
    package var headings: [String]
    package var text: String
    package var hiding: ParsedDocument.Hiding?
    /// Why it is not searched; nil: it is.
    package var quarantine: String?
    package var vector: Vector?

    package init(
        position: Int, range: Range<Int>, pages: [PageMark] = [], headings: [String] = [], text: String,
        hiding: ParsedDocument.Hiding? = nil, quarantine: String? = nil, vector: Vector? = nil
    ) {
        self.position = position
        self.range = range
        self.pages = pages
        self.headings = headings
        self.text = text
        self.hiding = hiding
        self.quarantine = quarantine
        self.vector = vector
    }

    /// The page that a byte of the document's text stands on.
    package func page(at offset: Int) -> Int? { pages.last { $0.offset <= offset }?.page ?? pages.first?.page }
}

/// Names a chunk.
package struct ChunkID: Sendable, Hashable, CustomStringConvertible {
    package let document: DocumentID
    package let position: Int
    package init(_ document: DocumentID, _ position: Int) {
        self.document = document
        self.position = position
    }
    /// `DOCUMENT-POSITION`.
    package init?(_ text: String) {
        guard let dash = text.lastIndex(of: "-"), let position = Int(text[text.index(after: dash)...]) else { return nil }
        self.init(DocumentID(String(text[..<dash])), position)
    }
    package var description: String { "\(document)-\(position)" }
}

/// A chunk that waits for a reviewer.
package struct QuarantinedChunk: Sendable, Hashable {
    package let index: IndexID
    package let id: ChunkID
    package let source: String
    package let owner: PrincipalID
    package let reason: String
    package let pages: [ChunkRecord.PageMark]
    package init(index: IndexID, id: ChunkID, source: String, owner: PrincipalID, reason: String, pages: [ChunkRecord.PageMark]) {
        self.index = index
        self.id = id
        self.source = source
        self.owner = owner
        self.reason = reason
        self.pages = pages
    }
}

/// How much an index holds.
package struct IndexSize: Sendable, Hashable {
    package let index: IndexID
    package let documents: Int
    package let chunks: Int
    package let quarantined: Int
    /// When something was last taken in; seconds since 1970.
    package let addedAt: Int64
    package init(index: IndexID, documents: Int, chunks: Int, quarantined: Int, addedAt: Int64) {
        self.index = index
        self.documents = documents
        self.chunks = chunks
        self.quarantined = quarantined
        self.addedAt = addedAt
    }
}

/// What changed in the store.
package struct DocumentChanges: Sendable {
    package let revision: Int64
    package let changed: [DocumentRecord]
    package let removed: [(tenant: TenantID, index: IndexID, id: DocumentID)]
    package init(revision: Int64, changed: [DocumentRecord], removed: [(tenant: TenantID, index: IndexID, id: DocumentID)]) {
        self.revision = revision
        self.changed = changed
        self.removed = removed
    }
}

/// A document's text does not open, or is not what this version writes: it was changed or damaged. Others are not touched by it.
package struct DamagedDocument: Error {
    package let id: DocumentID
    package init(_ id: DocumentID) { self.id = id }
}

/// Documents at rest. Every method blocks.
///
/// A damaged document does not keep others from being read. One whose description is damaged admits nobody, has no provenance, and a note says
/// so: it can be listed, removed and taken in anew.
package protocol DocumentStore: Sendable {
    /// Puts a document and its chunks in the place of the one with the same source, all or nothing.
    func put(_ document: DocumentRecord, chunks: [ChunkRecord]) throws
    /// Changes what is said about a document: owner, access list, label, origin. Its text stays.
    /// - Throws: ``Fault`` `.conflict` when it is not as it was taken in, or was changed since it was read.
    func update(_ document: DocumentRecord) throws
    func document(source: String, in index: IndexID, of tenant: TenantID) throws -> DocumentRecord?
    /// Sorted by source.
    func documents(in index: IndexID, of tenant: TenantID) throws -> [DocumentRecord]
    /// Sorted by name.
    func indexes(of tenant: TenantID) throws -> [IndexID]
    /// Sorted by name.
    func sizes(of tenant: TenantID) throws -> [IndexSize]
    /// - Returns: false when there is no such document.
    func remove(_ id: DocumentID, in index: IndexID, of tenant: TenantID) throws -> Bool
    /// - Parameter searchableOnly: without those in quarantine.
    /// - Throws: ``DamagedDocument``.
    func chunks(of id: DocumentID, in index: IndexID, of tenant: TenantID, searchableOnly: Bool) throws -> [ChunkRecord]
    /// In the order asked for; those that are gone, in quarantine or damaged are left out.
    func chunks(_ ids: [ChunkID], in index: IndexID, of tenant: TenantID) throws -> [(id: ChunkID, chunk: ChunkRecord)]
    func quarantined(in index: IndexID, of tenant: TenantID) throws -> [QuarantinedChunk]
    /// Of documents of this owner, in all indexes.
    func quarantined(ownedBy owner: PrincipalID, of tenant: TenantID) throws -> [QuarantinedChunk]
    /// - Returns: nil when it is not in quarantine.
    func quarantined(_ id: ChunkID, in index: IndexID, of tenant: TenantID) throws -> QuarantinedChunk?
    /// - Returns: false when it is not in quarantine.
    func release(_ id: ChunkID, in index: IndexID, of tenant: TenantID, by reviewer: PrincipalID, at now: Int64) throws -> Bool
    func changes(since revision: Int64) throws -> DocumentChanges
    func revision() throws -> Int64
    /// Whether a document and its text are as this store wrote them.
    /// - Parameter chunks: those that can be found.
    func isAuthentic(_ document: DocumentRecord, chunks: [ChunkRecord]) throws -> Bool
}
