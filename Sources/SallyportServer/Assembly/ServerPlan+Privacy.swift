import SallyportCore

extension ServerPlan {
    /// Who answers for the data, what it is used for, and who gets it.
    package struct Privacy: Sendable, Hashable {
        package struct Activity: Sendable, Hashable, Codable {
            package var name: String
            package var purpose: String
            package var legalBasis: String
            package var subjects: [String]
            package var categories: [String]
            package var recipients: [String]
            package var retention: String?
            package var measures: [String]
        }

        /// What is known of an upstream as somebody who is given data.
        package struct Recipient: Sendable, Hashable {
            package var endpoint: String?
            package var region: String?
            package var recipient: String?
            package var role: String
            package var terms: String?
            package var transfer: String?
            package var retention: String?
            package var training: String
        }

        package var controller: String?
        package var contact: String?
        package var officer: String?
        package var minimumGroup = 5
        package var regions: [String: Set<String>] = [:]
        package var activities: [Activity] = []
        package var recipients: [UpstreamID: Recipient] = [:]
        package init() {}

        /// With the built-in ones.
        package var allRegions: [String: Set<String>] { Self.builtInRegions.merging(regions) { _, own in own } }

        /// Azure's regions within the European Union.
        package static let builtInRegions: [String: Set<String>] = [
            "eu": [
                "westeurope", "northeurope", "germanywestcentral", "germanynorth", "francecentral", "francesouth", "swedencentral",
                "swedensouth", "italynorth", "polandcentral", "spaincentral", "austriaeast", "belgiumcentral", "denmarkeast",
            ]
        ]
    }
}
