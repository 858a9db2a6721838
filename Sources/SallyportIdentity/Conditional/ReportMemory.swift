import NIOConcurrencyHelpers
import SallyportCore

/// So that a policy that only reports tells of a principal now and then, not with every request.
package final class ReportMemory: Sendable {
    private struct Key: Hashable {
        let finding: ConditionalOutcome.Finding
        let principal: PrincipalID
    }

    static let interval: Int64 = 600
    private static let capacity = 16_384
    private let told = NIOLockedValueBox<[Key: Int64]>([:])

    package init() {}

    package func isDue(_ finding: ConditionalOutcome.Finding, _ principal: PrincipalID, at now: Int64) -> Bool {
        told.withLockedValue { told in
            let key = Key(finding: finding, principal: principal)
            if let last = told[key], now - last < Self.interval { return false }
            if told.count >= Self.capacity { told = told.filter { now - $0.value < Self.interval } }
            // Full of what is new: better told twice than kept without bound.
            if told.count >= Self.capacity { told = [:] }
            told[key] = now
            return true
        }
    }
}
