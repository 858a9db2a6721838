import Foundation
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import SallyportCore
import SallyportIdentity
import SallyportOversight
import SallyportWire

/// One request to the administrative surface, recognised and let in: what a handler works with.
package struct ConsoleCall: Sendable {
    /// Unique to the request; also in its records.
    package let id: String
    package let row: ConsoleRow
    /// The decoded path, without empty or dot segments.
    package let path: [String]
    package private(set) var parameters: [String: String]
    package private(set) var query: [(name: String, value: String)]
    package private(set) var headers: HeaderFields
    package private(set) var body: [UInt8]
    /// nil on open routes.
    package let principal: Principal?
    /// The session that the caller came with, if that is how it came.
    package let session: ConsoleSession?
    package let address: IPAddress?
    /// Whether the connection is encrypted.
    package let isSecured: Bool
    /// What the caller may do.
    package let rights: AccessRights?
    /// Seconds since 1970.
    package let now: Int64
    package let logger: Logger
    let services: ConsoleServices
    let records = NIOLockedValueBox(0)

    /// The caller. - Throws: on an open route, where nobody has been recognised.
    package func caller() throws -> Principal {
        guard let principal else { throw Fault(.unauthenticated, "Sign in first.") }
        return principal
    }

    package func parameter(_ name: String) throws -> String {
        guard let value = parameters[name] else { throw Fault(.internal, "The route has no such part.") }
        return value
    }

    package func queryValue(_ name: String) -> String? { query.first { $0.name == name }?.value }

    /// The body as JSON. A member that the type does not know is a mistake of the caller, not something to pass over.
    package func json<Value: Decodable>(_ type: Value.Type = Value.self, allowing known: Set<String>? = nil) throws -> Value {
        let mediaType = headers.first("content-type")?.split(separator: ";").first.map { $0.trimmed.lowercased() } ?? ""
        guard mediaType == "application/json" || mediaType.hasSuffix("+json") else {
            throw ConsoleRefusal(415, "UnsupportedMediaType", "The body must be JSON (content-type: application/json).")
        }
        try checkOneMeaning()
        let decoder = JSONDecoder()
        do {
            if let known {
                let names = try decoder.decode([String: AnyMember].self, from: Data(body)).keys
                if let stranger = names.sorted().first(where: { !known.contains($0) }) {
                    throw Fault(
                        .invalidRequest, "'\(stranger.prefix(64))' is not known here; there are \(known.sorted().joined(separator: ", ")).")
                }
            }
            return try decoder.decode(type, from: Data(body))
        } catch let error as DecodingError {
            throw Fault(.invalidRequest, Self.sentence(error))
        }
    }

    /// What two readers might read differently (a name twice in one object) is taken by none: who lets a change happen must see what will hold.
    func checkOneMeaning() throws {
        do { _ = try JSONDocument(parsing: ByteBuffer(bytes: body)) } catch {
            throw Fault(.invalidRequest, "The body is not a JSON text that has one meaning.")
        }
    }

    private struct AnyMember: Decodable { init(from decoder: any Decoder) throws {} }

    private static func sentence(_ error: DecodingError) -> String {
        func place(_ path: [any CodingKey]) -> String { path.map(\.stringValue).joined(separator: ".") }
        return switch error {
        case .keyNotFound(let key, let context): "'\(place(context.codingPath + [key]))' is needed."
        case .typeMismatch(_, let context), .valueNotFound(_, let context): "'\(place(context.codingPath))' has the wrong type."
        case .dataCorrupted(let context):
            context.codingPath.isEmpty ? "The body is not JSON." : "'\(place(context.codingPath))' cannot be read."
        @unknown default: "The body cannot be read."
        }
    }

    private var formType: String? { headers.first("content-type")?.split(separator: ";").first.map { $0.trimmed.lowercased() } }

    var isForm: Bool { ["application/x-www-form-urlencoded", "multipart/form-data"].contains(formType) }

    /// The body as an HTML form; files in it are left to ``file(_:)``.
    package func form() throws -> [String: String] {
        guard isForm else { throw ConsoleRefusal(415, "UnsupportedMediaType", "The body must be a form.") }
        let read: [(name: String, value: String)]
        if formType == "multipart/form-data" {
            read = try parts().filter { $0.filename == nil }.map { part in
                guard let value = String(validating: body[part.bodyRange], as: UTF8.self) else {
                    throw Fault(.invalidRequest, "The form cannot be read.")
                }
                return (part.name, value)
            }
        } else {
            guard let fields = try? CanonicalPath.fields(ofForm: body) else { throw Fault(.invalidRequest, "The form cannot be read.") }
            read = fields
        }
        var fields: [String: String] = [:]
        for (name, value) in read {
            guard fields.updateValue(value, forKey: name) == nil else { throw Fault(.invalidRequest, "A field of the form stands twice.") }
        }
        return fields
    }

    private func parts() throws -> [MultipartBody.Part] {
        guard let boundary = headers.first("content-type").flatMap(MultipartBody.boundary(fromContentType:)),
            let form = try? MultipartBody(parsing: ByteBuffer(bytes: body), boundary: boundary)
        else { throw Fault(.invalidRequest, "The form cannot be read.") }
        return form.parts
    }

    /// A file of the form.
    /// - Returns: nil: none was chosen.
    func file(_ name: String) throws -> (name: String, content: [UInt8])? {
        guard formType == "multipart/form-data" else { return nil }
        let found = try parts().filter { $0.name == name && $0.filename != nil }
        guard found.count <= 1 else { throw Fault(.invalidRequest, "A field of the form stands twice.") }
        guard let part = found.first, let named = part.filename, !named.isEmpty else { return nil }
        // Some browsers say where it lay.
        return (named.split(whereSeparator: { $0 == "/" || $0 == "\\" }).last.map(String.init) ?? named, Array(body[part.bodyRange]))
    }

    /// The same call with these bytes as its body.
    func sending(bytes: [UInt8]) -> ConsoleCall {
        var call = self
        call.headers.set("content-type", "application/octet-stream")
        call.body = bytes
        return call
    }

    /// The same call with a body of JSON: what a page sends on to the interface for programs.
    func sending(_ value: some Encodable) throws -> ConsoleCall {
        var call = self
        call.headers.set("content-type", "application/json")
        call.body = Array(try JSONEncoder().encode(value))
        return call
    }

    /// The same call with a document of JSON as it was written.
    /// - Parameters:
    ///   - known: the version that it is to take the place of; 0: there is to be none.
    ///   - names: parts of the path that a page has in its form.
    func sending(document: String, replacing known: Int? = nil, naming names: [String: String] = [:]) -> ConsoleCall {
        var call = naming(names)
        call.headers.set("content-type", "application/json")
        call.headers.remove("if-match")
        call.headers.remove("if-none-match")
        if let known { call.headers.set(known > 0 ? "if-match" : "if-none-match", known > 0 ? "\"\(known)\"" : "*") }
        call.body = Array(document.utf8)
        return call
    }

    /// The same call with parts of the path that a page has in its form. Never the index: rights are judged by the one in the path.
    func naming(_ names: [String: String]) -> ConsoleCall {
        precondition(names["index"] == nil, "the index stands in the path")
        var call = self
        call.parameters.merge(names) { $1 }
        return call
    }

    /// The same call with this in its query.
    func asking(_ items: [(name: String, value: String)]) -> ConsoleCall {
        var call = self
        call.query = items
        return call
    }

    // MARK: Work

    /// Runs what blocks (stores, hashing) on the pool.
    package func blocking<R: Sendable>(_ work: @escaping @Sendable () throws -> R) async throws -> R {
        try await services.pool.runIfActive(work)
    }

    /// Puts an act on record, does it on the pool, and puts on record what came of it. Not recorded means not done.
    /// - Parameters:
    ///   - target: what it is done to; never a secret.
    ///   - made: the id of what came of it.
    package func act<R: Sendable>(
        on target: String, as operation: String? = nil, details: [(name: String, value: String)] = [],
        made: @Sendable (R) -> String? = { _ in nil }, _ work: @escaping @Sendable () throws -> R
    ) async throws -> R {
        try await perform(on: target, as: operation, details: details, made: made) { try await blocking(work) }
    }

    /// The same for work that waits for others.
    package func perform<R: Sendable>(
        on target: String, as operation: String? = nil, who: PrincipalID? = nil, details: [(name: String, value: String)] = [],
        made: @Sendable (R) -> String? = { _ in nil }, _ work: @Sendable () async throws -> R
    ) async throws -> R {
        guard let operation = operation ?? row.act else { throw Fault(.internal, "This route changes nothing.") }
        try await record(operation, target: target, details: details, who: who)
        let done: R
        do { done = try await work() } catch {
            try await record(operation, target: target, details: [(name: "result", value: "failed")], who: who)
            throw error
        }
        await services.didChange()
        if let id = made(done) { try await record(operation, target: target, details: [(name: "made", value: id)], who: who) }
        return done
    }

    /// Durable when it returns. - Throws: ``Fault`` `.auditUnavailable`.
    package func record(
        _ operation: String, target: String, details: [(name: String, value: String)] = [], kind: AuditRecord.Kind = .adminAct,
        who: PrincipalID? = nil
    ) async throws {
        var record = AuditRecord(kind, id: id)
        record.tenant = principal?.tenant ?? .default
        record.principal = who ?? principal?.id
        record.key = principal?.key
        record.sourceAddress = address.map { "\($0)" }
        record.userAgent = headers.first("user-agent")
        record.operation = operation
        record.details = [(name: "target", value: target)] + details
        if let session { record.details.append((name: "session", value: session.id)) }
        try await services.record(record)
        records.withLockedValue { $0 += 1 }
    }

    /// Whether the caller holds a management action here, and has shown what it takes to use one.
    package func may(_ action: String) -> Bool {
        guard let principal, let rights, !services.settings.lacksFactor(session) else { return false }
        return rights.decision(on: action, .management, in: services.context(of: principal, self)).isAllowed
    }

    /// - Throws: ``ConsoleRefusal`` as Resource Manager writes it.
    package func require(_ action: String) throws {
        guard !services.settings.lacksFactor(session) else { throw ConsoleRefusal.secondFactor }
        guard may(action) else { throw ConsoleRefusal.lacks(action, principal?.id) }
    }
}

extension ConsoleRefusal {
    static let secondFactor = ConsoleRefusal(
        403, "MfaRequired", "This takes a second factor: add one to your account, and sign in with it.")

    static func lacks(_ action: String, _ principal: PrincipalID?) -> ConsoleRefusal {
        ConsoleRefusal(
            403, "AuthorizationFailed",
            "The client '\(principal?.rawValue ?? "")' does not have authorization to perform action '\(action)' over scope '/' or the scope is invalid."
        )
    }
}

extension Substring {
    var trimmed: Substring {
        var text = self
        while let first = text.first, first == " " || first == "\t" { text = text.dropFirst() }
        while let last = text.last, last == " " || last == "\t" { text = text.dropLast() }
        return text
    }
}
