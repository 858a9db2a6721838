import SallyportCore

/// Ends all that a principal holds, within a transaction: keys, tokens, and whatever else signs in or gives rights.
enum AccessEnd {
    /// What a revocation of ours says, so that it can be told from an administrator's.
    private static let note = "ended by provisioning"

    static func end(_ departure: Departure, _ tenant: TenantID, _ db: any SQLConnection) throws -> DepartureOutcome {
        var outcome = DepartureOutcome()
        outcome.keys = try db.execute(
            "UPDATE api_key SET revoked_at = $1 WHERE tenant = $2 AND principal = $3 AND (revoked_at IS NULL OR revoked_at > $1)",
            [.integer(departure.at), .text(tenant), .text(departure.principal)])
        // An administrator's own word stays as it stands.
        try db.execute(
            """
            INSERT INTO revocation (tenant, kind, subject, not_before, created_at, note) VALUES ($1, 'principal', $2, NULL, $3, $4)
            ON CONFLICT DO NOTHING
            """, [.text(tenant), .text(departure.principal), .integer(departure.at), .text(note)])
        // Also for the time after a return: tokens of before stay without effect.
        try db.execute(
            """
            INSERT INTO revocation (tenant, kind, subject, not_before, created_at, note) VALUES ($1, 'issued-before', $2, $3, $3, $4)
            ON CONFLICT (tenant, kind, subject) DO UPDATE SET not_before = excluded.not_before, created_at = excluded.created_at
            WHERE revocation.not_before IS NULL OR excluded.not_before > revocation.not_before
            """, [.text(tenant), .text(departure.principal), .integer(departure.at + 1), .text(note)])
        outcome.sessions = try db.execute(
            "DELETE FROM console_session WHERE tenant = $1 AND principal = $2", [.text(tenant), .text(departure.principal)])
        outcome.elevations = try db.execute(
            """
            UPDATE elevation SET state = 'ended', ends_at = $1
            WHERE tenant = $2 AND principal = $3 AND (state = 'pending' OR (state = 'active' AND (ends_at IS NULL OR ends_at > $1)))
            """, [.integer(departure.at), .text(tenant), .text(departure.principal)])
        if departure.isFinal {
            try db.execute(
                "DELETE FROM eligible_assignment WHERE tenant = $1 AND principal IN ($2, $3)",
                [.text(tenant), .text("user:\(departure.principal)"), .text("service:\(departure.principal)")])
            outcome.assignments = try db.execute(
                "DELETE FROM role_assignment WHERE tenant = $1 AND principal IN ($2, $3)",
                [.text(tenant), .text("user:\(departure.principal)"), .text("service:\(departure.principal)")])
        }
        try Revision.keys.bump(db)
        try Revision.access.bump(db)
        return outcome
    }

    /// Trusts the principal again, if it was provisioning that ended it. Keys stay revoked.
    static func giveBack(_ principal: String, _ tenant: TenantID, _ db: any SQLConnection) throws {
        try db.execute(
            "DELETE FROM revocation WHERE tenant = $1 AND kind = 'principal' AND subject = $2 AND note = $3",
            [.text(tenant), .text(principal), .text(note)])
        try Revision.access.bump(db)
    }
}
