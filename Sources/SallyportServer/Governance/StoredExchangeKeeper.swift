import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import SallyportCore

/// Keeps exchanges on the thread pool; what waits there is bounded.
struct StoredExchangeKeeper: ExchangeKeeper {
    private let store: any ExchangeStore
    private let pool: NIOThreadPool
    private let waiting = NIOLockedValueBox(0)

    private static let mostWaiting = 64 * 1_048_576

    init(store: any ExchangeStore, pool: NIOThreadPool) {
        self.store = store
        self.pool = pool
    }

    func keep(_ exchange: StoredExchange, on eventLoop: any EventLoop) -> EventLoopFuture<Void> {
        let bytes = (exchange.prompt?.count ?? 0) + (exchange.answer?.count ?? 0)
        let hasRoom = waiting.withLockedValue { waiting in
            guard waiting + bytes <= Self.mostWaiting else { return false }
            waiting += bytes
            return true
        }
        guard hasRoom else {
            return eventLoop.makeFailedFuture(Fault(.overloaded, "Too many exchanges wait to be stored.", retryAfter: .seconds(1)))
        }
        return pool.runIfActive(eventLoop: eventLoop) { [store] in try store.insert(exchange) }
            .always { [waiting] _ in waiting.withLockedValue { $0 -= bytes } }
    }
}
