import SallyportCore

extension Sealer {
    /// A value of a row with one key column.
    func seal(_ plain: [UInt8], tenant: TenantID, place: String, row: String) throws -> [UInt8] {
        try seal(plain, for: SealContext(tenant: tenant, place: place, row: [row]))
    }

    func open(_ sealed: [UInt8], tenant: TenantID, place: String, row: String) throws -> [UInt8] {
        try open(sealed, for: SealContext(tenant: tenant, place: place, row: [row]))
    }
}
