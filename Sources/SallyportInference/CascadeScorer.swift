import Foundation

/// The cheap model in front of the encoder: a linear one over hashed runs of one, two and three tokens. Microseconds for a window.
///
/// It is asked one question: is this window plainly benign to every head? Features and arithmetic stand in `training/cascade.py`.
package struct CascadeScorer: Sendable {
    package let tasks: [String]
    /// SHA-256 of the manifest, hexadecimal.
    package let digest: String
    private let weights: [Int8]
    private let width: Int
    private let mask: UInt64
    private let scales: [Float]
    private let biases: [Float]
    private let clearBelow: [Float]

    private static let longestRun = 3

    private struct Manifest: Decodable {
        struct SelfTest: Decodable {
            let text: String
            let ids: [Int32]
            let scores: [Float]
            let tolerance: Float
        }
        let format: Int
        let normaliser: String
        let buckets: Int
        let width: Int
        let tasks: [String]
        let scale: [Float]
        let bias: [Float]
        let clearBelow: [String: Double]
        let files: [String: String]
        let selfTest: [SelfTest]

        enum CodingKeys: String, CodingKey {
            case format, normaliser, buckets, width, tasks, scale, bias, files
            case clearBelow = "clear_below"
            case selfTest = "self_test"
        }
    }

    /// - Parameters:
    ///   - directory: holds `manifest.json` and `weights.bin`.
    ///   - window: the most tokens that a row of the self-test has.
    package init(directory: String, tokenizer: WordPieceTokenizer, window: Int) throws(ModelError) {
        let file = try MappedFile(path: directory + "/manifest.json")
        func mistake(_ reason: String) -> ModelError { .manifest(path: file.path, reason: reason) }
        let manifest: Manifest
        do { manifest = try JSONDecoder().decode(Manifest.self, from: Data(file.bytes)) } catch {
            throw mistake(ModelManifest.reason(error))
        }
        let count = manifest.tasks.count
        guard manifest.format == 1, manifest.normaliser == "bert-uncased" else { throw mistake("format or normaliser is not known") }
        guard (1...1 << 24).contains(manifest.buckets), manifest.buckets & (manifest.buckets - 1) == 0 else {
            throw mistake("buckets is not a power of two up to 2^24")
        }
        guard count > 0, manifest.width >= count, manifest.width <= 64, manifest.scale.count == count, manifest.bias.count == count else {
            throw mistake("tasks, width, scale and bias do not fit each other")
        }
        guard tokenizer.vocabularyCount <= 1 << 16 else { throw mistake("the vocabulary has more than 65,536 entries") }
        var limits: [Float] = []
        for task in manifest.tasks {
            guard let limit = manifest.clearBelow[task] else { throw mistake("clear_below: lacks \(task)") }
            limits.append(Float(limit))
        }
        let path = directory + "/weights.bin"
        guard let expected = manifest.files["weights.bin"] else { throw mistake("files: lacks weights.bin") }
        let bytes = try MappedFile(path: path)
        guard bytes.digest == expected.lowercased() else { throw .digest(path: path, expected: expected, found: bytes.digest) }
        guard bytes.bytes.count == manifest.buckets * manifest.width else {
            throw .file(path: path, reason: "has \(bytes.bytes.count) bytes instead of \(manifest.buckets * manifest.width)")
        }
        tasks = manifest.tasks
        digest = file.digest
        weights = bytes.bytes.map { Int8(bitPattern: $0) }
        width = manifest.width
        mask = UInt64(manifest.buckets - 1)
        scales = manifest.scale
        biases = manifest.bias
        clearBelow = limits
        guard !manifest.selfTest.isEmpty else { throw mistake("self_test is empty") }
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
        var totals = [Int32](repeating: 0, count: tasks.count)
        var runs = 0
        tokens.withUnsafeBufferPointer { tokens in
            weights.withUnsafeBufferPointer { weights in
                totals.withUnsafeMutableBufferPointer { totals in
                    for start in tokens.indices {
                        for length in 1...Self.longestRun where start + length <= tokens.count {
                            var hash = (0xCBF2_9CE4_8422_2325 ^ UInt64(length)) &* 0x100_0000_01B3
                            for index in start..<start + length {
                                let identifier = UInt64(UInt32(bitPattern: tokens[index].identifier))
                                hash = (hash ^ (identifier & 0xFF)) &* 0x100_0000_01B3
                                hash = (hash ^ (identifier >> 8)) &* 0x100_0000_01B3
                            }
                            let row = Int(truncatingIfNeeded: hash & mask) &* width
                            for task in totals.indices { totals[task] &+= Int32(weights[row &+ task]) }
                            runs += 1
                        }
                    }
                }
            }
        }
        guard runs > 0 else { return biases }
        let root = Float(runs).squareRoot()
        return tasks.indices.map { biases[$0] + scales[$0] * Float(totals[$0]) / root }
    }

    /// Whether the window needs no encoder.
    package func clears(_ tokens: ArraySlice<Token>) -> Bool {
        zip(scores(of: tokens), clearBelow).allSatisfy { $0 < $1 }
    }
}
