import Foundation
import NIOConcurrencyHelpers
import SallyportConsole
import SallyportCore
import SallyportIdentity
import SallyportStorage

/// Access reviews, privacy and provisioning on the administrative surface.
extension ConsoleSurface {
    static func governanceRoutes(_ parts: Parts, _ plan: NIOLockedValueBox<ServerPlan>, keys: KeyRoutes, publicURL: String) -> [BoundRoute]
    {
        let database = parts.database
        let provisioning = SQLProvisioningStore(database)
        let reviews = ReviewRoutes(
            governance: {
                let plan = plan.withLockedValue { $0 }
                return GovernanceAdministration(plan: plan, database: database, auditDirectory: plan.dataDirectory + "/audit")
            },
            groups: { try provisioning.groups(holding: $0.id.rawValue, tenant: $0.tenant) })
        let privacy = PrivacyRoutes { PrivacyAdministration(plan: plan.withLockedValue { $0 }, database: database) }
        let scim = ProvisioningRoutes(
            service: {
                SCIMService(
                    store: provisioning, settings: plan.withLockedValue { $0.provisioning }, makeID: { UUID().uuidString.lowercased() },
                    clock: { ServerProcess.wallTime().seconds })
            }, publicURL: publicURL)
        return reviews.bound + privacy.bound + scim.bound + ReviewPages(reviews).bound + PrivacyPages(privacy).bound
            + ProvisioningPages(scim, keys: keys).bound
    }
}
