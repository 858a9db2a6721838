/// Every route of the administrative surface, as far as it can be told without a server: for the access matrix and its test.
///
/// A new group adds its rows here and its instance where Server puts the surface together.
package enum ConsoleRoutes {
    package static let rows: [ConsoleRow] =
        SelfRoutes.rows + AccessRoutes.rows + KeyRoutes.rows + PolicyRoutes.rows + AccountRoutes.rows + SignInRoutes.rows
        + AccountPages.rows
        + ConditionalRoutes.rows + ElevationRoutes.rows + ChangeRoutes.rows
        + DataRoutes.rows + ReviewRoutes.rows + PrivacyRoutes.rows + ProvisioningRoutes.rows
        + KeyPages.rows + AccessPages.rows + PeoplePages.rows + ElevationPages.rows + ChangePages.rows + ReviewPages.rows
        + PrivacyPages.rows + PolicyPages.rows + ConditionalPages.rows + StandingPages.rows + IndexPages.rows + ProvisioningPages.rows

    /// The management actions that requests are judged by.
    package static let actions: [String] = Set(rows.compactMap(\.action)).sorted()
}
