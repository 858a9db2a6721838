import SallyportCore

/// How conditional access, elevations and waiting changes are written in JSON.
package enum ConditionalDocuments {
    package struct Policy: Codable, Sendable {
        package let name: String
        package let version: Int
        package let state: String
        /// What it asks for where it speaks.
        package let demands: [String]
        package let createdAt: String

        package init(_ stored: StoredConditionalPolicy) {
            let policy = try? ConditionalPolicy(name: stored.name, parsing: stored.document)
            name = stored.name
            version = stored.version
            state = policy?.state.rawValue ?? "unreadable"
            demands =
                (policy?.controls.map(\.rawValue) ?? [])
                + [
                    policy?.signInFrequency.map { "a sign-in of the last \(Moments.text(span: $0))" },
                    policy?.maximumSessionAge.map { "sessions of \(Moments.text(span: $0)) at most" },
                ].compactMap(\.self)
            createdAt = Moments.date(stored.createdAt)
        }
    }

    package struct Device: Codable, Sendable {
        package let id: String
        package let platform: String?
        package let compliant: Bool
        package let owner: String?
        package let reportedAt: String
        package let validUntil: String?

        package init(_ device: DevicePosture) {
            id = device.id
            platform = device.platform?.rawValue
            compliant = device.isCompliant
            owner = device.owner?.rawValue
            reportedAt = Moments.date(device.reportedAt)
            validUntil = device.validUntil.map(Moments.date)
        }
    }

    package struct Risk: Codable, Sendable {
        package let principal: String
        package let level: String
        package let reason: String?
        package let setAt: String
        package let expiresAt: String?

        package init(_ risk: PrincipalRisk) {
            principal = risk.principal.rawValue
            level = risk.level.rawValue
            reason = risk.reason
            setAt = Moments.date(risk.setAt)
            expiresAt = risk.expiresAt.map(Moments.date)
        }
    }

    package struct Outcome: Codable, Sendable {
        package struct Finding: Codable, Sendable {
            package let policy: String
            package let demand: String
        }
        package let allowed: Bool
        package let findings: [Finding]
        package let reported: [Finding]
        package let claims: String?

        package init(_ outcome: ConditionalOutcome, at now: Int64) {
            allowed = outcome.isAllowed
            findings = outcome.findings.map { Finding(policy: $0.policy, demand: $0.demand.rawValue) }
            reported = outcome.reported.map { Finding(policy: $0.policy, demand: $0.demand.rawValue) }
            claims = outcome.claims(at: now)
        }
    }

    package struct Eligible: Codable, Sendable {
        package let id: String
        package let principal: String
        package let role: String
        package let scope: String
        package let maximumDuration: Int64
        package let needsApproval: Bool
        package let needsMfa: Bool
        package let approvers: [String]
        package let note: String?

        package init(_ eligible: EligibleAssignment) {
            id = eligible.id
            principal = eligible.principal.description
            role = eligible.role.rawValue
            scope = eligible.scope.description
            maximumDuration = eligible.maximumDuration
            needsApproval = eligible.needsApproval
            needsMfa = eligible.needsMFA
            approvers = eligible.approvers.map(\.description)
            note = eligible.note
        }
    }

    package struct ElevationShown: Codable, Sendable {
        package let id: String
        package let eligible: String
        package let principal: String
        package let role: String
        package let scope: String
        package let reason: String
        package let state: String
        package let requestedAt: String
        package let decidedBy: String?
        package let endsAt: String?

        package init(_ elevation: Elevation) {
            id = elevation.id
            eligible = elevation.eligible
            principal = elevation.principal.rawValue
            role = elevation.role.rawValue
            scope = elevation.scope.description
            reason = elevation.reason
            state = elevation.state.rawValue
            requestedAt = Moments.date(elevation.requestedAt)
            decidedBy = elevation.decidedBy?.rawValue
            endsAt = elevation.endsAt.map(Moments.date)
        }
    }

    package struct Change: Codable, Sendable {
        package let id: String
        package let act: String
        package let target: String
        package let state: String
        package let requestedBy: String
        package let requestedAt: String
        package let decidedBy: String?

        package init(_ change: PendingChange) {
            id = change.id
            act = change.act
            target = change.target
            state = change.state.rawValue
            requestedBy = change.requestedBy.rawValue
            requestedAt = Moments.date(change.requestedAt)
            decidedBy = change.decidedBy?.rawValue
        }
    }
}
