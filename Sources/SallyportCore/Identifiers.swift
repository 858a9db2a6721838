/// An identifier with a type of its own, so that a deployment's name cannot stand where a tenant's is meant.
package protocol Identifier: Hashable, Sendable, Codable, ExpressibleByStringLiteral, CustomStringConvertible, Comparable {
    var rawValue: String { get }
    init(_ rawValue: String)
}

extension Identifier {
    package init(stringLiteral value: String) { self.init(value) }
    package var description: String { rawValue }
    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    package init(from decoder: any Decoder) throws {
        self.init(try decoder.singleValueContainer().decode(String.self))
    }
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(rawValue)
    }
}

/// The organisation that everything belongs to.
package struct TenantID: Identifier {
    package let rawValue: String
    package init(_ rawValue: String) { self.rawValue = rawValue }
    /// The one tenant of an installation that was never told of others.
    package static let `default`: TenantID = "default"
}

/// A group of deployments within a tenant, with limits and access of its own.
package struct ProjectID: Identifier {
    package let rawValue: String
    package init(_ rawValue: String) { self.rawValue = rawValue }
    package static let `default`: ProjectID = "default"
}

/// Who authenticated: a user, a service, a key, a certificate.
package struct PrincipalID: Identifier {
    package let rawValue: String
    package init(_ rawValue: String) { self.rawValue = rawValue }
}

/// An API key's public part; the secret itself is never an identifier.
package struct KeyID: Identifier {
    package let rawValue: String
    package init(_ rawValue: String) { self.rawValue = rawValue }
}

/// A deployment's name as it stands in Azure's path.
package struct DeploymentID: Identifier {
    package let rawValue: String
    package init(_ rawValue: String) { self.rawValue = rawValue }
}

/// An upstream's name in the configuration.
package struct UpstreamID: Identifier {
    package let rawValue: String
    package init(_ rawValue: String) { self.rawValue = rawValue }
}

/// A guard policy's name (Azure: `raiPolicyName`).
package struct PolicyID: Identifier {
    package let rawValue: String
    package init(_ rawValue: String) { self.rawValue = rawValue }
}

/// A detector's name in policies, records and metrics.
package struct DetectorID: Identifier {
    package let rawValue: String
    package init(_ rawValue: String) { self.rawValue = rawValue }
}
