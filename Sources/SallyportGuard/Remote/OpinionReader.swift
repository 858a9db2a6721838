import Crypto
import NIOConcurrencyHelpers
import NIOCore
import SallyportCore

/// The remote guards with their budgets and a memory: what was asked for a tenant a moment ago is not asked again. Opinions are kept,
/// never failures, under a keyed hash of the text: the memory holds no text.
package final class OpinionReader: Sendable {
    package struct Budget: Sendable, Hashable {
        /// Per question, from asking to the whole answer.
        package var timeout: Duration = .seconds(2)
        /// Questions that may be sent within a minute; above it they fail.
        package var callsPerMinute = 600
        /// Questions under way at one time.
        package var concurrentCalls = 64
        /// How long an opinion is remembered.
        package var cacheSeconds: Int64 = 600
        package init() {}
    }

    /// Parts that one text may be asked about in.
    private static let maximumParts = 64
    /// What two neighbouring parts share, in code points.
    private static let overlap = 200
    private static let capacity = 8192

    package let guards: [any RemoteGuard]
    private let budgets: [DetectorID: Budget]
    private let state = NIOLockedValueBox(State())
    private let now: @Sendable () -> Int64

    /// - Parameter now: seconds that only go forward.
    package init(_ guards: [(guard: any RemoteGuard, budget: Budget)], now: @escaping @Sendable () -> Int64) {
        self.guards = guards.map(\.guard)
        budgets = Dictionary(guards.map { ($0.guard.id, $0.budget) }) { first, _ in first }
        self.now = now
    }

    private struct Key: Hashable {
        let bytes: [UInt8]
    }

    private struct State {
        struct Use {
            var minute: Int64 = 0
            var calls = 0
            var underWay = 0
        }
        var uses: [DetectorID: Use] = [:]
        var keys: [TenantID: SymmetricKey] = [:]
        var young: [Key: (findings: [Finding], until: Int64)] = [:]
        var old: [Key: (findings: [Finding], until: Int64)] = [:]

        mutating func key(of tenant: TenantID) -> SymmetricKey {
            if let key = keys[tenant] { return key }
            let key = SymmetricKey(size: .bits256)
            keys[tenant] = key
            return key
        }

        mutating func keep(_ findings: [Finding], _ key: Key, until: Int64) {
            young[key] = (findings, until)
            guard young.count > OpinionReader.capacity / 2 else { return }
            old = young
            young = [:]
        }
    }

    /// - Returns: an entry for each request, in order; the future never fails.
    package func ask(
        _ requests: [OpinionRequest], for tenant: TenantID, on eventLoop: any EventLoop
    ) -> EventLoopFuture<[RemoteOpinions.Entry]> {
        EventLoopFuture.whenAllSucceed(requests.map { ask($0, for: tenant, on: eventLoop) }, on: eventLoop)
    }

    private func ask(_ request: OpinionRequest, for tenant: TenantID, on eventLoop: any EventLoop) -> EventLoopFuture<RemoteOpinions.Entry>
    {
        guard let remote = guards.first(where: { $0.id == request.asked }), let budget = budgets[remote.id] else {
            return eventLoop.makeSucceededFuture(.failed(isLate: false))
        }
        let key = key(of: request, tenant: tenant)
        let time = now()
        if let known = state.withLockedValue({ $0.young[key] ?? $0.old[key] }), known.until > time {
            return eventLoop.makeSucceededFuture(.said(known.findings, nanoseconds: 0))
        }
        let parts = Self.parts(of: request, atMost: remote.maximumText)
        guard !parts.isEmpty, parts.count <= Self.maximumParts, take(parts.count, of: remote.id, budget, at: time) else {
            return eventLoop.makeSucceededFuture(.failed(isLate: false))
        }
        let began = NIODeadline.now()
        let promise = eventLoop.makePromise(of: [[Finding]].self)
        let deadline = eventLoop.scheduleTask(in: TimeAmount(budget.timeout)) { promise.fail(Late()) }
        remote.findings(in: parts.map(\.passage), on: eventLoop).cascade(to: promise)
        return promise.futureResult.map { [self] found -> RemoteOpinions.Entry in
            guard found.count == parts.count else { return .failed(isLate: false) }
            var all: [Finding] = []
            for (part, findings) in zip(parts, found) {
                for finding in findings {
                    let range = finding.range.clamped(to: 0..<part.passage.count)
                    all.append(finding.moved(to: range.lowerBound + part.start..<range.upperBound + part.start))
                }
            }
            state.withLockedValue { $0.keep(all, key, until: time + budget.cacheSeconds) }
            return .said(all, nanoseconds: UInt64(max(0, (NIODeadline.now() - began).nanoseconds)))
        }.flatMapErrorThrowing { error in .failed(isLate: error is Late || (error as? UpstreamFailure)?.kind.isTimeout == true) }
            .always { [self] _ in
                deadline.cancel()
                state.withLockedValue { $0.uses[remote.id]?.underWay -= parts.count }
            }
    }

    private struct Late: Error {}

    private func take(_ calls: Int, of id: DetectorID, _ budget: Budget, at time: Int64) -> Bool {
        state.withLockedValue { state in
            var use = state.uses[id] ?? State.Use()
            if use.minute != time / 60 { (use.minute, use.calls) = (time / 60, 0) }
            guard use.calls + calls <= budget.callsPerMinute, use.underWay + calls <= max(budget.concurrentCalls, calls) else {
                state.uses[id] = use
                return false
            }
            use.calls += calls
            use.underWay += calls
            state.uses[id] = use
            return true
        }
    }

    private func key(of request: OpinionRequest, tenant: TenantID) -> Key {
        var code = HMAC<SHA256>(key: state.withLockedValue { $0.key(of: tenant) })
        code.update(data: Array("\(request.asked.rawValue)\u{0}\(request.origin.rawValue)\u{0}".utf8))
        request.text.withUnsafeReadableBytes { code.update(data: $0) }
        return Key(bytes: Array(code.finalize().prefix(16)))
    }

    /// The text in parts of at most so many code points, each beginning a little before the last one's end.
    static func parts(of request: OpinionRequest, atMost limit: Int) -> [(passage: Passage, start: Int)] {
        let passage = Passage(request.text, origin: request.origin, isASCII: request.isASCII)
        let limit = max(limit, 2 * overlap)
        // A text has at most as many code points as bytes.
        guard passage.count > limit else { return [(passage, 0)] }
        let starts: [Int] = passage.withBytes { bytes in bytes.indices.filter { bytes[$0] & 0xC0 != 0x80 } }
        guard starts.count > limit else { return [(passage, 0)] }
        var parts: [(passage: Passage, start: Int)] = []
        var first = 0
        while parts.count <= maximumParts {
            let last = min(first + limit, starts.count)
            let range = starts[first]..<(last == starts.count ? passage.count : starts[last])
            guard let slice = request.text.getSlice(at: request.text.readerIndex + range.lowerBound, length: range.count) else { return [] }
            parts.append((Passage(slice, origin: request.origin, isASCII: request.isASCII), range.lowerBound))
            if last == starts.count { break }
            first = last - overlap
        }
        return parts
    }
}

extension TimeAmount {
    fileprivate init(_ duration: Duration) { self = .nanoseconds(duration.nanoseconds) }
}
