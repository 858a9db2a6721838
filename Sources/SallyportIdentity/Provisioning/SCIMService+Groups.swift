import SallyportCore

/// Groups.
extension SCIMService {
    private func reference(externalID: String?, displayName: String) -> String {
        let own = externalID ?? displayName
        return "\(settings.namespace):\(own)"
    }

    func resource(_ group: ProvisionedGroup, _ base: String) throws -> [String: SCIMValue] {
        resource(group, base, nested: try nestedGroups(of: [group]))
    }

    /// Which members are groups themselves.
    func nestedGroups(of groups: [ProvisionedGroup]) throws -> Set<String> {
        let ids = Set(groups.flatMap(\.members))
        return ids.isEmpty ? [] : Set(try store.groups(of: tenant).map(\.id)).intersection(ids)
    }

    func resource(_ group: ProvisionedGroup, _ base: String, nested: Set<String>) -> [String: SCIMValue] {
        var members: [String: SCIMValue] = [
            "schemas": .array([.string(SCIMSchema.groupID)]), "id": .string(group.id), "displayName": .string(group.displayName),
            "meta": .object([
                "resourceType": .string("Group"), "created": Self.date(group.createdAt), "lastModified": Self.date(group.modifiedAt),
                "location": .string("\(base)/Groups/\(group.id)"), "version": .string(Self.etag(group.version)),
            ]),
        ]
        if let externalID = group.externalID { members["externalId"] = .string(externalID) }
        if !group.members.isEmpty {
            members["members"] = .array(
                group.members.map { id in
                    let isGroup = nested.contains(id)
                    // No `display`: the schema of RFC 7643, section 8.7.1, has none, and clients compare what they sent with what they get.
                    return .object([
                        "value": .string(id), "$ref": .string("\(base)/\(isGroup ? "Groups" : "Users")/\(id)"),
                        "type": .string(isGroup ? "Group" : "User"),
                    ])
                })
        }
        return members
    }

    private func read(_ members: [String: SCIMValue], into group: inout ProvisionedGroup) throws {
        let checked = try SCIMSchema.group.normalised(members)
        guard case .string(let name)? = checked["displayName"], (1...256).contains(name.utf8.count) else {
            throw SCIMFault(400, .invalidValue, "'displayName' is needed: 1 to 256 bytes.")
        }
        group.displayName = name
        group.externalID = try Self.externalID(members)
        group.reference = reference(externalID: group.externalID, displayName: name)
        var seen: Set<String> = []
        let ids = (checked["members"]?.list ?? []).compactMap { $0.members?["value"]?.text }.filter { seen.insert($0).inserted }
        guard ids.count <= 10_000 else { throw SCIMFault(400, .tooMany, "A group has at most 10,000 members.") }
        // Members that were there may have gone; new ones must exist.
        let known = Set(group.members)
        for id in ids where !known.contains(id) {
            guard id != group.id else { throw SCIMFault(400, .invalidValue, "A group is no member of itself.") }
            guard try store.user(id, tenant: tenant) != nil || store.group(id, tenant: tenant) != nil else {
                throw SCIMFault(400, .invalidValue, "There is no user or group with the id '\(id.prefix(64))'.")
            }
        }
        group.members = ids
    }

    func createGroup(_ request: SCIMRequest, _ note: Note) throws -> SCIMAnswer {
        let now = clock()
        var group = ProvisionedGroup(tenant: tenant, id: makeID(), displayName: "", reference: "", createdAt: now, modifiedAt: now)
        try read(SCIMValue.object(parsing: request.body), into: &group)
        try note("scim.groups.create", group.id, [("group", group.reference)])
        try store.insert(group)
        return try shown(try resource(group, request.base), version: group.version, request, status: 201)
    }

    func replaceGroup(_ old: ProvisionedGroup, _ request: SCIMRequest, _ note: Note) throws -> SCIMAnswer {
        try checkVersion(old.version, request)
        return try change(old, to: SCIMValue.object(parsing: request.body), request, note)
    }

    func patchGroup(_ old: ProvisionedGroup, _ request: SCIMRequest, _ note: Note) throws -> SCIMAnswer {
        try checkVersion(old.version, request)
        let patch = try SCIMPatch(SCIMValue.object(parsing: request.body))
        return try change(
            old, to: try patch.applied(to: resource(old, request.base, nested: []), schema: .group, extensions: []), request, note)
    }

    private func change(_ old: ProvisionedGroup, to members: [String: SCIMValue], _ request: SCIMRequest, _ note: Note) throws -> SCIMAnswer
    {
        var group = old
        try read(members, into: &group)
        if group == old { return try shown(try resource(old, request.base), version: old.version, request) }
        group.version = old.version + 1
        group.modifiedAt = clock()
        try note("scim.groups.update", group.id, [("group", group.reference), ("members", "\(group.members.count)")])
        guard try store.update(group, from: old.version) else { throw Self.changed }
        return try shown(try resource(group, request.base), version: group.version, request)
    }

    func deleteGroup(_ group: ProvisionedGroup, _ request: SCIMRequest, _ note: Note) throws -> SCIMAnswer {
        try checkVersion(group.version, request)
        try note("scim.groups.delete", group.id, [("group", group.reference)])
        guard try store.removeGroup(group.id, tenant: tenant, version: request.ifMatch == nil ? nil : group.version) else {
            throw Self.changed
        }
        return SCIMAnswer(status: 204, headers: [], body: [])
    }
}
