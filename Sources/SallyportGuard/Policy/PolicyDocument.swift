import Foundation
import SallyportCore

/// Reads and writes policies in Azure's `raiPolicies` shape.
///
/// Azure's part is read as the service does: unknown members are ignored, filter names match without regard to case, spaces, `_` and `-`.
/// Our part, `properties.sallyport`, is strict: an unknown member or value is an error that names its place.
package enum PolicyDocument {
    package struct Mistake: Error, Sendable, CustomStringConvertible {
        package let place: String
        package let reason: String
        package var description: String { "\(place): \(reason)" }
    }

    /// - Parameter base: the policy of that name, for a document that is based on one; Azure's own (`Microsoft.Default`,
    ///   `Microsoft.DefaultV2`) are known here.
    /// - Throws: ``Mistake`` naming the first member that is wrong.
    package static func policy(
        from document: [UInt8], named fallbackName: String? = nil, version: Int = 1, base: (String) throws -> GuardPolicy? = { _ in nil }
    ) throws -> GuardPolicy {
        let (root, name) = try head(of: document, named: fallbackName)
        let properties = try root["properties"].map { try Node($0, at: "properties").object() } ?? [:]
        var policy = GuardPolicy(id: PolicyID(name), version: version)
        if let member = properties["basePolicyName"], !(member is NSNull) {
            let place = "properties.basePolicyName"
            let wanted = try Node(member, at: place).string()
            if let filters = ContentFilter.azureBases[wanted.lowercased()] {
                policy = GuardPolicy(id: PolicyID(name), version: version, filters: filters)
            } else if let found = try base(wanted) {
                policy = found
                policy.id = PolicyID(name)
                policy.version = version
                policy.lineage = "\(found.id.rawValue):\(found.version)" + (found.lineage.map { ",\($0)" } ?? "")
            } else {
                throw Mistake(place: place, reason: "there is no policy '\(wanted)' to be based on")
            }
        }
        try readAzure(properties, into: &policy)
        if let ours = properties["sallyport"] { try readExtensions(Node(ours, at: "properties.sallyport"), into: &policy) }
        return policy
    }

    /// The policy's name alone.
    package static func name(of document: [UInt8], named fallbackName: String? = nil) throws -> PolicyID {
        PolicyID(try head(of: document, named: fallbackName).name)
    }

    private static func head(of document: [UInt8], named fallbackName: String?) throws -> (root: [String: Any], name: String) {
        let any: Any
        do { any = try JSONSerialization.jsonObject(with: Data(document)) } catch {
            throw Mistake(place: "document", reason: "is not valid JSON")
        }
        let root = try Node(any, at: "document").object()
        let name = try root["name"].map { try Node($0, at: "name").string() } ?? fallbackName
        guard let name, isName(name) else {
            throw Mistake(place: "name", reason: "is missing or is not 1 to 64 letters, digits, '.', '_' or '-'")
        }
        return (root, name)
    }

    private static func isName(_ name: String) -> Bool {
        (1...64).contains(name.utf8.count)
            && name.utf8.allSatisfy {
                ($0 | 0x20 >= 0x61 && $0 | 0x20 <= 0x7A) || ($0 >= 0x30 && $0 <= 0x39) || [0x2E, 0x5F, 0x2D].contains($0)
            }
    }

    // MARK: Azure's part

    private static func readAzure(_ properties: [String: Any], into policy: inout GuardPolicy) throws {
        if let mode = properties["mode"] {
            let mode = try Node(mode, at: "properties.mode").string()
            guard ["Default", "Deferred", "Blocking", "Asynchronous_filter"].contains(mode) else {
                throw Mistake(place: "properties.mode", reason: "'\(mode)' is not Default, Deferred, Blocking or Asynchronous_filter")
            }
            policy.streaming.isAsynchronous = mode == "Asynchronous_filter" || mode == "Deferred"
        }
        var filters: [ContentFilter] = []
        for (index, entry) in try list(properties["contentFilters"], at: "properties.contentFilters").enumerated() {
            let place = "properties.contentFilters[\(index)]"
            let filter = try Node(entry, at: place).object()
            let name = try member("name", of: filter, at: place).string()
            let direction = try direction(member("source", of: filter, at: place))
            let isEnabled = try filter["enabled"].map { try Node($0, at: "\(place).enabled").bool() } ?? true
            let isBlocking = try filter["blocking"].map { try Node($0, at: "\(place).blocking").bool() } ?? true
            let threshold = try filter["severityThreshold"].map { try severity(Node($0, at: "\(place).severityThreshold")) }
            filters.append(ContentFilter(name, direction, isEnabled: isEnabled, isBlocking: isBlocking, severity: threshold ?? 4))
        }
        policy.set(filters)
        var lists = policy.blocklists
        defer { policy.blocklists = lists }
        for (index, entry) in try list(properties["customBlocklists"], at: "properties.customBlocklists").enumerated() {
            let place = "properties.customBlocklists[\(index)]"
            let use = try Node(entry, at: place).object()
            let list = GuardPolicy.BlocklistUse(
                name: try member("blocklistName", of: use, at: place).string(),
                direction: try direction(member("source", of: use, at: place)),
                isBlocking: try use["blocking"].map { try Node($0, at: "\(place).blocking").bool() } ?? true)
            lists.removeAll { $0.name == list.name && $0.direction == list.direction }
            lists.append(list)
        }
    }

    /// Low filters severities 2 and above, Medium 4, High 6 (Azure OpenAI, content filter configurability).
    private static func severity(_ node: Node) throws -> Int {
        let text = try node.string()
        switch text.lowercased() {
        case "low": return 2
        case "medium": return 4
        case "high": return 6
        default: throw Mistake(place: node.place, reason: "'\(text)' is not Low, Medium or High")
        }
    }

    private static func direction(_ node: Node) throws -> Direction {
        let text = try node.string()
        guard let direction = Direction.allCases.first(where: { $0.rawValue.lowercased() == text.lowercased() }) else {
            throw Mistake(place: node.place, reason: "'\(text)' is not Prompt or Completion")
        }
        return direction
    }

    // MARK: Our part

    private static func readExtensions(_ node: Node, into policy: inout GuardPolicy) throws {
        for (key, value) in try node.object() {
            let node = Node(value, at: "\(node.place).\(key)")
            switch key {
            case "description": _ = try node.string()
            case "annotations": policy.annotates = try node.bool()
            case "rules": policy.rules += try node.array().enumerated().map { try rule(Node($1, at: "\(node.place)[\($0)]")) }
            case "guards":
                for (guardName, value) in try node.object() {
                    policy.settings[DetectorID(guardName)] = try settings(Node(value, at: "\(node.place).\(guardName)"))
                }
            case "grounding":
                for (key, value) in try node.object() {
                    let node = Node(value, at: "\(node.place).\(key)")
                    switch key {
                    case "spotlight": policy.grounding.spotlight = try node.oneOf()
                    case "groundedness": policy.grounding.groundedness = try node.oneOf()
                    default: throw Mistake(place: node.place, reason: "is not known here")
                    }
                }
            case "storage": policy.privacy.storage = try storage(node)
            case "residency":
                let regions = try node.array().map { try Node($0, at: node.place).string().lowercased() }
                guard !regions.isEmpty else { throw Mistake(place: node.place, reason: "names no region") }
                policy.privacy.residency = [Set(regions)]
            case "requires": try readRequirements(node, into: &policy.privacy)
            case "labels": policy.labelActions = try node.array().enumerated().map { try labelAction(Node($1, at: "\(node.place)[\($0)]")) }
            case "tools": policy.outwardTools = try node.array().enumerated().map { try outwardTool(Node($1, at: "\(node.place)[\($0)]")) }
            case "customising": policy.customising = try customising(node)
            case "uninspectable": policy.uninspectable.merge(try uninspectable(node)) { _, own in own }
            case "hosts":
                let named = try hosts(node)
                policy.hosts = policy.hosts?.joined(with: named) ?? named
            case "streaming":
                for (key, value) in try node.object() {
                    let node = Node(value, at: "\(node.place).\(key)")
                    switch key {
                    case "maximumBytes": policy.streaming.maximumBytes = try node.integer(in: 256...1_048_576)
                    case "maximumMilliseconds": policy.streaming.maximumDelay = .milliseconds(try node.integer(in: 10...60_000))
                    default: throw Mistake(place: node.place, reason: "is not known here")
                    }
                }
            default: throw Mistake(place: node.place, reason: "is not known here")
            }
        }
    }

    private static func storage(_ node: Node) throws -> GuardPolicy.Storage {
        let members = try node.object()
        var storage = GuardPolicy.Storage(
            what: try member("what", of: members, at: node.place).oneOf(),
            purpose: try member("purpose", of: members, at: node.place).string(),
            legalBasis: try member("legalBasis", of: members, at: node.place).oneOf(),
            retentionDays: try member("retentionDays", of: members, at: node.place).integer(in: 1...3650))
        guard (1...128).contains(storage.purpose.utf8.count) else {
            throw Mistake(place: "\(node.place).purpose", reason: "is not 1 to 128 bytes")
        }
        for (key, value) in members where !["what", "purpose", "legalBasis", "retentionDays"].contains(key) {
            let node = Node(value, at: "\(node.place).\(key)")
            guard key == "onFailure" else { throw Mistake(place: node.place, reason: "is not known here") }
            storage.onFailure = try node.oneOf()
        }
        return storage
    }

    private static func readRequirements(_ node: Node, into privacy: inout GuardPolicy.Privacy) throws {
        for (key, value) in try node.object() {
            let node = Node(value, at: "\(node.place).\(key)")
            switch key {
            case "consents":
                privacy.consents = try node.array().enumerated().map { index, value in
                    let node = Node(value, at: "\(node.place)[\(index)]")
                    let members = try node.object()
                    var requirement = GuardPolicy.ConsentRequirement(purpose: try member("purpose", of: members, at: node.place).string())
                    for (key, value) in members where key != "purpose" {
                        let node = Node(value, at: "\(node.place).\(key)")
                        switch key {
                        case "version": requirement.version = try node.string()
                        case "operations": requirement.operations = Set(try node.array().map { try Node($0, at: node.place).string() })
                        default: throw Mistake(place: node.place, reason: "is not known here")
                        }
                    }
                    return requirement
                }
            case "notices": privacy.notices = Set(try node.array().map { try Node($0, at: node.place).string() })
            default: throw Mistake(place: node.place, reason: "is not known here")
            }
        }
    }

    private static func rule(_ node: Node) throws -> GuardPolicy.Rule {
        let members = try node.object()
        let group: Finding.Category.Group = try member("detect", of: members, at: node.place).oneOf()
        let action: GuardAction = try member("action", of: members, at: node.place).oneOf()
        var rule = GuardPolicy.Rule(group, action: action)
        for (key, value) in members {
            let node = Node(value, at: "\(node.place).\(key)")
            switch key {
            case "detect", "action": break
            case "types": rule.names = Set(try node.array().map { try Node($0, at: node.place).string() })
            case "source": rule.direction = try direction(node)
            case "origins": rule.origins = Set(try node.array().map { try Node($0, at: node.place).oneOf() })
            case "minimumConfidence": rule.minimumConfidence = try node.fraction()
            case "minimumSeverity": rule.minimumConfidence = GuardPolicy.Rule.confidence(ofSeverity: try node.integer(in: 1...7))
            case "falsePositiveRate": rule.falsePositiveRate = try node.fraction()
            default: throw Mistake(place: node.place, reason: "is not known here")
            }
        }
        if rule.group == .category, rule.names?.isEmpty != false {
            throw Mistake(place: "\(node.place).types", reason: "must name the custom categories")
        }
        // These report from even odds on; severities and rates have scales of their own.
        if members["minimumConfidence"] == nil, [.groundedness, .taskAdherence, .category].contains(rule.group) {
            rule.minimumConfidence = 0.5
        }
        return rule
    }

    private static func settings(_ node: Node) throws -> GuardPolicy.GuardSettings {
        var settings = GuardPolicy.GuardSettings()
        for (key, value) in try node.object() {
            let node = Node(value, at: "\(node.place).\(key)")
            switch key {
            case "enabled": settings.isEnabled = try node.bool()
            case "mode": settings.mode = try node.oneOf()
            case "onFailure": settings.onFailure = try node.oneOf()
            case "timeBudgetMilliseconds": settings.timeBudget = .milliseconds(try node.integer(in: 1...60_000))
            default: throw Mistake(place: node.place, reason: "is not known here")
            }
        }
        return settings
    }

    private static func label(_ node: Node) throws -> SensitivityLabel {
        let text = try node.string()
        guard let label = SensitivityLabel(text) else {
            throw Mistake(
                place: node.place, reason: "'\(text)' is not one of \(SensitivityLabel.allCases.map(\.description).joined(separator: ", "))"
            )
        }
        return label
    }

    private static func labelAction(_ node: Node) throws -> GuardPolicy.LabelAction {
        let members = try node.object()
        var action = GuardPolicy.LabelAction(
            from: try label(member("from", of: members, at: node.place)), kind: try member("action", of: members, at: node.place).oneOf())
        for (key, value) in members {
            let node = Node(value, at: "\(node.place).\(key)")
            switch key {
            case "from", "action": break
            case "deployment": action.deployment = DeploymentID(try node.string())
            default: throw Mistake(place: node.place, reason: "is not known here")
            }
        }
        guard (action.kind == .route) == (action.deployment != nil) else {
            throw Mistake(place: node.place, reason: "needs 'deployment' with the action 'route', and only then")
        }
        return action
    }

    private static func outwardTool(_ node: Node) throws -> GuardPolicy.OutwardTool {
        let members = try node.object()
        var tool = GuardPolicy.OutwardTool(
            name: try member("name", of: members, at: node.place).string(),
            effect: try member("effect", of: members, at: node.place).oneOf())
        guard !tool.name.isEmpty, tool.name.utf8.count <= 256 else {
            throw Mistake(place: "\(node.place).name", reason: "is not 1 to 256 bytes")
        }
        for (key, value) in members {
            let node = Node(value, at: "\(node.place).\(key)")
            switch key {
            case "name", "effect": break
            case "onTaint": tool.reaction = try node.oneOf()
            case "taint": tool.taint = try node.oneOf()
            case "maximumLabel": tool.maximumLabel = try label(node)
            default: throw Mistake(place: node.place, reason: "is not known here")
            }
        }
        return tool
    }

    private static func customising(_ node: Node) throws -> GuardPolicy.Customising {
        var customising = GuardPolicy.Customising()
        for (key, value) in try node.object() {
            let node = Node(value, at: "\(node.place).\(key)")
            switch key {
            case "consent": customising.consent = try node.oneOf()
            case "licence": customising.licence = try node.oneOf()
            case "poisoning": customising.poisoning = try node.oneOf()
            case "duplicates": customising.duplicates = try node.oneOf()
            case "maximumDuplicateShare": customising.maximumDuplicateShare = try node.fraction()
            case "licences": customising.licences = Set(try node.array().map { try Node($0, at: node.place).string() })
            default: throw Mistake(place: node.place, reason: "is not known here")
            }
        }
        return customising
    }

    /// `{"allowed": [...], "protected": [...]}`
    private static func hosts(_ node: Node) throws -> LinkHosts {
        var named: [String: Set<String>] = [:]
        for (key, value) in try node.object() {
            let node = Node(value, at: "\(node.place).\(key)")
            guard key == "allowed" || key == "protected" else { throw Mistake(place: node.place, reason: "is not known here") }
            let hosts = try node.array()
            guard hosts.count <= 1_000 else { throw Mistake(place: node.place, reason: "has more than 1000 hosts") }
            named[key] = Set(
                try hosts.enumerated().map { index, value in
                    let node = Node(value, at: "\(node.place)[\(index)]")
                    let host = try node.string().lowercased()
                    guard LinkHosts.isHost(host) else {
                        throw Mistake(
                            place: node.place,
                            reason: "is not a host's name: no scheme, port, path or '*' (those below it are meant too), "
                                + "and an international name in its xn-- form")
                    }
                    // What is protected is a name that somebody registered; a single label would be everybody's.
                    guard key == "allowed" || host.contains(".") else {
                        throw Mistake(place: node.place, reason: "is not a whole name, such as example.com")
                    }
                    return host
                })
        }
        return LinkHosts(allowed: named["allowed"] ?? [], protected: named["protected"] ?? [])
    }

    private static func uninspectable(_ node: Node) throws -> [GuardPolicy.Uninspectable: UninspectableAction] {
        if let all: UninspectableAction = try? node.oneOf() {
            return Dictionary(uniqueKeysWithValues: GuardPolicy.Uninspectable.allCases.map { ($0, all) })
        }
        var actions: [GuardPolicy.Uninspectable: UninspectableAction] = [:]
        for (key, value) in try node.object() {
            guard let kind = GuardPolicy.Uninspectable(rawValue: key) else {
                throw Mistake(place: "\(node.place).\(key)", reason: "is not known here")
            }
            actions[kind] = try Node(value, at: "\(node.place).\(key)").oneOf()
        }
        return actions
    }

    // MARK: Reading with a place

    private static func list(_ value: Any?, at place: String) throws -> [Any] {
        guard let value, !(value is NSNull) else { return [] }
        return try Node(value, at: place).array()
    }

    private static func member(_ key: String, of object: [String: Any], at place: String) throws -> Node {
        guard let value = object[key] else { throw Mistake(place: "\(place).\(key)", reason: "is missing") }
        return Node(value, at: "\(place).\(key)")
    }

    private struct Node {
        let value: Any
        let place: String
        init(_ value: Any, at place: String) {
            self.value = value
            self.place = place
        }
        func object() throws -> [String: Any] {
            guard let object = value as? [String: Any] else { throw Mistake(place: place, reason: "is not an object") }
            return object
        }
        func array() throws -> [Any] {
            guard let array = value as? [Any] else { throw Mistake(place: place, reason: "is not an array") }
            return array
        }
        func string() throws -> String {
            guard let string = value as? String else { throw Mistake(place: place, reason: "is not a string") }
            return string
        }
        func bool() throws -> Bool {
            guard let number = value as? NSNumber, CFBooleanLike(number) else {
                throw Mistake(place: place, reason: "is not true or false")
            }
            return number.boolValue
        }
        func integer(in range: ClosedRange<Int>) throws -> Int {
            guard let number = value as? NSNumber, !CFBooleanLike(number), number.doubleValue == Double(number.intValue),
                range.contains(number.intValue)
            else { throw Mistake(place: place, reason: "is not a whole number from \(range.lowerBound) to \(range.upperBound)") }
            return number.intValue
        }
        func fraction() throws -> Double {
            guard let number = value as? NSNumber, !CFBooleanLike(number), (0...1).contains(number.doubleValue) else {
                throw Mistake(place: place, reason: "is not a number from 0 to 1")
            }
            return number.doubleValue
        }
        func oneOf<T: RawRepresentable & CaseIterable>() throws -> T where T.RawValue == String {
            let text = try string()
            guard let value = T(rawValue: text) else {
                throw Mistake(place: place, reason: "'\(text)' is not one of \(T.allCases.map(\.rawValue).joined(separator: ", "))")
            }
            return value
        }
        private func CFBooleanLike(_ number: NSNumber) -> Bool { String(cString: number.objCType) == "c" }
    }
}
