import ArgumentParser
import SallyportCore
import SallyportServer

/// Which model, and what runs it.
struct ModelOptions: ParsableArguments {
    @Option(help: "The folder of the models; else where the gateway looks for it.") var models: String?
    @Option(help: "The folder of libopenvino_c; else where the gateway looks for it.") var inferenceLibrary: String?
    @Option(help: "Threads that run the encoder.") var threads: Int?

    func reader() throws -> any TextReader {
        var plan = ServerPlan.Learned()
        plan.modelsDirectory = models
        plan.library = inferenceLibrary
        plan.maximumQueuedTokens = 100_000_000
        if let threads {
            guard (1...64).contains(threads) else { throw ValidationError("--threads must be from 1 to 64.") }
            plan.threads = threads
        }
        return try LearnedParts.reader(plan)
    }
}
