import NIOCore
import NIOPosix
import SallyportCore
import SallyportGuard
import SallyportOversight
import SallyportWire

/// Azure AI Content Safety: the way to its calls, and blocklist management.
extension Exchange {
    private static let safetyVersions: Set<String> = [
        "2023-10-01", "2024-09-01", "2024-02-15-preview", "2024-09-15-preview", "2024-12-15-preview",
    ]

    func answerContentSafety(_ segments: [String]) throws {
        guard let principal else { throw Fault.invalidKey }
        let version = path?.queryValue("api-version") ?? ""
        guard Exchange.safetyVersions.contains(version) else {
            throw Fault(.unsupportedAPIVersion, "The api-version is missing or not supported.", param: "api-version")
        }
        summary.apiVersion = version
        if try answerSafetyCall(segments, by: principal) { return }
        guard let resource = SafetyResource(segments) else { throw Fault.resourceNotFound }
        try authorise()
        try reserveAnalysis(for: principal)
        let rest = Array(segments.dropFirst(2))
        let tenant = principal.tenant
        switch resource {
        case .blocklists:
            let work = try blocklistWork(rest, runtime.parts.blocklistOperations, tenant: tenant)
            let (library, store) = (runtime.parts.blocklists, runtime.parts.blocklistStore)
            manage(resource) {
                let answer = try work()
                if answer.act != nil { _ = try library.refresh(from: store, tenants: [tenant]) }
                return answer
            }
        case .categories: try manageCategories(rest, tenant: tenant)
        case .incidents: try manageIncidents(rest, tenant: tenant)
        }
    }

    /// Checks the request and says what is to be done on the pool.
    private func blocklistWork(
        _ rest: [String], _ operations: BlocklistOperations, tenant: TenantID
    ) throws -> @Sendable () throws -> SafetyAnswer {
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
                return SafetyAnswer(
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
                return SafetyAnswer(
                    body: SafetyJSON.page(
                        found, next: { "\(origin)\(base)/\(PercentEncoding.segment(name))/blocklistItems?api-version=\(version)&\($0)" }
                    ) {
                        SafetyJSON.write($0, &$1)
                    })
            }
        }
        guard rest.count == 3 else { throw Fault.resourceNotFound }
        let id = rest[2]
        return { SafetyAnswer(body: SafetyJSON.one(try operations.item(id, of: name, tenant: tenant)) { SafetyJSON.write($0, &$1) }) }
    }

    private func listWork(_ method: String, _ name: String, _ operations: BlocklistOperations, _ tenant: TenantID) throws
        -> @Sendable () throws -> SafetyAnswer
    {
        switch method {
        case "GET": return { SafetyAnswer(body: SafetyJSON.one(try operations.list(name, of: tenant)) { SafetyJSON.write($0, &$1) }) }
        case "DELETE":
            return {
                try operations.delete(name, of: tenant)
                return SafetyAnswer(status: 204, act: "blocklist.delete")
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
                return SafetyAnswer(
                    status: isNew ? 201 : 200, body: SafetyJSON.one(list) { SafetyJSON.write($0, &$1) }, act: "blocklist.upsert")
            }
        default: throw Fault(.methodNotAllowed, "This path does not answer to \(method).")
        }
    }

    private func itemsWork(_ action: String, _ name: String, _ operations: BlocklistOperations, _ tenant: TenantID) throws
        -> @Sendable () throws -> SafetyAnswer
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
                return SafetyAnswer(body: json.buffer, act: "blocklist.items.addOrUpdate")
            }
        case "removeBlocklistItems":
            var ids: [String] = []
            let array = try list("blocklistItemIds", of: document)
            try document.forEachElement(of: array) { ids.append(try string($1, "blocklistItemIds[\($0)]", of: document)) }
            let removed = ids
            return {
                try operations.remove(removed, from: name, of: tenant)
                return SafetyAnswer(status: 204, act: "blocklist.items.remove")
            }
        default: throw Fault.resourceNotFound
        }
    }

    /// `name:action` of the last segment.
    static func split(_ segment: String) -> (name: String, action: String?) {
        guard let colon = segment.firstIndex(of: ":") else { return (segment, nil) }
        return (String(segment[..<colon]), String(segment[segment.index(after: colon)...]))
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
