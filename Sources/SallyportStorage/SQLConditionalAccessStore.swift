import SallyportCore

/// Conditional access policies, devices and risks in SQL.
package struct SQLConditionalAccessStore: ConditionalAccessStore {
    private let database: any SQLDatabase
    package init(_ database: any SQLDatabase) { self.database = database }

    package func policies() throws -> [StoredConditionalPolicy] {
        try database.read { db in
            try db.rows("SELECT tenant, name, version, document, created_at FROM conditional_policy ORDER BY tenant, name", []).map { row in
                StoredConditionalPolicy(
                    tenant: TenantID(try row.text(0)), name: try row.text(1), version: Int(try row.integer(2)), document: try row.blob(3),
                    createdAt: try row.integer(4))
            }
        }
    }

    package func put(_ name: String, document: [UInt8], of tenant: TenantID, at now: Int64, replacing known: Int?) throws -> Int? {
        try database.write { db in
            guard try db.isCurrent(known, of: name, in: "conditional_policy", tenant) else { return nil }
            try db.execute(
                """
                INSERT INTO conditional_policy_number (tenant, name, version) VALUES ($1, $2, 1)
                ON CONFLICT (tenant, name) DO UPDATE SET version = conditional_policy_number.version + 1
                """, [.text(tenant), .text(name)])
            guard
                let version = try db.rows(
                    "SELECT version FROM conditional_policy_number WHERE tenant = $1 AND name = $2", [.text(tenant), .text(name)]
                ).first?.integer(0)
            else { throw SQLColumnError(column: 0, expected: "the number just given") }
            try db.execute(
                """
                INSERT INTO conditional_policy (tenant, name, version, document, created_at) VALUES ($1, $2, $3, $4, $5)
                ON CONFLICT (tenant, name) DO UPDATE SET
                    version = excluded.version, document = excluded.document, created_at = excluded.created_at
                """, [.text(tenant), .text(name), .integer(version), .blob(document), .integer(now)])
            try Revision.conditional.bump(db)
            return Int(version)
        }
    }

    package func removePolicy(_ name: String, of tenant: TenantID) throws -> Bool {
        try remove("DELETE FROM conditional_policy WHERE tenant = $1 AND name = $2", tenant, name)
    }

    package func devices() throws -> [DevicePosture] {
        try database.read { db in
            try db.rows(
                "SELECT tenant, id, platform, is_compliant, owner, reported_at, valid_until FROM device_posture ORDER BY tenant, id", []
            ).map { row in
                let platform = try row.optionalText(2)
                return DevicePosture(
                    tenant: TenantID(try row.text(0)), id: try row.text(1), platform: platform.flatMap(DevicePosture.Platform.init),
                    isCompliant: try row.integer(3) == 1, owner: try row.optionalText(4).map { PrincipalID($0) },
                    reportedAt: try row.integer(5), validUntil: try row.optionalInteger(6))
            }
        }
    }

    package func put(_ device: DevicePosture) throws {
        try database.write { db in
            try db.execute(
                """
                INSERT INTO device_posture (tenant, id, platform, is_compliant, owner, reported_at, valid_until)
                VALUES ($1, $2, $3, $4, $5, $6, $7)
                ON CONFLICT (tenant, id) DO UPDATE SET platform = excluded.platform, is_compliant = excluded.is_compliant,
                    owner = excluded.owner, reported_at = excluded.reported_at, valid_until = excluded.valid_until
                """,
                [
                    .text(device.tenant), .text(device.id), .text(device.platform?.rawValue), .integer(device.isCompliant ? 1 : 0),
                    .text(device.owner?.rawValue), .integer(device.reportedAt), .integer(device.validUntil),
                ])
            try Revision.conditional.bump(db)
        }
    }

    package func removeDevice(_ id: String, of tenant: TenantID) throws -> Bool {
        try remove("DELETE FROM device_posture WHERE tenant = $1 AND id = $2", tenant, id)
    }

    package func risks() throws -> [PrincipalRisk] {
        try database.read { db in
            try db.rows("SELECT tenant, principal, level, reason, set_at, expires_at FROM principal_risk ORDER BY tenant, principal", [])
                .map {
                    row in
                    guard let level = PrincipalRisk.Level(rawValue: try row.text(2)) else {
                        throw SQLColumnError(column: 2, expected: "a level of risk")
                    }
                    return PrincipalRisk(
                        tenant: TenantID(try row.text(0)), principal: PrincipalID(try row.text(1)), level: level,
                        reason: try row.optionalText(3), setAt: try row.integer(4), expiresAt: try row.optionalInteger(5))
                }
        }
    }

    package func put(_ risk: PrincipalRisk) throws {
        try database.write { db in
            try db.execute(
                """
                INSERT INTO principal_risk (tenant, principal, level, reason, set_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)
                ON CONFLICT (tenant, principal) DO UPDATE SET
                    level = excluded.level, reason = excluded.reason, set_at = excluded.set_at, expires_at = excluded.expires_at
                """,
                [
                    .text(risk.tenant), .text(risk.principal), .text(risk.level.rawValue), .text(risk.reason), .integer(risk.setAt),
                    .integer(risk.expiresAt),
                ])
            try Revision.conditional.bump(db)
        }
    }

    package func removeRisk(of principal: PrincipalID, tenant: TenantID) throws -> Bool {
        try remove("DELETE FROM principal_risk WHERE tenant = $1 AND principal = $2", tenant, principal.rawValue)
    }

    package func revision() throws -> Int64 { try database.read(Revision.conditional.number) }

    private func remove(_ sql: String, _ tenant: TenantID, _ name: String) throws -> Bool {
        try database.write { db in
            let removed = try db.execute(sql, [.text(tenant), .text(name)])
            if removed > 0 { try Revision.conditional.bump(db) }
            return removed > 0
        }
    }
}
