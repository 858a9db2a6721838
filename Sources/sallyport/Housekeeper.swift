import Logging
import SallyportCore
import SallyportServer
import Synchronization

/// Looks after a gateway while it runs: chores several times a second, and the configuration when it changes or a signal asks for it.
struct Housekeeper: Sendable {
    enum Event: Sendable { case tick, reload }

    final class TickGate: Sendable {
        private let isSet = Atomic(false)
        /// - Returns: whether it was not set before.
        func set() -> Bool { !isSet.exchange(true, ordering: .relaxed) }
        func clear() { isSet.store(false, ordering: .relaxed) }
    }

    let process: ServerProcess
    let config: String
    let logger: Logger

    /// Beside the ticks, which may take long. Ends when its task is cancelled.
    func takeBack() async {
        while !Task.isCancelled {
            await process.takeBack()
            try? await Task.sleep(for: .milliseconds(200))
        }
    }

    /// Ends when its task is cancelled.
    /// - Parameters:
    ///   - file: of the configuration, as it was when it was read.
    ///   - secrets: of the secrets that it refers to.
    func keepHouse(_ events: AsyncStream<Event>, _ waiting: TickGate, file: String?, secrets: SecretStamps) async {
        var (file, secrets) = (file, secrets)
        // Secrets that could not be taken up are tried again: the one in use may end.
        var retry: ContinuousClock.Instant?
        for await event in events {
            switch event {
            case .tick:
                waiting.clear()
                await process.tick()
                let now = FileStamp.of(config)
                let secretsNow = process.secretStamps(since: secrets)
                let isOwed = secretsNow != secrets || retry != nil
                guard now != file || secretsNow != secrets || retry.map({ $0 <= .now }) ?? false else { continue }
                file = now
                let read = await reload()
                // As they were before the reading: what changes meanwhile, or is referred to anew, is read once more.
                secrets = read ?? secretsNow
                retry = read != nil || !isOwed ? nil : ContinuousClock.now + .seconds(15)
            case .reload:
                file = FileStamp.of(config)
                if let read = await reload() { (secrets, retry) = (read, nil) }
            }
        }
    }

    /// - Returns: the stamps of the secrets in use, if the configuration is.
    private func reload() async -> SecretStamps? {
        do {
            let loaded = try LoadedConfiguration.load(config)
            for warning in loaded.warnings { logger.warning("\(warning)") }
            try await process.reload(loaded.plan)
            return loaded.plan.secretStamps
        } catch {
            for line in LoadedConfiguration.explain(error).split(separator: "\n") {
                logger.error("configuration refused, the old one stays", metadata: ["config.mistake": "\(line)"])
            }
            return nil
        }
    }
}
