import SallyportCore
import SallyportWire

/// What a request line asks for, read once.
enum RequestTarget {
    /// Azure's classic form (`/openai/…?api-version=`) or the v1 form.
    enum Form: Equatable {
        case classic(apiVersion: String)
        case v1
        var apiVersion: String {
            switch self {
            case .classic(let version): version
            case .v1: "v1"
            }
        }
    }

    case openAI(Operation, form: Form, deployment: String?, ids: [String])
    case contentSafety(path: [String])
    case language
    /// Azure AI Search's data plane over our own indexes.
    case search(SearchCall)
    /// Another Azure AI service, by path prefix.
    case service(UpstreamDescriptor)
    case health, ready
    /// Prometheus metrics, for callers with the role.
    case metrics
    /// A call of an outward tool that waits for a confirmation.
    case confirmation(String)
    /// What was found in an uploaded file.
    case fileReport(String)
    /// A path that nothing serves, or under this method not.
    case unknown(isMethod: Bool)

    /// - Throws: ``Fault`` `.unsupportedAPIVersion` for a classic path without a version that we know.
    static func read(method: String, path: CanonicalPath, services: [UpstreamDescriptor]) throws -> RequestTarget {
        let segments = path.segments
        switch segments.first {
        case "healthz" where segments.count == 1: return .health
        case "readyz" where segments.count == 1: return .ready
        case "metrics" where segments.count == 1 && method == "GET": return .metrics
        case "sallyport" where segments.count > 3 && segments[1] == "v1": return own(method, Array(segments.dropFirst(2)))
        case "openai":
            if segments.count > 1, segments[1] == "v1" { return try v1(method, segments.dropFirst(2), path) }
            return try classic(method, segments.dropFirst(), path)
        case "v1": return try v1(method, segments.dropFirst(), path)
        case "contentsafety":
            let rest = Array(segments.dropFirst())
            return SafetyCall(rest) != nil || SafetyResource(rest) != nil ? .contentSafety(path: rest) : .unknown(isMethod: false)
        case "language" where segments.count == 2 && segments[1] == ":analyze-text" && method == "POST": return .language
        default: break
        }
        let spelled = "/" + segments.joined(separator: "/")
        for service in services where service.paths.contains(where: { spelled == $0 || spelled.hasPrefix($0 + "/") }) {
            return .service(service)
        }
        if segments.first?.hasPrefix("indexes") == true {
            if let call = SearchCall(method: method, segments) { return .search(call) }
            return .unknown(isMethod: ["GET", "POST"].contains { SearchCall(method: $0, segments) != nil })
        }
        return .unknown(isMethod: false)
    }

    /// What only Sallyport has.
    private static func own(_ method: String, _ rest: [String]) -> RequestTarget {
        if rest.count == 2, rest[0] == "confirmations" {
            return method == "GET" || method == "POST" ? .confirmation(rest[1]) : .unknown(isMethod: true)
        }
        if rest.count == 3, rest[0] == "files", rest[2] == "report" {
            return method == "GET" ? .fileReport(rest[1]) : .unknown(isMethod: true)
        }
        return .unknown(isMethod: false)
    }

    private static func classic(_ method: String, _ rest: ArraySlice<String>, _ path: CanonicalPath) throws -> RequestTarget {
        var rest = rest
        var deployment: String?
        if rest.first == "deployments", rest.count > 2 {
            deployment = rest[rest.startIndex + 1]
            rest = rest.dropFirst(2)
        }
        guard let operation = RouteTable.operation(method: method, path: rest), operation.isDeploymentScoped == (deployment != nil) else {
            return .unknown(isMethod: !RouteTable.allows(path: rest).isEmpty)
        }
        let versions = path.query.filter { $0.name == "api-version" }
        guard versions.count == 1, RouteTable.apiVersions.contains(versions[0].value) else {
            throw Fault(.unsupportedAPIVersion, "Resource not found")
        }
        return .openAI(operation, form: .classic(apiVersion: versions[0].value), deployment: deployment, ids: ids(operation, rest))
    }

    private static func v1(_ method: String, _ rest: ArraySlice<String>, _ path: CanonicalPath) throws -> RequestTarget {
        guard let operation = RouteTable.operation(method: method, path: rest) else {
            return .unknown(isMethod: !RouteTable.allows(path: rest).isEmpty)
        }
        let versions = path.query.filter { $0.name == "api-version" }
        guard versions.count <= 1,
            versions.first.map({ ["v1", "preview", "latest"].contains($0.value) || RouteTable.apiVersions.contains($0.value) }) ?? true
        else { throw Fault(.unsupportedAPIVersion, "Resource not found") }
        return .openAI(operation, form: .v1, deployment: nil, ids: ids(operation, rest))
    }

    private static func ids(_ operation: Operation, _ path: ArraySlice<String>) -> [String] {
        zip(operation.path, path).compactMap { $0 == "*" ? $1 : nil }
    }
}
