import NIOCore

/// Watches the deadlines of an event loop's exchanges with one timer. A timer per request and deadline would cost a heap insertion, an
/// allocation and a linear removal each; adding and removing here are a few instructions.
final class DeadlineSweeper {
    private let eventLoop: any EventLoop
    private(set) var exchanges: [Exchange] = []
    private var nextSweep: NIODeadline?
    private var timer: Scheduled<Void>?

    init(eventLoop: any EventLoop) { self.eventLoop = eventLoop }

    func add(_ exchange: Exchange) {
        exchange.sweepSlot = exchanges.count
        exchanges.append(exchange)
        note(exchange.nextDeadline)
    }

    func remove(_ exchange: Exchange) {
        let slot = exchange.sweepSlot
        guard slot >= 0 else { return }
        exchange.sweepSlot = -1
        let last = exchanges.removeLast()
        if last !== exchange {
            exchanges[slot] = last
            last.sweepSlot = slot
        }
    }

    /// Call it when a deadline may have come nearer.
    func note(_ deadline: NIODeadline) {
        guard deadline < .distantFuture else { return }
        if let nextSweep, nextSweep <= deadline { return }
        nextSweep = deadline
        // Rare: requests of one kind have one timeout, so that deadlines come in order.
        timer?.cancel()
        timer = eventLoop.assumeIsolated().scheduleTask(deadline: deadline) { [weak self] in self?.sweep() }
    }

    private func sweep() {
        nextSweep = nil
        timer = nil
        let now = NIODeadline.now()
        var nearest = NIODeadline.distantFuture
        // A copy: what expires changes the list.
        for exchange in exchanges where exchange.sweepSlot >= 0 {
            let deadline = exchange.nextDeadline
            if deadline <= now {
                exchange.expire(now: now)
                if exchange.sweepSlot >= 0 { nearest = min(nearest, exchange.nextDeadline) }
            } else {
                nearest = min(nearest, deadline)
            }
        }
        note(nearest)
    }
}
