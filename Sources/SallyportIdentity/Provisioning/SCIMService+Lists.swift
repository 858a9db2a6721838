import SallyportCore

/// Lists: filter, order, page, and which attributes are told.
extension SCIMService {
    enum Kind { case users, groups, both }

    struct Query: Sendable {
        var filter: SCIMFilter?
        var startIndex = 1
        var count = SCIMService.mostResults
        var sortBy: SCIMPath.Name?
        var isDescending = false
        var attributes: [String] = []
        var excluded: [String] = []

        init(_ query: [String: String]) throws {
            try read { name in query.first { $0.key.lowercased() == name.lowercased() }?.value }
        }

        init(searching body: [UInt8]) throws {
            let members = try SCIMValue.object(parsing: body)
            try read { name in
                switch members[folded: name] {
                case .string(let text): text
                case .integer(let number): "\(number)"
                case .array(let values): values.compactMap(\.text).joined(separator: ",")
                default: nil
                }
            }
        }

        private mutating func read(_ value: (String) -> String?) throws {
            filter = try value("filter").map { try SCIMFilter($0) }
            if let text = value("startIndex") {
                guard let number = Int(text) else { throw SCIMFault(400, .invalidValue, "'startIndex' is a number.") }
                // Less than 1 counts as 1 (section 3.4.2.4).
                startIndex = max(1, number)
            }
            if let text = value("count") {
                guard let number = Int(text) else { throw SCIMFault(400, .invalidValue, "'count' is a number.") }
                count = min(SCIMService.mostResults, max(0, number))
            }
            if let text = value("sortBy") { sortBy = try SCIMPath(text).name }
            isDescending = value("sortOrder")?.lowercased() == "descending"
            func names(_ name: String) -> [String] {
                (value(name) ?? "").split(separator: ",").map { $0.trimming() }.filter { !$0.isEmpty }
            }
            attributes = names("attributes")
            excluded = names("excludedAttributes")
            guard attributes.isEmpty || excluded.isEmpty else {
                throw SCIMFault(400, .invalidValue, "'attributes' and 'excludedAttributes' exclude each other.")
            }
        }

        /// What is told of a resource: `id` and `schemas` always.
        func project(_ resource: [String: SCIMValue]) throws -> [String: SCIMValue] {
            if attributes.isEmpty && excluded.isEmpty { return resource }
            if !excluded.isEmpty {
                var result = resource
                for text in excluded {
                    let name = try SCIMPath(text).name
                    guard let key = result.spelling(of: key(name)), !["id", "schemas"].contains(key) else { continue }
                    if let inner = inner(name) { result[key] = result[key].map { Self.without(inner, $0) } } else { result[key] = nil }
                }
                return result
            }
            var result = resource.filter { ["id", "schemas"].contains($0.key) }
            for text in attributes {
                let name = try SCIMPath(text).name
                guard let key = resource.spelling(of: key(name)), let value = resource[key] else { continue }
                guard let inner = inner(name) else {
                    result[key] = value
                    continue
                }
                let part = Self.only(inner, value)
                if let old = result[key]?.members, let new = part.members {
                    result[key] = .object(old.merging(new) { _, new in new })
                } else if !part.isEmpty {
                    result[key] = part
                }
            }
            return result
        }

        /// An extension's attributes stand below its URN.
        private func isExtended(_ name: SCIMPath.Name) -> Bool {
            name.urn.map { urn in SCIMSchema.extensions.contains { $0.lowercased() == urn.lowercased() } } ?? false
        }
        private func key(_ name: SCIMPath.Name) -> String { isExtended(name) ? name.urn ?? "" : name.attribute }
        private func inner(_ name: SCIMPath.Name) -> String? { isExtended(name) ? name.attribute : name.sub }

        private static func only(_ part: String, _ value: SCIMValue) -> SCIMValue {
            if let list = value.list { return .array(list.map { only(part, $0) }.filter { !$0.isEmpty }) }
            guard let members = value.members, let key = members.spelling(of: part), let inner = members[key] else { return .null }
            return .object([key: inner])
        }

        private static func without(_ part: String, _ value: SCIMValue) -> SCIMValue {
            if let list = value.list { return .array(list.map { without(part, $0) }) }
            guard var members = value.members, let key = members.spelling(of: part) else { return value }
            members[key] = nil
            return .object(members)
        }
    }

    func list(_ kind: Kind, _ query: Query, _ base: String) throws -> SCIMAnswer {
        var found: [[String: SCIMValue]] = []
        if kind != .groups {
            let memberships = try groupsByMember()
            // What clients ask most: does this one exist?
            let users = try known(query.filter) ?? store.users(of: tenant)
            found += users.map { resource($0, base, groups: memberships[$0.id] ?? []) }
                .filter { query.filter?.matches($0, in: .user) ?? true }
        }
        if kind != .users {
            let groups = try store.groups(of: tenant)
            let nested = try query.excluded.contains(where: { $0.lowercased() == "members" }) ? [] : nestedGroups(of: groups)
            found += groups.map { resource($0, base, nested: nested) }.filter { query.filter?.matches($0, in: .group) ?? true }
        }
        if let sortBy = query.sortBy {
            let keyed = found.map { (key: Self.sortKey(sortBy, $0), resource: $0) }
            // Those without the attribute come last, whichever way.
            let sorted = keyed.sorted { a, b in
                guard let x = a.key else { return false }
                guard let y = b.key else { return true }
                return query.isDescending ? x > y : x < y
            }
            found = sorted.map(\.resource)
        }
        let page = found.dropFirst(query.startIndex - 1).prefix(query.count)
        return SCIMAnswer(
            status: 200, headers: [("content-type", Self.mediaType)],
            body: SCIMValue.object([
                "schemas": .array([.string("urn:ietf:params:scim:api:messages:2.0:ListResponse")]),
                "totalResults": .integer(Int64(found.count)),
                "startIndex": .integer(Int64(query.startIndex)), "itemsPerPage": .integer(Int64(page.count)),
                "Resources": .array(try page.map { .object(try query.project($0)) }),
            ]).json)
    }

    private static func sortKey(_ name: SCIMPath.Name, _ resource: [String: SCIMValue]) -> String? {
        let values = name.values(in: resource)
        let chosen = values.first { $0.members?["primary"] == .bool(true) } ?? values.first
        let value = chosen?.members?["value"] ?? chosen
        return value?.text?.lowercased()
    }

    /// The few that an equality names, from the index; the filter is asked again all the same.
    private func known(_ filter: SCIMFilter?) throws -> [ProvisionedUser]? {
        guard case .compare(let name, .eq, .string(let value)) = filter, name.sub == nil else { return nil }
        switch name.attribute.lowercased() {
        case "username": return try store.user(named: value, tenant: tenant).map { [$0] } ?? []
        case "externalid": return try store.user(externalID: value, tenant: tenant).map { [$0] } ?? []
        case "id": return try store.user(value, tenant: tenant).map { [$0] } ?? []
        default: return nil
        }
    }

    func groupsByMember() throws -> [String: [ProvisionedGroup]] {
        var result: [String: [ProvisionedGroup]] = [:]
        for group in try store.groups(of: tenant) { for member in group.members { result[member, default: []].append(group) } }
        return result
    }

    // MARK: Describing

    func describe(_ path: [String], _ base: String) throws -> SCIMAnswer {
        func answer(_ value: SCIMValue) -> SCIMAnswer {
            SCIMAnswer(status: 200, headers: [("content-type", Self.mediaType)], body: value.json)
        }
        func list(_ values: [SCIMValue]) -> SCIMAnswer {
            answer(
                .object([
                    "schemas": .array([.string("urn:ietf:params:scim:api:messages:2.0:ListResponse")]),
                    "totalResults": .integer(Int64(values.count)), "startIndex": .integer(1), "itemsPerPage": .integer(Int64(values.count)),
                    "Resources": .array(values),
                ]))
        }
        func located(_ value: SCIMValue, _ place: String) -> SCIMValue {
            guard var members = value.members, var meta = members["meta"]?.members else { return value }
            meta["location"] = .string("\(base)/\(place)")
            members["meta"] = .object(meta)
            return .object(members)
        }
        switch (path[0], path.count) {
        case ("Schemas", let count):
            let schemas = [SCIMSchema.user, .group, .enterprise]
            if count == 1 { return list(schemas.map { located($0.json, "Schemas/\($0.id)") }) }
            guard let schema = schemas.first(where: { $0.id.lowercased() == path[1].lowercased() }) else { throw Self.notFound }
            return answer(located(schema.json, "Schemas/\(schema.id)"))
        case ("ResourceTypes", let count):
            let types = ["User", "Group"].map { located(Self.resourceType($0), "ResourceTypes/\($0)") }
            if count == 1 { return list(types) }
            guard let index = ["User", "Group"].firstIndex(of: path[1]) else { throw Self.notFound }
            return answer(types[index])
        default: return answer(located(Self.providerConfiguration, "ServiceProviderConfig"))
        }
    }

    private static func resourceType(_ name: String) -> SCIMValue {
        var members: [String: SCIMValue] = [
            "schemas": .array([.string("urn:ietf:params:scim:schemas:core:2.0:ResourceType")]), "id": .string(name), "name": .string(name),
            "endpoint": .string("/\(name)s"), "description": .string(name),
            "schema": .string(name == "User" ? SCIMSchema.userID : SCIMSchema.groupID),
            "meta": .object(["resourceType": .string("ResourceType")]),
        ]
        if name == "User" {
            members["schemaExtensions"] = .array([.object(["schema": .string(SCIMSchema.enterpriseID), "required": .bool(false)])])
        }
        return .object(members)
    }

    private static let providerConfiguration: SCIMValue = .object([
        "schemas": .array([.string("urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig")]),
        "patch": .object(["supported": .bool(true)]),
        "bulk": .object(["supported": .bool(false), "maxOperations": .integer(0), "maxPayloadSize": .integer(0)]),
        "filter": .object(["supported": .bool(true), "maxResults": .integer(Int64(mostResults))]),
        "changePassword": .object(["supported": .bool(false)]), "sort": .object(["supported": .bool(true)]),
        "etag": .object(["supported": .bool(true)]),
        "authenticationSchemes": .array([
            .object([
                "type": .string("oauthbearertoken"), "name": .string("Bearer"),
                "description": .string("A key with the role scim-provisioner, or a token that holds it."), "primary": .bool(true),
            ])
        ]), "meta": .object(["resourceType": .string("ServiceProviderConfig")]),
    ])
}
