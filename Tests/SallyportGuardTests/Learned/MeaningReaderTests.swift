import NIOConcurrencyHelpers
import NIOCore
import NIOEmbedded
import SallyportCore
import SallyportGuard
import SallyportTesting
import Testing

struct MeaningReaderTests {
    /// Reads when it is told to; knows what was taken back.
    private final class PatientReader: TextReader {
        typealias Completion = @Sendable (Result<[TextReading], TextReadingFault>) -> Void
        let description = ScriptedReader([:]).description
        let calls = NIOLockedValueBox<[(count: Int, completion: Completion)]>([])
        let cancelled = NIOLockedValueBox(0)

        func read(_ requests: [ReadingRequest], completion: @escaping Completion) {
            calls.withLockedValue { $0.append((requests.count, completion)) }
        }

        func begin(_ requests: [ReadingRequest], completion: @escaping Completion) -> @Sendable () -> Void {
            read(requests, completion: completion)
            return { [cancelled] in
                cancelled.withLockedValue { $0 += 1 }
                completion(.failure(.cancelled))
            }
        }

        func answer(_ number: Int) {
            let call = calls.withLockedValue { $0[number] }
            call.completion(.success(Array(repeating: TextReading(windows: []), count: call.count)))
        }
    }

    private let loop = EmbeddedEventLoop()
    private let reader = PatientReader()

    private func request(_ text: String) -> ReadingRequest { ReadingRequest(ByteBuffer(string: text)) }
    private func succeeded(_ result: Result<[TextReading], TextReadingFault>) -> Bool {
        if case .success = result { true } else { false }
    }

    @Test func readsATextOnceForTwoWhoWantItAtTheSameTime() throws {
        let meaning = MeaningReader(reader)
        let first = meaning.start([request("a"), request("b")], for: "t", on: loop)
        let second = meaning.start([request("b"), request("c")], for: "t", on: loop)
        #expect(reader.calls.withLockedValue { $0.map(\.count) } == [2, 1])
        reader.answer(1)
        reader.answer(0)
        #expect(try succeeded(first.future.wait()))
        #expect(try succeeded(second.future.wait()))
        #expect(try succeeded(meaning.read([request("a"), request("c")], for: "t", on: loop).wait()))
        #expect(reader.calls.withLockedValue { $0.count } == 2)
    }

    @Test func takesBackWhatNobodyElseWaitsFor() throws {
        let meaning = MeaningReader(reader)
        let first = meaning.start([request("a")], for: "t", on: loop)
        let second = meaning.start([request("a")], for: "t", on: loop)
        first.ticket.cancel()
        #expect(reader.cancelled.withLockedValue { $0 } == 0)
        #expect(try !succeeded(first.future.wait()))
        second.ticket.cancel()
        #expect(reader.cancelled.withLockedValue { $0 } == 1)
        // Who comes afterwards begins anew.
        let third = meaning.start([request("a")], for: "t", on: loop)
        reader.answer(1)
        #expect(try succeeded(third.future.wait()))
    }

    @Test func sharesNothingBetweenTenants() throws {
        let meaning = MeaningReader(reader)
        _ = meaning.start([request("a")], for: "t", on: loop)
        _ = meaning.start([request("a")], for: "u", on: loop)
        #expect(reader.calls.withLockedValue { $0.count } == 2)
        reader.answer(0)
        reader.answer(1)
    }

    @Test func refusesATenantThatHoldsItsShareButNoTextForItsOwnLength() throws {
        let meaning = MeaningReader(reader, tenantTokens: 10)
        let long = meaning.start([request(String(repeating: "long ", count: 100))], for: "t", on: loop)
        guard case .failure(.overloaded) = try meaning.read([request("short")], for: "t", on: loop).wait() else {
            Issue.record("the second text was taken in")
            return
        }
        let other = meaning.start([request("short")], for: "u", on: loop)
        reader.answer(0)
        reader.answer(1)
        #expect(try succeeded(long.future.wait()))
        #expect(try succeeded(other.future.wait()))
        let again = meaning.start([request("short")], for: "t", on: loop)
        reader.answer(2)
        #expect(try succeeded(again.future.wait()))
    }
}
