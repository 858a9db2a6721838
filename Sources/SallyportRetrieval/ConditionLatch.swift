import NIOConcurrencyHelpers

/// A value that another thread brings.
final class ConditionLatch<Value: Sendable>: Sendable {
    private let lock = ConditionLock(value: false)
    private let value = NIOLockedValueBox<Value?>(nil)

    /// Call once.
    func open(with value: Value) {
        lock.lock()
        self.value.withLockedValue { $0 = value }
        lock.unlock(withValue: true)
    }

    func wait() -> Value {
        while true {
            lock.lock(whenValue: true)
            defer { lock.unlock() }
            if let value = value.withLockedValue({ $0 }) { return value }
        }
    }
}
