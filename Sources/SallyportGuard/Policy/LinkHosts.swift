import SallyportCore

/// Hosts that a policy says something about: those that links may carry data to, and those that no other may pose as.
package struct LinkHosts: Sendable, Hashable {
    /// With all hosts below them.
    package let allowed: Set<String>
    /// Beside the well-known ones, which are always protected.
    package let protected: Set<String>
    /// Made once: what a protected name looks like takes longer to work out than a link to judge.
    let detector: OutputLinkDetector

    package init(allowed: Set<String> = [], protected: Set<String> = []) {
        self.allowed = allowed
        self.protected = protected
        detector = OutputLinkDetector(allowedHosts: allowed, protectedHosts: LookalikeHosts.wellKnown.union(protected))
    }

    /// What both allow, and what either protects.
    func tightened(by other: LinkHosts?) -> LinkHosts {
        let theirs = other?.allowed ?? []
        let both = allowed.filter { LinkHosts.isWithin($0, theirs) }.union(theirs.filter { LinkHosts.isWithin($0, allowed) })
        return LinkHosts(allowed: both, protected: protected.union(other?.protected ?? []))
    }

    /// Both at once, where one document is based on another.
    func joined(with other: LinkHosts) -> LinkHosts {
        LinkHosts(allowed: allowed.union(other.allowed), protected: protected.union(other.protected))
    }

    private static func isWithin(_ host: String, _ hosts: Set<String>) -> Bool {
        hosts.contains { host == $0 || host.hasSuffix(".\($0)") }
    }

    /// A host as a document may name it: labels of letters, digits and inner dashes (an international name in its `xn--` form).
    static func isHost(_ text: String) -> Bool {
        guard (1...253).contains(text.utf8.count) else { return false }
        return text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy { label in
            (1...63).contains(label.count) && label.first != UInt8(ascii: "-") && label.last != UInt8(ascii: "-")
                && label.allSatisfy { $0 == UInt8(ascii: "-") || $0.isASCIIAlphanumeric }
        }
    }

    package static func == (a: LinkHosts, b: LinkHosts) -> Bool { a.allowed == b.allowed && a.protected == b.protected }
    package func hash(into hasher: inout Hasher) {
        hasher.combine(allowed)
        hasher.combine(protected)
    }
}
