import ArgumentParser
import Dispatch
import Foundation
import Logging
import SallyportCore
import SallyportIdentity
import SallyportServer
import SallyportStorage
import Synchronization

struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Run the gateway.",
        discussion:
            "SIGHUP, or a change of the file, reloads the configuration; a bad file is refused and the old one stays. SIGTERM drains and ends."
    )
    @Option(help: "The configuration file.") var config: String
    @Flag(help: "Make an API key when there is none yet, and show it once with calls to paste.") var firstRun = false

    func run() async throws {
        // Starting takes seconds: what is asked for or changes meanwhile must not be missed.
        let (events, source) = AsyncStream.makeStream(of: Event.self, bufferingPolicy: .unbounded)
        let reloads = Self.watch(SIGHUP, .reload, source)
        defer { reloads.cancel() }
        let stamp = FileStamp.of(config)
        let loaded = try LoadedConfiguration.required(config)
        LoadedConfiguration.bootstrapLogging(loaded)
        let logger = Logger(label: "sallyport")
        for warning in loaded.warnings { logger.warning("\(warning)") }
        if firstRun, let source = loaded.plan.identityDirectory {
            throw ValidationError("Keys are those of the gateway of \(source): make one there, and start this one without --first-run.")
        }
        let process: ServerProcess
        do {
            process = try await ServerProcess.start(loaded.plan, logger: logger)
        } catch {
            FileHandle.standardError.write(Data("sallyport: cannot start: \(LoadedConfiguration.explain(error))\n".utf8))
            throw ExitCode(1)
        }
        logger.notice(
            "serving",
            metadata: [
                "server.port": "\(process.port)", "metrics.port": "\(process.metricsPort ?? 0)",
                "admin.port": "\(process.consolePort ?? 0)", "audit.key": "\(process.auditKey)",
            ])
        if firstRun, let issued = try await firstKey(in: loaded.dataDirectory, process) {
            FirstRun.greet(key: issued, host: loaded.plan.listen.host, port: process.port, plan: loaded.plan)
        }
        await live(process, since: stamp, events, source, logger: logger)
    }

    private static func watch(_ number: Int32, _ event: Event, _ source: AsyncStream<Event>.Continuation) -> any DispatchSourceProtocol {
        signal(number, SIG_IGN)
        let watcher = DispatchSource.makeSignalSource(signal: number, queue: .global())
        watcher.setEventHandler { source.yield(event) }
        watcher.resume()
        return watcher
    }

    /// Waits for signals and for changes of the file, until it is told to end.
    /// - Parameter stamp: of the file as it was when it was read.
    private func live(
        _ process: ServerProcess, since stamp: String?, _ events: AsyncStream<Event>, _ source: AsyncStream<Event>.Continuation,
        logger: Logger
    ) async {
        // One at most: ticks that gather while one takes long would push a signal out of any bounded buffer.
        let waiting = TickGate()
        var watchers: [any DispatchSourceProtocol] = []
        for number in [SIGTERM, SIGINT] { watchers.append(Self.watch(number, .stop, source)) }
        signal(SIGPIPE, SIG_IGN)
        let timer = DispatchSource.makeTimerSource(queue: .global())
        timer.schedule(deadline: .now() + 0.25, repeating: 0.25)
        timer.setEventHandler { if waiting.set() { source.yield(.tick) } }
        timer.resume()
        watchers.append(timer)
        // Beside the ticks, which may take long. Ends with the process: nothing is left of it that anybody would have to wait for.
        let takingBack = Task {
            while !Task.isCancelled {
                await process.takeBack()
                try? await Task.sleep(for: .milliseconds(200))
            }
        }
        defer { takingBack.cancel() }
        var stamp = stamp
        // Secrets that could not be taken up are tried again: the one in use may end.
        var retry: ContinuousClock.Instant?
        var secrets = process.secretStamp
        for await event in events {
            switch event {
            case .tick:
                waiting.clear()
                await process.tick()
                let now = FileStamp.of(config)
                let secretsNow = process.secretStamp
                if now != stamp || secretsNow != secrets || retry.map({ $0 <= .now }) ?? false {
                    let isOwed = secretsNow != secrets || retry != nil
                    stamp = now
                    // As it was before the reading: what changes meanwhile, or is referred to anew, is read once more.
                    secrets = secretsNow
                    let isDone = await reload(process, logger: logger)
                    retry = isDone || !isOwed ? nil : ContinuousClock.now + .seconds(15)
                }
            case .reload:
                stamp = FileStamp.of(config)
                if await reload(process, logger: logger) { retry = nil }
            case .stop:
                logger.notice("draining")
                for watcher in watchers { watcher.cancel() }
                await process.stop()
                logger.notice("stopped")
                return
            }
        }
    }

    private enum Event: Sendable { case tick, reload, stop }

    private final class TickGate: Sendable {
        private let isSet = Atomic(false)
        /// - Returns: whether it was not set before.
        func set() -> Bool { !isSet.exchange(true, ordering: .relaxed) }
        func clear() { isSet.store(false, ordering: .relaxed) }
    }

    /// - Returns: whether the configuration is in use.
    private func reload(_ process: ServerProcess, logger: Logger) async -> Bool {
        do {
            let loaded = try LoadedConfiguration.load(config)
            for warning in loaded.warnings { logger.warning("\(warning)") }
            try await process.reload(loaded.plan)
            return true
        } catch {
            for line in LoadedConfiguration.explain(error).split(separator: "\n") {
                logger.error("configuration refused, the old one stays", metadata: ["config.mistake": "\(line)"])
            }
            return false
        }
    }

    /// The key of the first start: it may call models, nothing else. Made once the gateway stands, or a start that fails would have made
    /// one that nobody was shown.
    private func firstKey(in directory: String, _ process: ServerProcess) async throws -> APIKey? {
        let store = SQLKeyStore(try SQLiteDatabase(.file(directory + "/sallyport.sqlite")))
        guard try store.allKeys().isEmpty else { return nil }
        try AdministrationOutbox(dataDirectory: directory).record(
            "keys.create", target: "first", details: [(name: "reason", value: "first start")])
        let key = try KeyOperations(store: store).create(.init(name: "first"), at: Int64(Date().timeIntervalSince1970)).key
        // What is shown works at once.
        await process.tick()
        return key
    }
}

/// What a first start shows.
enum FirstRun {
    /// The link is not shown: what is printed may be kept in a journal that others read.
    private static func administration(_ plan: ServerPlan) -> String {
        guard plan.console != nil else { return "" }
        return "\nTo administer the gateway, open the link that lies in \(FirstAdministrator.file(in: plan.dataDirectory)) in a browser."
    }

    static func greet(key: APIKey, host: String, port: Int, plan: ServerPlan) {
        let deployment =
            plan.deployments.map(\.id.rawValue).sorted().first { $0 == "local" } ?? plan.deployments.first?.id.rawValue ?? "local"
        let base = "http://\(host):\(port)"
        let text = """

            Sallyport listens on \(base). Your API key, shown this once (only a hash of it is kept):

                \(key.reveal())

            Ask the sample documents something:

                curl -s \(base)/openai/v1/chat/completions \\
                  -H "api-key: \(key.reveal())" -H "content-type: application/json" \\
                  -d '{"model":"\(deployment)","messages":[{"role":"user","content":"How many days of leave do I get?"}]}'

            The same with the OpenAI SDK for Python (pip install openai):

                from openai import OpenAI
                client = OpenAI(base_url="\(base)/openai/v1/", api_key="\(key.reveal())")
                answer = client.chat.completions.create(
                    model="\(deployment)", messages=[{"role": "user", "content": "How many days of leave do I get?"}])
                print(answer.choices[0].message.content)
            \(administration(plan))

            """
        FileHandle.standardOutput.write(Data(text.utf8))
    }
}
