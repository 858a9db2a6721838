import Foundation
import SallyportCore

/// `manifest.json` beside a model: what the model takes and gives, which files it is made of, and what it answered when it was made.
struct ModelManifest: Decodable {
    struct Calibration: Decodable {
        let a: Double
        let b: Double
    }

    struct Lexical: Decodable {
        let intercept: Double
        let encoder: Double
        let novel: Double
        let pairs: Double
        let numbers: Double
        let names: Double
        let certain: Double?
        let certainFrom: Double?
        let stopWords: [String]

        enum CodingKeys: String, CodingKey {
            case intercept, encoder, novel, pairs, numbers, names, certain
            case certainFrom = "certain_from"
            case stopWords = "stop_words"
        }

        var evidence: LexicalEvidence {
            var evidence = LexicalEvidence(
                intercept: intercept, encoder: encoder, novel: novel, pairs: pairs, numbers: numbers, names: names,
                stopWords: Set(stopWords))
            evidence.certain = certain ?? 0
            evidence.certainFrom = certainFrom ?? 0
            return evidence
        }
    }

    struct Head: Decodable {
        let kind: String
        let column: String?
        let columns: [String]?
        let calibration: OneOrMany<Calibration>?
        let thresholds: [String: Double]?
        let windowPenalty: OneOrMany<Double>?
        let shortPenalty: OneOrMany<Double>?
        let lexical: Lexical?

        enum CodingKeys: String, CodingKey {
            case kind, column, columns, calibration, thresholds, lexical
            case windowPenalty = "window_penalty"
            case shortPenalty = "short_penalty"
        }
    }

    /// One value for all columns of a head, or one for each.
    enum OneOrMany<Value: Decodable & Sendable>: Decodable, Sendable {
        case one(Value)
        case many([Value])

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            // What is no list must be one value; if it is neither, the second error tells.
            if let list = try? container.decode([Value].self) {
                self = .many(list)
            } else {
                self = .one(try container.decode(Value.self))
            }
        }

        /// One for each of so many columns; nil when the list has another length.
        func values(for columns: Int) -> [Value]? {
            switch self {
            case .one(let value): Array(repeating: value, count: columns)
            case .many(let values): values.count == columns ? values : nil
            }
        }
    }

    struct SelfTest: Decodable {
        let text: String
        let pair: String?
        let identifiers: [Int32]
        let cases: [Int32]
        let sequence: [Float]?
        let embedding: [Float]?
        let tolerance: Float

        enum CodingKeys: String, CodingKey {
            case text, pair, sequence, embedding, tolerance
            case identifiers = "input_ids"
            case cases = "case_ids"
        }
    }

    let format: Int
    let name: String
    let version: String
    let normaliser: String
    let maximumTokens: Int
    let window: Int
    let stride: Int
    let dimensions: Int?
    let sequence: [String]?
    let tokens: [String]?
    /// Paths beside the manifest and their SHA-256.
    let files: [String: String]
    let heads: [String: Head]?
    let selfTest: [SelfTest]

    enum CodingKeys: String, CodingKey {
        case format, name, version, normaliser, window, stride, dimensions, sequence, tokens, files, heads
        case maximumTokens = "max_tokens"
        case selfTest = "self_test"
    }

    static let xml = "model.xml"
    static let weights = "model.bin"
    static let vocabulary = "../vocab.txt"

    /// - Returns: the manifest and its bytes' digest, which stands for everything it names.
    static func load(directory: String) throws(ModelError) -> (manifest: ModelManifest, digest: String) {
        let file = try MappedFile(path: directory + "/manifest.json")
        let manifest: ModelManifest
        do {
            manifest = try JSONDecoder().decode(ModelManifest.self, from: Data(file.bytes))
        } catch {
            throw .manifest(path: file.path, reason: reason(error))
        }
        do { try manifest.check() } catch { throw .manifest(path: file.path, reason: error.reason) }
        return (manifest, file.digest)
    }

    /// A file that the manifest names, found to be the right one.
    func file(_ name: String, in directory: String) throws(ModelError) -> MappedFile {
        let path = directory + "/" + name
        guard let expected = files[name] else { throw .manifest(path: directory + "/manifest.json", reason: "files: lacks \(name)") }
        let file = try MappedFile(path: path)
        let found = file.digest
        guard found == expected.lowercased() else { throw .digest(path: path, expected: expected, found: found) }
        return file
    }

    private struct Mistake: Error { let reason: String }

    private func check() throws(Mistake) {
        guard format == 1 else { throw Mistake(reason: "format \(format) is not known") }
        guard normaliser == "bert-uncased" else { throw Mistake(reason: "normaliser \(normaliser) is not known") }
        guard (16...512).contains(maximumTokens) else { throw Mistake(reason: "max_tokens is not in 16...512") }
        guard window > 0, window <= maximumTokens - 2 else { throw Mistake(reason: "window does not fit max_tokens") }
        guard stride > 0, stride <= window else { throw Mistake(reason: "stride is not in 1...window") }
        guard !selfTest.isEmpty else { throw Mistake(reason: "self_test is empty") }
        for columns in [sequence ?? [], tokens ?? []] where Set(columns).count != columns.count {
            throw Mistake(reason: "a column is named twice")
        }
    }

    /// What the heads are, as detectors take it.
    func describeHeads(path: String) throws(ModelError) -> [String: EncoderDescription.Head] {
        var described: [String: EncoderDescription.Head] = [:]
        for (name, head) in heads ?? [:] {
            do throws(Mistake) { described[name] = try describe(head) } catch {
                throw .manifest(path: path, reason: "heads.\(name): \(error.reason)")
            }
        }
        return described
    }

    private func describe(_ head: Head) throws(Mistake) -> EncoderDescription.Head {
        guard let kind = EncoderDescription.Head.Kind(rawValue: head.kind) else { throw Mistake(reason: "kind \(head.kind) is not known") }
        let known =
            switch kind {
            case .sigmoid, .ordinal: sequence ?? []
            case .bio, .tokenSigmoid: tokens ?? []
            }
        let names = head.columns ?? head.column.map { [$0] } ?? []
        guard !names.isEmpty else { throw Mistake(reason: "names no column") }
        var columns: [Int] = []
        for name in names {
            guard let index = known.firstIndex(of: name) else { throw Mistake(reason: "there is no column \(name)") }
            columns.append(index)
        }
        guard let calibrations = head.calibration.map({ $0.values(for: columns.count) }) ?? [] else {
            throw Mistake(reason: "has another number of calibrations than of columns")
        }
        func penalties(_ stated: OneOrMany<Double>?, _ name: String) throws(Mistake) -> [Double] {
            guard let stated else { return [] }
            guard let values = stated.values(for: columns.count), values.allSatisfy({ $0 >= 0 }) else {
                throw Mistake(reason: "\(name) is negative or has another length than columns")
            }
            return values
        }
        let windowPenalties = try penalties(head.windowPenalty, "window_penalty")
        let shortPenalties = try penalties(head.shortPenalty, "short_penalty")
        guard kind == .bio || !calibrations.isEmpty else { throw Mistake(reason: "has no calibration") }
        var thresholds: [(rate: Double, probability: Double)] = []
        // "default" is for heads that no false-positive rate decides; it is the caller's to choose there.
        for (name, probability) in head.thresholds ?? [:] where name != "default" {
            guard name.hasPrefix("fpr_"), let rate = Double(name.dropFirst(4)), (0...1).contains(rate), (0...1).contains(probability) else {
                throw Mistake(reason: "threshold \(name) is not fpr_RATE with a probability")
            }
            thresholds.append((rate, probability))
        }
        thresholds.sort { $0.rate < $1.rate }
        var described = EncoderDescription.Head(
            kind: kind, columns: columns,
            calibrations: kind == .bio ? [] : calibrations.map { .init(slope: $0.a, intercept: $0.b) }, thresholds: thresholds,
            windowPenalties: windowPenalties, shortPenalties: shortPenalties)
        described.lexical = head.lexical?.evidence
        return described
    }

    /// Where decoding stopped and why, without the values.
    static func reason(_ error: any Error) -> String {
        func place(_ context: DecodingError.Context) -> String { context.codingPath.map(\.stringValue).joined(separator: ".") }
        switch error {
        case DecodingError.keyNotFound(let key, let context): return "\(place(context)) lacks \(key.stringValue)"
        case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
            return "\(place(context)) has the wrong type"
        default: return "not valid JSON"
        }
    }
}
