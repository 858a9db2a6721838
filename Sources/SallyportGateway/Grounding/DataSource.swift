import SallyportCore
import SallyportRetrieval
import SallyportWire

/// What a chat request's `data_sources` asks for (Azure OpenAI On Your Data, 2024-10-21).
struct DataSource {
    enum Kind: String { case sallyport, azureSearch = "azure_search" }
    /// `include_contexts`.
    enum Context: String, CaseIterable { case citations, intent, retrieved = "all_retrieved_documents" }
    enum Embedding {
        /// The search service has a vectoriser of its own.
        case integrated
        case deployment(String, dimensions: Int?)
    }
    /// `fields_mapping`: what an index calls the parts of a document.
    struct Fields {
        var content: [String] = []
        var separator = "\n"
        var title: String?
        var url: String?
        var filepath: String?
        var vectors: [String] = []
    }

    enum Reading {
        case none
        /// The request has tools that may be called: sources are not asked then.
        case ignored
        /// A kind that is not served here.
        case foreign
        case source(DataSource)
    }

    private(set) var kind = Kind.sallyport
    private(set) var index = ""
    private(set) var endpoint = ""
    private(set) var options = RetrievalOptions()
    /// The caller's filter, as a tree; joined to what the caller may read.
    private(set) var filter: FilterExpression?
    /// As the request spells it.
    private(set) var queryType = ""
    private(set) var semanticConfiguration: String?
    private(set) var contexts: Set<Context> = [.citations, .intent]
    private(set) var roleInformation: String?
    private(set) var fields = Fields()
    private(set) var embedding: Embedding?

    /// Queries that a conversation is made into, where the request does not say.
    static let standardQueries = 3

    // MARK: Reading

    /// - Throws: ``Fault`` `.invalidRequest` naming the parameter.
    static func read(_ document: JSONDocument) throws -> Reading {
        guard let node = document.member("data_sources", of: 0), document.nodes[node].kind != .null else { return .none }
        guard document.nodes[node].kind == .array else { throw wrong("data_sources", "must be an array") }
        var sources: [Int] = []
        document.forEachElement(of: node) { _, element in sources.append(element) }
        guard sources.count == 1, document.nodes[sources[0]].kind == .object else {
            throw wrong("data_sources", "must hold exactly one data source")
        }
        let type = document.member("type", of: sources[0]).flatMap(document.string) ?? ""
        guard let kind = Kind(rawValue: type) else { return .foreign }
        if hasTools(document) { return .ignored }
        for name in ["logprobs", "top_logprobs"] as [StaticString] {
            if let value = document.member(name, of: 0), ![.null, .false].contains(document.nodes[value].kind) {
                throw wrong("\(name)", "cannot be combined with 'data_sources'")
            }
        }
        guard let parameters = document.member("parameters", of: sources[0]), document.nodes[parameters].kind == .object else {
            throw wrong("data_sources[0].parameters", "is missing")
        }
        return .source(try Parameters(document: document, node: parameters).source(kind))
    }

    /// Tools that the model may call: with `tool_choice` `none` they are not.
    private static func hasTools(_ document: JSONDocument) -> Bool {
        func isFilled(_ name: StaticString) -> Bool {
            guard let list = document.member(name, of: 0), document.nodes[list].kind == .array else { return false }
            return document.nodes[list].next > list + 1
        }
        let choice = document.member("tool_choice", of: 0) ?? document.member("function_call", of: 0)
        return (isFilled("tools") || isFilled("functions")) && !(choice.map { document.equals($0, "none") } ?? false)
    }

    fileprivate static func wrong(_ name: String, _ why: String) -> Fault { Fault(.invalidRequest, "'\(name)' \(why).", param: name) }

    private struct Parameters {
        let document: JSONDocument
        let node: Int

        private func place(_ name: StaticString) -> String { "data_sources[0].parameters.\(name)" }

        private func member(_ name: StaticString) -> Int? {
            document.member(name, of: node).flatMap { document.nodes[$0].kind == .null ? nil : $0 }
        }

        private func text(_ name: StaticString, of object: Int? = nil) throws -> String? {
            guard let value = object.map({ document.member(name, of: $0) }) ?? member(name), document.nodes[value].kind != .null else {
                return nil
            }
            guard document.nodes[value].kind == .string, let text = document.string(value), text.utf8.count <= 65_536 else {
                throw DataSource.wrong(place(name), "must be a string")
            }
            return text
        }

        private func integer(_ name: StaticString, in range: ClosedRange<Int>) throws -> Int? {
            guard let value = member(name) else { return nil }
            guard document.nodes[value].kind == .number, let number = document.integer(value), range.contains(number) else {
                throw DataSource.wrong(place(name), "must be a whole number from \(range.lowerBound) to \(range.upperBound)")
            }
            return number
        }

        private func flag(_ name: StaticString) throws -> Bool? {
            guard let value = member(name) else { return nil }
            guard let flag = document.bool(value) else { throw DataSource.wrong(place(name), "must be true or false") }
            return flag
        }

        private func names(_ name: StaticString, of object: Int) throws -> [String] {
            guard let list = document.member(name, of: object), document.nodes[list].kind != .null else { return [] }
            guard document.nodes[list].kind == .array else { throw DataSource.wrong(place("fields_mapping"), "must name fields in arrays") }
            var found: [String] = []
            document.forEachElement(of: list) { _, value in if let text = document.string(value) { found.append(text) } }
            guard found.count <= 32, found.allSatisfy(SearchFieldName.isValid) else {
                throw DataSource.wrong(place("fields_mapping"), "names a field that cannot be one")
            }
            return found
        }

        func source(_ kind: Kind) throws -> DataSource {
            var source = DataSource()
            source.kind = kind
            guard let index = try text("index_name"), !index.isEmpty, index.utf8.count <= 128 else {
                throw DataSource.wrong(place("index_name"), "is missing")
            }
            source.index = index
            if kind == .azureSearch {
                guard let endpoint = try text("endpoint") else { throw DataSource.wrong(place("endpoint"), "is missing") }
                guard member("authentication") != nil else { throw DataSource.wrong(place("authentication"), "is missing") }
                source.endpoint = endpoint
            }
            var options = RetrievalOptions()
            options.top = try integer("top_n_documents", in: 1...50) ?? options.top
            options.strictness = try integer("strictness", in: 1...5) ?? options.strictness
            options.isInScope = try flag("in_scope") ?? options.isInScope
            options.allowsPartialResult = try flag("allow_partial_result") ?? options.allowsPartialResult
            options.mostQueries = try integer("max_search_queries", in: 1...10)
            source.queryType = try text("query_type") ?? ""
            switch source.queryType {
            case "simple": options.kind = .words
            case "vector": options.kind = .vectors
            case "", "semantic", "vector_simple_hybrid", "vector_semantic_hybrid": options.kind = .both
            default:
                throw DataSource.wrong(
                    place("query_type"), "must be simple, semantic, vector, vector_simple_hybrid or vector_semantic_hybrid")
            }
            if let filter = try text("filter"), !filter.isEmpty {
                do { source.filter = try FilterExpression(parsing: filter) } catch {
                    throw Fault(.invalidRequest, "Invalid AzureCognitiveSearch configuration detected: \(error)", param: place("filter"))
                }
            }
            source.semanticConfiguration = try text("semantic_configuration")
            source.roleInformation = try text("role_information")
            source.contexts = try contexts() ?? source.contexts
            source.fields = try fields()
            source.embedding = try embedding()
            if kind == .sallyport, let filter = source.filter {
                do { try filter.check(DocumentEntry.fields, collections: DocumentEntry.collections) } catch {
                    throw Fault(.invalidRequest, error.description, param: place("filter"))
                }
                options.filter = filter
            }
            source.options = options
            return source
        }

        private func contexts() throws -> Set<DataSource.Context>? {
            guard let list = member("include_contexts") else { return nil }
            guard document.nodes[list].kind == .array else { throw DataSource.wrong(place("include_contexts"), "must be an array") }
            var found: Set<DataSource.Context> = []
            try document.forEachElement(of: list) { _, value in
                guard let name = document.string(value), let context = DataSource.Context(rawValue: name) else {
                    throw DataSource.wrong(place("include_contexts"), "must hold citations, intent or all_retrieved_documents")
                }
                found.insert(context)
            }
            return found
        }

        private func fields() throws -> DataSource.Fields {
            var fields = DataSource.Fields()
            guard let mapping = member("fields_mapping") else { return fields }
            guard document.nodes[mapping].kind == .object else { throw DataSource.wrong(place("fields_mapping"), "must be an object") }
            fields.content = try names("content_fields", of: mapping)
            fields.vectors = try names("vector_fields", of: mapping)
            fields.separator = try text("content_fields_separator", of: mapping) ?? fields.separator
            fields.title = try text("title_field", of: mapping)
            fields.url = try text("url_field", of: mapping)
            fields.filepath = try text("filepath_field", of: mapping)
            guard [fields.title, fields.url, fields.filepath].compactMap({ $0 }).allSatisfy(SearchFieldName.isValid) else {
                throw DataSource.wrong(place("fields_mapping"), "names a field that cannot be one")
            }
            return fields
        }

        private func embedding() throws -> DataSource.Embedding? {
            guard let dependency = member("embedding_dependency") else { return nil }
            switch try text("type", of: dependency) {
            case "integrated": return .integrated
            case "deployment_name":
                guard let name = try text("deployment_name", of: dependency), !name.isEmpty else {
                    throw DataSource.wrong(place("embedding_dependency"), "lacks the deployment's name")
                }
                return .deployment(name, dimensions: document.member("dimensions", of: dependency).flatMap(document.integer))
            default:
                throw DataSource.wrong(
                    place("embedding_dependency"), "must be of type deployment_name or integrated: other models are not asked from here")
            }
        }
    }
}

/// The names that fields of a search index may have.
enum SearchFieldName {
    static func isValid(_ name: String) -> Bool {
        guard let first = name.utf8.first, name.utf8.count <= 128, isLetter(first) else { return false }
        return name.utf8.allSatisfy { isLetter($0) || (0x30...0x39).contains($0) || $0 == 0x5F || $0 == 0x2F }
    }
    private static func isLetter(_ byte: UInt8) -> Bool { (0x61...0x7A).contains(byte | 0x20) }
}
