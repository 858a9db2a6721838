import Dispatch
import NIOConcurrencyHelpers
import NIOCore
import SallyportCore

/// The untouched base model as an embedder. A text longer than one row is the mean of its windows' vectors, weighted by their tokens.
package final class OpenVINOEmbedder: TextEmbedder {
    package let dimensions: Int
    package let digest: String

    private let model: LoadedModel
    private let engine: BatchEngine
    private let configuration: InferenceConfiguration

    /// As ``OpenVINOTextReader/init(directory:configuration:)``.
    package init(directory: String, configuration: InferenceConfiguration = InferenceConfiguration()) throws(ModelError) {
        let model = try LoadedModel(directory: directory, configuration: configuration)
        guard let dimensions = model.manifest.dimensions, (1...4096).contains(dimensions) else {
            throw .manifest(path: directory + "/manifest.json", reason: "lacks dimensions")
        }
        let shape = ModelRunner.Shape(
            inputs: [.identifiers, .mask], output: "embedding", columns: dimensions,
            tokenOutput: model.manifest.hasWords ? "words" : nil, tokenColumns: dimensions)
        engine = try model.start(configuration, name: "embedder", shape: shape) { $0.embedding }
        digest = model.digest
        self.dimensions = dimensions
        self.model = model
        self.configuration = configuration
    }

    package func embed(_ texts: [ByteBuffer], completion: @escaping @Sendable (Result<[[Float]], TextReadingFault>) -> Void) {
        let dimensions = dimensions
        run(texts, wantsTokens: false) { result in
            completion(result.map { Self.vectors($0.rows, $0.results, texts: texts.count, dimensions: dimensions) })
        }
    }

    package func words(of texts: [ByteBuffer], completion: @escaping @Sendable (Result<[WordVectors?], TextReadingFault>) -> Void) {
        guard model.manifest.hasWords else { return engine.refuse { completion(.success(texts.map { _ in nil })) } }
        let dimensions = dimensions
        run(texts, wantsTokens: true) { result in
            completion(result.map { Self.words($0, texts: texts.count, dimensions: dimensions) })
        }
    }

    private struct Done: Sendable {
        var texts: [TokenizedText] = []
        var rows: [Row] = []
        var results: [RowResult] = []
    }

    private func run(
        _ texts: [ByteBuffer], wantsTokens: Bool, completion: @escaping @Sendable (Result<Done, TextReadingFault>) -> Void
    ) {
        var room = configuration.maximumTokensPerCall
        var tokenized: [TokenizedText] = []
        var rows: [Row] = []
        do throws(TextReadingFault) {
            for (index, text) in texts.enumerated() {
                let tokens: [Token] = try model.tokenizer.tokens(of: text, room: &room)
                tokenized.append(TokenizedText(tokens: tokens, pair: nil, wantsTokens: wantsTokens))
                rows += model.layout.rows(text: index, count: tokens.count, pair: nil)
            }
        } catch {
            engine.refuse { completion(.failure(error)) }
            return
        }
        guard !rows.isEmpty else {
            engine.refuse { completion(.success(Done())) }
            return
        }
        engine.submit(
            ReadingCall(texts: tokenized, rows: rows, lengths: model.lengths) { [tokenized, rows] result in
                completion(result.map { Done(texts: tokenized, rows: rows, results: $0) })
            })
    }

    package func tokenCount(of text: [UInt8]) -> Int? { try? model.tokenizer.tokens(of: text).count }

    /// Embeds and waits. Never on an event loop or in a completion.
    package func embed(_ texts: [ByteBuffer]) throws(TextReadingFault) -> [[Float]] {
        let done = DispatchSemaphore(value: 0)
        let answer = NIOLockedValueBox<Result<[[Float]], TextReadingFault>>(.failure(.cancelled))
        embed(texts) { result in
            answer.withLockedValue { $0 = result }
            done.signal()
        }
        done.wait()
        return try answer.withLockedValue { $0 }.get()
    }

    /// Cancels what waits and ends the threads. Not to be called from a completion.
    package func shutdown() { engine.shutdown() }

    private static func words(_ done: Done, texts: Int, dimensions: Int) -> [WordVectors?] {
        var (ranges, words) = (Array(repeating: [Range<Int>](), count: texts), Array(repeating: [Int](), count: texts))
        var values = Array(repeating: [Float](), count: texts)
        for (row, result) in zip(done.rows, done.results) {
            guard let scores = result.tokenScores else { continue }
            for (place, token) in done.texts[row.text].tokens[row.first].enumerated() {
                ranges[row.text].append(token.range)
                words[row.text].append(token.word)
                let vector = scores[place * dimensions..<(place + 1) * dimensions]
                let length = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
                values[row.text] += length > 0 ? vector.map { $0 / length } : Array(vector)
            }
        }
        return (0..<texts).map { WordVectors(dimensions: dimensions, ranges: ranges[$0], words: words[$0], values: values[$0]) }
    }

    private static func vectors(_ rows: [Row], _ results: [RowResult], texts: Int, dimensions: Int) -> [[Float]] {
        var sums = Array(repeating: [Float](repeating: 0, count: dimensions), count: texts)
        for (row, result) in zip(rows, results) {
            for index in 0..<dimensions { sums[row.text][index] += result.scores[index] * Float(row.length) }
        }
        return sums.map { sum in
            let length = sum.reduce(0) { $0 + $1 * $1 }.squareRoot()
            return length > 0 ? sum.map { $0 / length } : sum
        }
    }
}
