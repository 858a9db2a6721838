import NIOPosix

/// Runs tasks that may block, on threads of its own: what hangs there takes no thread from anything else.
package final class BlockingExecutor: TaskExecutor {
    private let threads: NIOThreadPool

    /// - Parameter threads: as many may hang before nothing more is done here.
    package init(threads count: Int) {
        threads = NIOThreadPool(numberOfThreads: count)
        threads.start()
    }

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        // Run in any case, also when the threads are ending: a task that is never resumed is a leak.
        threads.submit { [self] _ in job.runSynchronously(on: asUnownedTaskExecutor()) }
    }

    /// Not waited for.
    func submit(_ work: @escaping @Sendable () -> Void) {
        threads.submit { state in
            if state == .active { work() }
        }
    }

    /// Returns at once: what hangs is not waited for.
    func close() { threads.shutdownGracefully { _ in } }
}

/// Waits for work, but no longer than it may take.
enum Bounded {
    /// - Returns: whether the work ended in time. When it did not it goes on, and nobody waits for it: the process is about to end.
    static func run(
        until deadline: ContinuousClock.Instant, on executor: (any TaskExecutor)? = nil, _ work: @escaping @Sendable () async -> Void
    ) async -> Bool {
        let (outcomes, outcome) = AsyncStream.makeStream(of: Bool.self)
        // Not children: who waits for a group waits for what hangs, too.
        let worker = Task(executorPreference: executor) {
            await work()
            outcome.yield(true)
        }
        let alarm = Task {
            try? await Task.sleep(until: deadline)
            outcome.yield(false)
        }
        defer {
            alarm.cancel()
            worker.cancel()
        }
        for await isInTime in outcomes { return isInTime }
        return false
    }
}
