import ArgumentParser
import Dispatch
import Foundation
import Logging
import SallyportCore
import SallyportIdentity
import SallyportOversight
import SallyportServer
import SallyportStorage

struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Run the gateway.",
        discussion:
            "SIGHUP, or a change of the file, reloads the configuration; a bad file is refused and the old one stays. SIGTERM drains and ends."
    )
    @Option(help: "The configuration file.") var config: String
    @Flag(help: "Make an API key when there is none yet, and show it once with calls to paste.") var firstRun = false

    func run() async throws {
        // A log or a terminal that is gone must not end the gateway.
        signal(SIGPIPE, SIG_IGN)
        // Starting takes seconds: what is asked for or changes meanwhile must not be missed.
        let (events, source) = AsyncStream.makeStream(of: Housekeeper.Event.self, bufferingPolicy: .unbounded)
        let reloads = Self.watch(SIGHUP) { source.yield(.reload) }
        defer { reloads.cancel() }
        let stamp = FileStamp.of(config)
        let loaded = try LoadedConfiguration.required(config)
        let log = LoadedConfiguration.bootstrapLogging(loaded)
        defer { log.flush(within: Self.lastLines) }
        let logger = Logger(label: "sallyport")
        for warning in loaded.warnings { logger.warning("\(warning)") }
        if firstRun, let source = loaded.plan.identityDirectory {
            throw ValidationError("Keys are those of the gateway of \(source): make one there, and start this one without --first-run.")
        }
        let process: ServerProcess
        do {
            process = try await ServerProcess.start(loaded.plan, logger: logger, log: log)
        } catch {
            // Through the log's queue: behind what it says already, and not waited for when nobody reads.
            log.write(Array("sallyport: cannot start: \(LoadedConfiguration.explain(error))\n".utf8))
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
        let housekeeper = Housekeeper(process: process, config: config, logger: logger)
        let ending = await live(process, housekeeper, since: (stamp, loaded.plan.secretStamps), events, source, logger: logger)
        guard ending != .clean else { return }
        logger.warning(ending == .hanging ? "stopped without waiting for what hangs" : "stopped, and the audit log could not be closed")
        log.flush(within: Self.lastLines)
        // Whatever hangs would keep an orderly exit from ending.
        _exit(ending == .hanging ? 0 : 1)
    }

    /// How long the end waits for a log that nobody reads.
    private static let lastLines = Duration.seconds(2)

    private static func watch(_ number: Int32, _ handler: @escaping @Sendable () -> Void) -> any DispatchSourceProtocol {
        signal(number, SIG_IGN)
        let watcher = DispatchSource.makeSignalSource(signal: number, queue: .global())
        watcher.setEventHandler(handler: handler)
        watcher.resume()
        return watcher
    }

    /// Looks after the gateway until it is told to end.
    /// - Parameter stamps: of the configuration and of its secrets, as they were when they were read.
    private func live(
        _ process: ServerProcess, _ housekeeper: Housekeeper, since stamps: (file: String?, secrets: SecretStamps),
        _ events: AsyncStream<Housekeeper.Event>, _ source: AsyncStream<Housekeeper.Event>.Continuation, logger: Logger
    ) async -> ServerProcess.Ending {
        let (stops, stop) = AsyncStream.makeStream(of: Void.self)
        var watchers = [SIGTERM, SIGINT].map { Self.watch($0) { stop.yield() } }
        // One at most: ticks that gather while one takes long would only be done in vain.
        let waiting = Housekeeper.TickGate()
        let timer = DispatchSource.makeTimerSource(queue: .global())
        timer.schedule(deadline: .now() + 0.25, repeating: 0.25)
        timer.setEventHandler { if waiting.set() { source.yield(.tick) } }
        timer.resume()
        watchers.append(timer)
        // On threads of their own, and beside what waits for the signal to end: a chore that hangs delays neither.
        let keeping = Task(executorPreference: process.housekeeping) {
            await housekeeper.keepHouse(events, waiting, file: stamps.file, secrets: stamps.secrets)
        }
        let takingBack = Task(executorPreference: process.housekeeping) { await housekeeper.takeBack() }
        for await _ in stops { break }
        logger.notice("draining")
        for watcher in watchers { watcher.cancel() }
        keeping.cancel()
        takingBack.cancel()
        let ending = await process.stop {
            await keeping.value
            await takingBack.value
        }
        logger.notice("stopped")
        return ending
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
