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

    /// - Parameters:
    ///   - description: the reader's own, or with thresholds fitted to the organisation's texts.
    ///   - capacity: scores (4 bytes each) that are kept; the oldest half goes when it is reached.
    package init(_ reader: any TextReader, description: EncoderDescription? = nil, capacity: Int = 4 << 20) {
        self.reader = reader
        self.capacity = capacity
        self.description = description ?? reader.description
        memory = NIOLockedValueBox(Memory())
    }

    private struct Memory {
        var keys: [TenantID: SymmetricKey] = [:]
        var young: [SHA256Key: TextReading] = [:]
        var old: [SHA256Key: TextReading] = [:]
        var size = 0

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

    /// - Returns: one reading for each request, in order.
    package func read(
        _ requests: [ReadingRequest], for tenant: TenantID, on eventLoop: any EventLoop
    ) -> EventLoopFuture<Result<[TextReading], TextReadingFault>> {
        let tenantKey = memory.withLockedValue { $0.key(of: tenant) }
        let keys = requests.map { key(of: $0, under: tenantKey) }
        let known = memory.withLockedValue { memory in keys.map { memory.find($0) } }
        let missing = known.indices.filter { known[$0] == nil }
        guard !missing.isEmpty else { return eventLoop.makeSucceededFuture(.success(known.compactMap { $0 })) }
        let promise = eventLoop.makePromise(of: Result<[TextReading], TextReadingFault>.self)
        reader.read(missing.map { requests[$0] }) { [self] result in
            promise.succeed(
                result.map { readings in
                    memory.withLockedValue { memory in
                        for (index, reading) in zip(missing, readings) { memory.keep(reading, keys[index], capacity: capacity) }
                    }
                    var all = known
                    for (index, reading) in zip(missing, readings) { all[index] = reading }
                    return all.compactMap { $0 }
                })
        }
        return promise.futureResult
    }
}
