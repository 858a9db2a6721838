/// How models are run. Every field has a default that works.
package struct InferenceConfiguration: Sendable, Hashable {
    /// How numbers are kept while a model runs.
    package enum Precision: String, Sendable, CaseIterable {
        /// bf16 where the processor multiplies it in hardware, else f32.
        case automatic
        case bf16
        case f32
    }

    /// The folder that holds libopenvino_c; nil: beside the binary, then `.deps/openvino`, then where the loader looks.
    package var libraryDirectory: String?
    package var precision: Precision
    /// Threads that run the model, each on rows of its own.
    package var workers: Int
    /// Threads that share the work of one run.
    package var threadsPerWorker: Int
    /// Tokens that may be waiting before a new text when it is admitted, counted as they would be served: every text gets its turn.
    package var maximumQueuedTokens: Int
    /// Calls that may wait or run at once.
    package var maximumQueuedCalls: Int
    /// A call whose rows would not all be read within this and ``secondsPerWindow`` for each of them, at the speed of late and with what
    /// waits before it, is not taken in. What it takes by itself never counts against it.
    package var baseSeconds: Double
    package var secondsPerWindow: Double
    /// Tokens of all texts of one call.
    package var maximumTokensPerCall: Int
    /// Tokens in one run; rows of equal length share it.
    package var maximumBatchTokens: Int
    /// Windows that the model in `../cascade` finds plainly benign may go unread, where the call permits it.
    package var usesCascade: Bool

    package init(
        libraryDirectory: String? = nil, precision: Precision = .automatic, workers: Int = 1, threadsPerWorker: Int = 1,
        maximumQueuedTokens: Int = 65_536, maximumQueuedCalls: Int = 4_096, maximumTokensPerCall: Int = 1_000_000,
        maximumBatchTokens: Int = 128, usesCascade: Bool = true, baseSeconds: Double = 10, secondsPerWindow: Double = 0.5
    ) {
        self.baseSeconds = max(0.1, baseSeconds)
        self.secondsPerWindow = max(0, secondsPerWindow)
        self.libraryDirectory = libraryDirectory
        self.precision = precision
        self.workers = max(1, workers)
        self.threadsPerWorker = max(1, threadsPerWorker)
        self.maximumQueuedTokens = max(1, maximumQueuedTokens)
        self.maximumQueuedCalls = max(1, maximumQueuedCalls)
        self.maximumTokensPerCall = max(1, maximumTokensPerCall)
        self.maximumBatchTokens = max(1, maximumBatchTokens)
        self.usesCascade = usesCascade
    }
}
