import SallyportCore
import Testing

@testable import SallyportGateway

struct LimitLedgerTests {
    private let now: Int64 = 1_795_000_000

    @Test func refusesWhatWouldOvershootAndSaysWhenToComeBack() throws {
        let ledger = LimitLedger()
        let scope = LimitLedger.Scope(name: "key:a", limits: LimitSet(requestsPerMinute: 2))
        _ = try ledger.reserve([scope], tokens: 0, now: now)
        _ = try ledger.reserve([scope], tokens: 0, now: now)
        let refusal = #expect(throws: LimitLedger.Refusal.self) { _ = try ledger.reserve([scope], tokens: 0, now: now) }
        #expect(refusal?.kind == .requestsPerMinute)
        #expect(refusal?.retryAfter == .seconds(60 - now % 60))
        _ = try ledger.reserve([scope], tokens: 0, now: now + 60)
    }

    @Test func givesBackWhatWasNotUsed() throws {
        let ledger = LimitLedger()
        let scope = LimitLedger.Scope(name: "key:a", limits: LimitSet(tokensPerMinute: 100))
        let first = try ledger.reserve([scope], tokens: 90, now: now)
        #expect(first.status?.remainingTokens == 10)
        #expect(throws: LimitLedger.Refusal.self) { _ = try ledger.reserve([scope], tokens: 20, now: now) }
        ledger.settle(first, tokens: 30, costMicros: 0, now: now)
        #expect(try ledger.reserve([scope], tokens: 70, now: now).status?.remainingTokens == 0)
    }

    @Test func countsDaysAndMonthsApart() throws {
        let ledger = LimitLedger()
        let scope = LimitLedger.Scope(name: "user:a", limits: LimitSet(tokensPerDay: 100, tokensPerMonth: 150))
        ledger.settle(try ledger.reserve([scope], tokens: 100, now: now), tokens: 100, costMicros: 0, now: now)
        #expect(throws: LimitLedger.Refusal.self) { _ = try ledger.reserve([scope], tokens: 1, now: now) }
        let tomorrow = now + 86_400
        _ = try ledger.reserve([scope], tokens: 50, now: tomorrow)
        let refusal = #expect(throws: LimitLedger.Refusal.self) { _ = try ledger.reserve([scope], tokens: 1, now: tomorrow) }
        #expect(refusal?.kind == .tokensPerMonth)
    }

    @Test func reservesNothingWhenOneScopeIsFull() throws {
        let ledger = LimitLedger()
        let roomy = LimitLedger.Scope(name: "team:a", limits: LimitSet(requestsPerMinute: 10))
        let full = LimitLedger.Scope(name: "key:b", limits: LimitSet(requestsPerMinute: 0))
        #expect(throws: LimitLedger.Refusal.self) { _ = try ledger.reserve([roomy, full], tokens: 0, now: now) }
        #expect(try ledger.reserve([roomy], tokens: 0, now: now).status?.remainingRequests == 9)
    }

    @Test func neverOvershootsUnderConcurrency() async throws {
        let ledger = LimitLedger()
        let scope = LimitLedger.Scope(name: "key:a", limits: LimitSet(tokensPerMinute: 1000))
        let (now, admitted) = (
            now,
            await withTaskGroup(of: Int.self) { group in
                for _ in 0..<500 { group.addTask { (try? ledger.reserve([scope], tokens: 7, now: self.now)) == nil ? 0 : 7 } }
                return await group.reduce(0, +)
            }
        )
        #expect(admitted <= 1000 && admitted > 990)
        #expect(throws: LimitLedger.Refusal.self) { _ = try ledger.reserve([scope], tokens: 7, now: now) }
    }

    @Test func writesBehindWhatWasSettled() throws {
        final class Sink: UsageStore, @unchecked Sendable {
            // SAFETY: used by one thread.
            var sums: [String: Int] = [:]
            func add(tokens: Int, costMicros: Int64, scope: String, window: String) throws {
                sums["\(scope) \(window)", default: 0] += tokens
            }
            func usage(scope: String, window: String) throws -> (tokens: Int, costMicros: Int64) { (sums["\(scope) \(window)"] ?? 0, 0) }
            func all(window: String) throws -> [(scope: String, tokens: Int, costMicros: Int64)] { [] }
        }
        let (ledger, sink) = (LimitLedger(), Sink())
        let scope = LimitLedger.Scope(name: "key:a", limits: LimitSet(tokensPerDay: 100))
        ledger.settle(try ledger.reserve([scope], tokens: 50, now: 1_732_406_400), tokens: 12, costMicros: 0, now: 1_732_406_400)
        try ledger.flush(to: sink)
        try ledger.flush(to: sink)
        #expect(sink.sums == ["key:a 2024-11-24": 12, "key:a 2024-11": 12])
    }

    @Test func knowsTheCalendar() {
        #expect(CivilDate(secondsSince1970: 0).day == "1970-01-01")
        #expect(CivilDate(secondsSince1970: 951_782_400).day == "2000-02-29")
        #expect(CivilDate(secondsSince1970: 1_795_000_000).month == "2026-11")
        #expect(CivilDate(secondsSince1970: 1_732_406_400).secondsToNextMonth == 7 * 86_400)
        #expect(CivilDate(secondsSince1970: -1).day == "1969-12-31")
        #expect(CivilDate(secondsSince1970: 4_107_542_399).day == "2100-02-28")
        #expect(CivilDate(secondsSince1970: 784_111_777).secondOfDay == 8 * 3600 + 49 * 60 + 37)
    }
}
