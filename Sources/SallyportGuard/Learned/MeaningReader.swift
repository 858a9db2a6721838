import Crypto
import NIOConcurrencyHelpers
import NIOCore
import SallyportCore

/// The shared encoder with a memory: what was read once for a tenant is not read again (a conversation repeats its history with every
/// request). Readings are kept, never verdicts and never failures, under a keyed hash of the text: the memory holds no text.
package final class MeaningReader: Sendable {
    package let description: EncoderDescription
    private let reader: any TextReader
    private let memory: NIOLockedValueBox<Memory>
    private let capacity: Int
    /// Bytes of text that one tenant may have with the encoder before its next text is refused.
    private let tenantBytes: Int

    /// - Parameters:
    ///   - description: the reader's own, or with thresholds fitted to the organisation's texts.
    ///   - capacity: scores (4 bytes each) that are kept; the oldest half goes when it is reached.
    ///   - tenantTokens: about so many tokens of one tenant's may wait or be read at a time; a text's own length does not count.
    package init(
        _ reader: any TextReader, description: EncoderDescription? = nil, capacity: Int = 4 << 20, tenantTokens: Int = .max / 4
    ) {
        self.reader = reader
        self.capacity = capacity
        tenantBytes = tenantTokens.multipliedReportingOverflow(by: 3).overflow ? .max : tenantTokens * 3
        self.description = description ?? reader.description
        memory = NIOLockedValueBox(Memory())
    }

    private struct Memory {
        var keys: [TenantID: SymmetricKey] = [:]
        var young: [SHA256Key: TextReading] = [:]
        var old: [SHA256Key: TextReading] = [:]
        var size = 0
        /// What is being read, by each of its texts.
        var flights: [SHA256Key: Flight] = [:]
        var bytesUnderWay: [TenantID: Int] = [:]

        mutating func key(of tenant: TenantID) -> SymmetricKey {
            if let key = keys[tenant] { return key }
            let key = SymmetricKey(size: .bits256)
            keys[tenant] = key
            return key
        }

        mutating func find(_ key: SHA256Key) -> TextReading? {
            if let reading = young[key] { return reading }
            guard let reading = old[key] else { return nil }
            young[key] = reading
            return reading
        }

        mutating func keep(_ reading: TextReading, _ key: SHA256Key, capacity: Int) {
            guard young.updateValue(reading, forKey: key) == nil else { return }
            size +=
                16
                + reading.windows.reduce(0) { $0 + 16 + $1.scores.count + ($1.tokens.map { 5 * $0.ranges.count + $0.scores.count } ?? 0) }
            guard size > capacity / 2 else { return }
            old = young
            young = [:]
            size = 0
        }
    }

    /// The first 16 bytes of the keyed hash.
    private struct SHA256Key: Hashable {
        let high: UInt64
        let low: UInt64
        init(_ code: some Sequence<UInt8>) {
            var high: UInt64 = 0
            var low: UInt64 = 0
            for (index, byte) in code.prefix(16).enumerated() {
                if index < 8 { high = high << 8 | UInt64(byte) } else { low = low << 8 | UInt64(byte) }
            }
            self.high = high
            self.low = low
        }
    }

    private func key(of request: ReadingRequest, under key: SymmetricKey) -> SHA256Key {
        var code = HMAC<SHA256>(key: key)
        withUnsafeBytes(of: (UInt64(request.text.readableBytes).littleEndian, request.wantsTokens, request.mayBeCleared)) {
            code.update(data: $0)
        }
        request.text.withUnsafeReadableBytes { code.update(data: $0) }
        request.pair?.withUnsafeReadableBytes { code.update(data: $0) }
        code.update(data: Array(description.digest.utf8))
        return SHA256Key(code.finalize())
    }

    /// One call of the reader's and everybody who waits for it. Touched under the memory's lock only.
    private final class Flight: @unchecked Sendable {
        // SAFETY: every property is read and written while the memory's lock is held.
        let keys: [SHA256Key]
        let bytes: Int
        var waiting: [Int: @Sendable (Result<[SHA256Key: TextReading], TextReadingFault>) -> Void] = [:]
        var next = 0
        var cancel: (@Sendable () -> Void)?
        var isOver = false

        init(_ keys: [SHA256Key], bytes: Int) {
            self.keys = keys
            self.bytes = bytes
        }
    }

    /// What somebody waits for; given back, the reading ends when nobody else waits for it.
    package struct Ticket: Sendable {
        fileprivate let leave: @Sendable () -> Void
        package func cancel() { leave() }
    }

    /// - Returns: one reading for each request, in order.
    package func read(
        _ requests: [ReadingRequest], for tenant: TenantID, on eventLoop: any EventLoop
    ) -> EventLoopFuture<Result<[TextReading], TextReadingFault>> { start(requests, for: tenant, on: eventLoop).future }

    /// ``read(_:for:on:)``, with a ticket to take it back: then the future says ``TextReadingFault/cancelled``. Texts that are being read
    /// already are not read twice. May be called on any thread.
    package func start(
        _ requests: [ReadingRequest], for tenant: TenantID, on eventLoop: any EventLoop
    ) -> (future: EventLoopFuture<Result<[TextReading], TextReadingFault>>, ticket: Ticket) {
        let tenantKey = memory.withLockedValue { $0.key(of: tenant) }
        let keys = requests.map { key(of: $0, under: tenantKey) }
        let promise = eventLoop.makePromise(of: Result<[TextReading], TextReadingFault>.self)
        let gathering = Gathering(keys) { promise.succeed($0) }
        var own: (flight: Flight, requests: [ReadingRequest])?
        let (places, isRefused, isDone) = memory.withLockedValue { memory -> ([(Flight, Int)], Bool, Bool) in
            var missing: [Int] = []
            var flights: [Flight] = []
            var seen: Set<SHA256Key> = []
            for (index, key) in keys.enumerated() where seen.insert(key).inserted {
                if let reading = memory.find(key) {
                    gathering.known[key] = reading
                } else if let flight = memory.flights[key] {
                    if !flights.contains(where: { $0 === flight }) { flights.append(flight) }
                } else {
                    missing.append(index)
                }
            }
            if !missing.isEmpty {
                guard memory.bytesUnderWay[tenant, default: 0] <= tenantBytes else { return ([], true, false) }
                let bytes = missing.reduce(0) { $0 + requests[$1].text.readableBytes + (requests[$1].pair?.readableBytes ?? 0) }
                let flight = Flight(missing.map { keys[$0] }, bytes: bytes)
                memory.bytesUnderWay[tenant, default: 0] += bytes
                for key in flight.keys { memory.flights[key] = flight }
                flights.append(flight)
                own = (flight, missing.map { requests[$0] })
            }
            gathering.open = flights.count
            let places = flights.map { flight -> (Flight, Int) in
                let place = flight.next
                flight.next += 1
                flight.waiting[place] = { [memory = self.memory] result in gathering.arrive(result, lock: memory) }
                return (flight, place)
            }
            return (places, false, flights.isEmpty)
        }
        if isRefused { promise.succeed(.failure(.overloaded(retryAfter: .seconds(1)))) }
        if isDone { promise.succeed(.success(keys.compactMap { gathering.known[$0] })) }
        if let own { begin(own.requests, own.flight, of: tenant) }
        return (promise.futureResult, Ticket { [self] in leave(places) })
    }

    private func begin(_ requests: [ReadingRequest], _ flight: Flight, of tenant: TenantID) {
        let cancel = reader.begin(requests) { [self] result in
            let (told, answer) = memory.withLockedValue { memory in
                flight.isOver = true
                flight.cancel = nil
                for key in flight.keys where memory.flights[key] === flight { memory.flights[key] = nil }
                let left = memory.bytesUnderWay[tenant, default: 0] - flight.bytes
                memory.bytesUnderWay[tenant] = left > 0 ? left : nil
                var answer: Result<[SHA256Key: TextReading], TextReadingFault> = .failure(.failed("wrong number of readings"))
                switch result {
                case .failure(let fault): answer = .failure(fault)
                case .success(let readings) where readings.count == flight.keys.count:
                    for (key, reading) in zip(flight.keys, readings) { memory.keep(reading, key, capacity: capacity) }
                    answer = .success(Dictionary(zip(flight.keys, readings)) { first, _ in first })
                case .success: break
                }
                defer { flight.waiting = [:] }
                return (Array(flight.waiting.values), answer)
            }
            for tell in told { tell(answer) }
        }
        // Everybody may have left meanwhile.
        let isAbandoned = memory.withLockedValue { _ in
            if flight.isOver { return false }
            flight.cancel = cancel
            return flight.waiting.isEmpty
        }
        if isAbandoned { cancel() }
    }

    private func leave(_ places: [(Flight, Int)]) {
        var told: [@Sendable (Result<[SHA256Key: TextReading], TextReadingFault>) -> Void] = []
        var cancels: [@Sendable () -> Void] = []
        memory.withLockedValue { memory in
            for (flight, place) in places {
                guard let waiting = flight.waiting.removeValue(forKey: place) else { continue }
                told.append(waiting)
                guard flight.waiting.isEmpty, !flight.isOver else { continue }
                // Who comes now begins anew.
                for key in flight.keys where memory.flights[key] === flight { memory.flights[key] = nil }
                if let cancel = flight.cancel { cancels.append(cancel) }
            }
        }
        for tell in told { tell(.failure(.cancelled)) }
        for cancel in cancels { cancel() }
    }

    /// The answers to one caller's request, from memory and from several flights.
    private final class Gathering: @unchecked Sendable {
        // SAFETY: `known`, `open` and `fault` are touched while the memory's lock is held.
        let keys: [SHA256Key]
        let finish: @Sendable (Result<[TextReading], TextReadingFault>) -> Void
        var known: [SHA256Key: TextReading] = [:]
        var open = 0
        var fault: TextReadingFault?

        init(_ keys: [SHA256Key], finish: @escaping @Sendable (Result<[TextReading], TextReadingFault>) -> Void) {
            self.keys = keys
            self.finish = finish
        }

        func arrive(_ result: Result<[SHA256Key: TextReading], TextReadingFault>, lock: NIOLockedValueBox<Memory>) {
            let answer = lock.withLockedValue { _ -> Result<[TextReading], TextReadingFault>? in
                open -= 1
                switch result {
                case .success(let readings): known.merge(readings) { first, _ in first }
                case .failure(let fault): self.fault = self.fault ?? fault
                }
                guard open == 0 else { return nil }
                if let fault { return .failure(fault) }
                let readings = keys.compactMap { known[$0] }
                return readings.count == keys.count ? .success(readings) : .failure(.failed("a reading is missing"))
            }
            if let answer { finish(answer) }
        }
    }
}
