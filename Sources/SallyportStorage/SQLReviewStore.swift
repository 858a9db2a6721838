import SallyportCore

/// Access reviews in SQL.
package struct SQLReviewStore: ReviewStore {
    private let database: any SQLDatabase
    package init(_ database: any SQLDatabase) { self.database = database }

    package func campaigns(of tenant: TenantID) throws -> [ReviewCampaign] {
        try database.read { db in
            try db.rows("SELECT definition FROM review_campaign WHERE tenant = $1 ORDER BY created_at, id", [.text(tenant)])
                .map { try JSONColumn.value(of: $0, 0) }
        }
    }

    package func status(of id: String, tenant: TenantID) throws -> ReviewCampaign.Status? {
        try database.read { try Self.status(id, tenant, $0) }
    }

    package func campaign(_ id: String, tenant: TenantID) throws -> (campaign: ReviewCampaign, status: ReviewCampaign.Status)? {
        let row = try database.read { db in
            try db.rows("SELECT definition, status FROM review_campaign WHERE tenant = $1 AND id = $2", [.text(tenant), .text(id)]).first
        }
        return try row.map { (try JSONColumn.value(of: $0, 0), try Self.status($0, 1)) }
    }

    package func items(of campaign: String, tenant: TenantID) throws -> [ReviewItem] {
        try database.read { db in
            try db.rows(
                "SELECT content FROM review_item WHERE tenant = $1 AND campaign = $2 ORDER BY position", [.text(tenant), .text(campaign)]
            ).map { try JSONColumn.value(of: $0, 0) }
        }
    }

    package func insert(_ campaign: ReviewCampaign, status: ReviewCampaign.Status, items: [ReviewItem]) throws {
        try database.write { db in
            let added = try db.execute(
                """
                INSERT INTO review_campaign (tenant, id, status, created_at, ends_at, definition) VALUES ($1, $2, $3, $4, $5, $6)
                ON CONFLICT DO NOTHING
                """,
                [
                    .text(campaign.tenant), .text(campaign.id), .text(status.rawValue), .integer(campaign.createdAt),
                    .integer(campaign.endsAt), .text(try JSONColumn.text(campaign)),
                ])
            guard added == 1 else { throw Fault(.conflict, "A review with this id exists already.") }
            for (position, item) in items.enumerated() {
                try db.execute(
                    """
                    INSERT INTO review_item (tenant, campaign, id, position, subject, principal, reviewed_by, content)
                    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                    """,
                    [
                        .text(campaign.tenant), .text(campaign.id), .text(item.id), .integer(position), .text(item.subject),
                        .text(item.principal), .text(item.reviewedBy), .text(try JSONColumn.text(item)),
                    ])
            }
        }
    }

    package func move(_ campaign: ReviewCampaign, from old: ReviewCampaign.Status, to new: ReviewCampaign.Status) throws -> Bool {
        try database.write { db in
            try db.execute(
                """
                UPDATE review_campaign SET status = $1, ends_at = $2, definition = $3 WHERE tenant = $4 AND id = $5 AND status = $6
                """,
                [
                    .text(new.rawValue), .integer(campaign.endsAt), .text(try JSONColumn.text(campaign)), .text(campaign.tenant),
                    .text(campaign.id), .text(old.rawValue),
                ]) == 1
        }
    }

    package func update(_ item: ReviewItem, of campaign: String, tenant: TenantID, while status: ReviewCampaign.Status) throws -> Bool {
        try database.write { db in
            guard try Self.status(campaign, tenant, db) == status else { return false }
            return try db.execute(
                "UPDATE review_item SET content = $1, reviewed_by = $2 WHERE tenant = $3 AND campaign = $4 AND id = $5",
                [.text(try JSONColumn.text(item)), .text(item.reviewedBy), .text(tenant), .text(campaign), .text(item.id)]) == 1
        }
    }

    private static func status(_ id: String, _ tenant: TenantID, _ db: any SQLConnection) throws -> ReviewCampaign.Status? {
        try db.rows("SELECT status FROM review_campaign WHERE tenant = $1 AND id = $2", [.text(tenant), .text(id)]).first
            .map { try status($0, 0) }
    }

    private static func status(_ row: SQLRow, _ column: Int) throws -> ReviewCampaign.Status {
        guard let status = ReviewCampaign.Status(rawValue: try row.text(column)) else {
            throw SQLColumnError(column: column, expected: "a review's status")
        }
        return status
    }
}
