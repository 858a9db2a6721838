import Foundation
import SallyportCore
import SallyportIdentity
import SallyportStorage

/// Holds the `audit.*` settings, and the list of what is under four eyes, to what a second person has let happen. Blocks.
struct AuditSettingsGuard: Sendable {
    static let act = "configuration.audit"
    private static let target = "audit"
    private let eyes: FourEyes

    init(_ database: any SQLDatabase, sealer: any Sealer) {
        eyes = FourEyes(areas: [.audit], store: SQLChangeStore(database), sealing: sealer)
    }

    private struct Settings: Codable {
        let origin: String
        let durability: String
        let segmentBytes: Int
        let checkpointMilliseconds: Int64
        let fourEyes: [String]
    }

    private static func content(_ plan: ServerPlan) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let interval = plan.audit.checkpointInterval.components
        return Array(
            try encoder.encode(
                Settings(
                    origin: plan.audit.origin, durability: plan.audit.durability.rawValue, segmentBytes: plan.audit.segmentBytes,
                    checkpointMilliseconds: interval.seconds * 1000 + interval.attoseconds / 1_000_000_000_000_000,
                    fourEyes: plan.access.fourEyes.map(\.rawValue).sorted())))
    }

    /// The first time that a plan is under it, the plan is taken as it is; from then on only what was approved.
    /// - Throws: ``Fault`` `.conflict` after the change was put before a second person.
    func check(_ plan: ServerPlan, at now: Int64) throws {
        let content = try Self.content(plan)
        guard let last = try eyes.store.lastApplied(Self.act, target: Self.target, tenant: .default) else {
            guard plan.access.fourEyes.contains(.audit) else { return }
            let asked = try eyes.ask(Self.act, target: Self.target, content: content, by: "system:configuration", at: now)
            _ = try eyes.store.decide(asked.id, tenant: .default, .applied, by: "system:first-use", at: now)
            return
        }
        guard try !ConstantTime.equal(eyes.content(of: last), content) else { return }
        let isAsked = try eyes.list().contains { change in
            try change.act == Self.act && change.state == .pending && now - change.requestedAt < FourEyes.patience
                && ConstantTime.equal(eyes.content(of: change), content)
        }
        if !isAsked { _ = try eyes.ask(Self.act, target: Self.target, content: content, by: "system:configuration", at: now) }
        throw Fault(
            .conflict,
            "The audit settings (or what is under four eyes) changed: that takes a second person. The change waits at the administrative surface; after its approval, reload. A gateway that is down starts with the former settings."
        )
    }
}
