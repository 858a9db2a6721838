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
            inputs: [.identifiers, .mask], output: "embedding", columns: dimensions, tokenOutput: nil, tokenColumns: 0)
        engine = try model.start(configuration, name: "embedder", shape: shape) { $0.embedding }
        digest = model.digest
        self.dimensions = dimensions
        self.model = model
        self.configuration = configuration
    }

    package func embed(_ texts: [ByteBuffer], completion: @escaping @Sendable (Result<[[Float]], TextReadingFault>) -> Void) {
        var room = configuration.maximumTokensPerCall
        var tokenized: [TokenizedText] = []
        var rows: [Row] = []
        do throws(TextReadingFault) {
            for (index, text) in texts.enumerated() {
                let tokens: [Token] = try model.tokenizer.tokens(of: text, room: &room)
                tokenized.append(TokenizedText(tokens: tokens, pair: nil, wantsTokens: false))
                rows += model.layout.rows(text: index, count: tokens.count, pair: nil)
            }
        } catch {
            engine.refuse { completion(.failure(error)) }
            return
        }
        guard !rows.isEmpty else {
            engine.refuse { completion(.success([])) }
            return
        }
        let (count, dimensions, order) = (texts.count, dimensions, rows)
        engine.submit(
            ReadingCall(texts: tokenized, rows: rows, lengths: model.lengths) { result in
                completion(result.map { Self.vectors(order, $0, texts: count, dimensions: dimensions) })
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
