import Foundation
import SallyportCore

/// A model's folder, read, checked and compiled: what both engines begin with.
struct LoadedModel: Sendable {
    let manifest: ModelManifest
    /// Of the manifest, and so of everything it names.
    let digest: String
    let tokenizer: WordPieceTokenizer
    let compiled: CompiledModel
    let layout: RowLayout
    /// Row lengths that the model is run with.
    let lengths: [Int]

    init(directory: String, configuration: InferenceConfiguration) throws(ModelError) {
        (manifest, digest) = try ModelManifest.load(directory: directory)
        let xml = try manifest.file(ModelManifest.xml, in: directory)
        let weights = try manifest.file(ModelManifest.weights, in: directory)
        let vocabulary = try manifest.file(ModelManifest.vocabulary, in: directory)
        tokenizer = try WordPieceTokenizer(vocabulary: Array(vocabulary.bytes))
        let library = try OpenVINOLibrary(directory: configuration.libraryDirectory)
        compiled = try CompiledModel(library: library, xml: xml, weights: weights, configuration: configuration)
        layout = RowLayout(maximumTokens: manifest.maximumTokens, window: manifest.window, stride: manifest.stride)
        let maximum = manifest.maximumTokens
        lengths = [16, 32, 64, 128, 256].filter { $0 < maximum } + [maximum]
    }

    func queue(_ configuration: InferenceConfiguration) -> BatchQueue {
        BatchQueue(
            lengths: lengths, maximumBatchTokens: configuration.maximumBatchTokens,
            maximumQueuedTokens: configuration.maximumQueuedTokens, maximumQueuedCalls: configuration.maximumQueuedCalls,
            baseSeconds: configuration.baseSeconds, secondsPerWindow: configuration.secondsPerWindow)
    }

    /// Starts the threads; the first one also repeats the recorded answers.
    /// - Parameter expected: of a row of the self-test, what the model must give.
    func start(
        _ configuration: InferenceConfiguration, name: String, shape: ModelRunner.Shape,
        expected: @escaping @Sendable (ModelManifest.SelfTest) -> [Float]?
    ) throws(ModelError) -> BatchEngine {
        let queue = queue(configuration)
        let room = max(configuration.maximumBatchTokens, manifest.maximumTokens)
        let shapes = lengths.indices.flatMap { bucket in
            sequence(first: 1) { $0 * 2 }.prefix { $0 <= queue.limit(bucket) }.map { (rows: $0, length: lengths[bucket]) }
        }
        let engine = try BatchEngine(workers: configuration.workers, name: name, queue: queue) { number throws(ModelError) in
            let runner = try ModelRunner(model: compiled, shape: shape, markers: tokenizer.markers, room: room)
            try runner.warm(shapes)
            if number == 0 { try repeatRecorded(runner, expected) }
            return { batch throws(ModelError) in try runner.run(batch) }
        }
        compiled.releaseWeights()
        return engine
    }

    /// Compares tokens, cases and outputs of every recorded row.
    private func repeatRecorded(_ runner: ModelRunner, _ expected: (ModelManifest.SelfTest) -> [Float]?) throws(ModelError) {
        for (number, test) in manifest.selfTest.enumerated() {
            func wrong(_ what: String) -> ModelError { .selfTest("row \(number): \(what)") }
            let text: TokenizedText
            do {
                text = TokenizedText(
                    tokens: try tokenizer.tokens(of: Array(test.text.utf8)),
                    pair: try test.pair.map { try tokenizer.tokens(of: Array($0.utf8)) }, wantsTokens: false)
            } catch {
                throw wrong("cannot be tokenised")
            }
            let row = layout.rows(text: 0, count: text.tokens.count, pair: text.pair?.count)[0]
            let call = ReadingCall(texts: [text], rows: [row], lengths: lengths) { _ in }
            let input = runner.input(of: row, in: call)
            guard input.identifiers == test.identifiers else { throw wrong("other tokens than recorded") }
            guard input.cases == test.cases else { throw wrong("other cases than recorded") }
            guard let wanted = expected(test) else { throw wrong("records no output") }
            let length = lengths.first { row.length <= $0 } ?? manifest.maximumTokens
            let found = try runner.run(Batch(length: length, rows: [(call, 0)]))[0].scores
            guard found.count == wanted.count else { throw wrong("\(found.count) scores instead of \(wanted.count)") }
            let worst = zip(found, wanted).map { abs($0 - $1) / max(1, abs($1)) }.max() ?? 0
            // Recorded in f32. With eight bits of mantissa a tuned model's scores were seen to differ by 0.06; a wrong model's by whole units.
            let tolerated = test.tolerance * (compiled.precision == "bf16" ? 4 : 1)
            guard worst <= tolerated else { throw wrong("a score is off by \(worst), \(tolerated) is tolerated") }
        }
    }
}
