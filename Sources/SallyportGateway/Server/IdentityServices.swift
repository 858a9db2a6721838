import SallyportCore
import SallyportIdentity

/// What the data plane asks about callers beyond their API keys.
package struct IdentityServices: Sendable {
    package var access = AccessDirectory(actions: RouteRow.actions)
    package init() {}
}
