import NIOCore
import Testing

@testable import SallyportEgress

@Suite struct CircuitBreakerTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)
    private func later(_ seconds: Double) -> NIODeadline { start + .nanoseconds(Int64(seconds * 1e9)) }

    // The macros cannot mutate what they are given.
    private func admit(_ breaker: inout CircuitBreaker, at now: NIODeadline) -> CircuitBreaker.Permit? { breaker.admit(now: now) }

    private func run(_ breaker: inout CircuitBreaker, _ outcome: CircuitBreaker.Outcome, at now: NIODeadline) throws {
        let permit = try #require(admit(&breaker, at: now))
        breaker.record(outcome, permit: permit, now: now)
    }

    @Test func opensAfterFailuresInARow() throws {
        var breaker = CircuitBreaker(policy: .init(consecutiveFailures: 3))
        for _ in 0..<2 { try run(&breaker, .failure, at: start) }
        try run(&breaker, .success, at: start)
        for _ in 0..<3 {
            #expect(breaker.state == .closed)
            try run(&breaker, .failure, at: start)
        }
        #expect(admit(&breaker, at: later(4.9)) == nil)
        #expect(breaker.remainingOpen(now: later(1)) == .seconds(4))
    }

    @Test func opensAtTheRatioOnlyWithEnoughRequests() throws {
        var breaker = CircuitBreaker(policy: .init(failureRatio: 0.5, minimumRequests: 10, consecutiveFailures: 100))
        for _ in 0..<4 {
            try run(&breaker, .failure, at: start)
            try run(&breaker, .success, at: start)
        }
        try run(&breaker, .success, at: start)
        #expect(breaker.state == .closed)
        try run(&breaker, .failure, at: start)
        #expect(admit(&breaker, at: start) == nil)
    }

    @Test func forgetsFailuresOlderThanTheWindow() throws {
        var breaker = CircuitBreaker(policy: .init(failureRatio: 0.5, minimumRequests: 4, window: .seconds(10), consecutiveFailures: 100))
        for _ in 0..<3 { try run(&breaker, .failure, at: start) }
        try run(&breaker, .success, at: later(11))
        try run(&breaker, .failure, at: later(11))
        #expect(breaker.state == .closed)
    }

    @Test func closesAfterASuccessfulProbe() throws {
        var breaker = CircuitBreaker(policy: .init(consecutiveFailures: 1))
        try run(&breaker, .failure, at: start)
        let probe = try #require(admit(&breaker, at: later(5)))
        #expect(admit(&breaker, at: later(5)) == nil)
        breaker.record(.success, permit: probe, now: later(6))
        #expect(breaker.state == .closed)
    }

    @Test func staysOpenLongerAfterEachFailedProbe() throws {
        var breaker = CircuitBreaker(policy: .init(consecutiveFailures: 1, openFor: .seconds(5), maximumOpen: .seconds(12)))
        try run(&breaker, .failure, at: start)
        try run(&breaker, .failure, at: later(5))
        #expect(breaker.state == .open(until: later(15)))
        try run(&breaker, .failure, at: later(15))
        #expect(breaker.state == .open(until: later(27)))
    }

    @Test func givesAProbeBackWhenItsCallerLeft() throws {
        var breaker = CircuitBreaker(policy: .init(consecutiveFailures: 1))
        try run(&breaker, .failure, at: start)
        try run(&breaker, .neutral, at: later(5))
        #expect(admit(&breaker, at: later(5)) != nil)
    }

    @Test func ignoresOutcomesFromBeforeTheChange() throws {
        var breaker = CircuitBreaker(policy: .init(consecutiveFailures: 1))
        let slow = try #require(admit(&breaker, at: start))
        try run(&breaker, .failure, at: start)
        let probe = try #require(admit(&breaker, at: later(5)))
        breaker.record(.success, permit: slow, now: later(5))
        #expect(breaker.state == .halfOpen)
        breaker.record(.success, permit: probe, now: later(5))
        #expect(breaker.state == .closed)
    }
}
