import NIOConcurrencyHelpers
import NIOCore
import SallyportCore
import SallyportGuard

/// A policy behind a reference, so that asking an exchange for one of its parts copies nothing else; and what follows from the policy alone,
/// worked out once and not for every request.
final class PolicyInForce: Sendable {
    /// A guard whose verdict is recorded.
    struct RecordedGuard: Sendable {
        let id: DetectorID
        /// The lowest confidence at which any rule acts on what it finds.
        let threshold: Double?
        /// On record also when it had nothing to say.
        let isAlwaysRecorded: Bool
    }

    static let `default` = PolicyInForce(.default)

    let value: GuardPolicy
    /// The directions in which no rule leads to anything and no list is looked for.
    private let silent: Set<Direction>
    private let made = NIOLockedValueBox(Made())

    private struct Made {
        var annotations: [Direction: ByteBuffer] = [:]
        var underEngine: UnderEngine?
    }

    /// What follows from the policy and the engine's detectors.
    private struct UnderEngine {
        let detectors: [DetectorID]
        let missingFilters: Set<String>
        let recordedGuards: [RecordedGuard]
    }

    init(_ value: GuardPolicy) {
        self.value = value
        silent = Set(Direction.allCases.filter { value.isSilent(for: $0) })
    }

    func isSilent(for direction: Direction) -> Bool { silent.contains(direction) }

    /// Azure filters that the policy wants and nobody here can run.
    func missingFilters(in engine: GuardEngine) -> Set<String> { under(engine).missingFilters }

    /// Azure's annotations of what was found; see ``Annotations``.
    func annotations(_ findings: [DecidedFinding], _ direction: Direction) -> ByteBuffer {
        guard findings.isEmpty else { return Annotations.results(findings, policy: value, direction: direction) }
        return made.withLockedValue { made in
            if let known = made.annotations[direction] { return known }
            let results = Annotations.results([], policy: value, direction: direction)
            made.annotations[direction] = results
            return results
        }
    }

    /// The engine's guards as records name them under this policy, by name.
    func recordedGuards(of engine: GuardEngine) -> [RecordedGuard] { under(engine).recordedGuards }

    private func under(_ engine: GuardEngine) -> UnderEngine {
        made.withLockedValue { made in
            if let known = made.underEngine, known.detectors == engine.detectorIDs { return known }
            let fresh = UnderEngine(
                detectors: engine.detectorIDs, missingFilters: engine.missingFilters(of: value), recordedGuards: guards(of: engine))
            made.underEngine = fresh
            return fresh
        }
    }

    private func guards(of engine: GuardEngine) -> [RecordedGuard] {
        var guards = Set(engine.detectorIDs).map { id in
            RecordedGuard(id: id, threshold: value.threshold(of: id), isAlwaysRecorded: value.settings(for: id).isEnabled)
        }
        let blocklist = DetectorID("blocklist")
        guards.removeAll { $0.id == blocklist }
        let isAlways = !value.blocklists.isEmpty
        guards.append(RecordedGuard(id: blocklist, threshold: value.threshold(of: blocklist), isAlwaysRecorded: isAlways))
        guards.sort { $0.id < $1.id }
        return guards
    }
}

extension GuardPolicy {
    /// The lowest confidence at which any rule acts on what a guard of this kind finds.
    func threshold(of detector: DetectorID) -> Double? {
        let group: Finding.Category.Group? =
            switch detector.rawValue {
            case "sensitive-data": .sensitive
            case "secrets": .secret
            case "normaliser", "invisible": .invisible
            case "blocklist": nil
            case "prompt-attack", "document-attack": .attack
            case "names": .sensitive
            case let name where name.hasPrefix("harm-"): .harm
            default: .output
            }
        guard let group else { return nil }
        var lowest: Double?
        for rule in rules where rule.group == group && rule.action > .allow {
            lowest = min(lowest ?? rule.minimumConfidence, rule.minimumConfidence)
        }
        return lowest
    }
}
