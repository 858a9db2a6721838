import NIOCore
import NIOPosix
import SallyportCore
import SallyportGuard
import SallyportOversight
import SallyportWire

/// Azure AI Content Safety, the part that needs no learned detector: blocklist management, and `text:analyze` over blocklists.
extension Exchange {
    private static let safetyVersions: Set<String> = [
        "2023-10-01", "2024-09-01", "2024-02-15-preview", "2024-09-15-preview", "2024-12-15-preview",
    ]

    /// What a management call answers with.
    private struct Answer: Sendable {
        var status = 200
        var body = ByteBuffer()
        /// What was done, for the record of an administrative act; nil for reading.
        var act: String?
    }

    func answerContentSafety(_ segments: [String]) throws {
        guard let principal else { throw Fault.invalidKey }
        let version = path?.queryValue("api-version") ?? ""
        guard Exchange.safetyVersions.contains(version) else {
            throw Fault(.unsupportedAPIVersion, "The api-version is missing or not supported.", param: "api-version")
        }
        summary.apiVersion = version
        if segments == ["text:analyze"], head.method == .POST { return try analyzeText(principal) }
        guard segments.count >= 2, segments[0] == "text", segments[1] == "blocklists" else { throw Fault.resourceNotFound }
        try authorise()
        summary.operation = "ContentSafety_Blocklists"
        try reserveAnalysis(for: principal)
        let operations = runtime.parts.blocklistOperations
        let work = try blocklistWork(Array(segments.dropFirst(2)), operations, tenant: principal.tenant)
        let (library, store, tenant) = (runtime.parts.blocklists, runtime.parts.blocklistStore, principal.tenant)
        guard head.method == .GET else {
            // An act is on record before it is done, and whether its caller waits for the answer or not.
            var record = administrativeRecord("blocklists.\(head.method.rawValue.lowercased())")
            record.details.append((name: "phase", value: "begun"))
            return runtime.parts.audit.append(record.encoded(), on: eventLoop).assumeIsolated().whenComplete { [self] result in
                guard case .success = result else { return refuse(Fault.auditUnavailable) }
                runtime.parts.pool.runIfActive(eventLoop: eventLoop) {
                    let answer = try work()
                    if answer.act != nil { _ = try library.refresh(from: store, tenants: [tenant]) }
                    return answer
                }.assumeIsolated().whenComplete { [self] result in
                    if phase == .ended, case .success(let answer) = result, let act = answer.act {
                        var record = administrativeRecord(act)
                        record.status = answer.status
                        _ = runtime.parts.audit.append(record.encoded(), on: eventLoop)
                    }
                    continuing { respondToManagement(try result.get()) }
                }
            }
        }
        runtime.parts.pool.runIfActive(eventLoop: eventLoop) {
            let answer = try work()
            if answer.act != nil { _ = try library.refresh(from: store, tenants: [tenant]) }
            return answer
        }.assumeIsolated().whenComplete { [self] result in
            continuing { respondToManagement(try result.get()) }
        }
    }

    private func respondToManagement(_ answer: Answer) {
        answerStatus = answer.status
        summary.status = answer.status
        phase = .answering
        let reply = { [self] (isRecorded: Bool) in
            guard phase != .ended else { return }
            guard isRecorded else { return refuse(Fault.auditUnavailable) }
            var headers = baseHeaders()
            if answer.body.readableBytes > 0 { headers.add(name: "content-type", value: "application/json") }
            respond(status: answer.status, headers: headers, body: answer.body)
            conclude()
        }
        guard let act = answer.act else { return recordOutcome(verdict: .allowed, then: reply) }
        var record = administrativeRecord(act)
        record.status = answer.status
        runtime.parts.audit.append(record.encoded(), on: eventLoop).assumeIsolated().whenComplete { result in
            if case .success = result { reply(true) } else { reply(false) }
        }
    }

    private func administrativeRecord(_ act: String) -> AuditRecord {
        var record = AuditRecord(.adminAct, id: id)
        record.tenant = principal?.tenant
        record.principal = principal?.id
        record.key = principal?.key
        record.sourceAddress = source.text
        record.operation = act
        record.details = [(name: "path", value: path.map { $0.segments.joined(separator: "/") } ?? "")]
        return record
    }

    /// Checks the request and says what is to be done on the pool.
    private func blocklistWork(
        _ rest: [String], _ operations: BlocklistOperations, tenant: TenantID
    ) throws -> @Sendable () throws -> Answer {
        let method = head.method.rawValue
        let query = path
        let base = "/contentsafety/text/blocklists"
        let origin = publicOrigin
        let version = summary.apiVersion
        let page = try BlocklistOperations.PageRequest(
            top: query?.queryValue("top").map { $0[...] }, skip: query?.queryValue("skip").map { $0[...] },
            maximumPageSize: query?.queryValue("maxpagesize").map { $0[...] })
        if rest.isEmpty {
            guard method == "GET" else { throw Fault(.methodNotAllowed, "This path does not answer to \(method).") }
            return {
                let found = try operations.lists(of: tenant, page: page)
                return Answer(
                    body: SafetyJSON.page(found, next: { "\(origin)\(base)?api-version=\(version)&\($0)" }) { SafetyJSON.write($0, &$1) })
            }
        }
        let (name, action) = Exchange.split(rest[0])
        if rest.count == 1, action == nil { return try listWork(method, name, operations, tenant) }
        if rest.count == 1, let action, method == "POST" { return try itemsWork(action, name, operations, tenant) }
        guard rest.count >= 2, rest[1] == "blocklistItems", method == "GET" else { throw Fault.resourceNotFound }
        if rest.count == 2 {
            return {
                let found = try operations.items(of: name, tenant: tenant, page: page)
                return Answer(
                    body: SafetyJSON.page(
                        found, next: { "\(origin)\(base)/\(PercentEncoding.segment(name))/blocklistItems?api-version=\(version)&\($0)" }
                    ) {
                        SafetyJSON.write($0, &$1)
                    })
            }
        }
        guard rest.count == 3 else { throw Fault.resourceNotFound }
        let id = rest[2]
        return { Answer(body: SafetyJSON.one(try operations.item(id, of: name, tenant: tenant)) { SafetyJSON.write($0, &$1) }) }
    }

    private func listWork(_ method: String, _ name: String, _ operations: BlocklistOperations, _ tenant: TenantID) throws
        -> @Sendable () throws -> Answer
    {
        switch method {
        case "GET": return { Answer(body: SafetyJSON.one(try operations.list(name, of: tenant)) { SafetyJSON.write($0, &$1) }) }
        case "DELETE":
            return {
                try operations.delete(name, of: tenant)
                return Answer(status: 204, act: "blocklist.delete")
            }
        case "PATCH":
            let document = try object()
            let bodyName = try optionalString("blocklistName", of: document)
            let description: BlocklistOperations.Change<String> =
                if let node = document.member("description", of: 0) {
                    document.nodes[node].kind == .null ? .remove : .set(try string(node, "description", of: document))
                } else { .keep }
            return {
                let (list, isNew) = try operations.upsert(name, bodyName: bodyName, description: description, of: tenant)
                return Answer(status: isNew ? 201 : 200, body: SafetyJSON.one(list) { SafetyJSON.write($0, &$1) }, act: "blocklist.upsert")
            }
        default: throw Fault(.methodNotAllowed, "This path does not answer to \(method).")
        }
    }

    private func itemsWork(_ action: String, _ name: String, _ operations: BlocklistOperations, _ tenant: TenantID) throws
        -> @Sendable () throws -> Answer
    {
        let document = try object()
        switch action {
        case "addOrUpdateBlocklistItems":
            var items: [BlocklistOperations.NewItem] = []
            let array = try list("blocklistItems", of: document)
            try document.forEachElement(of: array) { position, item in
                let field = "blocklistItems[\(position)]"
                guard document.nodes[item].kind == .object else {
                    throw Fault(.invalidRequest, "'\(field)' must be an object.", param: field)
                }
                guard let text = document.member("text", of: item) else {
                    throw Fault(.invalidRequest, "'\(field).text' is required.", param: field)
                }
                var description: String?
                if let node = document.member("description", of: item), document.nodes[node].kind != .null {
                    description = try string(node, "\(field).description", of: document)
                }
                var isRegex = false
                if let node = document.member("isRegex", of: item), document.nodes[node].kind != .null {
                    guard let value = document.bool(node) else {
                        throw Fault(.invalidRequest, "'\(field).isRegex' must be a boolean.", param: field)
                    }
                    isRegex = value
                }
                items.append(.init(text: try string(text, "\(field).text", of: document), description: description, isRegex: isRegex))
            }
            let entries = items
            return {
                let saved = try operations.addOrUpdate(entries, to: name, of: tenant)
                var json = JSONWriter(capacity: 1024)
                json.beginObject()
                json.key("blocklistItems")
                json.beginArray()
                for item in saved { SafetyJSON.write(item, &json) }
                json.endArray()
                json.endObject()
                return Answer(body: json.buffer, act: "blocklist.items.addOrUpdate")
            }
        case "removeBlocklistItems":
            var ids: [String] = []
            let array = try list("blocklistItemIds", of: document)
            try document.forEachElement(of: array) { ids.append(try string($1, "blocklistItemIds[\($0)]", of: document)) }
            let removed = ids
            return {
                try operations.remove(removed, from: name, of: tenant)
                return Answer(status: 204, act: "blocklist.items.remove")
            }
        default: throw Fault.resourceNotFound
        }
    }

    /// `name:action` of the last segment.
    private static func split(_ segment: String) -> (name: String, action: String?) {
        guard let colon = segment.firstIndex(of: ":") else { return (segment, nil) }
        return (String(segment[..<colon]), String(segment[segment.index(after: colon)...]))
    }

    // MARK: text:analyze

    /// Blocklists are matched; the harm categories need learned detectors and are refused clearly when they are asked for.
    private func analyzeText(_ principal: Principal) throws {
        summary.operation = "ContentSafety_AnalyzeText"
        try authorise()
        try reserveAnalysis(for: principal)
        let document = try object()
        guard let textNode = document.member("text", of: 0) else {
            throw Fault(.invalidRequest, "The field 'text' is required.", param: "text")
        }
        let text = document.text(textNode)
        guard document.nodes[textNode].kind == .string else {
            throw Fault(.invalidRequest, "The field 'text' must be a string.", param: "text")
        }
        let passage = Passage(text.bytes, origin: .user, isASCII: text.isASCII)
        guard passage.codePoints(in: 0..<passage.count) <= 10_000 else {
            throw Fault(.invalidRequest, "The field 'text' is longer than 10000 characters.", param: "text")
        }
        var names: [String] = []
        if let array = document.member("blocklistNames", of: 0), document.nodes[array].kind != .null {
            try document.forEachElement(of: try list("blocklistNames", of: document)) {
                names.append(try string($1, "blocklistNames[\($0)]", of: document))
            }
        }
        var wantsCategories = true
        if let array = document.member("categories", of: 0), document.nodes[array].kind == .array, document.nodes[array].next == array + 1 {
            wantsCategories = false
        }
        let halts = document.member("haltOnBlocklistHit", of: 0).flatMap(document.bool) ?? false
        let (library, tenant, wanted, asksHarm) = (runtime.parts.blocklists, principal.tenant, names, wantsCategories)
        analyse {
            let matches = wanted.isEmpty ? [] : try library.index(of: Set(wanted), tenant: tenant).matches(in: passage)
            if asksHarm && !(halts && !matches.isEmpty) {
                throw Fault(
                    .guardUnavailable,
                    "Harm categories are not analysed by this installation: send an empty 'categories' array to match blocklists only.")
            }
            var json = JSONWriter(capacity: 512)
            json.beginObject()
            json.key("blocklistsMatch")
            json.beginArray()
            for match in matches {
                json.beginObject()
                json.key("blocklistName")
                json.string(match.list)
                json.key("blocklistItemId")
                json.string(match.item.id)
                json.key("blocklistItemText")
                json.string(match.item.text)
                json.endObject()
            }
            json.endArray()
            json.key("categoriesAnalysis")
            json.raw("[]")
            json.endObject()
            return (answer: Answer(body: json.buffer), matches: matches.count)
        } then: { [self] found in
            notes = [(name: "blocklists", value: "\(wanted.count)"), (name: "matches", value: "\(found.matches)")]
            respondToManagement(found.answer)
        }
    }

    // MARK: Reading the body

    private func object() throws -> JSONDocument {
        let document = try parse(body)
        guard document.nodes[0].kind == .object else { throw Fault(.invalidRequest, "The request body must be a JSON object.") }
        return document
    }

    private func list(_ name: StaticString, of document: JSONDocument) throws -> Int {
        guard let node = document.member(name, of: 0), document.nodes[node].kind == .array else {
            throw Fault(.invalidRequest, "The field '\(name)' must be an array.", param: "\(name)")
        }
        return node
    }

    private func string(_ node: Int, _ field: String, of document: JSONDocument) throws -> String {
        guard document.nodes[node].kind == .string, let text = document.string(node) else {
            throw Fault(.invalidRequest, "The field '\(field)' must be a string.", param: field)
        }
        return text
    }

    private func optionalString(_ name: StaticString, of document: JSONDocument) throws -> String? {
        guard let node = document.member(name, of: 0), document.nodes[node].kind != .null else { return nil }
        return try string(node, "\(name)", of: document)
    }
}
