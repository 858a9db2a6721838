import NIOCore
import SallyportCore
import SallyportRetrieval
import SallyportWire

/// Documents from a real Azure AI Search: each query is sent there with the filter that trims to what the caller may read.
extension Exchange {
    private static let searchVersion = "2024-07-01"
    private static let mostSearchBytes = 2 << 20

    func searchAzure(_ intents: [String], _ source: DataSource, for principal: Principal, then proceed: @escaping (Found) throws -> Void) {
        continuing {
            let upstream = try searchService(for: source)
            guard let service = upstream.search else { throw Fault(.internal, "No search service.") }
            let wantsVectors = source.queryType.hasPrefix("vector")
            if wantsVectors, source.fields.vectors.isEmpty {
                throw Fault(
                    .invalidRequest, "A vector query needs 'fields_mapping.vector_fields'.",
                    param: "data_sources[0].parameters.fields_mapping")
            }
            // Whoever is nobody to the index may read nothing: it is not even asked.
            guard let trimming = Self.trimming(service, principal),
                let filter = FilterExpression.all([trimming] + (source.filter.map { [$0] } ?? []))
            else { return try proceed(Found()) }
            guard wantsVectors, case .deployment(let name, let dimensions)? = source.embedding else {
                return searchNext(intents[...], [:], filter, upstream, source, AzureHits(), proceed)
            }
            try embedQueries(intents, at: name, dimensions: dimensions) { [self] vectors in
                searchNext(
                    intents[...], Dictionary(zip(intents, vectors)) { first, _ in first }, filter, upstream, source, AzureHits(), proceed)
            }
        }
    }

    /// What the caller may read: documents that name one of their groups, or themselves. nil: nothing.
    private static func trimming(_ service: UpstreamDescriptor.SearchService, _ principal: Principal) -> FilterExpression? {
        let groups = Array(Set(principal.groups)).sorted()
        var ways: [FilterExpression] = []
        if !groups.isEmpty { ways.append(.anyOf(groups, in: service.groupsField)) }
        if let field = service.usersField { ways.append(.anyOf([principal.id.rawValue], in: field)) }
        return .either(ways)
    }

    /// What all queries found so far.
    struct AzureHits {
        var hits: [(source: GroundingContext.Source, relevance: Double)] = []
        var failed = 0
    }

    private func searchNext(
        _ intents: ArraySlice<String>, _ vectors: [String: ByteBuffer], _ filter: FilterExpression, _ upstream: UpstreamDescriptor,
        _ source: DataSource, _ found: AzureHits, _ proceed: @escaping (Found) throws -> Void
    ) {
        guard let intent = intents.first else {
            return continuing { try proceed(Self.cut(found.hits, source.options)) }
        }
        let headers: HeaderFields = ["content-type": "application/json", "accept": "application/json;odata.metadata=none"]
        let request = UpstreamRequest(
            upstream: upstream.id, method: "POST",
            path: "/indexes/\(PercentEncoding.segment(source.index))/docs/search?api-version=\(Self.searchVersion)", headers: headers,
            body: [Self.searchBody(intent, vectors[intent], filter, source)], retrySafety: .beforeFirstByte)
        call = runtime.parts.client.send(
            request, on: eventLoop,
            delegate: CollectedCall(limit: Self.mostSearchBytes) { [self] result in
                call?.cancel()
                call = nil
                continuing { [self] in
                    var found = found
                    if let hits = Self.hits(in: result, of: intent, source) {
                        for hit in hits {
                            if let known = found.hits.firstIndex(where: {
                                $0.source.chunkID == hit.source.chunkID && $0.source.filepath == hit.source.filepath
                                    && $0.source.content == hit.source.content
                            }) {
                                found.hits[known].source.queries.append(intent)
                                found.hits[known].relevance = max(found.hits[known].relevance, hit.relevance)
                            } else {
                                found.hits.append(hit)
                            }
                        }
                    } else {
                        guard source.options.allowsPartialResult else { throw Self.searchFailed(result) }
                        found.failed += 1
                        notes.append((name: "grounding.failed", value: "\(found.failed)"))
                        if intents.count == 1, found.hits.isEmpty { throw Self.searchFailed(result) }
                    }
                    searchNext(intents.dropFirst(), vectors, filter, upstream, source, found, proceed)
                }
            })
    }

    /// Nothing of what the service said: it may quote the documents.
    private static func searchFailed(_ result: Result<CollectedCall.Answer, UpstreamFailure>) -> Fault {
        switch result {
        case .failure(let failure): return fault(from: failure)
        case .success(let answer) where answer.status == 404 || answer.status == 400:
            return Fault(
                .invalidRequest,
                "Invalid AzureCognitiveSearch configuration detected: the search service answered with status \(answer.status). Please check "
                    + "the index, its fields and the filter.", param: "data_sources")
        case .success(let answer):
            return Fault(.upstreamUnavailable, "The search service answered with status \(answer.status).", retryAfter: .seconds(5))
        }
    }

    private static func searchBody(_ intent: String, _ vector: ByteBuffer?, _ filter: FilterExpression, _ source: DataSource) -> ByteBuffer
    {
        var json = JSONWriter(capacity: 1024)
        json.beginObject()
        if source.queryType != "vector" {
            json.key("search")
            json.string(intent)
        }
        json.key("filter")
        json.string(filter.text)
        json.key("top")
        // Some will not fit well enough.
        json.int(min(100, source.options.top * 3))
        if source.queryType == "semantic" || source.queryType == "vector_semantic_hybrid" {
            json.key("queryType")
            json.string("semantic")
            if let name = source.semanticConfiguration {
                json.key("semanticConfiguration")
                json.string(name)
            }
        } else if source.queryType != "vector" {
            json.key("queryType")
            json.string("simple")
        }
        if source.queryType.hasPrefix("vector") {
            json.key("vectorQueries")
            json.beginArray()
            json.beginObject()
            json.key("kind")
            if let vector {
                json.string("vector")
                json.key("vector")
                json.raw(vector)
            } else {
                json.string("text")
                json.key("text")
                json.string(intent)
            }
            json.key("fields")
            json.string(source.fields.vectors.joined(separator: ","))
            json.key("k")
            json.int(min(100, source.options.top * 3))
            json.endObject()
            json.endArray()
            json.key("vectorFilterMode")
            json.string("preFilter")
        }
        json.endObject()
        return json.buffer
    }

    // MARK: What came back

    private static let contentFields = ["content", "chunk", "text", "body", "merged_content"]

    /// nil when the query failed.
    private static func hits(
        in result: Result<CollectedCall.Answer, UpstreamFailure>, of intent: String, _ source: DataSource
    ) -> [(source: GroundingContext.Source, relevance: Double)]? {
        guard case .success(let answer) = result, answer.status == 200, let document = try? JSONDocument(parsing: answer.body),
            let list = document.member("value", of: 0), document.nodes[list].kind == .array
        else { return nil }
        var found: [(source: GroundingContext.Source, score: Double, reranked: Double?)] = []
        document.forEachElement(of: list) { _, value in
            guard document.nodes[value].kind == .object else { return }
            var fields: [String: String] = [:]
            document.forEachMember(of: value) { key, member in
                if let name = document.string(key), let text = document.string(member) { fields[name] = text }
            }
            let names = source.fields.content.isEmpty ? contentFields.filter { fields[$0] != nil } : source.fields.content
            let content = names.compactMap { fields[$0] }.joined(separator: source.fields.separator)
            guard !content.isEmpty else { return }
            found.append(
                (
                    GroundingContext.Source(
                        content: content, title: fields[source.fields.title ?? "title"], url: fields[source.fields.url ?? "url"],
                        filepath: fields[source.fields.filepath ?? "filepath"],
                        chunkID: fields["chunk_id"] ?? fields["id"] ?? fields["key"],
                        searchScore: document.member("@search.score", of: value).flatMap(document.double) ?? 0, queries: [intent]),
                    document.member("@search.score", of: value).flatMap(document.double) ?? 0,
                    document.member("@search.rerankerScore", of: value).flatMap(document.double)
                ))
        }
        // Scores of words have no upper bound: they are held against the best.
        let best = max(found.map(\.score).max() ?? 0, .leastNormalMagnitude)
        return found.map { hit in
            var source = hit.source
            source.rerankScore = hit.reranked
            return (source, hit.reranked.map { min(1, max(0, $0 / 4)) } ?? hit.score / best)
        }
    }

    private static func cut(_ hits: [(source: GroundingContext.Source, relevance: Double)], _ options: RetrievalOptions) -> Found {
        var found = Found()
        let ordered = hits.enumerated().sorted {
            $0.element.relevance != $1.element.relevance ? $0.element.relevance > $1.element.relevance : $0.offset < $1.offset
        }.map(\.element)
        for hit in ordered {
            var source = hit.source
            if hit.relevance < options.neededRelevance {
                source.filterReason = "score"
            } else if found.kept.count >= options.top {
                source.filterReason = "rerank"
            }
            if source.filterReason == nil { found.kept.append(source) } else { found.dropped.append(source) }
        }
        return found
    }

    // MARK: Vectors of queries

    /// Asks one of our own deployments: the caller must be allowed to use it.
    private func embedQueries(_ queries: [String], at name: String, dimensions: Int?, then proceed: @escaping ([ByteBuffer]) throws -> Void)
        throws
    {
        guard let deployment = snapshot.deployments[DeploymentID(name)], let target = deployment.targets.first,
            let upstream = snapshot.upstreams[target.upstream], upstream.kind == .azureOpenAI || upstream.kind == .openAI
        else { throw Fault.deploymentNotFound }
        guard may(DataActions.of(.embeddings, act: nil), as: Operation.Name.embeddings.rawValue, at: deployment) else {
            throw Fault.lacks(
                DataActions.of(.embeddings, act: nil), for: "POST /openai/deployments/\(name)/embeddings", principal: principal?.id)
        }
        var json = JSONWriter(capacity: 512)
        json.beginObject()
        json.key("model")
        json.string(target.model)
        json.key("input")
        json.beginArray()
        for query in queries { json.string(query) }
        json.endArray()
        if let dimensions {
            json.key("dimensions")
            json.int(dimensions)
        }
        json.endObject()
        let headers: HeaderFields = ["content-type": "application/json"]
        let path =
            upstream.kind == .azureOpenAI
            ? "/openai/deployments/\(PercentEncoding.segment(target.model))/embeddings?api-version=\(PercentEncoding.query(upstream.apiVersion))"
            : "/embeddings"
        call = runtime.parts.client.send(
            UpstreamRequest(
                upstream: upstream.id, method: "POST", path: path, headers: headers, body: [json.buffer], retrySafety: .beforeFirstByte),
            on: eventLoop,
            delegate: CollectedCall(limit: Self.mostSearchBytes) { [self] result in
                call?.cancel()
                call = nil
                continuing {
                    guard case .success(let answer) = result, answer.status == 200, let document = try? JSONDocument(parsing: answer.body),
                        let data = document.member("data", of: 0), document.nodes[data].kind == .array
                    else {
                        throw Fault(
                            .upstreamUnavailable, "The deployment '\(name)' made no vectors of the queries.", retryAfter: .seconds(5))
                    }
                    var vectors: [ByteBuffer] = []
                    document.forEachElement(of: data) { _, value in
                        if let vector = document.member("embedding", of: value), document.nodes[vector].kind == .array {
                            vectors.append(document.raw(vector))
                        }
                    }
                    guard vectors.count == queries.count else {
                        throw Fault(.upstreamInvalid, "The deployment '\(name)' made another number of vectors than queries.")
                    }
                    try proceed(vectors)
                }
            })
    }
}
