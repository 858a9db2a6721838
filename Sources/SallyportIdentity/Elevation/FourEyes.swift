import SallyportCore

/// Changes that one person asks for and another lets happen. Every method blocks.
package struct FourEyes: Sendable {
    /// What can be put under it.
    package enum Area: String, Sendable, CaseIterable { case policies, keyStore, audit }

    package let areas: Set<Area>
    package let store: any ChangeStore
    private let sealer: any Sealer
    private let tenant: TenantID
    private let newID: @Sendable () -> String

    /// A question that nobody answers is none any more.
    package static let patience: Int64 = 7 * 86_400
    package static let maximumBytes = 1 << 20

    package init(
        areas: Set<Area>, store: any ChangeStore, sealing: any Sealer, tenant: TenantID = .default,
        newID: @escaping @Sendable () -> String = { Base64.encode(AccountOperations.systemRandom(9), alphabet: .urlSafe) }
    ) {
        self.areas = areas
        self.store = store
        sealer = sealing
        self.tenant = tenant
        self.newID = newID
    }

    package func covers(_ area: Area) -> Bool { areas.contains(area) }

    /// Keeps a change until somebody else has decided. Nothing is done yet.
    package func ask(_ act: String, target: String, content: [UInt8], by principal: PrincipalID, at now: Int64) throws -> PendingChange {
        guard content.count <= Self.maximumBytes else { throw Fault(.payloadTooLarge, "The change is too large to be kept.") }
        let id = newID()
        let sealed = try sealer.seal(content, tenant: tenant, place: "pending_change.content", row: id)
        let change = PendingChange(
            id: id, tenant: tenant, act: act, target: target, content: sealed, requestedBy: principal, requestedAt: now)
        try store.insert(change)
        return change
    }

    package func list() throws -> [PendingChange] { try store.changes(limit: 500) }

    package func change(_ id: String, at now: Int64) throws -> PendingChange {
        guard let found = try store.change(id, tenant: tenant) else { throw Fault(.notFound, "There is no such change.") }
        guard found.state != .pending || now - found.requestedAt < Self.patience else {
            throw Fault(.conflict, "This change waited too long: ask for it anew.")
        }
        return found
    }

    package func content(of change: PendingChange) throws -> [UInt8] {
        try sealer.open(change.content, tenant: tenant, place: "pending_change.content", row: change.id)
    }

    /// Decides; exactly one decision counts.
    /// - Throws: ``Fault`` `.permissionDenied` when it is one's own.
    package func decide(_ id: String, apply: Bool, by principal: PrincipalID, at now: Int64) throws -> PendingChange {
        let change = try change(id, at: now)
        guard change.requestedBy != principal else {
            throw Fault(.permissionDenied, "Nobody decides on his own change: that takes four eyes.")
        }
        guard change.state == .pending else { throw Fault(.conflict, "This change is \(change.state.rawValue) already.") }
        guard try store.decide(id, tenant: tenant, apply ? .applied : .rejected, by: principal, at: now) else {
            throw Fault(.conflict, "Somebody else has decided already.")
        }
        return change
    }

    /// How long an approval of an act at the command line holds.
    package static let approvalLasts: Int64 = 3600

    /// For acts that are done elsewhere: goes on when a second person has let it happen within the last hour, else asks for that.
    /// - Throws: ``Fault`` `.conflict` when the act waits.
    package func awaitApproval(of act: String, target: String, by principal: PrincipalID, at now: Int64) throws {
        if let last = try store.lastApplied(act, target: target, tenant: tenant), now - (last.decidedAt ?? 0) < Self.approvalLasts {
            return
        }
        let waiting = try list().first {
            $0.act == act && $0.target == target && $0.state == .pending && now - $0.requestedAt < Self.patience
        }
        let change = try waiting ?? ask(act, target: target, content: [], by: principal, at: now)
        throw Fault(
            .conflict,
            "This takes a second person: the change \(change.id) waits at the administrative surface. Within an hour of its approval, do this again."
        )
    }

    /// Whether this very content was let happen by a second person, and nothing else since.
    package func isApproved(_ act: String, target: String, content: [UInt8]) throws -> Bool {
        guard let last = try store.lastApplied(act, target: target, tenant: tenant) else { return false }
        return ConstantTime.equal(try self.content(of: last), content)
    }
}
