import NIOCore
import NIOPosix
import SallyportCore
import SallyportGuard
import SallyportOversight
import SallyportRetrieval
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
        /// ISO 639-1, perhaps with a script or region behind it, or `auto`.
        let language: String
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
                    documents, requests.map { $0.flatMap { readings[$0] } }, analysis, parameters,
                    Form(version: version, showsStatistics: showsStatistics))
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
            var language = "en"
            if let given = body.member("language", of: value), body.nodes[given].kind != .null {
                guard let code = body.string(given) else {
                    throw refusal("InvalidDocument", "A document's 'language' must be a string.", target: target)
                }
                language = code.lowercased()
            }
            documents.append(LanguageDocument(id: id, text: string, language: language))
        }
        guard documents.count <= maximumDocuments else {
            throw refusal("InvalidDocumentBatch", "Batch request contains too many records. Max \(maximumDocuments) records are permitted.")
        }
        return documents
    }

    static func parameters(in document: JSONDocument) throws -> PersonalDataParameters {
        let body = try SafetyBody(document)
        var parameters = PersonalDataParameters()
        guard let node = try body.object("parameters") else { return parameters }
        func text(_ name: StaticString) throws -> String? { try body.optionalText(name, of: node)?.string }
        func texts(_ name: StaticString, of object: Int) throws -> [String]? { try body.texts(name, of: object)?.map(\.string) }
        if let model = try text("modelVersion"), model != "latest", model != personalDataModel {
            throw refusal("ModelVersionIncorrect", "Only the model version 'latest' is served here.", target: "parameters.modelVersion")
        }
        parameters.domain = try text("domain") ?? parameters.domain
        parameters.stringIndexType = try text("stringIndexType") ?? parameters.stringIndexType
        parameters.piiCategories = try texts("piiCategories", of: node) ?? []
        parameters.excludePiiCategories = try texts("excludePiiCategories", of: node) ?? []
        parameters.redactionCharacter = try text("redactionCharacter")
        parameters.disableEntityValidation = try body.optionalFlag("disableEntityValidation", of: node) ?? false
        if let value = try body.object("redactionPolicy", of: node) {
            parameters.redactionPolicies.append(try redactionPolicy(value, of: body, at: "redactionPolicy."))
        }
        for (number, value) in (try body.elements("redactionPolicies", of: node) ?? []).enumerated() {
            let place = "redactionPolicies[\(number)]"
            try body.requireObject(value, place)
            parameters.redactionPolicies.append(try redactionPolicy(value, of: body, at: place + "."))
        }
        if let value = try body.object("valueExclusionPolicy", of: node) {
            let place = "valueExclusionPolicy."
            parameters.valueExclusionPolicy = .init(
                caseSensitive: try body.required(
                    try body.optionalFlag("caseSensitive", of: value, at: place), place + "caseSensitive"),
                excludedValues: try body.required(try texts("excludedValues", of: value), place + "excludedValues"))
        }
        if let value = try body.object("confidenceScoreThreshold", of: node) {
            parameters.confidenceScoreThreshold = try confidenceThreshold(value, of: body)
        }
        for (number, entry) in (try body.elements("entitySynonyms", of: node) ?? []).enumerated() {
            let place = "entitySynonyms[\(number)]"
            try body.requireObject(entry, place)
            let words = try body.required(try body.elements("synonyms", of: entry, at: place + "."), place + ".synonyms")
            parameters.entitySynonyms.append(
                .init(
                    entityType: try body.text("entityType", of: entry, at: place + ".").string,
                    synonyms: try words.map { word in
                        document.nodes[word].kind == .object
                            ? try body.text("synonym", of: word, at: place + ".synonyms.").string
                            : try body.text(at: word, place + ".synonyms").string
                    }))
        }
        return parameters
    }

    private static func redactionPolicy(
        _ value: Int, of body: SafetyBody, at place: String
    ) throws -> PersonalDataParameters.RedactionPolicy {
        PersonalDataParameters.RedactionPolicy(
            policyKind: try body.optionalText("policyKind", of: value, at: place)?.string ?? "characterMask",
            redactionCharacter: try body.optionalText("redactionCharacter", of: value, at: place)?.string,
            unmaskLength: min(10_000, try body.optionalInteger("unmaskLength", of: value, at: place) ?? 0),
            unmaskFromEnd: try body.optionalFlag("unmaskFromEnd", of: value, at: place) ?? true,
            entityTypes: try body.texts("entityTypes", of: value)?.map(\.string) ?? [],
            isDefault: try body.optionalFlag("isDefault", of: value, at: place) ?? false)
    }

    private static func confidenceThreshold(
        _ value: Int, of body: SafetyBody
    ) throws -> PersonalDataParameters.ConfidenceScoreThreshold {
        let place = "confidenceScoreThreshold."
        var threshold = PersonalDataParameters.ConfidenceScoreThreshold(
            default: try body.required(try body.optionalNumber("default", of: value, at: place), place + "default"))
        for (number, entry) in (try body.elements("overrides", of: value, at: place) ?? []).enumerated() {
            let place = "\(place)overrides[\(number)]"
            try body.requireObject(entry, place)
            threshold.overrides.append(
                .init(
                    entity: try body.text("entity", of: entry, at: place + ".").string,
                    value: try body.required(try body.optionalNumber("value", of: entry, at: place + "."), place + ".value"),
                    language: try body.optionalText("language", of: entry, at: place + ".")?.string))
        }
        return threshold
    }

    // MARK: Writing

    private static let personalDataModel = "2026-11-01"

    /// What an answer says besides what was found.
    private struct Form: Sendable {
        let showsStatistics: Bool
        /// Entities have a `type` and `tags`.
        let hasTags: Bool

        init(version: String, showsStatistics: Bool) {
            self.showsStatistics = showsStatistics
            hasTags = version >= "2025-05-15" && !version.hasPrefix("v")
        }
    }

    private static func results(
        _ documents: [LanguageDocument], _ readings: [TextReading?], _ analysis: PersonalDataAnalysis,
        _ parameters: CheckedPersonalDataParameters, _ form: Form
    ) throws -> (body: ByteBuffer, entities: Int) {
        var json = JSONWriter(capacity: 2048)
        var entities = 0
        var refused: [(id: String, code: String, message: String)] = []
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
            if let (code, message) = fault(of: document, elements: elements) {
                refused.append((document.id, code, message))
                continue
            }
            let detected = document.language == "auto" ? LanguageGuess.guess(document.text) : nil
            let result = try analysis.analyse(
                document.text, language: detected?.language ?? document.language, with: parameters, reading: reading)
            transactions += (elements + 999) / 1000
            entities += result.entities.count
            write(result, of: document, elements: elements, detected: detected, form, &json)
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
                "InvalidArgument", "Invalid document in request.", inner: (code: entry.code, message: entry.message), &json)
            json.endObject()
            json.endObject()
        }
        json.endArray()
        if form.showsStatistics {
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

    /// Why a document is not analysed; nil: it is.
    private static func fault(of document: LanguageDocument, elements: Int) -> (code: String, message: String)? {
        if elements == 0 { return ("InvalidDocument", "Document text is empty.") }
        if elements > maximumElements {
            return ("InvalidDocument", "A document within the request exceeds the limit of \(maximumElements) text elements.")
        }
        guard document.language == "auto" || LanguageCodes.isKnown(document.language) else {
            return ("UnsupportedLanguageCode", "The document's 'language' is neither an ISO 639-1 code nor 'auto'.")
        }
        return nil
    }

    private static func write(
        _ result: PersonalDataResult, of document: LanguageDocument, elements: Int, detected: LanguageGuess.Guess?, _ form: Form,
        _ json: inout JSONWriter
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
            if form.hasTags {
                json.key("type")
                json.string(entity.category)
                json.key("tags")
                json.beginArray()
                json.beginObject()
                json.key("name")
                json.string(entity.category)
                json.key("confidenceScore")
                json.double(entity.confidenceScore)
                json.endObject()
                json.endArray()
            }
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
        if let detected {
            json.key("detectedLanguage")
            json.beginObject()
            json.key("name")
            json.string(detected.name)
            json.key("iso6391Name")
            json.string(detected.language)
            json.key("confidenceScore")
            json.double(detected.confidence)
            json.endObject()
        }
        if form.showsStatistics {
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
