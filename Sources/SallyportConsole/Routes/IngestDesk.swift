import Foundation
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import SallyportCore
import SallyportRetrieval

/// Documents that are being taken in for callers of the administrative surface: one at a time, so many waiting and no more. What is under way
/// when the process ends is gone, and its caller sends it again.
package final class IngestDesk: Sendable {
    struct Operation: Sendable {
        enum Status: Sendable {
            case running
            case done([DocumentIngest.Step])
            case failed(Fault)
        }
        let id: String
        let owner: PrincipalID
        let index: IndexID
        let bytes: Int
        var status = Status.running
        /// Seconds since 1970.
        var endedAt: Int64?
    }

    /// Takes one document in. Blocks.
    package typealias Work =
        @Sendable (ByteBuffer, _ source: String, _ origin: String, DocumentIngest.Settings) throws -> [DocumentIngest.Step]

    private static let mostWaiting = 8
    private static let mostBytes = 128 << 20
    /// Results are kept for an hour, and no more of them than these.
    private static let patience: Int64 = 3600
    private static let mostKept = 1000

    private let work: Work
    /// Of its own: a long document must not keep sign-in or guards waiting.
    private let pool = NIOThreadPool(numberOfThreads: 1)
    private let state = NIOLockedValueBox<[String: Operation]>([:])

    package init(_ work: @escaping Work) {
        self.work = work
        pool.start()
    }

    /// - Throws: ``Fault`` `.rateLimited` when enough is waiting.
    func admit(_ bytes: Int, for owner: PrincipalID, _ index: IndexID, now: Int64) throws -> Operation {
        let operation = Operation(id: UUID().uuidString.lowercased(), owner: owner, index: index, bytes: bytes)
        try state.withLockedValue { state in
            state = state.filter { $0.value.endedAt.map { now - $0 < IngestDesk.patience } ?? true }
            let waiting = state.values.filter { $0.endedAt == nil }
            guard waiting.count < IngestDesk.mostWaiting, waiting.reduce(bytes, { $0 + $1.bytes }) <= IngestDesk.mostBytes else {
                throw Fault(.overloaded, "Enough documents are being taken in. Please retry.", retryAfter: .seconds(5))
            }
            while state.count >= IngestDesk.mostKept {
                guard let oldest = state.values.filter({ $0.endedAt != nil }).min(by: { ($0.endedAt ?? 0) < ($1.endedAt ?? 0) }) else {
                    break
                }
                state[oldest.id] = nil
            }
            state[operation.id] = operation
        }
        return operation
    }

    /// Takes the document in; what comes of it is kept under the operation's id.
    func run(_ operation: Operation, _ content: ByteBuffer, source: String, origin: String, _ settings: DocumentIngest.Settings) async
        -> Operation
    {
        var ended = operation
        do {
            let work = work
            ended.status = .done(try await pool.runIfActive { try work(content, source, origin, settings) })
        } catch let fault as Fault {
            ended.status = .failed(fault)
        } catch let mistake as DocumentIngest.Mistake {
            ended.status = .failed(Fault(.invalidRequest, "\(mistake)."))
        } catch {
            ended.status = .failed(Fault(.storeUnavailable, "The document could not be taken in. Please retry.", cause: error))
        }
        return ended
    }

    /// From now on others see what came of it.
    func end(_ operation: Operation, at now: Int64) {
        state.withLockedValue {
            guard $0[operation.id] != nil else { return }
            $0[operation.id] = operation
            $0[operation.id]?.endedAt = now
        }
    }

    /// nil: there is none of this name, of this caller, in this index.
    func operation(_ id: String, of owner: PrincipalID, in index: IndexID) -> Operation? {
        state.withLockedValue { $0[id] }.flatMap { $0.owner == owner && $0.index == index ? $0 : nil }
    }
}
