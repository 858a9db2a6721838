import NIOConcurrencyHelpers
import SallyportCore

/// Requests and tokens per minute, and token and cost quotas per day and month: reserved before a call, settled after it, so that calls
/// at the same time cannot overshoot together.
///
/// Minutes are fixed windows kept in memory; days and months are loaded from and written behind to a ``UsageStore``.
package final class LimitLedger: Sendable {
    /// One thing that has limits: `key:…`, `user:…`, `team:…`, `deployment:…`.
    package struct Scope: Sendable, Hashable {
        package let name: String
        package let limits: LimitSet
        package init(name: String, limits: LimitSet) {
            self.name = name
            self.limits = limits
        }
    }

    /// What a call took in advance.
    package struct Reservation: Sendable {
        let scopes: [Scope]
        let tokens: Int
        let costMicros: Int64
        let minute: Int64
        let day: String
        let month: String
        /// The tightest of the scopes, for the answer's headers; nil where nothing is limited.
        package let status: Status?
    }

    /// For `x-ratelimit-*`: -1 is "no limit".
    package struct Status: Sendable, Hashable {
        package var limitRequests = -1
        package var remainingRequests = -1
        package var limitTokens = -1
        package var remainingTokens = -1
        /// Whole seconds to the end of the window.
        package var resetSeconds = 0
    }

    /// Why a call may not go on now.
    package struct Refusal: Error, Sendable {
        package enum Kind: String, Sendable {
            case requestsPerMinute, tokensPerMinute, tokensPerDay, tokensPerMonth, costPerDay, costPerMonth
        }
        package let kind: Kind
        package let scope: String
        package let retryAfter: Duration
    }

    fileprivate struct Minute {
        var window: Int64
        var requests = 0
        var tokens = 0
    }
    fileprivate struct Long {
        var tokens = 0
        var costMicros: Int64 = 0
    }
    fileprivate struct State {
        var minutes: [String: Minute] = [:]
        var days: [String: Long] = [:]
        var months: [String: Long] = [:]
        var day = ""
        var month = ""
        var pending: [PendingKey: Long] = [:]
    }
    fileprivate struct PendingKey: Hashable {
        let scope: String
        let window: String
    }

    private let state = NIOLockedValueBox(State())

    package init() {}

    // MARK: Reserving

    /// - Parameters:
    ///   - now: seconds since 1970.
    /// - Throws: ``Refusal`` for the first scope that has no room; then nothing is reserved.
    package func reserve(_ scopes: [Scope], tokens: Int, costMicros: Int64 = 0, now: Int64) throws(Refusal) -> Reservation {
        let scopes = scopes.filter { !$0.limits.isEmpty }
        guard !scopes.isEmpty else {
            return Reservation(scopes: [], tokens: tokens, costMicros: costMicros, minute: now / 60, day: "", month: "", status: nil)
        }
        let minute = now / 60
        let date = CivilDate(secondsSince1970: now)
        let untilMinute = Duration.seconds(60 - now % 60)
        let result: Result<Reservation, Refusal> = state.withLockedValue { state in
            state.turn(to: date)
            for scope in scopes {
                if let refusal = state.refusal(scope, tokens: tokens, cost: costMicros, minute: minute, untilMinute, now, date) {
                    return .failure(refusal)
                }
            }
            var status = Status()
            for scope in scopes {
                state.take(scope.name, requests: 1, tokens: tokens, cost: costMicros, minute: minute)
                let taken = state.minutes[scope.name] ?? Minute(window: minute)
                status.narrow(scope.limits, requests: taken.requests, tokens: taken.tokens)
            }
            status.resetSeconds = Int(60 - now % 60)
            return .success(
                Reservation(
                    scopes: scopes, tokens: tokens, costMicros: costMicros, minute: minute, day: date.day, month: date.month, status: status
                ))
        }
        return try result.get()
    }

    /// Puts what was really used in the place of what was reserved.
    package func settle(_ reservation: Reservation, tokens: Int, costMicros: Int64, now: Int64) {
        guard !reservation.scopes.isEmpty else { return }
        state.withLockedValue { state in
            for scope in reservation.scopes {
                if state.minutes[scope.name]?.window == reservation.minute {
                    state.minutes[scope.name]?.tokens += tokens - reservation.tokens
                }
                let difference = (tokens: tokens - reservation.tokens, cost: costMicros - reservation.costMicros)
                if state.day == reservation.day { state.days[scope.name, default: Long()].add(difference.tokens, difference.cost) }
                if state.month == reservation.month { state.months[scope.name, default: Long()].add(difference.tokens, difference.cost) }
                for window in [reservation.day, reservation.month] {
                    state.pending[PendingKey(scope: scope.name, window: window), default: Long()].add(tokens, costMicros)
                }
            }
        }
    }

    // MARK: Keeping

    /// Loads this day's and month's sums. Blocks.
    package func load(from store: any UsageStore, now: Int64) throws {
        let date = CivilDate(secondsSince1970: now)
        let days = try store.all(window: date.day)
        let months = try store.all(window: date.month)
        state.withLockedValue { state in
            state.turn(to: date)
            for row in days { state.days[row.scope] = Long(tokens: row.tokens, costMicros: row.costMicros) }
            for row in months { state.months[row.scope] = Long(tokens: row.tokens, costMicros: row.costMicros) }
        }
    }

    /// Writes what was settled since the last call. Blocks; what could not be written is kept for the next time.
    package func flush(to store: any UsageStore) throws {
        let pending = state.withLockedValue { state in
            defer { state.pending = [:] }
            return state.pending
        }
        var failure: (any Error)?
        for (key, sum) in pending where sum.tokens != 0 || sum.costMicros != 0 {
            do { try store.add(tokens: sum.tokens, costMicros: sum.costMicros, scope: key.scope, window: key.window) } catch {
                failure = error
                state.withLockedValue { $0.pending[key, default: Long()].add(sum.tokens, sum.costMicros) }
            }
        }
        if let failure { throw failure }
    }
}

extension LimitLedger.Long {
    fileprivate mutating func add(_ tokens: Int, _ cost: Int64) {
        let (sum, isTooLarge) = costMicros.addingReportingOverflow(cost)
        self.tokens += tokens
        costMicros = isTooLarge ? (cost > 0 ? .max : .min) : sum
    }
}

extension LimitLedger.Status {
    fileprivate mutating func narrow(_ limits: LimitSet, requests: Int, tokens: Int) {
        if let limit = limits.requestsPerMinute, remainingRequests < 0 || limit - requests < remainingRequests {
            limitRequests = limit
            remainingRequests = max(0, limit - requests)
        }
        if let limit = limits.tokensPerMinute, remainingTokens < 0 || limit - tokens < remainingTokens {
            limitTokens = limit
            remainingTokens = max(0, limit - tokens)
        }
    }
}

extension LimitLedger.State {
    fileprivate mutating func turn(to date: CivilDate) {
        if day != date.day {
            day = date.day
            days = [:]
            // Minutes of callers that went away are forgotten once a day.
            minutes = minutes.filter { $0.value.window * 60 + 120 > date.seconds }
        }
        if month != date.month {
            month = date.month
            months = [:]
        }
    }

    fileprivate func refusal(
        _ scope: LimitLedger.Scope, tokens: Int, cost: Int64, minute: Int64, _ untilMinute: Duration, _ now: Int64, _ date: CivilDate
    ) -> LimitLedger.Refusal? {
        let used = minutes[scope.name].flatMap { $0.window == minute ? $0 : nil }
        let limits = scope.limits
        let untilDay = Duration.seconds(86_400 - now % 86_400)
        let untilMonth = Duration.seconds(date.secondsToNextMonth)
        func over(_ kind: LimitLedger.Refusal.Kind, _ wait: Duration) -> LimitLedger.Refusal {
            LimitLedger.Refusal(kind: kind, scope: scope.name, retryAfter: wait)
        }
        if let limit = limits.requestsPerMinute, (used?.requests ?? 0) + 1 > limit { return over(.requestsPerMinute, untilMinute) }
        if let limit = limits.tokensPerMinute, (used?.tokens ?? 0) + tokens > limit { return over(.tokensPerMinute, untilMinute) }
        if let limit = limits.tokensPerDay, (days[scope.name]?.tokens ?? 0) + tokens > limit { return over(.tokensPerDay, untilDay) }
        if let limit = limits.tokensPerMonth, (months[scope.name]?.tokens ?? 0) + tokens > limit {
            return over(.tokensPerMonth, untilMonth)
        }
        if let limit = limits.costPerDayMicros, (days[scope.name]?.costMicros ?? 0) > limit - min(cost, limit) {
            return over(.costPerDay, untilDay)
        }
        if let limit = limits.costPerMonthMicros, (months[scope.name]?.costMicros ?? 0) > limit - min(cost, limit) {
            return over(.costPerMonth, untilMonth)
        }
        return nil
    }

    fileprivate mutating func take(_ scope: String, requests: Int, tokens: Int, cost: Int64, minute: Int64) {
        var window = minutes[scope] ?? LimitLedger.Minute(window: minute)
        if window.window != minute { window = LimitLedger.Minute(window: minute) }
        window.requests += requests
        window.tokens += tokens
        minutes[scope] = window
        days[scope, default: LimitLedger.Long()].add(tokens, cost)
        months[scope, default: LimitLedger.Long()].add(tokens, cost)
    }
}
