import SallyportCore
import SallyportStorage
import SallyportTesting
import Testing

@Suite struct StoreContractTests {
    @Test func keysFollowTheContract() throws {
        try KeyStoreContract.verify(SQLKeyStore(try SQLiteDatabase(.temporary)))
    }

    @Test func assignmentsAndRevocationsFollowTheContract() throws {
        try AccessStoreContract.verify(SQLAccessStore(try SQLiteDatabase(.temporary)))
    }

    @Test func blocklistsFollowTheContract() throws {
        try BlocklistStoreContract.verify(SQLBlocklistStore(try SQLiteDatabase(.temporary)))
    }

    @Test func categoriesFollowTheContract() throws {
        try CategoryStoreContract.verify(SQLCategoryStore(try SQLiteDatabase(.temporary)))
    }

    @Test func incidentsFollowTheContract() throws {
        try IncidentStoreContract.verify(SQLIncidentStore(try SQLiteDatabase(.temporary)))
    }

    @Test func policiesFollowTheContract() throws {
        try PolicyStoreContract.verify(SQLPolicyStore(try SQLiteDatabase(.temporary)))
    }

    @Test func ownershipFollowsTheContract() throws {
        try OwnershipStoreContract.verify(SQLOwnershipStore(try SQLiteDatabase(.temporary)))
    }

    @Test func usageFollowsTheContract() throws {
        try UsageStoreContract.verify(SQLUsageStore(try SQLiteDatabase(.temporary)))
    }

    @Test func subjectKeysFollowTheContract() throws {
        try SubjectKeyStoreContract.verify(SQLSubjectKeyStore(try SQLiteDatabase(.temporary)))
    }

    @Test func backgroundResponsesAreKeptUntilTheyAreTaken() throws {
        let store = SQLBackgroundResponseStore(try SQLiteDatabase(.temporary))
        func entry(_ id: String, _ prompt: Int = 0, of tenant: TenantID = .default) -> BackgroundResponse {
            .init(key: .init(tenant: tenant, id: id), prompt: prompt, completion: prompt * 2)
        }
        try store.update(noted: [entry("b")], taken: [], at: 10)
        try store.update(noted: [entry("a", 3), entry("b", of: "other")], taken: [], at: 20)
        #expect(try store.all() == [entry("b"), entry("a", 3), entry("b", of: "other")])
        // Noted again: what is counted changes, its age does not.
        try store.update(noted: [entry("b", 7)], taken: [.init(tenant: "other", id: "b"), .init(tenant: "other", id: "unknown")], at: 30)
        #expect(try store.all() == [entry("b", 7), entry("a", 3)])
        try store.remove(before: 20)
        #expect(try store.all() == [entry("a", 3)])
    }
}
