import Foundation
import SallyportCore

/// One conditional access policy, read from its document: for whom, for what and when it speaks, and what it then demands.
///
/// The document has the shape of Microsoft Graph's `conditionalAccessPolicy` as far as the two mean the same. Every condition that is written must
/// hold; one that is not written holds always. A policy never gives anything: it takes away, or demands.
package struct ConditionalPolicy: Sendable, Hashable {
    package enum State: String, Sendable, Codable {
        case enabled, disabled
        /// Says what it would have done.
        case reportOnly = "enabledForReportingButNotEnforced"
    }

    package enum Control: String, Sendable, Codable, CaseIterable { case block, mfa, compliantDevice }

    package struct Mistake: Error, Sendable, CustomStringConvertible {
        package let description: String
    }

    package let name: String
    package let state: State
    let includedUsers: [Who]
    let excludedUsers: [Who]
    let includedTargets: Targets
    let excludedTargets: Targets
    let surfaces: Set<String>
    let includedClients: [[UInt8]]
    let excludedClients: [[UInt8]]
    let includedNetworks: [AddressRange]
    let excludedNetworks: [AddressRange]
    let times: [ClosedMinutes]
    let weekdays: Set<Int>
    let platforms: Set<String>
    let deviceStates: Set<String>
    let risks: Set<PrincipalRisk.Level>
    let controls: [Control]
    /// All of the controls, or one of them.
    let needsAll: Bool
    /// Seconds since signing in after which one must do so again.
    let signInFrequency: Int64?
    /// Seconds after which a session of the administrative surface is over, however busy.
    let maximumSessionAge: Int64?

    enum Who: Sendable, Hashable {
        /// People; programs are named apart.
        case everybody
        case services
        case reference(PrincipalReference)
        case role(Role)
    }

    struct Targets: Sendable, Hashable {
        var deployments: [[UInt8]] = []
        var labels: Set<String> = []
        var isEmpty: Bool { deployments.isEmpty && labels.isEmpty }
    }

    struct ClosedMinutes: Sendable, Hashable {
        let start: Int
        let end: Int
        func contains(_ minute: Int) -> Bool { start <= end ? minute >= start && minute < end : minute >= start || minute < end }
    }

    // MARK: Reading

    private struct Document: Codable {
        struct Users: Codable {
            var includeUsers: [String]?
            var excludeUsers: [String]?
            var includeGroups: [String]?
            var excludeGroups: [String]?
            var includeRoles: [String]?
            var excludeRoles: [String]?
        }
        struct Applications: Codable {
            var includeDeployments: [String]?
            var excludeDeployments: [String]?
            var includeLabels: [String]?
            var excludeLabels: [String]?
            var surfaces: [String]?
        }
        struct Clients: Codable {
            var include: [String]?
            var exclude: [String]?
        }
        struct Locations: Codable {
            var include: [String]?
            var exclude: [String]?
        }
        struct Times: Codable {
            var include: [String]?
            var weekdays: [String]?
        }
        struct Devices: Codable {
            var platforms: [String]?
            var states: [String]?
        }
        struct Conditions: Codable {
            var users: Users?
            var applications: Applications?
            var clients: Clients?
            var locations: Locations?
            var times: Times?
            var devices: Devices?
            var risk: [String]?
        }
        struct Grant: Codable {
            var `operator`: String?
            var builtInControls: [String]
        }
        struct Session: Codable {
            var signInFrequency: String?
            var maximumAge: String?
        }
        var displayName: String?
        var state: String
        var conditions: Conditions
        var grantControls: Grant?
        var sessionControls: Session?
    }

    package static let maximumBytes = 64 << 10
    private static let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

    /// - Throws: ``Mistake``. A member that is not known is one: it may have been meant to demand something.
    package init(name: String, parsing json: [UInt8]) throws {
        guard json.count <= Self.maximumBytes else { throw Mistake(description: "The policy is longer than \(Self.maximumBytes) bytes.") }
        let document: Document
        do { document = try JSONDecoder().decode(Document.self, from: Data(json)) } catch let error as DecodingError {
            throw Mistake(description: Self.sentence(error))
        }
        if let stranger = try Self.stranger(in: json, beside: document) { throw Mistake(description: "'\(stranger)' is not known.") }
        self.name = name
        guard let state = State(rawValue: document.state) else {
            throw Mistake(description: "'state' is enabled, disabled or \(State.reportOnly.rawValue).")
        }
        self.state = state
        let conditions = document.conditions
        includedUsers = try Self.who(conditions.users?.includeUsers, conditions.users?.includeGroups, conditions.users?.includeRoles)
        excludedUsers = try Self.who(conditions.users?.excludeUsers, conditions.users?.excludeGroups, conditions.users?.excludeRoles)
        guard !includedUsers.isEmpty else {
            throw Mistake(description: "'conditions.users' must include somebody: All, AllServices, user:ID, group:ID, a role.")
        }
        includedTargets = Self.targets(conditions.applications?.includeDeployments, conditions.applications?.includeLabels)
        excludedTargets = Self.targets(conditions.applications?.excludeDeployments, conditions.applications?.excludeLabels)
        surfaces = Set(conditions.applications?.surfaces ?? [])
        for surface in surfaces where surface != "data" && surface != "console" {
            throw Mistake(description: "'surfaces' are data and console.")
        }
        includedClients = (conditions.clients?.include ?? []).map { Array($0.utf8) }
        excludedClients = (conditions.clients?.exclude ?? []).map { Array($0.utf8) }
        includedNetworks = try Self.networks(conditions.locations?.include)
        excludedNetworks = try Self.networks(conditions.locations?.exclude)
        times = try (conditions.times?.include ?? []).map(Self.minutes)
        weekdays = try Set(
            (conditions.times?.weekdays ?? []).map { day in
                guard let index = Self.days.firstIndex(of: day) else {
                    throw Mistake(description: "'\(day.prefix(16))' is not one of \(Self.days.joined(separator: ", ")).")
                }
                return index
            })
        platforms = Set(conditions.devices?.platforms ?? [])
        for platform in platforms where DevicePosture.Platform(rawValue: platform) == nil && platform != "unknown" {
            throw Mistake(
                description:
                    "'\(platform.prefix(16))' is not a platform; there are \(DevicePosture.Platform.allCases.map(\.rawValue).joined(separator: ", ")), unknown."
            )
        }
        deviceStates = Set(conditions.devices?.states ?? [])
        for state in deviceStates where !["compliant", "nonCompliant", "unknown"].contains(state) {
            throw Mistake(description: "A device's 'states' are compliant, nonCompliant and unknown.")
        }
        risks = try Set(
            (conditions.risk ?? []).map { text in
                guard let level = PrincipalRisk.Level(rawValue: text) else {
                    throw Mistake(description: "'risk' is none, low, medium or high.")
                }
                return level
            })
        controls = try (document.grantControls?.builtInControls ?? []).map { text in
            guard let control = Control(rawValue: text) else {
                throw Mistake(
                    description:
                        "'\(text.prefix(32))' is not a control; there are \(Control.allCases.map(\.rawValue).joined(separator: ", ")).")
            }
            return control
        }
        switch document.grantControls?.operator ?? "AND" {
        case "AND": needsAll = true
        case "OR": needsAll = false
        default: throw Mistake(description: "'operator' is AND or OR.")
        }
        if controls.contains(.block), controls.count > 1 { throw Mistake(description: "'block' stands alone.") }
        signInFrequency = try Self.span("signInFrequency", document.sessionControls?.signInFrequency)
        maximumSessionAge = try Self.span("maximumAge", document.sessionControls?.maximumAge)
        if maximumSessionAge != nil, surfaces == ["data"] {
            throw Mistake(description: "'maximumAge' is about sessions, and only the surface console has any.")
        }
        guard !controls.isEmpty || signInFrequency != nil || maximumSessionAge != nil else {
            throw Mistake(description: "The policy demands nothing: it needs 'grantControls' or 'sessionControls'.")
        }
    }

    private static func span(_ member: String, _ text: String?) throws -> Int64? {
        guard let text else { return nil }
        guard let span = Moments.span(text), span > 0 else { throw Mistake(description: "'\(member)' is a span such as 1h or 30m.") }
        return span
    }

    /// What the document says, written anew: a member of the original that is missing in it was not understood.
    private static func stranger(in json: [UInt8], beside document: Document) throws -> String? {
        let original = try JSONSerialization.jsonObject(with: Data(json))
        let understood = try JSONSerialization.jsonObject(with: JSONEncoder().encode(document))
        func missing(_ a: Any, _ b: Any?, _ place: String) -> String? {
            guard let a = a as? [String: Any] else { return nil }
            let b = b as? [String: Any] ?? [:]
            for (key, value) in a.sorted(by: { $0.key < $1.key }) where !(value is NSNull) {
                let here = place.isEmpty ? key : "\(place).\(key)"
                guard let other = b[key] else { return String(here.prefix(80)) }
                if let found = missing(value, other, here) { return found }
            }
            return nil
        }
        return missing(original, understood, "")
    }

    private static func sentence(_ error: DecodingError) -> String {
        func place(_ path: [any CodingKey]) -> String { path.map(\.stringValue).joined(separator: ".") }
        return switch error {
        case .keyNotFound(let key, let context): "'\(place(context.codingPath + [key]))' is needed."
        case .typeMismatch(_, let context), .valueNotFound(_, let context): "'\(place(context.codingPath))' has the wrong type."
        default: "The policy is not JSON."
        }
    }

    private static func who(_ users: [String]?, _ groups: [String]?, _ roles: [String]?) throws -> [Who] {
        try (users ?? []).map { text in
            switch text {
            case "All": return .everybody
            case "AllServices": return .services
            default:
                guard let reference = PrincipalReference(text), reference.kind != .group else {
                    throw Mistake(description: "'\(text.prefix(64))' is not All, AllServices, user:ID, service:ID or key:ID.")
                }
                return .reference(reference)
            }
        } + (groups ?? []).map { .reference(PrincipalReference(.group, $0)) } + (roles ?? []).map { .role(Role($0)) }
    }

    private static func targets(_ deployments: [String]?, _ labels: [String]?) -> Targets {
        Targets(deployments: (deployments ?? []).map { $0 == "All" ? Array("*".utf8) : Array($0.utf8) }, labels: Set(labels ?? []))
    }

    private static func networks(_ texts: [String]?) throws -> [AddressRange] {
        try (texts ?? []).flatMap { text -> [AddressRange] in
            if text == "All" { return [AddressRange("0.0.0.0/0"), AddressRange("::/0")].compactMap { $0 } }
            guard let range = AddressRange(text) else {
                throw Mistake(description: "'\(text.prefix(64))' is not a network such as 10.0.0.0/8.")
            }
            return [range]
        }
    }

    private static func minutes(_ text: String) throws -> ClosedMinutes {
        func minute(_ text: Substring) -> Int? {
            let parts = text.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count == 2, parts.allSatisfy({ $0.utf8.count == 2 }), let hour = Int(parts[0]), let minute = Int(parts[1]),
                (0...24).contains(hour), (0..<60).contains(minute), hour * 60 + minute <= 1440
            else { return nil }
            return hour * 60 + minute
        }
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, let start = minute(parts[0]), let end = minute(parts[1]) else {
            throw Mistake(description: "'\(text.prefix(32))' is not a range such as 08:00-18:00.")
        }
        return ClosedMinutes(start: start, end: end)
    }
}
