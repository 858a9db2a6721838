import NIOConcurrencyHelpers
import SallyportCore
import Synchronization

/// What a decision under conditional access is made about, beside ``AccessContext``.
package struct ConditionalContext: Sendable {
    package enum Surface: String, Sendable { case data, console }
    package var surface: Surface
    package var access: AccessContext
    package init(_ surface: Surface, _ access: AccessContext) {
        self.surface = surface
        self.access = access
    }
}

/// What conditional access says of one request.
package struct ConditionalOutcome: Sendable {
    package enum Demand: String, Sendable, CaseIterable {
        case block
        case mfa
        case compliantDevice
        /// Signing in lies too far back.
        case recentSignIn
    }

    package struct Finding: Sendable, Hashable {
        package let policy: String
        package let demand: Demand
    }

    /// Enforced, in the order of the policies' names; empty: go on.
    package var findings: [Finding] = []
    /// What policies that only report would have demanded.
    package var reported: [Finding] = []

    package var isAllowed: Bool { findings.isEmpty }
    /// Whether no other credential would help.
    package var block: Finding? { findings.first { $0.demand == .block } }
}

/// Policies, devices and risks in memory, replaced as a whole when the store changes. On the hot path: without policies a decision is one look.
package final class ConditionalAccessDirectory: Sendable {
    /// Immutable; a change makes a new one.
    package final class Snapshot: Sendable {
        package let policies: [ConditionalPolicy]
        /// Stored policies that could not be read: for the operator. Requests are refused while there are any.
        package let mistakes: [(name: String, reason: String)]
        let devices: [String: DevicePosture]
        let risks: [PrincipalID: PrincipalRisk]
        let revision: Int64?
        /// Which roles stand behind a name, for policies over roles.
        let catalog: RoleCatalog

        package init(
            policies: [ConditionalPolicy] = [], mistakes: [(name: String, reason: String)] = [], devices: [DevicePosture] = [],
            risks: [PrincipalRisk] = [], catalog: RoleCatalog = RoleCatalog(), revision: Int64? = nil
        ) {
            self.policies = policies.filter { $0.state != .disabled }.sorted { $0.name < $1.name }
            self.mistakes = mistakes
            self.devices = Dictionary(devices.map { ($0.id, $0) }) { first, _ in first }
            self.risks = Dictionary(risks.map { ($0.principal, $0) }) { first, _ in first }
            self.catalog = catalog
            self.revision = revision
        }

        package var isEmpty: Bool { policies.isEmpty && mistakes.isEmpty }

        /// As it would be with one policy more, in the place of the one with its name, and without these.
        package func changed(adding draft: ConditionalPolicy?, removing names: Set<String>) -> Snapshot {
            guard draft != nil || !names.isEmpty else { return self }
            let gone = names.union([draft?.name].compactMap(\.self))
            return Snapshot(
                policies: policies.filter { !gone.contains($0.name) } + [draft].compactMap(\.self),
                mistakes: mistakes.filter { !gone.contains($0.name) }, devices: Array(devices.values), risks: Array(risks.values),
                catalog: catalog, revision: revision)
        }
        /// Whether anybody must find out which roles the caller holds: that takes a look at every assignment.
        package var asksForRoles: Bool { policies.contains { $0.asksForRoles } }

        /// - Parameter roles: every role that the principal holds, here, by its credential or by assignment.
        package func outcome(for principal: Principal, roles: Set<Role>, in context: ConditionalContext) -> ConditionalOutcome {
            var outcome = ConditionalOutcome()
            // What cannot be read may have been meant to block.
            if let mistake = mistakes.first { outcome.findings.append(.init(policy: mistake.name, demand: .block)) }
            guard !policies.isEmpty else { return outcome }
            let posture = posture(of: principal, at: context.access.now)
            for policy in speaking(of: principal, with: posture, roles: roles, in: context) {
                let demands = policy.demands(of: principal, device: posture, at: context.access.now)
                let findings = demands.map { ConditionalOutcome.Finding(policy: policy.name, demand: $0) }
                if policy.state == .reportOnly { outcome.reported += findings } else { outcome.findings += findings }
            }
            return outcome
        }

        /// The policies that end a session of this age here.
        package func endings(
            ofSession age: Int64, of principal: Principal, roles: Set<Role>, in context: ConditionalContext
        ) -> [ConditionalOutcome.Finding] {
            let posture = posture(of: principal, at: context.access.now)
            return speaking(of: principal, with: posture, roles: roles, in: context).compactMap { policy in
                guard policy.state == .enabled, let longest = policy.maximumSessionAge, age >= longest else { return nil }
                return .init(policy: policy.name, demand: .recentSignIn)
            }
        }

        /// Whether any policy limits sessions.
        package var limitsSessions: Bool { policies.contains { $0.maximumSessionAge != nil } }

        private func posture(of principal: Principal, at now: Int64) -> Posture {
            Posture(principal.device.flatMap { devices[$0] }, principal.id, at: now)
        }

        private func speaking(
            of principal: Principal, with posture: Posture, roles: Set<Role>, in context: ConditionalContext
        ) -> [ConditionalPolicy] {
            let references = Set(principal.references)
            let risk = risk(of: principal.id, at: context.access.now)
            return policies.filter { $0.speaks(of: principal, references, roles, catalog, in: context, device: posture, risk: risk) }
        }

        package func risk(of principal: PrincipalID, at now: Int64) -> PrincipalRisk.Level {
            guard let risk = risks[principal], risk.expiresAt.map({ now < $0 }) ?? true else { return .none }
            return risk.level
        }
    }

    /// What is known of the caller's device now.
    struct Posture: Sendable {
        /// `compliant`, `nonCompliant`, `unknown`.
        let state: String
        let platform: String

        /// Somebody else's device, or an old report, tells nothing.
        init(_ device: DevicePosture?, _ principal: PrincipalID, at now: Int64) {
            guard let device, device.validUntil.map({ now < $0 }) ?? true, device.owner.map({ $0 == principal }) ?? true else {
                (state, platform) = ("unknown", "unknown")
                return
            }
            state = device.isCompliant ? "compliant" : "nonCompliant"
            platform = device.platform?.rawValue ?? "unknown"
        }
    }

    /// What policies that only report have told lately.
    package let reports = ReportMemory()
    private let current = NIOLockedValueBox(Snapshot())
    private let isInUse = Synchronization.Atomic(false)

    package init() {}

    /// nil while there are no policies, at the price of one atomic read.
    package var inForce: Snapshot? { isInUse.load(ordering: .acquiring) ? current.withLockedValue { $0 } : nil }
    package var snapshot: Snapshot { current.withLockedValue { $0 } }

    /// Reads what is stored when it has changed since. Blocks, briefly.
    @discardableResult
    package func refresh(from store: any ConditionalAccessStore, catalog: RoleCatalog) throws -> Bool {
        let revision = try store.revision()
        guard revision != snapshot.revision else { return false }
        let made = try Self.read(store, catalog: catalog, revision: revision)
        current.withLockedValue { $0 = made }
        isInUse.store(!made.isEmpty, ordering: .releasing)
        return true
    }

    package static func read(_ store: any ConditionalAccessStore, catalog: RoleCatalog, revision: Int64? = nil) throws -> Snapshot {
        var policies: [ConditionalPolicy] = []
        var mistakes: [(name: String, reason: String)] = []
        for stored in try store.policies() {
            do { policies.append(try ConditionalPolicy(name: stored.name, parsing: stored.document)) } catch {
                mistakes.append((stored.name, "\(error)"))
            }
        }
        return Snapshot(
            policies: policies, mistakes: mistakes, devices: try store.devices(), risks: try store.risks(), catalog: catalog,
            revision: revision)
    }
}

extension ConditionalPolicy {
    var asksForRoles: Bool {
        (includedUsers + excludedUsers).contains { if case .role = $0 { true } else { false } }
    }

    /// Whether the policy has anything to say here.
    func speaks(
        of principal: Principal, _ references: Set<PrincipalReference>, _ roles: Set<Role>, _ catalog: RoleCatalog,
        in context: ConditionalContext, device: ConditionalAccessDirectory.Posture, risk: PrincipalRisk.Level
    ) -> Bool {
        func isMeant(_ who: Who) -> Bool {
            switch who {
            case .everybody: !principal.isService
            case .services: principal.isService
            case .reference(let reference): references.contains(reference)
            case .role(let role):
                roles.contains { held in
                    held == role
                        || catalog.definition(of: held).map { $0.role } == catalog.definition(of: role).map { $0.role }
                            && catalog.definition(of: role) != nil
                }
            }
        }
        guard includedUsers.contains(where: isMeant), !excludedUsers.contains(where: isMeant) else { return false }
        let access = context.access
        guard surfaces.isEmpty || surfaces.contains(context.surface.rawValue) else { return false }
        if !includedTargets.isEmpty, !holds(includedTargets, access) { return false }
        if holds(excludedTargets, access) { return false }
        func isClient(_ patterns: [[UInt8]]) -> Bool {
            guard let client = access.client ?? principal.client else { return false }
            return patterns.contains { Wildcard.matches($0, Array(client.utf8)) }
        }
        if !includedClients.isEmpty, !isClient(includedClients) { return false }
        if isClient(excludedClients) { return false }
        func isInside(_ ranges: [AddressRange]) -> Bool {
            access.address.map { address in ranges.contains { $0.contains(address) } } ?? false
        }
        if !includedNetworks.isEmpty, !isInside(includedNetworks) { return false }
        if isInside(excludedNetworks) { return false }
        if !times.isEmpty {
            let minute = Int((access.now % 86_400 + 86_400) % 86_400) / 60
            guard times.contains(where: { $0.contains(minute) }) else { return false }
        }
        if !weekdays.isEmpty {
            let day = Int(((access.now - (access.now % 86_400 + 86_400) % 86_400) / 86_400 % 7 + 7 + 3) % 7)
            guard weekdays.contains(day) else { return false }
        }
        if !platforms.isEmpty, !platforms.contains(device.platform) { return false }
        if !deviceStates.isEmpty, !deviceStates.contains(device.state) { return false }
        if !risks.isEmpty, !risks.contains(risk) { return false }
        return true
    }

    private func holds(_ targets: Targets, _ access: AccessContext) -> Bool {
        if let deployment = access.deployment {
            let name = Array(deployment.rawValue.utf8)
            if targets.deployments.contains(where: { Wildcard.matches($0, name) }) { return true }
        }
        return access.label.map(targets.labels.contains) ?? false
    }

    /// What is demanded and not there.
    func demands(of principal: Principal, device: ConditionalAccessDirectory.Posture, at now: Int64) -> [ConditionalOutcome.Demand] {
        if controls == [.block] { return [.block] }
        var missing: [ConditionalOutcome.Demand] = []
        if controls.contains(.mfa), !principal.methods.contains("mfa") { missing.append(.mfa) }
        if controls.contains(.compliantDevice), device.state != "compliant" { missing.append(.compliantDevice) }
        if !needsAll, missing.count < controls.count { missing = [] }
        if let frequency = signInFrequency {
            let isRecent = principal.authenticatedAt.map { now - $0 <= frequency } ?? false
            if !isRecent { missing.append(.recentSignIn) }
        }
        return missing
    }
}

extension ConditionalOutcome {
    /// What the caller must bring, as the OpenID claims parameter writes it; nil when nothing would help.
    ///
    /// Sent base64-encoded in a challenge with `insufficient_claims`, as Microsoft's identity platform does.
    package func claims(at now: Int64) -> String? {
        guard block == nil, !findings.isEmpty else { return nil }
        var parts: [String] = []
        let demands = Set(findings.map(\.demand))
        if demands.contains(.mfa) { parts.append(#""amr":{"essential":true,"values":["mfa"]}"#) }
        if demands.contains(.compliantDevice) { parts.append(#""deviceid":{"essential":true}"#) }
        if demands.contains(.recentSignIn) { parts.append(#""auth_time":{"essential":true}"#) }
        return "{\"access_token\":{\(parts.joined(separator: ","))}}"
    }

    /// The challenge for `WWW-Authenticate`.
    package func challenge(at now: Int64) -> String? {
        claims(at: now).map { claims in
            "Bearer realm=\"\", error=\"insufficient_claims\", claims=\"\(Base64.encode(Array(claims.utf8), alphabet: .urlSafe))\""
        }
    }

    /// For the caller: which policy, and what it wants.
    package var sentence: String {
        if let block { return "Access has been blocked by the conditional access policy '\(block.policy)'." }
        let wants = findings.map { finding in
            switch finding.demand {
            case .block: "nothing would help"
            case .mfa: "multi-factor authentication"
            case .compliantDevice: "a compliant device"
            case .recentSignIn: "a new sign-in"
            }
        }
        let policies = Set(findings.map(\.policy)).sorted().map { "'\($0)'" }.joined(separator: ", ")
        return "The conditional access policy \(policies) requires \(Set(wants).sorted().joined(separator: " and "))."
    }
}

extension AccessSnapshot {
    /// Every role that a principal holds anywhere above what is asked for: for policies over roles.
    package func roles(of principal: Principal, in context: AccessContext) -> Set<Role> {
        let references = Set(principal.references)
        let above: Set<AccessScope> = Set(
            [context.deployment.map { .deployment($0) }, context.index.map { .index($0) }, .project(context.project), .organisation]
                .compactMap { $0 })
        var roles = principal.roles
        for assignment in assignments
        where assignment.effect == .allow && assignment.tenant == principal.tenant && above.contains(assignment.scope)
            && references.contains(assignment.principal) && (assignment.expiresAt ?? .max) > context.now
        {
            roles.insert(assignment.role)
        }
        return roles
    }
}
