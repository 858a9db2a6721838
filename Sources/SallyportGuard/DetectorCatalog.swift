/// Every local detector, in the order in which they read. To add one: its file, and a line here.
package enum DetectorCatalog {
    /// - Parameters:
    ///   - allowedHosts: hosts that links in answers may carry data to.
    ///   - protectedHosts: hosts whose lookalikes are found.
    package static func all(allowedHosts: Set<String> = [], protectedHosts: Set<String>? = nil) -> [any Detector] {
        []
    }
}
