/// What a policy does about a finding, from mildest to strictest.
package enum GuardAction: String, Sendable, CaseIterable, Comparable, Codable {
    case allow, annotate, pseudonymise, mask, redact, block

    private var strictness: Int {
        switch self {
        case .allow: 0
        case .annotate: 1
        case .pseudonymise: 2
        case .mask: 3
        case .redact: 4
        case .block: 5
        }
    }

    package static func < (a: GuardAction, b: GuardAction) -> Bool { a.strictness < b.strictness }

    /// The text changes, the exchange goes on.
    package var rewrites: Bool { self == .pseudonymise || self == .mask || self == .redact }
}

/// Whether a guard's decisions take effect or are only recorded.
package enum GuardMode: String, Sendable, Codable, CaseIterable { case enforce, shadow }

/// What follows when a guard could not do its work.
package enum FailureMode: String, Sendable, Codable, CaseIterable { case closed, open }

/// What is done with content that no guard can read.
package enum UninspectableAction: String, Sendable, Codable, CaseIterable { case refuse, record }
