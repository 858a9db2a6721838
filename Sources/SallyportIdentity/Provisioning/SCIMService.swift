import SallyportCore

/// A SCIM request as the surface hands it over.
package struct SCIMRequest: Sendable {
    package var method: String
    /// What follows `/scim/v2`: `["Users", "2819c223"]`.
    package var path: [String]
    package var query: [String: String]
    package var ifMatch: String?
    package var ifNoneMatch: String?
    package var body: [UInt8]
    /// Where the service is, for links: `https://gateway.example/scim/v2`.
    package var base: String

    package init(
        method: String, path: [String], query: [String: String] = [:], ifMatch: String? = nil, ifNoneMatch: String? = nil,
        body: [UInt8] = [], base: String
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.ifMatch = ifMatch
        self.ifNoneMatch = ifNoneMatch
        self.body = body
        self.base = base
    }
}

package struct SCIMAnswer: Sendable {
    package var status: Int
    package var headers: [(name: String, value: String)]
    package var body: [UInt8]
}

/// A SCIM 2.0 service provider (RFC 7643, 7644): users and groups, filters, paging, sorting, PATCH, ETags. Blocks.
///
/// Somebody who is set inactive or deleted leaves: keys, tokens and rights end in the transaction that says so.
package struct SCIMService: Sendable {
    package struct Settings: Sendable {
        /// The issuer whose people these are: its name stands before the principals' ids; `scim` where there is none. A connector never speaks
        /// of principals outside of its own names.
        package var issuer: String?
        var namespace: String { issuer ?? "scim" }
        /// What a principal's id is made of: `externalId` or `userName`.
        package var usesUserName = false
        package init(issuer: String? = nil, usesUserName: Bool = false) {
            self.issuer = issuer
            self.usesUserName = usesUserName
        }
    }

    /// Told before each change; throws when it cannot be put on record, and then nothing is changed.
    package typealias Note = @Sendable (_ operation: String, _ target: String, _ details: [(name: String, value: String)]) throws -> Void

    let store: any ProvisioningStore
    let settings: Settings
    let tenant: TenantID
    let makeID: @Sendable () -> String
    let clock: @Sendable () -> Int64

    package init(
        store: any ProvisioningStore, settings: Settings = Settings(), tenant: TenantID = .default,
        makeID: @escaping @Sendable () -> String,
        clock: @escaping @Sendable () -> Int64
    ) {
        self.store = store
        self.settings = settings
        self.tenant = tenant
        self.makeID = makeID
        self.clock = clock
    }

    static let mediaType = "application/scim+json"
    static let mostResults = 1000

    // MARK: Answering

    package func answer(_ request: SCIMRequest, note: Note) -> SCIMAnswer {
        do {
            return try route(request, note)
        } catch let fault as SCIMFault {
            return Self.answer(fault)
        } catch let fault as Fault {
            switch fault.code {
            case .conflict: return Self.answer(SCIMFault(409, .uniqueness, fault.message))
            case .notFound: return Self.answer(SCIMFault(404, nil, fault.message))
            case .storeUnavailable, .auditUnavailable: return Self.answer(SCIMFault(503, nil, fault.message))
            default: return Self.answer(SCIMFault(400, .invalidValue, fault.message))
            }
        } catch {
            return Self.answer(SCIMFault(500, nil, "The server could not do this."))
        }
    }

    static func answer(_ fault: SCIMFault) -> SCIMAnswer {
        var members: [String: SCIMValue] = [
            "schemas": .array([.string("urn:ietf:params:scim:api:messages:2.0:Error")]), "status": .string("\(fault.status)"),
            "detail": .string(fault.detail),
        ]
        if let kind = fault.kind { members["scimType"] = .string(kind.rawValue) }
        return SCIMAnswer(status: fault.status, headers: [("content-type", mediaType)], body: SCIMValue.object(members).json)
    }

    private func route(_ request: SCIMRequest, _ note: Note) throws -> SCIMAnswer {
        let path = request.path
        switch (request.method, path.first, path.count) {
        case (_, "ServiceProviderConfig", 1), (_, "ResourceTypes", 1...2), (_, "Schemas", 1...2):
            guard request.method == "GET" else { throw Self.methodNotAllowed }
            // RFC 7644, section 4: a filter here is refused.
            guard request.query["filter"] == nil else { throw SCIMFault(403, nil, "Descriptions of the service are not filtered.") }
            return try describe(path, request.base)
        case ("GET", "Users", 1): return try list(.users, Query(request.query), request.base)
        case ("GET", "Groups", 1): return try list(.groups, Query(request.query), request.base)
        case ("GET", nil, 0): return try list(.both, Query(request.query), request.base)
        case ("POST", "Users", 2) where path[1] == ".search": return try list(.users, Query(searching: request.body), request.base)
        case ("POST", "Groups", 2) where path[1] == ".search": return try list(.groups, Query(searching: request.body), request.base)
        case ("POST", ".search", 1): return try list(.both, Query(searching: request.body), request.base)
        case ("POST", "Users", 1): return try createUser(request, note)
        case ("POST", "Groups", 1): return try createGroup(request, note)
        case (_, "Users", 2):
            guard let user = try store.user(path[1], tenant: tenant) else { throw Self.notFound }
            switch request.method {
            case "GET": return try shown(try resource(user, request.base), version: user.version, request)
            case "PUT": return try replaceUser(user, request, note)
            case "PATCH": return try patchUser(user, request, note)
            case "DELETE": return try deleteUser(user, request, note)
            default: throw Self.methodNotAllowed
            }
        case (_, "Groups", 2):
            guard let group = try store.group(path[1], tenant: tenant) else { throw Self.notFound }
            switch request.method {
            case "GET": return try shown(try resource(group, request.base), version: group.version, request)
            case "PUT": return try replaceGroup(group, request, note)
            case "PATCH": return try patchGroup(group, request, note)
            case "DELETE": return try deleteGroup(group, request, note)
            default: throw Self.methodNotAllowed
            }
        case (_, "Me", _), (_, "Bulk", _): throw SCIMFault(501, nil, "This is not served here.")
        case (_, "Users", 1), (_, "Groups", 1): throw Self.methodNotAllowed
        default: throw Self.notFound
        }
    }

    static let notFound = SCIMFault(404, nil, "There is no such resource.")
    private static let methodNotAllowed = SCIMFault(405, nil, "This endpoint does not answer to this method.")

    // MARK: Versions

    static func etag(_ version: Int) -> String { "W/\"\(version)\"" }

    /// - Throws: 412 when the caller has another version in mind.
    func checkVersion(_ version: Int, _ request: SCIMRequest) throws {
        guard let wanted = request.ifMatch, wanted != "*" else { return }
        let tags = wanted.split(separator: ",").map { $0.trimming() }
        guard tags.contains(Self.etag(version)) || tags.contains("\"\(version)\"") else {
            throw SCIMFault(412, nil, "The resource has changed meanwhile.")
        }
    }

    static let changed = SCIMFault(412, nil, "The resource has changed meanwhile.")

    func shown(_ resource: [String: SCIMValue], version: Int, _ request: SCIMRequest, status: Int = 200) throws -> SCIMAnswer {
        let tag = Self.etag(version)
        let location = resource["meta"]?.members?["location"]?.text ?? ""
        if status == 200, request.method == "GET", let known = request.ifNoneMatch,
            known == "*" || known.split(separator: ",").contains(where: { $0.trimming() == tag })
        {
            return SCIMAnswer(status: 304, headers: [("etag", tag)], body: [])
        }
        let projected = try Query(request.query).project(resource)
        return SCIMAnswer(
            status: status, headers: [("content-type", Self.mediaType), ("etag", tag), ("location", location)],
            body: SCIMValue.object(projected).json)
    }

    static func date(_ seconds: Int64) -> SCIMValue {
        .string(CivilDate(secondsSince1970: seconds).timestamp)
    }
}

extension Substring {
    /// Without blanks at both ends.
    func trimming() -> String {
        var text = self
        while text.first == " " { text = text.dropFirst() }
        while text.last == " " { text = text.dropLast() }
        return String(text)
    }
}
