import NIOCore
import NIOPosix
import SallyportCore
import SallyportRetrieval
import SallyportWire

/// Our own indexes for clients of Azure AI Search: search, lookup and count, each with the caller's eyes.
extension Exchange {
    /// The fields of a document there; `chunk_id` is the key.
    private static let searchFields = ["chunk_id", "document_id", "title", "filepath", "content", "page", "language", "label", "format"]
    private static let searchParameters: Set<String> = [
        "search", "queryType", "searchMode", "filter", "top", "skip", "count", "select", "orderby", "vectorQueries", "vectorFilterMode",
        "searchFields", "semanticConfiguration", "minimumCoverage", "sessionId", "scoringStatistics",
    ]

    func answerSearch(_ call: SearchCall) throws {
        try authorise()
        guard let version = path?.queryValue("api-version"), version.utf8.count >= 10, version.hasPrefix("20") else {
            throw Fault(.invalidRequest, "The api-version query parameter is missing or not supported.")
        }
        summary.apiVersion = version
        guard let principal, let library = runtime.parts.library else { throw Self.unknownIndex(call.index) }
        try reserveAnalysis(for: principal)
        let reader = library.reader(for: principal)
        let index = IndexID(call.index)
        guard library.isReadable(index, by: reader) else { throw Self.unknownIndex(call.index) }
        notes.append((name: "index", value: call.index))
        switch call.act {
        case .count:
            analyse {
                try library.page(Self.everything, in: index, for: reader).total
            } then: { [self] count in
                answerAnalysis(ByteBuffer(string: "\(count)"))
            }
        case .lookup(let key):
            let selected = try Self.selected(path?.queryValue("$select"))
            analyse {
                try ChunkID(key).flatMap { id in try library.chunk(id, in: index, for: reader).map { (id, $0.entry, $0.chunk) } }
            } then: {
                [self] found in
                guard let (id, entry, chunk) = found else { throw Fault.resourceNotFound }
                var json = JSONWriter(capacity: 1024)
                json.beginObject()
                Self.write(id, entry, chunk, selected, &json)
                json.endObject()
                answerAnalysis(json.buffer)
            }
        case .search:
            let request = try head.method == .POST ? searchRequest(inBody: parse(body)) : searchRequest(inQuery: ())
            guard request.query.kind == .words || library.hasVectors else {
                throw Fault(.invalidRequest, "This installation has no embedding model: 'vectorQueries' is not served.")
            }
            analyse {
                try library.page(request.query, in: index, for: reader)
            } then: { [self] page in
                notes.append((name: "results", value: "\(page.hits.count)"))
                answerAnalysis(Self.answer(page, request))
            }
        }
    }

    private static let everything: SearchPageQuery = {
        var query = SearchPageQuery()
        query.top = 0
        return query
    }()

    private static func unknownIndex(_ name: String) -> Fault { Fault(.notFound, "The index '\(name.prefix(128))' was not found.") }

    // MARK: The request

    private struct SearchRequest: Sendable {
        var query = SearchPageQuery()
        var wantsCount = false
        var selected: [String] = []
    }

    private func searchRequest(inBody document: JSONDocument) throws -> SearchRequest {
        guard document.nodes[0].kind == .object else { throw Fault(.invalidRequest, "The request is invalid: a JSON object is expected.") }
        var values: [String: String] = [:]
        try document.forEachMember(of: 0) { key, value in
            let name = document.string(key) ?? ""
            guard Self.searchParameters.contains(name) else {
                throw Fault(
                    .invalidRequest,
                    "The request is invalid. Details: parameters : The parameter '\(name.prefix(64))' in the request payload is not a valid parameter for the operation 'search'."
                )
            }
            switch document.nodes[value].kind {
            case .string: values[name] = document.string(value)
            case .number: values[name] = document.integer(value).map { "\($0)" } ?? ""
            case .true: values[name] = "true"
            case .false: values[name] = "false"
            default: break
            }
        }
        var request = try Self.request(values)
        if let queries = document.member("vectorQueries", of: 0), document.nodes[queries].kind == .array {
            try document.forEachElement(of: queries) { _, query in
                guard let kind = document.member("kind", of: query), document.equals(kind, "text"),
                    let text = document.member("text", of: query).flatMap(document.string), request.query.kind == .words
                else {
                    throw Fault(.invalidRequest, "One vector query of kind 'text' is served here: the index makes the vector itself.")
                }
                request.query.kind = request.query.text == nil ? .vectors : .both
                // Words and vector are one question here.
                request.query.text = request.query.text ?? text
            }
        }
        return request
    }

    private func searchRequest(inQuery: Void) throws -> SearchRequest {
        var values: [String: String] = [:]
        for (name, value) in path?.query ?? [] where name != "api-version" {
            let bare = name.hasPrefix("$") ? String(name.dropFirst()) : name
            guard Self.searchParameters.contains(bare), bare != "vectorQueries" else {
                throw Fault(.invalidRequest, "The parameter '\(name.prefix(64))' is not a valid parameter for the operation 'search'.")
            }
            values[bare] = value
        }
        return try Self.request(values)
    }

    private static func request(_ values: [String: String]) throws -> SearchRequest {
        var request = SearchRequest()
        if let text = values["search"], text != "*", !text.allSatisfy(\.isWhitespace) { request.query.text = text }
        func number(_ name: String, _ range: ClosedRange<Int>) throws -> Int? {
            guard let text = values[name] else { return nil }
            guard let number = Int(text), range.contains(number) else {
                throw Fault(
                    .invalidRequest, "Value must be between \(range.lowerBound) and \(range.upperBound).\r\nParameter name: $\(name)")
            }
            return number
        }
        request.query.top = try number("top", 0...1000) ?? 50
        request.query.skip = try number("skip", 0...DocumentRetriever.deepest) ?? 0
        request.wantsCount = values["count"] == "true"
        request.query.needsAll = values["searchMode"] == "all"
        if let type = values["queryType"] {
            guard ["simple", "full", "semantic"].contains(type) else {
                throw Fault(.invalidRequest, "The query type '\(type.prefix(32))' is not known.")
            }
            if type == "semantic", request.query.text != nil { request.query.kind = .both }
        }
        if let filter = values["filter"], !filter.isEmpty {
            do throws(FilterExpression.Mistake) {
                let parsed = try FilterExpression(parsing: filter)
                try parsed.check(DocumentEntry.fields, collections: DocumentEntry.collections)
                request.query.filter = parsed
            } catch { throw Fault(.invalidRequest, error.description) }
        }
        request.selected = try selected(values["select"])
        for clause in (values["orderby"] ?? "").split(separator: ",") {
            let words = clause.split(separator: " ").map(String.init)
            guard let field = words.first, words.count == 1 || (words.count == 2 && ["asc", "desc"].contains(words[1])),
                field == "search.score()" || DocumentEntry.fields.contains(field), request.query.order.count < 32
            else {
                throw Fault(
                    .invalidRequest,
                    "Invalid expression: Could not find a property named '\(words.first?.prefix(64) ?? "")' on type 'search.document'.\r\nParameter name: $orderby"
                )
            }
            request.query.order.append((field, words.count == 2 && words[1] == "desc"))
        }
        return request
    }

    private static func selected(_ list: String?) throws -> [String] {
        guard let list, !list.isEmpty, list != "*" else { return searchFields }
        let names = list.split(separator: ",").map { $0.drop { $0 == " " } }.map { String($0.reversed().drop { $0 == " " }.reversed()) }
        for name in names where !searchFields.contains(name) {
            throw Fault(
                .invalidRequest,
                "Invalid expression: Could not find a property named '\(name.prefix(64))' on type 'search.document'.\r\nParameter name: $select"
            )
        }
        return names
    }

    // MARK: The answer

    private static func answer(_ page: SearchPage, _ request: SearchRequest) -> ByteBuffer {
        var json = JSONWriter(capacity: 4096)
        json.beginObject()
        if request.wantsCount {
            json.key("@odata.count")
            json.int(page.total)
        }
        json.key("value")
        json.beginArray()
        for hit in page.hits {
            json.beginObject()
            json.key("@search.score")
            json.raw(ByteBuffer(string: "\((hit.score * 1_000_000).rounded() / 1_000_000)"))
            write(hit.id, hit.entry, hit.chunk, request.selected, &json)
            json.endObject()
        }
        json.endArray()
        json.endObject()
        return json.buffer
    }

    private static func write(_ id: ChunkID, _ entry: DocumentEntry, _ chunk: ChunkRecord, _ selected: [String], _ json: inout JSONWriter) {
        for field in selected {
            json.key(field)
            switch field {
            case "chunk_id": json.string(id.description)
            case "document_id": json.string(entry.id.rawValue)
            case "title": json.string(entry.title)
            case "filepath": json.string(entry.source)
            case "content": json.string(chunk.text)
            case "page": if let page = chunk.page(at: chunk.range.lowerBound) { json.int(page) } else { json.null() }
            case "language": json.string(entry.language)
            case "label": json.string(entry.label.description)
            default: json.string(entry.format.rawValue)
            }
        }
    }

    // MARK: OpenAI's search of a vector store

    /// A vector store that is one of our own indexes: nil when it is not, or nothing in it may be read.
    func ownVectorStore(_ operation: Operation, _ ids: [String]) -> IndexID? {
        guard operation.name == .vectorStoresSearch, let name = ids.first, let principal, let library = runtime.parts.library else {
            return nil
        }
        return library.isReadable(IndexID(name), by: library.reader(for: principal)) ? IndexID(name) : nil
    }

    func answerVectorStoreSearch(_ index: IndexID) throws {
        guard let principal, let library = runtime.parts.library, let document else { throw Fault.resourceNotFound }
        guard document.nodes[0].kind == .object else { throw Fault(.invalidRequest, "The request body must be a JSON object.") }
        var texts: [String] = []
        if let query = document.member("query", of: 0) {
            if let text = document.string(query) { texts = [text] }
            document.forEachElement(of: query) { _, value in if let text = document.string(value) { texts.append(text) } }
        }
        guard !texts.isEmpty, texts.count <= 10 else {
            throw Fault(.invalidRequest, "'query' must be a text or a list of up to 10.", param: "query")
        }
        var options = RetrievalOptions()
        options.strictness = 1
        options.top = 10
        if let most = document.member("max_num_results", of: 0), document.nodes[most].kind != .null {
            guard let number = document.integer(most), (1...50).contains(number) else {
                throw Fault(.invalidRequest, "'max_num_results' must be 1 to 50.", param: "max_num_results")
            }
            options.top = number
        }
        let threshold =
            document.member("ranking_options", of: 0).flatMap { document.member("score_threshold", of: $0) }.flatMap(document.double) ?? 0
        if let filters = document.member("filters", of: 0), document.nodes[filters].kind != .null {
            options.filter = try AttributeFilter.expression(filters, of: document)
        }
        try reserveAnalysis(for: principal)
        let reader = library.reader(for: principal)
        let (asked, wanted) = (texts, options)
        notes.append((name: "index", value: index.rawValue))
        analyse {
            try library.retrieve(asked, in: index, for: reader, wanted)
        } then: { [self] retrieval in
            var json = JSONWriter(capacity: 4096)
            json.beginObject()
            json.key("object")
            json.string("vector_store.search_results.page")
            json.key("search_query")
            json.beginArray()
            for text in asked { json.string(text) }
            json.endArray()
            json.key("data")
            json.beginArray()
            for found in retrieval.kept where found.relevance >= threshold {
                json.beginObject()
                json.key("file_id")
                json.string(found.entry.id.rawValue)
                json.key("filename")
                json.string(found.entry.source)
                json.key("score")
                json.double(found.relevance)
                json.key("attributes")
                json.beginObject()
                for (name, value) in [
                    ("title", found.entry.title), ("label", found.entry.label.description), ("language", found.entry.language),
                ]
                    as [(StaticString, String)]
                {
                    json.key(name)
                    json.string(value)
                }
                json.endObject()
                json.key("content")
                json.beginArray()
                json.beginObject()
                json.key("type")
                json.string("text")
                json.key("text")
                json.string(found.chunk.text)
                json.endObject()
                json.endArray()
                json.endObject()
            }
            json.endArray()
            json.key("has_more")
            json.bool(false)
            json.key("next_page")
            json.null()
            json.endObject()
            answerAnalysis(json.buffer)
        }
    }
}

/// The filters of OpenAI's vector stores: comparisons, joined by `and` and `or`.
enum AttributeFilter {
    static func expression(_ node: Int, of document: JSONDocument) throws -> FilterExpression {
        let filter: FilterExpression
        do { filter = try FilterExpression(parsing: try text(node, of: document, depth: 0)) } catch let mistake as FilterExpression.Mistake
        {
            throw Fault(.invalidRequest, mistake.description, param: "filters")
        }
        do { try filter.check(DocumentEntry.fields, collections: DocumentEntry.collections) } catch {
            throw Fault(.invalidRequest, error.description, param: "filters")
        }
        return filter
    }

    private static let words = ["eq": "eq", "ne": "ne", "gt": "gt", "gte": "ge", "lt": "lt", "lte": "le"]

    /// Each part parses by itself: no value can reach out of its quotes.
    private static func text(_ node: Int, of document: JSONDocument, depth: Int) throws -> String {
        guard depth < 16, document.nodes[node].kind == .object, let type = document.member("type", of: node).flatMap(document.string) else {
            throw wrong
        }
        if type == "and" || type == "or" {
            guard let list = document.member("filters", of: node), document.nodes[list].kind == .array else { throw wrong }
            var parts: [String] = []
            try document.forEachElement(of: list) { _, value in parts.append("(\(try text(value, of: document, depth: depth + 1)))") }
            guard !parts.isEmpty, parts.count <= 64 else { throw wrong }
            return parts.joined(separator: " \(type) ")
        }
        guard let key = document.member("key", of: node).flatMap(document.string), SearchFieldName.isValid(key),
            let value = document.member("value", of: node)
        else { throw wrong }
        if let word = words[type] { return "\(key) \(word) \(try literal(value, of: document))" }
        guard type == "in" || type == "nin", document.nodes[value].kind == .array else { throw wrong }
        var parts: [String] = []
        try document.forEachElement(of: value) { _, element in parts.append("\(key) eq \(try literal(element, of: document))") }
        guard !parts.isEmpty, parts.count <= 256 else { throw wrong }
        let joined = "(\(parts.joined(separator: " or ")))"
        return type == "in" ? joined : "not \(joined)"
    }

    private static func literal(_ node: Int, of document: JSONDocument) throws -> String {
        switch document.nodes[node].kind {
        case .string:
            "'" + (document.string(node) ?? "").split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''") + "'"
        case .number: "\(document.double(node) ?? 0)"
        case .true: "true"
        case .false: "false"
        default: throw wrong
        }
    }

    private static var wrong: Fault {
        Fault(.invalidRequest, "'filters' must be comparisons (eq, ne, gt, gte, lt, lte, in, nin) joined by and, or.", param: "filters")
    }
}
