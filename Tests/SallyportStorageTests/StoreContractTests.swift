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
}
