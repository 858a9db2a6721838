import NIOCore
import SallyportCore
import Testing

@Suite struct RetryBudgetTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    @Test func allowsAFifthOfTheRequestsAsRetries() {
        var budget = RetryBudget(ratio: 0.2, floorPerSecond: 0, capacity: 5, now: start)
        while budget.takeRetry(now: start) {}
        var retries = 0
        for _ in 0..<100 {
            budget.recordRequest()
            if budget.takeRetry(now: start) { retries += 1 }
        }
        #expect((19...20).contains(retries))
    }

    @Test func keepsAFloorForQuietServices() {
        var budget = RetryBudget(ratio: 0.2, floorPerSecond: 1, capacity: 5, now: start)
        while budget.takeRetry(now: start) {}
        let early = budget.takeRetry(now: start + .milliseconds(900))
        let late = budget.takeRetry(now: start + .milliseconds(1900))
        #expect(!early && late)
    }

    @Test func savesUpNoMoreThanItsCapacity() {
        var budget = RetryBudget(ratio: 1, floorPerSecond: 100, capacity: 3, now: start)
        for _ in 0..<50 { budget.recordRequest() }
        var retries = 0
        while budget.takeRetry(now: start + .seconds(60)) { retries += 1 }
        #expect(retries == 3)
    }

    @Test func permitsARetryOnlyWhereItIsSafe() {
        let sent = UpstreamFailure(.reset, "", bytesSent: true)
        #expect(!sent.permitsRetry(.never))
        #expect(sent.permitsRetry(.beforeFirstByte))
        #expect(UpstreamFailure(.connect, "").permitsRetry(.never))
        #expect(!UpstreamFailure(.reset, "", bytesSent: true, headReceived: true).permitsRetry(.beforeFirstByte))
        #expect(!UpstreamFailure(.cancelled, "").permitsRetry(.beforeFirstByte))
        #expect(!UpstreamFailure(.timeoutTotal, "").permitsRetry(.beforeFirstByte))
    }
}
