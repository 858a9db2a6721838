import SallyportCore

/// Users.
extension SCIMService {
    /// The principal that a user is: what its tokens will name.
    private func principal(externalID: String?, userName: String) -> String {
        let own = settings.usesUserName ? userName : externalID ?? userName
        return "\(settings.namespace):\(own)"
    }

    func resource(_ user: ProvisionedUser, _ base: String) throws -> [String: SCIMValue] {
        resource(user, base, groups: try store.groups(of: user.id, tenant: tenant))
    }

    func resource(_ user: ProvisionedUser, _ base: String, groups: [ProvisionedGroup]) -> [String: SCIMValue] {
        var members = (try? SCIMValue.object(parsing: Array(user.attributes.utf8))) ?? [:]
        let isEnterprise = members[SCIMSchema.enterpriseID] != nil
        members["schemas"] = .array(([SCIMSchema.userID] + (isEnterprise ? [SCIMSchema.enterpriseID] : [])).map { .string($0) })
        members["id"] = .string(user.id)
        members["userName"] = .string(user.userName)
        members["active"] = .bool(user.isActive)
        if let externalID = user.externalID { members["externalId"] = .string(externalID) }
        if !groups.isEmpty {
            members["groups"] = .array(
                groups.map {
                    .object([
                        "value": .string($0.id), "$ref": .string("\(base)/Groups/\($0.id)"), "display": .string($0.displayName),
                        "type": .string("direct"),
                    ])
                })
        }
        members["meta"] = .object([
            "resourceType": .string("User"), "created": Self.date(user.createdAt), "lastModified": Self.date(user.modifiedAt),
            "location": .string("\(base)/Users/\(user.id)"), "version": .string(Self.etag(user.version)),
        ])
        return members
    }

    /// A user as a client describes it, checked.
    private func read(_ members: [String: SCIMValue], into user: inout ProvisionedUser) throws {
        var checked = try SCIMSchema.user.normalised(members)
        guard case .string(let userName)? = checked["userName"], (1...256).contains(userName.utf8.count) else {
            throw SCIMFault(400, .invalidValue, "'userName' is needed: 1 to 256 bytes.")
        }
        if let extended = members[folded: SCIMSchema.enterpriseID]?.members {
            let inner = try SCIMSchema.enterprise.normalised(extended)
            if !inner.isEmpty { checked[SCIMSchema.enterpriseID] = .object(inner) }
        }
        user.userName = userName
        user.isActive = checked["active"]?.boolean ?? true
        user.externalID = try Self.externalID(members)
        user.principal = principal(externalID: user.externalID, userName: userName)
        checked["userName"] = nil
        checked["active"] = nil
        user.attributes = String(decoding: SCIMValue.object(checked).json, as: UTF8.self)
        guard user.attributes.utf8.count <= 65_536 else { throw SCIMFault(400, .tooMany, "A user has at most 64 KiB.") }
    }

    static func externalID(_ members: [String: SCIMValue]) throws -> String? {
        guard let value = members[folded: "externalId"], !value.isEmpty else { return nil }
        guard let text = value.text, (1...256).contains(text.utf8.count),
            text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F })
        else { throw SCIMFault(400, .invalidValue, "'externalId' is a text of 1 to 256 bytes.") }
        return text
    }

    func createUser(_ request: SCIMRequest, _ note: Note) throws -> SCIMAnswer {
        let now = clock()
        var user = ProvisionedUser(tenant: tenant, id: makeID(), userName: "", principal: "", createdAt: now, modifiedAt: now)
        try read(SCIMValue.object(parsing: request.body), into: &user)
        try note("scim.users.create", user.id, [("principal", user.principal)])
        try store.insert(user, departing: user.isActive ? nil : Departure(principal: user.principal, at: now, isFinal: false))
        return try shown(try resource(user, request.base), version: user.version, request, status: 201)
    }

    func replaceUser(_ old: ProvisionedUser, _ request: SCIMRequest, _ note: Note) throws -> SCIMAnswer {
        try checkVersion(old.version, request)
        return try change(old, to: SCIMValue.object(parsing: request.body), request, note)
    }

    func patchUser(_ old: ProvisionedUser, _ request: SCIMRequest, _ note: Note) throws -> SCIMAnswer {
        try checkVersion(old.version, request)
        let patch = try SCIMPatch(SCIMValue.object(parsing: request.body))
        let patched = try patch.applied(to: try resource(old, request.base), schema: .user, extensions: [.enterprise])
        return try change(old, to: patched, request, note)
    }

    private func change(_ old: ProvisionedUser, to members: [String: SCIMValue], _ request: SCIMRequest, _ note: Note) throws -> SCIMAnswer
    {
        let now = clock()
        var user = old
        try read(members, into: &user)
        // Nothing new: nothing is written, and the version stays.
        if user == old { return try shown(try resource(old, request.base), version: old.version, request) }
        user.version = old.version + 1
        user.modifiedAt = now
        // Who goes by another name now leaves under the old one.
        let departing =
            old.isActive && !user.isActive || user.principal != old.principal
            ? Departure(principal: old.principal, at: now, isFinal: user.principal != old.principal) : nil
        let returning = user.isActive && !old.isActive && user.principal == old.principal ? user.principal : nil
        try note(
            departing != nil ? "scim.users.deactivate" : returning != nil ? "scim.users.activate" : "scim.users.update", user.id,
            [("principal", old.principal)])
        guard try store.update(user, from: old.version, departing: departing, returning: returning) != nil else { throw Self.changed }
        return try shown(try resource(user, request.base), version: user.version, request)
    }

    func deleteUser(_ user: ProvisionedUser, _ request: SCIMRequest, _ note: Note) throws -> SCIMAnswer {
        try checkVersion(user.version, request)
        try note("scim.users.delete", user.id, [("principal", user.principal)])
        let departing = Departure(principal: user.principal, at: clock(), isFinal: true)
        guard
            try store.removeUser(user.id, tenant: tenant, version: request.ifMatch == nil ? nil : user.version, departing: departing) != nil
        else { throw Self.changed }
        return SCIMAnswer(status: 204, headers: [], body: [])
    }
}
