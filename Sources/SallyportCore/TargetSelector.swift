/// Chooses where an attempt goes: the lowest priority number with a target that may receive, and by weight among those.
package enum TargetSelector {
    /// - Parameters:
    ///   - tried: indices that were tried for this request and are left out.
    /// - Returns: an index into `targets`; nil when none is left. A weight of 0 takes a target out of service.
    package static func next(
        in targets: [DeploymentTarget], tried: [Int] = [], health: (UpstreamID) -> UpstreamHealth,
        random: inout some RandomNumberGenerator
    ) -> Int? {
        var chosen: Int?
        var priority = Int.max
        var total: UInt64 = 0
        for (index, target) in targets.enumerated() {
            guard target.weight > 0, target.priority <= priority, !tried.contains(index), health(target.upstream).mayReceive
            else { continue }
            if target.priority < priority {
                priority = target.priority
                total = 0
            }
            // One pass (reservoir): the newcomer replaces the choice with probability weight ÷ total.
            total += UInt64(clamping: target.weight)
            if total == UInt64(clamping: target.weight) || UInt64.random(in: 0..<total, using: &random) < UInt64(clamping: target.weight) {
                chosen = index
            }
        }
        return chosen
    }
}
