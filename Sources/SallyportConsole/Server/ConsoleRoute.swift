import SallyportCore

/// A route of the administrative surface as others see it: what the access matrix prints, and what a request is judged by.
package struct ConsoleRow: Sendable, Hashable {
    /// What a caller must show.
    package enum Access: Sendable, Hashable {
        /// Anybody may ask: sign-in itself, health.
        case open
        /// Whoever is known, for what is his own.
        case known
        /// Who holds this management action.
        case action(String)
    }

    package let operation: String
    package let method: String
    /// With `{name}` for what varies.
    package let path: String
    package let access: Access
    /// What the act is called in the audit log; nil for what changes nothing, or writes records of its own.
    package let act: String?
    /// Bytes of the body that are read at most.
    package let maximumBody: Int
    /// On a route for everybody who is known: it decides about others, or takes a right up. A second factor and conditional access are asked for
    /// as where an action is needed.
    package let isProving: Bool

    package var action: String? { if case .action(let action) = access { action } else { nil } }
    /// Changes something.
    package var isWrite: Bool { method != "GET" && method != "HEAD" }
    package var segments: [Substring] { path.split(separator: "/") }
}

/// One route with what answers it.
package struct ConsoleRoute<Group: Sendable>: Sendable {
    package typealias Handler = @Sendable (Group) -> @Sendable (ConsoleCall) async throws -> ConsoleAnswer
    package let row: ConsoleRow
    package let handler: Handler

    /// - Parameters:
    ///   - act: needed for every method but GET: the handler must put the act on record with ``ConsoleCall/act(on:details:made:_:)``, else the
    ///     request fails.
    package init(
        _ operation: String, _ method: String, _ path: String, _ access: ConsoleRow.Access, act: String? = nil,
        maximumBody: Int = 256 << 10, proving isProving: Bool = false,
        _ handler: @escaping Handler
    ) {
        row = ConsoleRow(
            operation: operation, method: method, path: path, access: access, act: act, maximumBody: maximumBody, isProving: isProving)
        self.handler = handler
    }

    /// A page, or what a form on it does. It is judged, and put on record, as the route for programs whose work it does: there is no way round
    /// a right, a condition or a denial by asking in a browser.
    /// - Parameter maximumBody: of a form; a document in it may be three times as long as it is.
    package static func page(
        _ method: String, _ path: String, as row: ConsoleRow, maximumBody: Int? = nil, _ handler: @escaping Handler
    ) -> Self {
        precondition(method != "GET" || row.act == nil, "a page that is only looked at changes nothing")
        return Self(
            row.operation, method, path, row.access, act: row.act, maximumBody: maximumBody ?? min(row.maximumBody, 64 << 10),
            proving: row.isProving, handler)
    }
}

/// Routes that belong together. The list is static, so that the access matrix can be printed without a server.
package protocol ConsoleRouteGroup: Sendable {
    static var routes: [ConsoleRoute<Self>] { get }
}

/// A group without its type.
package struct BoundRoute: Sendable {
    package let row: ConsoleRow
    let segments: [String]
    let answer: @Sendable (ConsoleCall) async throws -> ConsoleAnswer
}

extension ConsoleRouteGroup {
    package static var rows: [ConsoleRow] { routes.map(\.row) }

    private static func route(_ operation: String) -> ConsoleRoute<Self> {
        guard let route = routes.first(where: { $0.row.operation == operation }) else {
            preconditionFailure("there is no operation \(operation)")
        }
        return route
    }

    static func row(_ operation: String) -> ConsoleRow { route(operation).row }

    /// What the operation answers, to whoever may ask a page of the same right.
    func answer(_ operation: String, _ call: ConsoleCall) async throws -> ConsoleAnswer {
        try await Self.route(operation).handler(self)(call)
    }

    package var bound: [BoundRoute] {
        Self.routes.map { BoundRoute(row: $0.row, segments: $0.row.segments.map(String.init), answer: $0.handler(self)) }
    }
}

/// All routes, looked up by method and path. Paths are compared letter by letter.
struct ConsoleRouter: Sendable {
    enum Finding: Sendable {
        case found(BoundRoute, parameters: [String: String])
        /// Served under these methods.
        case otherMethods([String])
        case nothing
    }

    private let routes: [BoundRoute]

    init(_ routes: [BoundRoute]) {
        var seen: Set<String> = []
        for route in routes {
            let shape = route.row.method + " " + route.segments.map { $0.hasPrefix("{") ? "{}" : $0 }.joined(separator: "/")
            precondition(seen.insert(shape).inserted, "two routes answer \(shape)")
        }
        // Fixed words before what varies.
        self.routes = routes.sorted { a, b in
            a.segments.filter { $0.hasPrefix("{") }.count < b.segments.filter { $0.hasPrefix("{") }.count
        }
    }

    func find(_ method: String, _ path: [String]) -> Finding {
        var others: Set<String> = []
        for route in routes {
            guard let parameters = Self.match(route.segments, path) else { continue }
            if route.row.method == method || method == "HEAD" && route.row.method == "GET" { return .found(route, parameters: parameters) }
            others.insert(route.row.method)
        }
        return others.isEmpty ? .nothing : .otherMethods(others.sorted())
    }

    private static func match(_ pattern: [String], _ path: [String]) -> [String: String]? {
        guard pattern.count == path.count else { return nil }
        var parameters: [String: String] = [:]
        for (expected, segment) in zip(pattern, path) {
            if expected.hasPrefix("{") {
                parameters[String(expected.dropFirst().dropLast())] = segment
            } else if expected != segment {
                return nil
            }
        }
        return parameters
    }
}
