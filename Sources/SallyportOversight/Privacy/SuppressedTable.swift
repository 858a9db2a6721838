/// Counts per group of people in which nobody stands out: groups of fewer than `k` people are not shown, and never one alone, since the
/// total would give it away.
package struct SuppressedTable: Sendable, Hashable {
    package struct Row: Sendable, Hashable, Codable {
        package let name: String
        package let people: Int
        package let count: Int
    }
    package let rows: [Row]
    /// Groups that are not shown, together; nil: none. Shown as one row only when they are `k` people in all.
    package let rest: Row?
    /// Groups that are not shown at all.
    package let suppressed: Int

    /// - Parameter people: each group's people and how much they count for; one person counts once in a group.
    package init(_ groups: [String: [String: Int]], k: Int) {
        var shown: [Row] = []
        var small: [(name: String, members: [String: Int])] = []
        for (name, members) in groups.sorted(by: { $0.key < $1.key }) {
            if members.count >= k {
                shown.append(Row(name: name, people: members.count, count: members.values.reduce(0, +)))
            } else {
                small.append((name, members))
            }
        }
        // One group alone under a total is that group: the smallest of the others goes with it.
        if small.count == 1, let least = shown.min(by: { ($0.people, $0.name) < ($1.people, $1.name) }), let members = groups[least.name] {
            shown.removeAll { $0 == least }
            small.append((least.name, members))
        }
        rows = shown
        let everybody = Set(small.flatMap(\.members.keys))
        if !small.isEmpty, everybody.count >= k {
            rest = Row(name: "*", people: everybody.count, count: small.reduce(0) { $0 + $1.members.values.reduce(0, +) })
        } else {
            rest = nil
        }
        suppressed = small.count
    }
}
