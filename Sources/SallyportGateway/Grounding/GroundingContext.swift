import NIOCore
import SallyportRetrieval
import SallyportWire

/// On Your Data's `context`: what an answer rests on.
struct GroundingContext: Sendable {
    /// A document's part, cited or only found.
    struct Source: Sendable {
        var content: String
        var title: String?
        var url: String?
        var filepath: String?
        var chunkID: String?
        var rerankScore: Double?
        var searchScore = 0.0
        var queries: [String] = []
        var page: Int?
        /// UTF-8 bytes of the document's extracted text, with their pages.
        var spans: [(range: Range<Int>, page: Int?)] = []
        var filterReason: String?
    }

    /// `[doc1]` names the first.
    var citations: [Source]
    var intents: [String]
    /// All that was found, those left out too.
    var retrieved: [Source] = []
    var contexts: Set<DataSource.Context> = [.citations, .intent]

    /// The value of `context`.
    func write(_ json: inout JSONWriter) {
        json.beginObject()
        if contexts.contains(.citations) {
            json.key("citations")
            json.beginArray()
            for citation in citations {
                json.beginObject()
                Self.write(citation, &json)
                json.endObject()
            }
            json.endArray()
        }
        if contexts.contains(.intent) {
            json.key("intent")
            var list = JSONWriter(capacity: 128)
            list.beginArray()
            for intent in intents { list.string(intent) }
            list.endArray()
            json.string(String(buffer: list.buffer))
        }
        if contexts.contains(.retrieved) {
            json.key("all_retrieved_documents")
            json.beginArray()
            for document in retrieved {
                json.beginObject()
                Self.write(document, &json)
                json.key("search_queries")
                json.beginArray()
                for query in document.queries { json.string(query) }
                json.endArray()
                json.key("data_source_index")
                json.int(0)
                json.key("original_search_score")
                json.double(document.searchScore)
                if let reason = document.filterReason {
                    json.key("filter_reason")
                    json.string(reason)
                }
                json.endObject()
            }
            json.endArray()
        }
        json.endObject()
    }

    private static func write(_ source: Source, _ json: inout JSONWriter) {
        json.key("content")
        json.string(source.content)
        for (name, value) in [("title", source.title), ("url", source.url), ("filepath", source.filepath), ("chunk_id", source.chunkID)]
            as [(StaticString, String?)]
        {
            json.key(name)
            if let value { json.string(value) } else { json.null() }
        }
        if let score = source.rerankScore {
            json.key("rerank_score")
            json.double(score)
        }
        if let page = source.page {
            json.key("page")
            json.int(page)
        }
        guard !source.spans.isEmpty else { return }
        json.key("spans")
        json.beginArray()
        for span in source.spans {
            json.beginObject()
            json.key("start")
            json.int(span.range.lowerBound)
            json.key("end")
            json.int(span.range.upperBound)
            if let page = span.page {
                json.key("page")
                json.int(page)
            }
            json.endObject()
        }
        json.endArray()
    }

    func buffer() -> ByteBuffer {
        var json = JSONWriter(capacity: 2048)
        write(&json)
        return json.buffer
    }
}

extension GroundingContext.Source {
    /// A chunk of our own index, whole.
    init(_ found: RetrievedChunk) {
        self.init(
            content: found.chunk.text, title: found.entry.title, filepath: found.entry.source, chunkID: found.id.description,
            rerankScore: found.rerankScore, searchScore: found.searchScore, queries: found.queries,
            page: found.chunk.page(at: found.chunk.range.lowerBound),
            spans: [(found.chunk.range, found.chunk.page(at: found.chunk.range.lowerBound))], filterReason: found.filterReason?.rawValue)
    }

    /// Sentences of a chunk that an answer quotes.
    init(_ citation: GroundedAnswer.Citation) {
        self.init(
            content: citation.content, title: citation.title, filepath: citation.source, chunkID: citation.chunk.description,
            page: citation.pages.first,
            spans: citation.spans.enumerated().map { number, span in
                (span, citation.pages.count > 1 && number < citation.pages.count ? citation.pages[number] : nil)
            })
    }
}
