/// Changes to a resource (RFC 7644, section 3.5.2), with what real clients send besides: `Replace` with a capital, booleans as texts, dotted
/// names in a value without a path, members to remove in the value.
struct SCIMPatch: Sendable {
    enum Operator: String, Sendable { case add, remove, replace }

    struct Operation: Sendable {
        let op: Operator
        let path: SCIMPath?
        let value: SCIMValue?
    }

    let operations: [Operation]
    private static let most = 1000

    init(_ members: [String: SCIMValue]) throws {
        guard let list = members[folded: "Operations"]?.list, !list.isEmpty else {
            throw SCIMFault(400, .invalidSyntax, "A PATCH has 'Operations'.")
        }
        guard list.count <= Self.most else { throw SCIMFault(413, .tooMany, "A PATCH has at most \(Self.most) operations.") }
        operations = try list.map { entry in
            guard let members = entry.members, let op = members[folded: "op"]?.text.flatMap({ Operator(rawValue: $0.lowercased()) }) else {
                throw SCIMFault(400, .invalidSyntax, "An operation's 'op' is add, remove or replace.")
            }
            let path = try members[folded: "path"].flatMap { value -> String? in
                if value == .null { return nil }
                guard let text = value.text else { throw SCIMFault(400, .invalidPath, "A path is a text.") }
                return text.isEmpty ? nil : text
            }.map { try SCIMPath($0) }
            let value = members[folded: "value"]
            if op == .remove, path == nil { throw SCIMFault(400, .noTarget, "A removal names its path.") }
            if op != .remove, value == nil { throw SCIMFault(400, .invalidValue, "An operation that adds or replaces has a value.") }
            return Operation(op: op, path: path, value: value)
        }
    }

    /// - Parameter schemas: the resource's own, and those of its extensions.
    /// - Returns: the resource changed; not yet checked as a whole.
    func applied(to resource: [String: SCIMValue], schema: SCIMSchema, extensions: [SCIMSchema]) throws -> [String: SCIMValue] {
        var resource = resource
        for operation in operations { try Self.apply(operation, to: &resource, schema, extensions) }
        return resource
    }

    private static func apply(
        _ operation: Operation, to resource: inout [String: SCIMValue], _ schema: SCIMSchema, _ extensions: [SCIMSchema]
    ) throws {
        guard let path = operation.path else {
            guard let members = operation.value?.members else {
                throw SCIMFault(400, .invalidValue, "Without a path the value is an object.")
            }
            for (name, value) in members.sorted(by: { $0.key < $1.key }) where name.lowercased() != "schemas" {
                // `name.givenName` and `urn:…:User:department` as names of members: what Entra sends.
                if let inner = value.members, extensions.contains(where: { $0.id.lowercased() == name.lowercased() }) {
                    for (part, value) in inner.sorted(by: { $0.key < $1.key }) where part.lowercased() != "schemas" {
                        try apply(
                            Operation(op: operation.op, path: try SCIMPath("\(name):\(part)"), value: value), to: &resource, schema,
                            extensions)
                    }
                    continue
                }
                guard let path = try? SCIMPath(name) else { continue }
                // What the schema does not know is passed over, as in a POST.
                guard let (known, _) = attribute(path.name, schema, extensions), known.mutability != "readOnly" else { continue }
                try apply(Operation(op: operation.op, path: path, value: value), to: &resource, schema, extensions)
            }
            return
        }
        // An extension as a whole.
        if let whole = extensions.first(where: { $0.id.lowercased() == path.name.attribute.lowercased() }) {
            if operation.op == .remove {
                resource[whole.id] = nil
            } else {
                try apply(
                    Operation(op: operation.op, path: nil, value: .object([whole.id: operation.value ?? .null])), to: &resource, schema,
                    extensions)
            }
            return
        }
        guard let (attribute, home) = attribute(path.name, schema, extensions) else {
            throw SCIMFault(400, .invalidPath, "There is no attribute '\(path.name.attribute.prefix(64))'.")
        }
        guard attribute.mutability != "readOnly" else {
            throw SCIMFault(400, .mutability, "'\(attribute.name)' cannot be changed.")
        }
        if let home {
            var inner = resource[home]?.members ?? [:]
            try apply(operation, path, attribute, to: &inner, schema)
            resource[home] = inner.isEmpty ? nil : .object(inner)
        } else {
            try apply(operation, path, attribute, to: &resource, schema)
        }
    }

    /// The attribute that a name means, and the extension that it stands in.
    private static func attribute(_ name: SCIMPath.Name, _ schema: SCIMSchema, _ extensions: [SCIMSchema])
        -> (attribute: SCIMSchema.Attribute, home: String?)?
    {
        if let urn = name.urn?.lowercased(), urn != schema.id.lowercased() {
            guard let home = extensions.first(where: { $0.id.lowercased() == urn }) else { return nil }
            return home.attribute(name.attribute).map { ($0, home.id) }
        }
        if name.attribute.lowercased() == "externalid" { return (SCIMSchema.Attribute(name: "externalId", isExact: true), nil) }
        if ["id", "meta", "schemas"].contains(name.attribute.lowercased()) {
            return (SCIMSchema.Attribute(name: name.attribute, mutability: "readOnly"), nil)
        }
        return schema.attribute(name.attribute).map { ($0, nil) }
    }

    private static func apply(
        _ operation: Operation, _ path: SCIMPath, _ attribute: SCIMSchema.Attribute, to members: inout [String: SCIMValue],
        _ schema: SCIMSchema
    ) throws {
        let part = try path.name.sub.map { sub in
            guard let part = attribute.parts.first(where: { $0.name.lowercased() == sub.lowercased() }) else {
                throw SCIMFault(400, .invalidPath, "'\(attribute.name)' has no part '\(sub.prefix(64))'.")
            }
            guard part.mutability != "readOnly" else {
                throw SCIMFault(400, .mutability, "'\(attribute.name).\(part.name)' cannot be changed.")
            }
            return part
        }
        if path.filter != nil, !attribute.isMulti {
            throw SCIMFault(400, .invalidPath, "'\(attribute.name)' has one value: there is nothing to choose from.")
        }
        if attribute.isMulti {
            members[attribute.name] = try changed(members[attribute.name]?.list ?? [], operation, path.filter, part, attribute, schema)
        } else if let part {
            var inner = members[attribute.name]?.members ?? [:]
            try change(&inner, part, operation)
            members[attribute.name] = inner.isEmpty ? nil : .object(inner)
        } else if operation.op == .remove || operation.value?.isEmpty ?? true {
            guard !attribute.isRequired else { throw SCIMFault(400, .mutability, "'\(attribute.name)' cannot be removed.") }
            members[attribute.name] = nil
        } else {
            let value = try SCIMSchema.normalised(operation.value ?? .null, attribute)
            if operation.op == .add, attribute.kind == .complex, let old = members[attribute.name]?.members, let new = value.members {
                members[attribute.name] = .object(old.merging(new) { _, new in new })
            } else if operation.op == .replace, attribute.kind == .complex, let old = members[attribute.name]?.members,
                let new = value.members
            {
                // "a set of sub-attributes … replaced": those that are not named stay.
                members[attribute.name] = .object(old.merging(new) { _, new in new })
            } else {
                members[attribute.name] = value
            }
        }
        if members[attribute.name]?.isEmpty ?? false { members[attribute.name] = nil }
    }

    private static func change(_ inner: inout [String: SCIMValue], _ part: SCIMSchema.Attribute, _ operation: Operation) throws {
        if operation.op == .remove || operation.value?.isEmpty ?? true {
            inner[part.name] = nil
        } else {
            inner[part.name] = try SCIMSchema.normalised(operation.value ?? .null, part)
        }
    }

    // MARK: Several values

    private static func changed(
        _ values: [SCIMValue], _ operation: Operation, _ filter: SCIMFilter?, _ part: SCIMSchema.Attribute?,
        _ attribute: SCIMSchema.Attribute,
        _ schema: SCIMSchema
    ) throws -> SCIMValue {
        var values = values
        func chosen(_ value: SCIMValue) -> Bool {
            filter.map { $0.matches(value.members ?? ["value": value], in: schema.part(attribute)) } ?? true
        }
        let isChosen = values.map(chosen)
        switch operation.op {
        case .remove:
            if let part {
                for index in values.indices where isChosen[index] {
                    var inner = values[index].members ?? [:]
                    inner[part.name] = nil
                    values[index] = .object(inner)
                }
                return .array(values.filter { !$0.isEmpty })
            }
            if filter == nil, let named = operation.value, !named.isEmpty {
                // Which ones stands in the value: Entra removes members so.
                let gone = try (named.list ?? [named]).map { try SCIMSchema.normalised($0, attribute).list?.first ?? .null }
                return .array(values.filter { value in !gone.contains { isSame($0, value) } })
            }
            return .array(zip(values, isChosen).filter { !$0.1 }.map(\.0))
        case .add, .replace:
            let given = operation.value ?? .null
            if let part {
                var isFound = false
                for index in values.indices where isChosen[index] {
                    isFound = true
                    var inner = values[index].members ?? [:]
                    try change(&inner, part, operation)
                    values[index] = .object(inner)
                    if part.name == "primary", inner["primary"] == .bool(true) { demote(&values, but: index) }
                }
                guard !isFound else { return .array(values) }
                // `emails[type eq "work"].value` where there is none yet: it is made, as Entra expects.
                guard let filter, case .compare(let name, .eq, let value) = filter else {
                    if filter == nil, values.isEmpty { return try SCIMSchema.normalised(.array([.object([part.name: given])]), attribute) }
                    throw SCIMFault(400, .noTarget, "No value of '\(attribute.name)' fits the path.")
                }
                let made = SCIMValue.object([name.attribute: value, part.name: given])
                return try SCIMSchema.normalised(.array(values + [made]), attribute)
            }
            if filter != nil {
                guard isChosen.contains(true) else { throw SCIMFault(400, .noTarget, "No value of '\(attribute.name)' fits the path.") }
                let new = try SCIMSchema.normalised(given, attribute).list?.first?.members ?? [:]
                for index in values.indices where isChosen[index] {
                    values[index] = .object(operation.op == .add ? (values[index].members ?? [:]).merging(new) { _, new in new } : new)
                    if new["primary"] == .bool(true) { demote(&values, but: index) }
                }
                return try SCIMSchema.normalised(.array(values), attribute)
            }
            let new = try SCIMSchema.normalised(given, attribute).list ?? []
            if operation.op == .replace { return .array(new) }
            if new.contains(where: { $0.members?["primary"] == .bool(true) }) { demote(&values, but: nil) }
            return try SCIMSchema.normalised(.array(values.filter { value in !new.contains { isSame($0, value) } } + new), attribute)
        }
    }

    /// At most one is the primary one: a new one takes its place from the old (section 3.5.2).
    private static func demote(_ values: inout [SCIMValue], but kept: Int?) {
        for index in values.indices where index != kept {
            guard var inner = values[index].members, inner["primary"] == .bool(true) else { continue }
            inner["primary"] = .bool(false)
            values[index] = .object(inner)
        }
    }

    /// Two values are the same one when they have the same value, and the same type as far as both have one.
    private static func isSame(_ a: SCIMValue, _ b: SCIMValue) -> Bool {
        func type(_ value: SCIMValue) -> String { value.members?["type"]?.text?.lowercased() ?? "" }
        guard let value = a.members?["value"]?.text, value == b.members?["value"]?.text else { return a == b }
        return type(a) == type(b) || type(a).isEmpty || type(b).isEmpty
    }
}

extension SCIMSchema {
    /// The parts of a complex attribute as a schema of their own, for filters over its values.
    func part(_ attribute: Attribute) -> SCIMSchema {
        SCIMSchema(id: id, name: attribute.name, description: "", attributes: attribute.parts)
    }
}
