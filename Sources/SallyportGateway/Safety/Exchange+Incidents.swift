import NIOCore
import NIOPosix
import SallyportCore
import SallyportGuard
import SallyportWire

/// Rapid custom categories: `text/incidents…`, and `text:detectIncidents`.
extension Exchange {
    func manageIncidents(_ rest: [String], tenant: TenantID) throws {
        guard let operations = runtime.parts.incidents else { throw Fault.resourceNotFound }
        let method = head.method.rawValue
        if rest.isEmpty {
            guard method == "GET" else { throw Fault(.methodNotAllowed, "This path does not answer to \(method).") }
            let page = try pageRequest()
            let next = "\(publicOrigin)/contentsafety/text/incidents?api-version=\(summary.apiVersion)&"
            return manage(.incidents) {
                let found = BlocklistOperations.page(page, of: try operations.all(of: tenant))
                return SafetyAnswer(body: SafetyJSON.page(found, next: { next + $0 }) { IncidentJSON.write($0, &$1) })
            }
        }
        if rest.count == 2, rest[0] == "operations", method == "GET" {
            let id = rest[1]
            return manage(.incidents) { SafetyAnswer(body: SafetyOperationJSON.body(of: try operations.operation(id, of: tenant))) }
        }
        let (name, action) = Exchange.split(rest[0])
        guard rest.count == 1 else { return try readSamples(Array(rest.dropFirst()), of: rest[0], operations, tenant: tenant) }
        switch (method, action) {
        case ("GET", nil):
            manage(.incidents) {
                SafetyAnswer(body: SafetyJSON.one(try operations.incident(name, of: tenant)) { IncidentJSON.write($0, &$1) })
            }
        case ("DELETE", nil):
            manage(.incidents) {
                try operations.delete(name, of: tenant)
                return SafetyAnswer(status: 204, act: "incident.delete")
            }
        case ("PATCH", nil):
            let body = try SafetyBody(try parse(body))
            if let own = try body.optionalText("incidentName"), own.string != name {
                throw Fault(.invalidRequest, "The field 'incidentName' is another than the path's.", param: "incidentName")
            }
            let definition = try body.optionalText("incidentDefinition")?.string
            manage(.incidents) {
                let (incident, isNew) = try operations.upsert(name, definition: definition, of: tenant)
                return SafetyAnswer(
                    status: isNew ? 201 : 200, body: SafetyJSON.one(incident) { IncidentJSON.write($0, &$1) }, act: "incident.upsert")
            }
        case ("POST", "addIncidentSamples"): try addSamples(to: name, operations, tenant: tenant)
        case ("POST", "removeIncidentSamples"):
            let body = try SafetyBody(try parse(body))
            let ids = try body.texts("incidentSampleIds", ignoringCase: true) ?? []
            let removed = ids.map(\.string)
            manage(.incidents) {
                try operations.remove(removed, from: name, of: tenant)
                return SafetyAnswer(status: 204, act: "incident.samples.remove")
            }
        case ("POST", "deploy"): deployIncident(name, operations, tenant: tenant)
        case (_, nil): throw Fault(.methodNotAllowed, "This path does not answer to \(method).")
        default: throw Fault.resourceNotFound
        }
    }

    private func readSamples(_ rest: [String], of name: String, _ operations: IncidentOperations, tenant: TenantID) throws {
        guard rest[0].lowercased() == "incidentsamples", head.method == .GET, rest.count <= 2 else { throw Fault.resourceNotFound }
        if rest.count == 2 {
            let id = rest[1]
            return manage(.incidents) {
                SafetyAnswer(body: SafetyJSON.one(try operations.sample(id, of: name, tenant: tenant)) { IncidentJSON.write($0, &$1) })
            }
        }
        let page = try pageRequest()
        let next =
            "\(publicOrigin)/contentsafety/text/incidents/\(PercentEncoding.segment(name))/incidentsamples?api-version=\(summary.apiVersion)&"
        manage(.incidents) {
            let found = BlocklistOperations.page(page, of: try operations.samples(of: name, tenant: tenant))
            return SafetyAnswer(body: SafetyJSON.page(found, next: { next + $0 }) { IncidentJSON.write($0, &$1) })
        }
    }

    private func addSamples(to name: String, _ operations: IncidentOperations, tenant: TenantID) throws {
        let body = try SafetyBody(try parse(body))
        let elements = try body.required(try body.elements("incidentSamples", ignoringCase: true), "incidentSamples")
        let texts = try elements.enumerated().map { number, element in
            let place = "incidentSamples[\(number)]."
            try body.requireObject(element, "incidentSamples[\(number)]")
            guard body.node("image", of: element) == nil else {
                throw Fault(.invalidRequest, "The field '\(place)image' is not served here: samples are texts.", param: "\(place)image")
            }
            return try body.text("text", of: element, at: place, ignoringCase: true).string
        }
        manage(.incidents) {
            let added = try operations.add(texts, to: name, of: tenant)
            var json = JSONWriter(capacity: 1024)
            json.beginObject()
            json.key("incidentSamples")
            json.beginArray()
            for sample in added { IncidentJSON.write(sample, &json) }
            json.endArray()
            json.endObject()
            return SafetyAnswer(body: json.buffer, act: "incident.samples.add")
        }
    }

    private func deployIncident(_ name: String, _ operations: IncidentOperations, tenant: TenantID) {
        let id = operationID
        let location =
            "\(publicOrigin)/contentsafety/text/incidents/operations/\(PercentEncoding.segment(id))?api-version=\(summary.apiVersion)"
        let finish = finisher
        manage(.incidents) {
            let operation = try operations.begin(name, operation: id, of: tenant)
            try operations.deploy(name, operation: operation, of: tenant, finish: finish)
            return SafetyAnswer(
                status: 202, body: SafetyOperationJSON.body(of: operation),
                headers: [(name: "operation-id", value: id), (name: "operation-location", value: location)], act: "incident.deploy")
        }
    }

    // MARK: Asking

    func detectIncidents(_ body: SafetyBody, for principal: Principal) throws {
        guard let operations = runtime.parts.incidents else { throw Fault.resourceNotFound }
        let text = try body.text("text", atMost: snapshot.configuration.safety.incidentText)
        let names = try body.texts("incidentNames")?.map(\.string) ?? []
        guard (1...IncidentOperations.Limit.namesPerCall).contains(names.count) else {
            throw Fault(
                .invalidRequest, "The field 'incidentNames' has 1 to \(IncidentOperations.Limit.namesPerCall) names.",
                param: "incidentNames")
        }
        policy = SafetyPolicy.noting([], in: snapshot.engine)
        let tenant = principal.tenant
        let pool = runtime.parts.pool
        analysing { (done: @escaping (Result<[(name: String, similarity: Float)], any Error>) -> Void) in
            pool.runIfActive(eventLoop: eventLoop) { try names.map { try operations.deployed($0, of: tenant) } }
                .assumeIsolated().whenComplete { [self] result in
                    let incidents: [IncidentVectors]
                    do { incidents = try result.get() } catch { return done(.failure(error)) }
                    embed(CategoryTexts.sentences(of: text.bytes)) { vectors in
                        done(
                            vectors.map { vectors in
                                zip(names, incidents).map { name, incident in
                                    (name, vectors.map { incident.similarity(to: $0) }.max() ?? -1)
                                }
                            })
                    }
                }
        } then: { [self] similarities in
            let matches = similarities.filter { $0.similarity >= IncidentVectors.threshold }
            noteReport(
                "incidents", found: matches.count, confidence: Double(matches.map(\.similarity).max() ?? 0),
                model: runtime.parts.embedder?.digest, of: text)
            var json = JSONWriter(capacity: 128)
            json.beginObject()
            json.key("incidentMatches")
            json.beginArray()
            for match in matches {
                json.beginObject()
                json.key("incidentName")
                json.string(match.name)
                json.endObject()
            }
            json.endArray()
            json.endObject()
            answerAnalysis(json.buffer)
        }
    }
}

/// Incidents as JSON.
enum IncidentJSON {
    static func write(_ incident: TextIncident, _ json: inout JSONWriter) {
        json.beginObject()
        json.key("incidentName")
        json.string(incident.name)
        if let definition = incident.definition {
            json.key("incidentDefinition")
            json.string(definition)
        }
        json.key("created")
        json.string(SafetyOperationJSON.time(incident.createdAt))
        json.key("lastUpdated")
        json.string(SafetyOperationJSON.time(incident.updatedAt))
        json.endObject()
    }

    static func write(_ sample: IncidentSample, _ json: inout JSONWriter) {
        json.beginObject()
        json.key("incidentSampleId")
        json.string(sample.id)
        json.key("text")
        json.string(sample.text)
        json.endObject()
    }
}
