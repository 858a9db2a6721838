import SallyportCore
import Testing

/// SplitMix64: the same numbers for the same seed.
private struct Seeded: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

@Suite struct TargetSelectorTests {
    private let targets = [
        DeploymentTarget(upstream: "a", model: "m", weight: 3), DeploymentTarget(upstream: "b", model: "m", weight: 1),
        DeploymentTarget(upstream: "c", model: "m", weight: 1, priority: 1), DeploymentTarget(upstream: "d", model: "m", weight: 0),
    ]
    private let allUp: (UpstreamID) -> UpstreamHealth = { _ in UpstreamHealth(.available) }

    @Test func dividesByWeightWithinAPriority() {
        var random = Seeded(state: 7)
        var counts = [0, 0, 0, 0]
        for _ in 0..<4000 {
            if let index = TargetSelector.next(in: targets, health: allUp, random: &random) { counts[index] += 1 }
        }
        #expect((2850...3150).contains(counts[0]))
        #expect(counts[0] + counts[1] == 4000)
    }

    @Test func choosesTheSameForTheSameRandomNumbers() {
        var one = Seeded(state: 42), two = Seeded(state: 42)
        for _ in 0..<50 {
            let choice = TargetSelector.next(in: targets, health: allUp, random: &one)
            #expect(choice == TargetSelector.next(in: targets, health: allUp, random: &two))
        }
    }

    @Test func fallsBackToTheNextPriority() {
        var random = Seeded(state: 1)
        #expect(TargetSelector.next(in: targets, tried: [0, 1], health: allUp, random: &random) == 2)
        #expect(TargetSelector.next(in: targets, tried: [0, 1, 2], health: allUp, random: &random) == nil)
    }

    @Test func skipsUpstreamsThatCannotReceive() {
        var random = Seeded(state: 1)
        let health: (UpstreamID) -> UpstreamHealth = { $0 == "a" ? UpstreamHealth(.circuitOpen) : UpstreamHealth(.probing) }
        for _ in 0..<20 { #expect(TargetSelector.next(in: targets, health: health, random: &random) == 1) }
    }
}
