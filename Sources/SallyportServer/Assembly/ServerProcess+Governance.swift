import SallyportCore

/// What governs access goes on by itself: counting uses, ending reviews.
extension ServerProcess {
    func governanceChores() async {
        let now = Self.wallTime().seconds
        guard let (plan, database) = planForGovernance(at: now) else { return }
        await chore("access governance") { [outbox] in
            _ = try await pool.runIfActive(eventLoop: group.next()) {
                let governance = GovernanceAdministration(
                    plan: plan, database: database, auditDirectory: plan.dataDirectory + "/audit")
                // A long log is read in steps, so that other chores come to their turn.
                try governance.collect(most: 2, at: now)
                if now % 3600 < 5 { try governance.prune(at: now) }
                _ = try PrivacyAdministration(plan: plan, database: database).retention.run(at: now) {
                    try outbox.record($0, target: $1, details: $2, by: "system:retention")
                }
                try governance.endDueReviews(at: now) {
                    try outbox.record($0, target: $1, details: $2, by: "system:reviews")
                }
            }.get()
        }
    }
}
