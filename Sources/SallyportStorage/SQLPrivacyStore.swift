import SallyportCore

/// Consents, notices, holds and requests in SQL.
package struct SQLPrivacyStore: PrivacyStore {
    private let database: any SQLDatabase
    package init(_ database: any SQLDatabase) { self.database = database }

    // MARK: Consents

    package func consents(of tenant: TenantID) throws -> [Consent] {
        try database.read { db in
            try db.rows(
                """
                SELECT subject, kind, purpose, version, given_at, withdrawn_at, evidence FROM privacy_consent
                WHERE tenant = $1 ORDER BY given_at, subject, kind, purpose, number
                """, [.text(tenant)]
            ).map { row in
                guard let kind = Consent.Kind(rawValue: try row.text(1)) else { throw SQLColumnError(column: 1, expected: "a kind") }
                return Consent(
                    tenant: tenant, subject: try row.text(0), kind: kind, purpose: try row.text(2), version: try row.text(3),
                    givenAt: try row.integer(4), withdrawnAt: try row.optionalInteger(5), evidence: try row.text(6))
            }
        }
    }

    package func put(_ consent: Consent) throws {
        try database.write { db in
            let place: [SQLValue] = [
                .text(consent.tenant), .text(consent.subject), .text(consent.kind.rawValue), .text(consent.purpose),
            ]
            // One is live at a time: a newer version ends the older one.
            try db.execute(
                """
                UPDATE privacy_consent SET withdrawn_at = $1
                WHERE tenant = $2 AND subject = $3 AND kind = $4 AND purpose = $5 AND withdrawn_at IS NULL
                """, [.integer(consent.givenAt)] + place)
            try db.execute(
                """
                INSERT INTO privacy_consent (tenant, subject, kind, purpose, number, version, given_at, withdrawn_at, evidence)
                SELECT $1, $2, $3, $4, coalesce(max(number), 0) + 1, $5, $6, $7, $8 FROM privacy_consent
                WHERE tenant = $1 AND subject = $2 AND kind = $3 AND purpose = $4
                """,
                place + [.text(consent.version), .integer(consent.givenAt), .integer(consent.withdrawnAt), .text(consent.evidence)])
            try Revision.privacy.bump(db)
        }
    }

    package func withdraw(_ kind: Consent.Kind, purpose: String, subject: String, tenant: TenantID, at now: Int64) throws -> Bool {
        try database.write { db in
            let changed = try db.execute(
                """
                UPDATE privacy_consent SET withdrawn_at = $1
                WHERE tenant = $2 AND subject = $3 AND kind = $4 AND purpose = $5 AND withdrawn_at IS NULL
                """, [.integer(now), .text(tenant), .text(subject), .text(kind.rawValue), .text(purpose)])
            if changed > 0 { try Revision.privacy.bump(db) }
            return changed > 0
        }
    }

    // MARK: Notices

    package func publish(_ notice: String, text: String, tenant: TenantID, at now: Int64) throws -> Int {
        try database.write { db in
            let last = try db.rows(
                "SELECT coalesce(max(version), 0) FROM privacy_notice WHERE tenant = $1 AND name = $2", [.text(tenant), .text(notice)]
            ).first?.integer(0)
            let version = (last ?? 0) + 1
            try db.execute(
                "INSERT INTO privacy_notice (tenant, name, version, content, published_at) VALUES ($1, $2, $3, $4, $5)",
                [.text(tenant), .text(notice), .integer(version), .text(text), .integer(now)])
            try Revision.privacy.bump(db)
            return Int(version)
        }
    }

    package func notices(of tenant: TenantID) throws -> [PrivacyNotice] {
        try database.read { db in
            try db.rows(
                "SELECT name, version, content, published_at FROM privacy_notice WHERE tenant = $1 ORDER BY name, version", [.text(tenant)]
            ).map {
                PrivacyNotice(
                    tenant: tenant, name: try $0.text(0), version: Int(try $0.integer(1)), text: try $0.text(2),
                    publishedAt: try $0.integer(3))
            }
        }
    }

    package func acknowledge(_ known: NoticeAcknowledgement) throws {
        try database.write { db in
            try db.execute(
                """
                INSERT INTO privacy_acknowledgement (tenant, notice, version, subject, at) VALUES ($1, $2, $3, $4, $5)
                ON CONFLICT DO NOTHING
                """, [.text(known.tenant), .text(known.notice), .integer(known.version), .text(known.subject), .integer(known.at)])
            try Revision.privacy.bump(db)
        }
    }

    package func acknowledgements(of tenant: TenantID) throws -> [NoticeAcknowledgement] {
        try database.read { db in
            try db.rows(
                "SELECT notice, version, subject, at FROM privacy_acknowledgement WHERE tenant = $1 ORDER BY at, notice, subject",
                [.text(tenant)]
            ).map {
                NoticeAcknowledgement(
                    tenant: tenant, notice: try $0.text(0), version: Int(try $0.integer(1)), subject: try $0.text(2), at: try $0.integer(3))
            }
        }
    }

    // MARK: Holds

    package func holds(of tenant: TenantID) throws -> [LegalHold] {
        try database.read { db in
            try db.rows(
                """
                SELECT id, subject, policy, reason, placed_by, placed_at, review_at, released_at FROM legal_hold
                WHERE tenant = $1 ORDER BY placed_at, id
                """, [.text(tenant)]
            ).map {
                LegalHold(
                    id: try $0.text(0), tenant: tenant, subject: try $0.optionalText(1), policy: try $0.optionalText(2),
                    reason: try $0.text(3), placedBy: try $0.text(4), placedAt: try $0.integer(5), reviewAt: try $0.integer(6),
                    releasedAt: try $0.optionalInteger(7))
            }
        }
    }

    package func place(_ hold: LegalHold) throws {
        try database.write { db in
            let added = try db.execute(
                """
                INSERT INTO legal_hold (tenant, id, subject, policy, reason, placed_by, placed_at, review_at, released_at)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, NULL) ON CONFLICT DO NOTHING
                """,
                [
                    .text(hold.tenant), .text(hold.id), .text(hold.subject), .text(hold.policy), .text(hold.reason), .text(hold.placedBy),
                    .integer(hold.placedAt), .integer(hold.reviewAt),
                ])
            guard added == 1 else { throw Fault(.conflict, "A hold with this id exists already.") }
        }
    }

    package func releaseHold(_ id: String, tenant: TenantID, at now: Int64) throws -> Bool {
        try database.write { db in
            try db.execute(
                "UPDATE legal_hold SET released_at = $1 WHERE tenant = $2 AND id = $3 AND released_at IS NULL",
                [.integer(now), .text(tenant), .text(id)]) == 1
        }
    }

    // MARK: Requests

    package func requests(of tenant: TenantID) throws -> [SubjectRequest] {
        try database.read { db in
            try db.rows("SELECT content FROM subject_request WHERE tenant = $1 ORDER BY received_at, id", [.text(tenant)])
                .map { try JSONColumn.value(of: $0, 0) }
        }
    }

    package func insert(_ request: SubjectRequest) throws {
        try database.write { db in
            let added = try db.execute(
                """
                INSERT INTO subject_request (tenant, id, subject, status, received_at, content) VALUES ($1, $2, $3, $4, $5, $6)
                ON CONFLICT DO NOTHING
                """,
                [
                    .text(request.tenant), .text(request.id), .text(request.subject), .text(request.status.rawValue),
                    .integer(request.receivedAt), .text(try JSONColumn.text(request)),
                ])
            guard added == 1 else { throw Fault(.conflict, "A request with this id exists already.") }
        }
    }

    package func update(_ request: SubjectRequest, from old: SubjectRequest.Status) throws -> Bool {
        try database.write { db in
            try db.execute(
                "UPDATE subject_request SET status = $1, content = $2 WHERE tenant = $3 AND id = $4 AND status = $5",
                [
                    .text(request.status.rawValue), .text(try JSONColumn.text(request)), .text(request.tenant), .text(request.id),
                    .text(old.rawValue),
                ]) == 1
        }
    }

    package func revision() throws -> Int64 { try database.read(Revision.privacy.number) }
}
