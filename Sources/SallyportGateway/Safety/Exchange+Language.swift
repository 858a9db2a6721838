import NIOCore
import NIOPosix
import SallyportCore
import SallyportGuard
import SallyportOversight
import SallyportWire

/// Azure AI Language's PII request, answered by the detectors that guard the data plane.
extension Exchange {
    /// Documents per request and text elements per document, as the service has them.
    private static let maximumDocuments = 5
    private static let maximumElements = 5120

    /// One document as it was sent.
    struct LanguageDocument: Sendable {
        let id: String
        let text: String
        let language: String?
    }

    func answerLanguage() throws {
        try authorise()
        let version = path?.queryValue("api-version") ?? ""
        guard version.utf8.count >= 10, version.hasPrefix("20") || version.hasPrefix("v3") else {
            throw Fault(.unsupportedAPIVersion, "The api-version is missing or not supported.", param: "api-version")
        }
        summary.apiVersion = version
        if let principal { try reserveAnalysis(for: principal) }
        let showsStatistics = path?.queryValue("showStats") == "true"
        let document: JSONDocument
        do { document = try JSONDocument(parsing: body) } catch {
            throw Exchange.refusal("InvalidRequestBodyFormat", "The request body is not valid JSON.")
        }
        guard document.nodes[0].kind == .object else {
            throw Exchange.refusal("InvalidRequestBodyFormat", "The request body must be a JSON object.")
        }
        guard let kind = document.member("kind", of: 0).flatMap(document.string), kind == "PiiEntityRecognition" else {
            throw Exchange.refusal("InvalidParameterValue", "Only the kind 'PiiEntityRecognition' is served here.", target: "kind")
        }
        let documents = try Exchange.documents(in: document)
        let analysis = runtime.parts.personalData
        let parameters: CheckedPersonalDataParameters
        do {
            parameters = try analysis.checked(
                try Exchange.parameters(in: document), minimumConfidence: snapshot.configuration.personalDataMinimumConfidence)
        } catch let fault as Fault {
            throw fault.inner == nil ? Exchange.refusal("InvalidParameterValue", fault.message, target: fault.param) : fault
        }
        let requests = documents.map { document in
            document.text.count > Exchange.maximumElements ? nil : analysis.request(for: document.text, with: parameters)
        }
        let wanted = requests.compactMap { $0 }
        // What cannot be read for its names is not cleared: the call fails.
        let answer = { [self] (readings: [ReadingRequest: TextReading]) in
            analyse {
                try Exchange.results(
                    documents, requests.map { $0.flatMap { readings[$0] } }, analysis, parameters, showsStatistics: showsStatistics)
            } then: { [self] results in
                notes = [(name: "documents", value: "\(documents.count)"), (name: "entities", value: "\(results.entities)")]
                answerStatus = 200
                summary.status = 200
                finish(results.body, type: "application/json")
            }
        }
        guard !wanted.isEmpty, runtime.parts.meaning != nil else { return answer([:]) }
        read(wanted) { [self] result in
            continuing { answer(Dictionary(zip(wanted, try result.get())) { first, _ in first }) }
        }
    }

    /// The service's inner code and message.
    private static func refusal(_ inner: String, _ message: String, target: String? = nil) -> Fault {
        Fault(.invalidRequest, message, param: target, inner: inner)
    }

    // MARK: Reading

    static func documents(in body: JSONDocument) throws -> [LanguageDocument] {
        guard let input = body.member("analysisInput", of: 0), let list = body.member("documents", of: input),
            body.nodes[list].kind == .array,
            body.nodes[list].next > list + 1
        else { throw refusal("MissingInputDocuments", "Missing input documents.", target: "analysisInput.documents") }
        var documents: [LanguageDocument] = []
        var ids: Set<String> = []
        try body.forEachElement(of: list) { position, value in
            let target = "analysisInput.documents[\(position)]"
            guard let id = body.member("id", of: value).flatMap(body.string), !id.isEmpty else {
                throw refusal("InvalidDocument", "A document's 'id' is missing or empty.", target: target)
            }
            guard ids.insert(id).inserted else {
                throw refusal("InvalidDocument", "Two documents have the same 'id'.", target: target)
            }
            guard let text = body.member("text", of: value), body.nodes[text].kind == .string, let string = body.string(text) else {
                throw refusal("InvalidDocument", "A document's 'text' is missing.", target: target)
            }
            documents.append(LanguageDocument(id: id, text: string, language: body.member("language", of: value).flatMap(body.string)))
        }
        guard documents.count <= maximumDocuments else {
            throw refusal("InvalidDocumentBatch", "Batch request contains too many records. Max \(maximumDocuments) records are permitted.")
        }
        return documents
    }

    static func parameters(in body: JSONDocument) throws -> PersonalDataParameters {
        var parameters = PersonalDataParameters()
        guard let node = body.member("parameters", of: 0), body.nodes[node].kind == .object else { return parameters }
        func text(_ name: StaticString, of object: Int) -> String? { body.member(name, of: object).flatMap(body.string) }
        func texts(_ name: StaticString, of object: Int) -> [String] {
            var found: [String] = []
            if let list = body.member(name, of: object) {
                body.forEachElement(of: list) { _, value in if let text = body.string(value) { found.append(text) } }
            }
            return found
        }
        if let model = text("modelVersion", of: node), model != "latest", model != personalDataModel {
            throw refusal("ModelVersionIncorrect", "Only the model version 'latest' is served here.", target: "parameters.modelVersion")
        }
        parameters.domain = text("domain", of: node) ?? parameters.domain
        parameters.stringIndexType = text("stringIndexType", of: node) ?? parameters.stringIndexType
        parameters.piiCategories = texts("piiCategories", of: node)
        parameters.excludePiiCategories = texts("excludePiiCategories", of: node)
        parameters.redactionCharacter = text("redactionCharacter", of: node)
        func policy(_ value: Int) -> PersonalDataParameters.RedactionPolicy {
            PersonalDataParameters.RedactionPolicy(
                policyKind: text("policyKind", of: value) ?? "characterMask", redactionCharacter: text("redactionCharacter", of: value),
                unmaskLength: max(0, min(10_000, body.member("unmaskLength", of: value).flatMap(body.integer) ?? 0)),
                unmaskFromEnd: body.member("unmaskFromEnd", of: value).flatMap(body.bool) ?? true,
                entityTypes: texts("entityTypes", of: value),
                isDefault: body.member("isDefault", of: value).flatMap(body.bool) ?? false)
        }
        if let value = body.member("redactionPolicy", of: node), body.nodes[value].kind == .object {
            parameters.redactionPolicies.append(policy(value))
        }
        if let list = body.member("redactionPolicies", of: node) {
            body.forEachElement(of: list) { _, value in parameters.redactionPolicies.append(policy(value)) }
        }
        if let value = body.member("valueExclusionPolicy", of: node) {
            parameters.valueExclusionPolicy = .init(
                caseSensitive: body.member("caseSensitive", of: value).flatMap(body.bool) ?? true,
                excludedValues: texts("excludedValues", of: value))
        }
        if let value = body.member("confidenceScoreThreshold", of: node) {
            var threshold = PersonalDataParameters.ConfidenceScoreThreshold(
                default: body.member("default", of: value).flatMap(body.double) ?? 0)
            if let list = body.member("overrides", of: value) {
                body.forEachElement(of: list) { _, entry in
                    guard let entity = text("entity", of: entry), let score = body.member("value", of: entry).flatMap(body.double) else {
                        return
                    }
                    threshold.overrides.append(.init(entity: entity, value: score, language: text("language", of: entry)))
                }
            }
            parameters.confidenceScoreThreshold = threshold
        }
        if let list = body.member("entitySynonyms", of: node) {
            body.forEachElement(of: list) { _, entry in
                guard let type = text("entityType", of: entry) else { return }
                var words: [String] = []
                if let synonyms = body.member("synonyms", of: entry) {
                    body.forEachElement(of: synonyms) { _, value in
                        if let word = body.string(value) ?? text("synonym", of: value) { words.append(word) }
                    }
                }
                parameters.entitySynonyms.append(.init(entityType: type, synonyms: words))
            }
        }
        return parameters
    }

    // MARK: Writing

    private static let personalDataModel = "2026-11-01"

    private static func results(
        _ documents: [LanguageDocument], _ readings: [TextReading?], _ analysis: PersonalDataAnalysis,
        _ parameters: CheckedPersonalDataParameters,
        showsStatistics: Bool
    ) throws -> (body: ByteBuffer, entities: Int) {
        var json = JSONWriter(capacity: 2048)
        var entities = 0
        var refused: [(id: String, message: String)] = []
        var transactions = 0
        json.beginObject()
        json.key("kind")
        json.string("PiiEntityRecognitionResults")
        json.key("results")
        json.beginObject()
        json.key("documents")
        json.beginArray()
        for (document, reading) in zip(documents, readings) {
            let elements = document.text.count
            if document.text.isEmpty { refused.append((document.id, "Document text is empty.")) }
            if elements > maximumElements {
                refused.append((document.id, "A document within the request exceeds the limit of \(maximumElements) text elements."))
            }
            guard elements > 0, elements <= maximumElements else { continue }
            let result = try analysis.analyse(document.text, language: document.language, with: parameters, reading: reading)
            transactions += (elements + 999) / 1000
            entities += result.entities.count
            write(result, of: document, elements: elements, showsStatistics: showsStatistics, &json)
        }
        json.endArray()
        json.key("errors")
        json.beginArray()
        for entry in refused {
            json.beginObject()
            json.key("id")
            json.string(entry.id)
            json.key("error")
            json.beginObject()
            FaultAnswer.writeAnalysisError(
                "InvalidArgument", "Invalid document in request.", inner: (code: "InvalidDocument", message: entry.message), &json)
            json.endObject()
            json.endObject()
        }
        json.endArray()
        if showsStatistics {
            json.key("statistics")
            json.beginObject()
            json.key("documentsCount")
            json.int(documents.count)
            json.key("validDocumentsCount")
            json.int(documents.count - refused.count)
            json.key("erroneousDocumentsCount")
            json.int(refused.count)
            json.key("transactionsCount")
            json.int(transactions)
            json.endObject()
        }
        json.key("modelVersion")
        json.string(personalDataModel)
        json.endObject()
        json.endObject()
        return (json.buffer, entities)
    }

    private static func write(
        _ result: PersonalDataResult, of document: LanguageDocument, elements: Int, showsStatistics: Bool, _ json: inout JSONWriter
    ) {
        json.beginObject()
        json.key("id")
        json.string(document.id)
        if let redacted = result.redactedText {
            json.key("redactedText")
            json.string(redacted)
        }
        json.key("entities")
        json.beginArray()
        for entity in result.entities {
            json.beginObject()
            json.key("text")
            json.string(entity.text)
            json.key("category")
            json.string(entity.category)
            json.key("offset")
            json.int(entity.offset)
            json.key("length")
            json.int(entity.length)
            json.key("confidenceScore")
            json.double(entity.confidenceScore)
            if let mask = entity.mask {
                json.key("mask")
                json.string(mask)
            }
            if let offset = entity.maskOffset {
                json.key("maskOffset")
                json.int(offset)
            }
            if let length = entity.maskLength {
                json.key("maskLength")
                json.int(length)
            }
            json.endObject()
        }
        json.endArray()
        json.key("warnings")
        json.raw("[]")
        if showsStatistics {
            json.key("statistics")
            json.beginObject()
            json.key("charactersCount")
            json.int(elements)
            json.key("transactionsCount")
            json.int((elements + 999) / 1000)
            json.endObject()
        }
        json.endObject()
    }
}
