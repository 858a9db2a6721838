/// What a resource may hold (RFC 7643): what is checked, stored and told by `/Schemas`.
struct SCIMSchema: Sendable {
    enum Kind: String, Sendable { case string, boolean, complex, reference, dateTime }

    struct Attribute: Sendable {
        let name: String
        var kind = Kind.string
        var isMulti = false
        var isRequired = false
        var isExact = false
        var mutability = "readWrite"
        var returned = "default"
        var uniqueness = "none"
        var description = ""
        var canonical: [String] = []
        var references: [String] = []
        var parts: [Attribute] = []
    }

    let id: String
    let name: String
    let description: String
    let attributes: [Attribute]

    static let userID = "urn:ietf:params:scim:schemas:core:2.0:User"
    static let groupID = "urn:ietf:params:scim:schemas:core:2.0:Group"
    static let enterpriseID = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
    static let extensions = [enterpriseID]

    func attribute(_ name: String) -> Attribute? {
        let name = name.lowercased()
        return attributes.first { $0.name.lowercased() == name }
    }

    /// Ids and references are compared to the letter, everything else without regard to case.
    func isCaseExact(_ name: SCIMPath.Name) -> Bool {
        switch (name.attribute.lowercased(), name.sub?.lowercased()) {
        case ("id", _), ("externalid", _), (_, "$ref"): return true
        case ("members", _): return true
        case ("groups", _): return name.sub?.lowercased() != "display"
        default: break
        }
        guard let found = attribute(name.attribute) else { return false }
        guard let sub = name.sub else { return found.isExact }
        return found.parts.first { $0.name.lowercased() == sub.lowercased() }?.isExact ?? false
    }

    private static func text(_ name: String, _ description: String) -> Attribute { Attribute(name: name, description: description) }

    private static func list(_ name: String, _ description: String, types: [String]) -> Attribute {
        Attribute(
            name: name, kind: .complex, isMulti: true, description: description,
            parts: [
                text("value", "The value."), text("display", "How it is shown."),
                Attribute(name: "type", description: "What it is for.", canonical: types),
                Attribute(name: "primary", kind: .boolean, description: "Whether it is the preferred one; at most one is."),
            ])
    }

    static let user = SCIMSchema(
        id: userID, name: "User", description: "User Account",
        attributes: [
            Attribute(
                name: "userName", isRequired: true, uniqueness: "server",
                description: "How the user signs in; unique without regard to case."),
            Attribute(
                name: "name", kind: .complex, description: "The parts of the user's name.",
                parts: [
                    text("formatted", "The whole name."), text("familyName", "The family name."), text("givenName", "The given name."),
                    text("middleName", "The middle name."), text("honorificPrefix", "The title before it."),
                    text("honorificSuffix", "What stands after it."),
                ]),
            text("displayName", "How the user is shown."), text("nickName", "How the user is called."),
            Attribute(name: "profileUrl", kind: .reference, isExact: true, description: "A page about the user.", references: ["external"]),
            text("title", "The user's post."), text("userType", "Employee, contractor …"),
            text("preferredLanguage", "As in Accept-Language."),
            text("locale", "For dates and numbers."), text("timezone", "As in the IANA database."),
            // It cannot be taken away: whether somebody has left must never be guessed.
            Attribute(
                name: "active", kind: .boolean, isRequired: true,
                description: "False: everything that the user holds has ended. True when a new user is sent without."),
            list("emails", "Addresses of electronic mail.", types: ["work", "home", "other"]),
            list("phoneNumbers", "Telephone numbers.", types: ["work", "home", "mobile", "fax", "pager", "other"]),
            Attribute(
                name: "groups", kind: .complex, isMulti: true, mutability: "readOnly", description: "The groups that the user is in.",
                parts: [
                    Attribute(name: "value", isExact: true, mutability: "readOnly", description: "The group's id."),
                    Attribute(
                        name: "$ref", kind: .reference, isExact: true, mutability: "readOnly", description: "The group.",
                        references: ["Group"]),
                    Attribute(name: "display", mutability: "readOnly", description: "The group's name."),
                    Attribute(
                        name: "type", mutability: "readOnly", description: "How the user is a member.", canonical: ["direct", "indirect"]),
                ]),
        ])

    static let enterprise = SCIMSchema(
        id: enterpriseID, name: "EnterpriseUser", description: "Enterprise User",
        attributes: [
            text("employeeNumber", "The number that the organisation gave."), text("costCenter", "The cost centre."),
            text("organization", "The organisation."), text("division", "The division."), text("department", "The department."),
            Attribute(
                name: "manager", kind: .complex, description: "The user's manager.",
                parts: [
                    Attribute(name: "value", isExact: true, description: "The manager's id."),
                    Attribute(name: "$ref", kind: .reference, isExact: true, description: "The manager.", references: ["User"]),
                    Attribute(name: "displayName", mutability: "readOnly", description: "The manager's name."),
                ]),
        ])

    static let group = SCIMSchema(
        id: groupID, name: "Group", description: "Group",
        attributes: [
            Attribute(name: "displayName", isRequired: true, description: "The group's name."),
            Attribute(
                name: "members", kind: .complex, isMulti: true, description: "Who is in the group.",
                parts: [
                    Attribute(name: "value", isExact: true, mutability: "immutable", description: "The member's id."),
                    Attribute(
                        name: "$ref", kind: .reference, isExact: true, mutability: "immutable", description: "The member.",
                        references: ["User", "Group"]),
                    Attribute(name: "type", mutability: "immutable", description: "What the member is.", canonical: ["User", "Group"]),
                ]),
        ])

    // MARK: Checking

    /// What a client sent, as it is stored: known attributes under their own names, with values that they may have. What is read-only or
    /// not known is passed over, nulls and empty lists are left out (RFC 7643, section 2.5).
    func normalised(_ members: [String: SCIMValue]) throws -> [String: SCIMValue] {
        var result: [String: SCIMValue] = [:]
        for attribute in attributes where attribute.mutability != "readOnly" {
            guard let value = members[folded: attribute.name], !value.isEmpty else { continue }
            let checked = try Self.normalised(value, attribute)
            if !checked.isEmpty { result[attribute.name] = checked }
        }
        return result
    }

    static func normalised(_ value: SCIMValue, _ attribute: Attribute) throws -> SCIMValue {
        guard attribute.isMulti else { return try single(value, attribute) }
        let values = try (value.list ?? [value]).map { try single($0, attribute) }.filter { !$0.isEmpty }
        guard values.count <= 10_000 else { throw SCIMFault(400, .tooMany, "'\(attribute.name)' has more than 10,000 values.") }
        guard values.filter({ $0.members?["primary"] == .bool(true) }).count <= 1 else {
            throw SCIMFault(400, .invalidValue, "'\(attribute.name)' has more than one primary value.")
        }
        // One value stands there once, however often it was added.
        var seen: Set<SCIMValue> = []
        return .array(values.filter { seen.insert($0).inserted })
    }

    private static func single(_ value: SCIMValue, _ attribute: Attribute) throws -> SCIMValue {
        switch attribute.kind {
        case .boolean:
            guard let bool = value.boolean else { throw SCIMFault(400, .invalidValue, "'\(attribute.name)' is true or false.") }
            return .bool(bool)
        case .string, .reference, .dateTime:
            guard let text = value.text else { throw SCIMFault(400, .invalidValue, "'\(attribute.name)' is a text.") }
            guard text.utf8.count <= 4096,
                text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F || $0 == "\n" || $0 == "\t" })
            else {
                throw SCIMFault(400, .invalidValue, "'\(attribute.name)' is too long or holds control characters.")
            }
            return .string(text)
        case .complex:
            // A list of texts is understood as a list of values.
            guard let members = value.members ?? value.text.map({ ["value": .string($0)] }) else {
                throw SCIMFault(400, .invalidValue, "'\(attribute.name)' is an object.")
            }
            var result: [String: SCIMValue] = [:]
            for part in attribute.parts where part.mutability != "readOnly" {
                guard let inner = members[folded: part.name], !inner.isEmpty else { continue }
                result[part.name] = try single(inner, part)
            }
            return .object(result)
        }
    }

    // MARK: Telling

    var json: SCIMValue {
        .object([
            "schemas": .array([.string("urn:ietf:params:scim:schemas:core:2.0:Schema")]), "id": .string(id), "name": .string(name),
            "description": .string(description), "attributes": .array(attributes.map(Self.json)),
            "meta": .object(["resourceType": .string("Schema"), "location": .string("/scim/v2/Schemas/\(id)")]),
        ])
    }

    private static func json(_ attribute: Attribute) -> SCIMValue {
        var members: [String: SCIMValue] = [
            "name": .string(attribute.name), "type": .string(attribute.kind.rawValue), "multiValued": .bool(attribute.isMulti),
            "description": .string(attribute.description), "required": .bool(attribute.isRequired),
            "mutability": .string(attribute.mutability),
            "returned": .string(attribute.returned),
        ]
        if attribute.kind != .boolean, attribute.kind != .complex { members["caseExact"] = .bool(attribute.isExact) }
        if attribute.kind != .complex { members["uniqueness"] = .string(attribute.uniqueness) }
        if !attribute.canonical.isEmpty { members["canonicalValues"] = .array(attribute.canonical.map { .string($0) }) }
        if !attribute.references.isEmpty { members["referenceTypes"] = .array(attribute.references.map { .string($0) }) }
        if !attribute.parts.isEmpty { members["subAttributes"] = .array(attribute.parts.map(json)) }
        return .object(members)
    }
}
