import SallyportCore

/// What governs access goes on by itself: counting uses, ending reviews.
extension ServerProcess {
    func governanceChores() async {
        let now = Self.wallTime().seconds
        guard let (plan, database, identity) = planForGovernance(at: now) else { return }
        await chore("access governance") { [outbox, auditKey] in
            let privacy = PrivacyAdministration(plan: plan, database: database, identity: identity)
            func retain() throws {
                _ = try privacy.retention.run(at: now) { try outbox.record($0, target: $1, details: $2, by: "system:retention") }
            }
            // Reviews and what they rest on are the other gateway's; what this one's log says of uses is added to it.
            guard identity.borrowed == nil else {
                try retain()
                let log = AccessUseCollector(
                    auditDirectory: plan.dataDirectory + "/audit", store: identity.accessUses(ofLog: auditKey))
                _ = try log.catchUp(most: 2, at: now)
                return
            }
            let governance = GovernanceAdministration(
                plan: plan, database: database, auditDirectory: plan.dataDirectory + "/audit")
            // A long log is read in steps, so that other chores come to their turn.
            try governance.collect(most: 2, at: now)
            if now % 3600 < 5 { try governance.prune(at: now) }
            try retain()
            try governance.endDueReviews(at: now) {
                try outbox.record($0, target: $1, details: $2, by: "system:reviews")
            }
        }
    }
}
