/// The cheap model in front of the encoder: a linear one over hashed runs of one, two and three tokens. Microseconds for a window.
///
/// It is asked one question: is this window plainly benign to every head? Features and arithmetic stand in `training/cascade.py`.
package struct CascadeScorer: Sendable {
    /// SHA-256 of the manifest, hexadecimal.
    package let digest: String
    private let model: HashedLinear
    private let clearBelow: [Float]

    package var tasks: [String] { model.tasks }

    private struct Manifest: Decodable {
        struct SelfTest: Decodable {
            let text: String
            let ids: [Int32]
            let scores: [Float]
            let tolerance: Float
        }
        let clearBelow: [String: Double]
        let selfTest: [SelfTest]

        enum CodingKeys: String, CodingKey {
            case clearBelow = "clear_below"
            case selfTest = "self_test"
        }
    }

    /// - Parameters:
    ///   - directory: holds `manifest.json` and `weights.bin`.
    ///   - window: the most tokens that a row of the self-test has.
    package init(directory: String, tokenizer: WordPieceTokenizer, window: Int) throws(ModelError) {
        let read = try HashedLinear.Manifest<Manifest>(of: directory)
        let (file, shape, manifest) = (read.file, read.shape, read.own)
        guard tokenizer.vocabularyCount <= 1 << 16 else { throw read.mistake("the vocabulary has more than 65,536 entries") }
        var limits: [Float] = []
        for task in shape.tasks {
            guard let limit = manifest.clearBelow[task] else { throw read.mistake("clear_below: lacks \(task)") }
            limits.append(Float(limit))
        }
        model = try HashedLinear(shape, directory: directory, manifest: file.path)
        digest = file.digest
        clearBelow = limits
        guard !manifest.selfTest.isEmpty else { throw read.mistake("self_test is empty") }
        for (number, row) in manifest.selfTest.enumerated() {
            guard let tokens = try? tokenizer.tokens(of: Array(row.text.utf8)).prefix(window) else {
                throw .selfTest("cascade, row \(number): cannot be tokenised")
            }
            guard tokens.map(\.identifier) == row.ids else { throw .selfTest("cascade, row \(number): other tokens than recorded") }
            let found = scores(of: tokens)
            guard found.count == row.scores.count, zip(found, row.scores).allSatisfy({ abs($0 - $1) <= row.tolerance }) else {
                throw .selfTest("cascade, row \(number): other scores than recorded")
            }
        }
    }

    /// One score for each of ``tasks``.
    package func scores(of tokens: ArraySlice<Token>) -> [Float] {
        let sums = tokens.withUnsafeBufferPointer { tokens in
            model.sums { add in
                FeatureHash.runs(of: tokens.count, identifier: { UInt64(UInt32(bitPattern: tokens[$0].identifier)) }, add)
            }
        }
        return sums.indices.map { model.biases[$0] + model.scales[$0] * sums[$0] }
    }

    /// Whether the window needs no encoder.
    package func clears(_ tokens: ArraySlice<Token>) -> Bool {
        zip(scores(of: tokens), clearBelow).allSatisfy { $0 < $1 }
    }
}
