import Dispatch
import Foundation
import NIOConcurrencyHelpers
import NIOCore
import SallyportCore

/// The shared encoder with all heads, in this process: tokenises on the caller's thread, runs the model on threads of its own.
package final class OpenVINOTextReader: TextReader {
    package let description: EncoderDescription
    /// How the model's numbers are kept: `bf16` or `f32`.
    package let precision: String

    private let model: LoadedModel
    private let engine: BatchEngine
    private let cascade: CascadeScorer?
    private let languageScorer: LanguageScorer?
    /// Where the scores that the language scorer changes stand.
    private let languageColumns: [Int?]
    private let configuration: InferenceConfiguration

    /// Loads `manifest.json`, the model beside it and `../vocab.txt`, compiles, warms up, and repeats the recorded answers. Takes a second
    /// or so: not on an event loop.
    /// - Throws: ``ModelError`` for whatever is missing, altered, or does not answer as recorded.
    package init(directory: String, configuration: InferenceConfiguration = InferenceConfiguration()) throws(ModelError) {
        let model = try LoadedModel(directory: directory, configuration: configuration)
        let manifest = model.manifest
        let path = directory + "/manifest.json"
        guard let sequence = manifest.sequence, !sequence.isEmpty, let tokens = manifest.tokens, !tokens.isEmpty else {
            throw .manifest(path: path, reason: "lacks sequence or tokens")
        }
        let cascadeDirectory = directory + "/../cascade"
        var cascade: CascadeScorer?
        if configuration.usesCascade, FileManager.default.fileExists(atPath: cascadeDirectory + "/manifest.json") {
            cascade = try CascadeScorer(directory: cascadeDirectory, tokenizer: model.tokenizer, window: manifest.window)
        }
        let languagesDirectory = directory + "/../languages"
        var languageScorer: LanguageScorer?
        if FileManager.default.fileExists(atPath: languagesDirectory + "/manifest.json") {
            languageScorer = try LanguageScorer(directory: languagesDirectory, tokenizer: model.tokenizer, window: manifest.window)
        }
        self.languageScorer = languageScorer
        languageColumns = (languageScorer?.tasks ?? []).map { sequence.firstIndex(of: $0) }
        description = EncoderDescription(
            name: manifest.name, version: manifest.version,
            digest: [model.digest, cascade?.digest, languageScorer?.digest].compactMap { $0 }.joined(separator: "+"),
            sequenceColumns: sequence, tokenColumns: tokens, heads: try manifest.describeHeads(path: path))
        let shape = ModelRunner.Shape(
            inputs: ModelRunner.Input.allCases, output: "sequence", columns: sequence.count, tokenOutput: "tokens",
            tokenColumns: tokens.count)
        engine = try model.start(configuration, name: "reader", shape: shape) { $0.sequence }
        precision = model.compiled.precision
        self.model = model
        self.cascade = cascade
        self.configuration = configuration
    }

    /// A call that can be taken back.
    package struct Handle: Sendable {
        fileprivate let call: ReadingCall?
        fileprivate let engine: BatchEngine

        /// Ends the call with ``TextReadingFault/cancelled``, unless it has ended.
        package func cancel() {
            if let call { engine.cancel(call) }
        }
    }

    package func read(
        _ requests: [ReadingRequest], completion: @escaping @Sendable (Result<[TextReading], TextReadingFault>) -> Void
    ) {
        start(requests, completion: completion)
    }

    package func begin(
        _ requests: [ReadingRequest], completion: @escaping @Sendable (Result<[TextReading], TextReadingFault>) -> Void
    ) -> @Sendable () -> Void {
        let handle = start(requests, completion: completion)
        return { handle.cancel() }
    }

    /// ``read(_:completion:)`` with a way to cancel.
    @discardableResult
    package func start(
        _ requests: [ReadingRequest], completion: @escaping @Sendable (Result<[TextReading], TextReadingFault>) -> Void
    ) -> Handle {
        let plan: Plan
        do throws(TextReadingFault) { plan = try makePlan(requests) } catch {
            engine.refuse { completion(.failure(error)) }
            return Handle(call: nil, engine: engine)
        }
        guard !plan.rows.isEmpty else {
            // Everything was cleared, or there was nothing to read.
            engine.refuse { completion(.success(plan.readings([]))) }
            return Handle(call: nil, engine: engine)
        }
        let call = ReadingCall(texts: plan.texts, rows: plan.rows, lengths: model.lengths) { result in
            completion(result.map { plan.readings($0) })
        }
        engine.submit(call)
        return Handle(call: call, engine: engine)
    }

    /// Reads and waits: for the command line and evaluation. Never on an event loop or in a completion.
    package func read(_ requests: [ReadingRequest]) throws(TextReadingFault) -> [TextReading] {
        let done = DispatchSemaphore(value: 0)
        let answer = NIOLockedValueBox<Result<[TextReading], TextReadingFault>>(.failure(.cancelled))
        read(requests) { result in
            answer.withLockedValue { $0 = result }
            done.signal()
        }
        done.wait()
        return try answer.withLockedValue { $0 }.get()
    }

    /// Cancels what waits and ends the threads. Not to be called from a completion.
    package func shutdown() { engine.shutdown() }

    /// Calls that have rows waiting for a thread.
    package var waitingCalls: Int { engine.waitingCalls }

    private func makePlan(_ requests: [ReadingRequest]) throws(TextReadingFault) -> Plan {
        var plan = Plan(texts: [], rows: [], cleared: [], adjustments: [], columns: languageColumns)
        var room = configuration.maximumTokensPerCall
        for (index, request) in requests.enumerated() {
            let text = TokenizedText(
                tokens: try model.tokenizer.tokens(of: request.text, room: &room),
                pair: try model.tokenizer.tokens(of: request.pair, room: &room), wantsTokens: request.wantsTokens)
            var cleared = 0
            for row in model.layout.rows(text: index, count: text.tokens.count, pair: text.pair?.count) {
                if request.mayBeCleared, row.second == nil, let cascade, cascade.clears(text.tokens[row.first]) {
                    cleared += 1
                } else {
                    plan.rows.append(row)
                    plan.adjustments.append(
                        row.second != nil
                            ? nil
                            : languageScorer.flatMap { languageScorer in
                                request.text.withUnsafeReadableBytes { languageScorer.adjustment(for: text.tokens[row.first], in: $0) }
                            })
                }
            }
            plan.texts.append(text)
            plan.cleared.append(cleared)
        }
        return plan
    }
}

/// Texts, the rows made of them, and how the rows' results become readings again.
private struct Plan: Sendable {
    var texts: [TokenizedText]
    var rows: [Row]
    var cleared: [Int]
    /// For each row what the language scorer says of it.
    var adjustments: [LanguageScorer.Adjustment?]
    let columns: [Int?]

    func readings(_ results: [RowResult]) -> [TextReading] {
        var windows: [[TextReading.Window]] = Array(repeating: [], count: texts.count)
        for (index, (row, result)) in zip(rows, results).enumerated() {
            let text = texts[row.text]
            var scores = result.scores
            if let adjustment = adjustments[index] { LanguageScorer.apply(adjustment, to: &scores, columns: columns) }
            let range = row.second.map { Self.bytes(of: $0, in: text.pair ?? []) } ?? Self.bytes(of: row.first, in: text.tokens)
            let tokens = result.tokenScores.map { TextReading.Tokens(ranges: text.tokens[row.first].map(\.range), scores: $0) }
            windows[row.text].append(
                TextReading.Window(range: range, scores: scores, tokens: tokens, words: Self.words(in: text.tokens[row.first])))
        }
        return zip(windows, cleared).map { TextReading(windows: $0, cleared: $1) }
    }

    /// Words that are not punctuation alone; counted only as far as anybody asks.
    private static func words(in tokens: some Sequence<Token>) -> Int {
        var count = 0
        var last = -1
        for token in tokens where token.word != last {
            last = token.word
            if token.caseClass != .special { count += 1 }
            if count == EncoderDescription.Head.shortWords { return .max }
        }
        return count
    }

    private static func bytes(of range: Range<Int>, in tokens: [Token]) -> Range<Int> {
        guard !range.isEmpty else { return 0..<0 }
        return tokens[range.lowerBound].range.lowerBound..<tokens[range.upperBound - 1].range.upperBound
    }
}

extension WordPieceTokenizer {
    /// - Parameter room: tokens that the call may still have.
    func tokens(of text: ByteBuffer, room: inout Int) throws(TextReadingFault) -> [Token] {
        let limit = room
        let result: Result<[Token], TokenizationError> = text.withUnsafeReadableBytes { bytes in
            do throws(TokenizationError) { return .success(try tokens(of: bytes, limit: limit)) } catch { return .failure(error) }
        }
        switch result {
        case .success(let tokens):
            room -= tokens.count
            return tokens
        case .failure(.tooLong): throw .tooLong
        case .failure(.malformed): throw .malformed
        }
    }

    func tokens(of text: ByteBuffer?, room: inout Int) throws(TextReadingFault) -> [Token]? {
        guard let text else { return nil }
        let tokens: [Token] = try tokens(of: text, room: &room)
        return tokens
    }
}
