import NIOConcurrencyHelpers
import SallyportCore

/// Reviews in memory.
final class MemoryReviewStore: ReviewStore {
    private struct Entry {
        var campaign: ReviewCampaign
        var status: ReviewCampaign.Status
        var items: [ReviewItem]
    }
    private let entries = NIOLockedValueBox<[String: Entry]>([:])

    func campaigns(of tenant: TenantID) throws -> [ReviewCampaign] {
        entries.withLockedValue { $0.values.map(\.campaign).filter { $0.tenant == tenant }.sorted { $0.createdAt < $1.createdAt } }
    }
    func status(of id: String, tenant: TenantID) throws -> ReviewCampaign.Status? { entries.withLockedValue { $0[id]?.status } }
    func campaign(_ id: String, tenant: TenantID) throws -> (campaign: ReviewCampaign, status: ReviewCampaign.Status)? {
        entries.withLockedValue { $0[id].map { ($0.campaign, $0.status) } }
    }
    func items(of campaign: String, tenant: TenantID) throws -> [ReviewItem] { entries.withLockedValue { $0[campaign]?.items ?? [] } }
    func insert(_ campaign: ReviewCampaign, status: ReviewCampaign.Status, items: [ReviewItem]) throws {
        entries.withLockedValue { $0[campaign.id] = Entry(campaign: campaign, status: status, items: items) }
    }
    func move(_ campaign: ReviewCampaign, from old: ReviewCampaign.Status, to new: ReviewCampaign.Status) throws -> Bool {
        entries.withLockedValue { entries in
            guard var entry = entries[campaign.id], entry.status == old else { return false }
            entry.campaign = campaign
            entry.status = new
            entries[campaign.id] = entry
            return true
        }
    }
    func update(_ item: ReviewItem, of campaign: String, tenant: TenantID, while status: ReviewCampaign.Status) throws -> Bool {
        entries.withLockedValue { entries in
            guard var entry = entries[campaign], entry.status == status, let index = entry.items.firstIndex(where: { $0.id == item.id })
            else { return false }
            entry.items[index] = item
            entries[campaign] = entry
            return true
        }
    }
}

/// Assignments and revocations in memory.
final class MemoryAccessStore: AccessStore {
    private struct State {
        var assignments: [RoleAssignment]
        var revocations: [Revocation] = []
        var revision: Int64 = 1
        var reads = 0
    }
    private let state: NIOLockedValueBox<State>
    init(_ assignments: [RoleAssignment]) { state = NIOLockedValueBox(State(assignments: assignments)) }

    /// How often all assignments were read.
    var reads: Int { state.withLockedValue { $0.reads } }

    func allAssignments() throws -> [RoleAssignment] {
        state.withLockedValue {
            $0.reads += 1
            return $0.assignments
        }
    }
    func insert(_ assignment: RoleAssignment) throws { changed { $0.assignments.append(assignment) } }
    func removeAssignment(_ id: String, tenant: TenantID) throws -> Bool {
        changed { state in
            let before = state.assignments.count
            state.assignments.removeAll { $0.id == id }
            return state.assignments.count < before
        }
    }
    func allRevocations() throws -> [Revocation] { state.withLockedValue { $0.revocations } }
    func put(_ revocation: Revocation) throws { changed { $0.revocations.append(revocation) } }
    func removeRevocation(_ kind: Revocation.Kind, subject: String, tenant: TenantID) throws -> Bool {
        changed { state in
            let before = state.revocations.count
            state.revocations.removeAll { $0.kind == kind && $0.subject == subject }
            return state.revocations.count < before
        }
    }
    func revision() throws -> Int64 { state.withLockedValue { $0.revision } }

    private func changed<T>(_ body: (inout State) -> T) -> T {
        state.withLockedValue { state in
            state.revision += 1
            return body(&state)
        }
    }
}
