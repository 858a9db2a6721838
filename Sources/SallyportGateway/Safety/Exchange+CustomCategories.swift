import NIOCore
import NIOPosix
import SallyportCore
import SallyportGuard
import SallyportOversight
import SallyportWire

/// Custom categories: `text/categories…`, and `text:analyzeCustomCategory`.
extension Exchange {
    func manageCategories(_ rest: [String], tenant: TenantID) throws {
        guard let operations = runtime.parts.categories else { throw Fault.resourceNotFound }
        let method = head.method.rawValue
        let version = try wantedVersion()
        if rest.isEmpty {
            guard method == "GET" else { throw Fault(.methodNotAllowed, "This path does not answer to \(method).") }
            return try listCategories(operations, tenant: tenant)
        }
        if rest.count == 2, rest[0] == "operations", method == "GET" {
            let id = rest[1]
            return manage(.categories) { SafetyAnswer(body: SafetyOperationJSON.body(of: try operations.operation(id, of: tenant))) }
        }
        guard rest.count == 1 else { throw Fault.resourceNotFound }
        let (name, action) = Exchange.split(rest[0])
        switch (method, action) {
        case ("GET", nil):
            manage(.categories) {
                SafetyAnswer(body: CategoryJSON.body(of: try operations.category(name, version: version, of: tenant)))
            }
        case ("DELETE", nil):
            manage(.categories) {
                try operations.delete(name, version: version, of: tenant)
                return SafetyAnswer(status: 204, act: "category.delete")
            }
        case ("PUT", nil):
            let (definition, samples) = try categoryContent(named: name)
            manage(.categories) {
                let category = try operations.add(name, definition: definition, samples: samples, of: tenant)
                return SafetyAnswer(
                    status: category.version == 1 ? 201 : 200, body: CategoryJSON.body(of: category), act: "category.put")
            }
        case ("POST", "build"): buildCategory(name, version: version, operations, tenant: tenant)
        case (_, nil), ("POST", _):
            throw action == nil ? Fault(.methodNotAllowed, "This path does not answer to \(method).") : Fault.resourceNotFound
        default: throw Fault.resourceNotFound
        }
    }

    private func wantedVersion() throws -> Int? {
        guard let text = path?.queryValue("version") else { return nil }
        guard let version = Int(text), version > 0 else {
            throw Fault(.invalidRequest, "The parameter 'version' is not a version's number.", param: "version")
        }
        return version
    }

    private func listCategories(_ operations: CategoryOperations, tenant: TenantID) throws {
        let page = try pageRequest()
        let next = "\(publicOrigin)/contentsafety/text/categories?api-version=\(summary.apiVersion)&"
        manage(.categories) {
            let found = BlocklistOperations.page(page, of: try operations.all(of: tenant))
            return SafetyAnswer(body: SafetyJSON.page(found, next: { next + $0 }) { CategoryJSON.write($0, &$1) })
        }
    }

    func pageRequest() throws -> BlocklistOperations.PageRequest {
        try BlocklistOperations.PageRequest(
            top: path?.queryValue("top").map { $0[...] }, skip: path?.queryValue("skip").map { $0[...] },
            maximumPageSize: path?.queryValue("maxpagesize").map { $0[...] })
    }

    // MARK: Building

    private func buildCategory(_ name: String, version: Int?, _ operations: CategoryOperations, tenant: TenantID) {
        let id = operationID
        let location =
            "\(publicOrigin)/contentsafety/text/categories/operations/\(PercentEncoding.segment(id))?api-version=\(summary.apiVersion)"
        let finish = finisher
        manage(.categories) {
            let (category, operation) = try operations.begin(name, version: version, operation: id, of: tenant)
            try operations.build(category, operation: operation, of: tenant, finish: finish)
            return SafetyAnswer(
                status: 202, body: SafetyOperationJSON.body(of: operation),
                headers: [(name: "operation-id", value: id), (name: "operation-location", value: location)], act: "category.build")
        }
    }

    /// The caller's name for what takes long, else one of our own.
    var operationID: String { head.headers.first(name: "operation-id") ?? BlocklistOperations.randomID() }

    /// Does on the pool what is left when an answer has gone out long ago.
    var finisher: @Sendable (@escaping @Sendable () throws -> Void) -> Void {
        let (pool, logger, id) = (runtime.parts.pool, runtime.parts.logger, id)
        return { work in
            pool.submit { state in
                guard case .active = state else { return }
                do { try work() } catch {
                    // Its status stays "running", and is told as failed when its time is over.
                    logger.warning(
                        "a build could not be completed", metadata: ["exchange.id": "\(id)", "error.type": "\(type(of: error))"])
                }
            }
        }
    }

    // MARK: Samples

    private func categoryContent(named name: String) throws -> (definition: String, samples: [CategorySample]) {
        let body = try SafetyBody(try parse(body))
        if let own = try body.optionalText("categoryName"), own.string != name {
            throw Fault(.invalidRequest, "The field 'categoryName' is another than the path's.", param: "categoryName")
        }
        let definition = try body.text("definition", atMost: CategoryOperations.Limit.definitionLength).string
        if let elements = try body.elements("samples") {
            return (definition, try elements.enumerated().map { try Exchange.sample(at: $1, of: body, "samples[\($0)]") })
        }
        guard let url = try body.optionalText("sampleBlobUrl") else {
            throw Fault(.invalidRequest, "One of the fields 'samples' and 'sampleBlobUrl' is required.", param: "samples")
        }
        guard url.string.hasPrefix("data:"), let marker = url.string.range(of: ";base64,") else {
            throw Fault(
                .invalidRequest,
                "Samples that lie elsewhere are not fetched: send them in the field 'samples', or in 'sampleBlobUrl' as a data: URL in base64 "
                    + "with one JSON object a line.", param: "sampleBlobUrl")
        }
        guard let rows = Base64.decode(url.string[marker.upperBound...]) else {
            throw Fault(.invalidRequest, "The field 'sampleBlobUrl' is not valid base64.", param: "sampleBlobUrl")
        }
        let samples = try rows.split(separator: 0x0A).filter { !$0.allSatisfy { $0 <= 0x20 } }.enumerated().map { number, row in
            let place = "sampleBlobUrl, line \(number + 1)"
            guard let document = try? JSONDocument(parsing: ByteBuffer(bytes: row)) else {
                throw Fault(.invalidRequest, "The field '\(place)' is not valid JSON.", param: "sampleBlobUrl")
            }
            return try Exchange.sample(at: 0, of: SafetyBody(document), place)
        }
        return (definition, samples)
    }

    /// A text, or an object with a text that may say that it is no example.
    private static func sample(at node: Int, of body: SafetyBody, _ place: String) throws -> CategorySample {
        guard body.document.nodes[node].kind == .object else {
            return CategorySample(text: try body.text(at: node, place).string, isPositive: true)
        }
        let text = try body.text("text", of: node, at: "\(place).").string
        guard let negative = body.node("isNegative", of: node) else { return CategorySample(text: text, isPositive: true) }
        guard let isNegative = body.document.bool(negative) else {
            throw Fault(.invalidRequest, "The field '\(place).isNegative' must be a boolean.", param: place)
        }
        return CategorySample(text: text, isPositive: !isNegative)
    }

    // MARK: Asking

    func analyzeCustomCategory(_ body: SafetyBody, for principal: Principal) throws {
        guard let operations = runtime.parts.categories else { throw Fault.resourceNotFound }
        let text = try body.text("text", atMost: snapshot.configuration.safety.categoryText)
        let name = try body.text("categoryName").string
        let version = try body.node("version").map { node in
            guard let number = body.document.integer(node), number > 0 else {
                throw Fault(.invalidRequest, "The field 'version' must be a version's number.", param: "version")
            }
            return number
        }
        policy = SafetyPolicy.noting([], in: snapshot.engine)
        let tenant = principal.tenant
        analysing { (done: @escaping (Result<(Float, LinearClassifier), any Error>) -> Void) in
            runtime.parts.pool.runIfActive(eventLoop: eventLoop) { try operations.classifier(of: name, version: version, tenant: tenant) }
                .assumeIsolated().whenComplete { [self] result in
                    let classifier: LinearClassifier
                    do { classifier = try result.get() } catch { return done(.failure(error)) }
                    embed(CategoryTexts.parts(of: text.bytes)) { vectors in
                        done(vectors.map { ($0.map { classifier.probability(of: $0) }.max() ?? 0, classifier) })
                    }
                }
        } then: { [self] probability, classifier in
            let isDetected = probability >= classifier.threshold
            noteReport("custom-category", found: isDetected ? 1 : 0, confidence: Double(probability), model: classifier.digest, of: text)
            var json = JSONWriter(capacity: 64)
            json.beginObject()
            json.key("customCategoryAnalysis")
            json.beginObject()
            json.key("detected")
            json.bool(isDetected)
            json.endObject()
            json.endObject()
            answerAnalysis(json.buffer)
        }
    }
}

/// Custom categories as JSON.
enum CategoryJSON {
    static func body(of category: CustomCategory) -> ByteBuffer {
        var json = JSONWriter(capacity: 512)
        write(category, &json)
        return json.buffer
    }

    static func write(_ category: CustomCategory, _ json: inout JSONWriter) {
        // The samples are kept here: their address names them, and cannot be fetched.
        let samples = "urn:sallyport:categories:\(category.name):\(category.version):samples"
        json.beginObject()
        json.key("categoryName")
        json.string(category.name)
        json.key("definition")
        json.string(category.definition)
        json.key("sampleBlobUrl")
        json.string(samples)
        json.key("sampleBlobSnapshotUrl")
        json.string(samples)
        json.key("version")
        json.int(category.version)
        json.key("createdTime")
        json.string(SafetyOperationJSON.time(category.createdAt))
        json.key("status")
        json.string(category.status.rawValue)
        if let error = category.error {
            json.key("errorMessage")
            json.string(error)
        }
        json.endObject()
    }
}

/// Builds and deployments as JSON.
enum SafetyOperationJSON {
    static func time(_ seconds: Int64) -> String { AuditTime(millisecondsSince1970: seconds * 1000).description }

    static func body(of operation: SafetyOperation) -> ByteBuffer {
        var json = JSONWriter(capacity: 256)
        json.beginObject()
        json.key("id")
        json.string(operation.id)
        json.key("status")
        json.string(operation.status.rawValue)
        if let error = operation.error {
            json.key("error")
            json.beginObject()
            json.key("code")
            json.string("InternalError")
            json.key("message")
            json.string(error)
            json.endObject()
        }
        json.endObject()
        return json.buffer
    }
}
