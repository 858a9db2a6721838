import SallyportCore

/// How conditional access, elevations and waiting changes are written in JSON.
package enum ConditionalDocuments {
    package struct Policy: Encodable, Sendable {
        let name: String
        let version: Int
        let state: String
        let createdAt: String

        package init(_ stored: StoredConditionalPolicy) {
            name = stored.name
            version = stored.version
            state = (try? ConditionalPolicy(name: stored.name, parsing: stored.document))?.state.rawValue ?? "unreadable"
            createdAt = Moments.date(stored.createdAt)
        }
    }

    package struct Device: Encodable, Sendable {
        let id: String
        let platform: String?
        let compliant: Bool
        let owner: String?
        let reportedAt: String
        let validUntil: String?

        package init(_ device: DevicePosture) {
            id = device.id
            platform = device.platform?.rawValue
            compliant = device.isCompliant
            owner = device.owner?.rawValue
            reportedAt = Moments.date(device.reportedAt)
            validUntil = device.validUntil.map(Moments.date)
        }
    }

    package struct Risk: Encodable, Sendable {
        let principal: String
        let level: String
        let reason: String?
        let setAt: String
        let expiresAt: String?

        package init(_ risk: PrincipalRisk) {
            principal = risk.principal.rawValue
            level = risk.level.rawValue
            reason = risk.reason
            setAt = Moments.date(risk.setAt)
            expiresAt = risk.expiresAt.map(Moments.date)
        }
    }

    package struct Outcome: Encodable, Sendable {
        package struct Finding: Encodable, Sendable {
            package let policy: String
            package let demand: String
        }
        package let allowed: Bool
        package let findings: [Finding]
        package let reported: [Finding]
        let claims: String?

        package init(_ outcome: ConditionalOutcome, at now: Int64) {
            allowed = outcome.isAllowed
            findings = outcome.findings.map { Finding(policy: $0.policy, demand: $0.demand.rawValue) }
            reported = outcome.reported.map { Finding(policy: $0.policy, demand: $0.demand.rawValue) }
            claims = outcome.claims(at: now)
        }
    }

    package struct Eligible: Encodable, Sendable {
        let id: String
        let principal: String
        let role: String
        let scope: String
        let maximumDuration: Int64
        let needsApproval: Bool
        let needsMfa: Bool
        let approvers: [String]
        let note: String?

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

    package struct ElevationShown: Encodable, Sendable {
        let id: String
        let eligible: String
        let principal: String
        let role: String
        let scope: String
        let reason: String
        let state: String
        let requestedAt: String
        let decidedBy: String?
        let endsAt: String?

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

    package struct Change: Encodable, Sendable {
        let id: String
        let act: String
        let target: String
        let state: String
        let requestedBy: String
        let requestedAt: String
        let decidedBy: String?

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
