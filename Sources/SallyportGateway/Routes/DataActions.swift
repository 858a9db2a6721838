import SallyportCore

/// Which of Azure's data actions each operation needs. Names as in `Microsoft.CognitiveServices` (batch creation is `batch-jobs/write`,
/// the rest of batches `batches/…`, as there); where Azure documents none (editing images, parts of vector stores), named alike.
enum DataActions {
    private static let openAI = "Microsoft.CognitiveServices/accounts/OpenAI/"
    private static let contentSafety = "Microsoft.CognitiveServices/accounts/ContentSafety/"

    static let analyzeLanguage = "Microsoft.CognitiveServices/accounts/Language/analyze-text/action"
    static let readBlocklists = contentSafety + "blocklists/read"
    static let writeBlocklists = contentSafety + "blocklists/write"
    static let deleteBlocklists = contentSafety + "blocklists/delete"
    static let readMetrics = "Sallyport/metrics/read"

    /// Everything that requests are judged by, but for routed services, which are named in the configuration.
    static let all: [String] = Array(
        Set(
            RouteTable.operations.map(\.dataAction) + [
                analyzeLanguage, readBlocklists, writeBlocklists, deleteBlocklists, readMetrics, SearchCall.dataAction,
            ] + SafetyCall.allCases.map(of)
                + SafetyResource.allCases.flatMap { resource in
                    ["GET", "PATCH", "DELETE"].map { of(resource, method: $0) }
                })
    ).sorted()

    /// What makes a deployment one that the caller uses.
    static let invoking: [String] = Array(
        Set(RouteTable.operations.filter { $0.isDeploymentScoped || $0.name == .responsesCreate }.map(\.dataAction))
    ).sorted()

    /// - Parameter act: the path's last segment.
    static func of(_ name: Operation.Name, act: String?) -> String { openAI + suffix(name, act) }

    static func ofService(_ upstream: UpstreamID, method: String) -> String {
        "Microsoft.CognitiveServices/accounts/services/\(upstream)/\(method == "GET" || method == "HEAD" ? "read" : "action")"
    }

    /// - Parameter rest: what follows `/contentsafety`.
    static func ofContentSafety(_ rest: [String], method: String) -> String {
        if let call = SafetyCall(rest) { return of(call) }
        return of(SafetyResource(rest) ?? .blocklists, method: method)
    }

    static func of(_ call: SafetyCall) -> String { contentSafety + call.rawValue + "/action" }

    static func of(_ resource: SafetyResource, method: String) -> String {
        switch method {
        case "GET": contentSafety + resource.rawValue + "/read"
        case "DELETE": contentSafety + resource.rawValue + "/delete"
        default: contentSafety + resource.rawValue + "/write"
        }
    }

    private static func suffix(_ name: Operation.Name, _ act: String?) -> String {
        switch name {
        case .chatCompletions: "deployments/chat/completions/action"
        case .completions: "deployments/completions/action"
        case .embeddings: "deployments/embeddings/action"
        case .transcriptions, .translations, .speech: "deployments/audio/action"
        case .imagesGenerations: "images/generations/action"
        case .imagesEdits: "images/edits/action"
        case .responsesCreate, .responsesCancel: "responses/write"
        case .responsesGet, .responsesInputItems: "responses/read"
        case .responsesDelete: "responses/delete"
        case .modelsList, .modelsGet: "models/read"
        case .filesList, .filesGet, .filesContent: "files/read"
        case .filesUpload: "files/write"
        case .filesImport: "files/import/action"
        case .filesDelete: "files/delete"
        case .batchesList, .batchesGet: "batches/read"
        case .batchesCreate: "batch-jobs/write"
        case .batchesCancel: "batches/cancel/action"
        case .fineTuningList, .fineTuningGet, .fineTuningEvents, .fineTuningCheckpoints: "fine-tunes/read"
        case .fineTuningCreate: "fine-tunes/write"
        case .fineTuningDelete: "fine-tunes/delete"
        case .fineTuningAct: "fine-tunes/\(act ?? "cancel")/action"
        case .vectorStoresList, .vectorStoresGet, .vectorStoresSearch: "vector-stores/read"
        case .vectorStoresCreate, .vectorStoresUpdate: "vector-stores/write"
        case .vectorStoresDelete: "vector-stores/delete"
        case .vectorStoreFilesList, .vectorStoreFilesGet, .vectorStoreFilesContent: "vector-stores/files/read"
        case .vectorStoreFilesCreate, .vectorStoreFilesUpdate: "vector-stores/files/write"
        case .vectorStoreFilesDelete: "vector-stores/files/delete"
        case .fileBatchesGet, .fileBatchesFiles: "vector-stores/file-batches/read"
        case .fileBatchesCreate, .fileBatchesCancel: "vector-stores/file-batches/write"
        case .service: "*"
        }
    }
}

/// One route of the data plane with what it needs: for the access matrix.
package struct RouteRow: Sendable {
    package enum Scope: String, Sendable {
        /// Judged at the deployment that the path or the body names.
        case deployment
        /// Judged at the caller's project.
        case project
        /// Answered to everybody.
        case open
    }
    package let operation: String
    package let method: String
    /// With `{deployment}` and `{id}` for what varies.
    package let path: String
    /// The data action; nil for what is open.
    package let action: String?
    package let scope: Scope

    /// Every route that is served, but for routed services.
    package static let all: [RouteRow] =
        RouteTable.operations.flatMap(rows) + analyses + search + [
            RouteRow(operation: "Metrics", method: "GET", path: "/metrics", action: DataActions.readMetrics, scope: .project),
            RouteRow(operation: "Health", method: "GET", path: "/healthz", action: nil, scope: .open),
            RouteRow(operation: "Ready", method: "GET", path: "/readyz", action: nil, scope: .open),
        ]

    private static let search: [RouteRow] = [
        ("Documents_Search", "POST", "/indexes/{id}/docs/search"), ("Documents_Search", "GET", "/indexes/{id}/docs"),
        ("Documents_Count", "GET", "/indexes/{id}/docs/$count"), ("Documents_Get", "GET", "/indexes/{id}/docs/{id}"),
    ].map { RouteRow(operation: $0.0, method: $0.1, path: $0.2, action: SearchCall.dataAction, scope: .project) }

    /// The data actions that requests are judged by.
    package static let actions = DataActions.all

    private static func rows(_ operation: Operation) -> [RouteRow] {
        let rest = operation.path.map { $0 == "*" ? "{id}" : $0 }.joined(separator: "/")
        let takesDeployment = operation.isDeploymentScoped || operation.name == .responsesCreate
        return [operation.isDeploymentScoped ? "/openai/deployments/{deployment}/\(rest)" : "/openai/\(rest)", "/openai/v1/\(rest)"].map {
            RouteRow(
                operation: operation.name.rawValue, method: operation.method, path: $0, action: operation.dataAction,
                scope: takesDeployment ? .deployment : .project)
        }
    }

    private static let analyses: [RouteRow] = {
        let management: [(SafetyResource, [(String, String)])] = [
            (
                .blocklists,
                [
                    ("GET", ""), ("GET", "/{id}"), ("PATCH", "/{id}"), ("DELETE", "/{id}"),
                    ("POST", "/{id}:addOrUpdateBlocklistItems"), ("POST", "/{id}:removeBlocklistItems"),
                    ("GET", "/{id}/blocklistItems"), ("GET", "/{id}/blocklistItems/{id}"),
                ]
            ),
            (
                .categories,
                [
                    ("GET", ""), ("GET", "/{id}"), ("PUT", "/{id}"), ("DELETE", "/{id}"), ("POST", "/{id}:build"),
                    ("GET", "/operations/{id}"),
                ]
            ),
            (
                .incidents,
                [
                    ("GET", ""), ("GET", "/{id}"), ("PATCH", "/{id}"), ("DELETE", "/{id}"), ("POST", "/{id}:addIncidentSamples"),
                    ("POST", "/{id}:removeIncidentSamples"), ("POST", "/{id}:deploy"), ("GET", "/{id}/incidentsamples"),
                    ("GET", "/{id}/incidentsamples/{id}"), ("GET", "/operations/{id}"),
                ]
            ),
        ]
        return management.flatMap { resource, routes in
            routes.map {
                RouteRow(
                    operation: resource.operation, method: $0.0, path: "/contentsafety/text/\(resource.rawValue)\($0.1)",
                    action: DataActions.of(resource, method: $0.0), scope: .project)
            }
        }
            + SafetyCall.allCases.map {
                RouteRow(
                    operation: $0.operation, method: "POST", path: "/contentsafety/\($0.rawValue)", action: DataActions.of($0),
                    scope: .project)
            } + [
                RouteRow(
                    operation: "Language_AnalyzeText", method: "POST", path: "/language/:analyze-text", action: DataActions.analyzeLanguage,
                    scope: .project)
            ]
    }()
}
