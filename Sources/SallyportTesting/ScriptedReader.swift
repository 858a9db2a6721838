import NIOConcurrencyHelpers
import NIOCore
import SallyportCore

/// An encoder that knows words instead of meanings: a text's scores follow from the marker words in it, a pair's from those in both.
/// Each text is one window.
package final class ScriptedReader: TextReader {
    /// What a word does: it raises a column of the sequence to a score, or labels itself with a token column.
    package enum Effect: Sendable {
        case sequence(String, Float)
        case token(String)
    }

    package static let sequence = [
        "prompt_attack", "attack_role_play", "attack_leak", "document_attack", "hate_2", "hate_4", "hate_6", "violence_2", "violence_4",
        "violence_6", "ungrounded", "off_task",
    ]
    package static let tokens = [
        "payload", "O", "B-PERSON", "I-PERSON", "B-LOCATION", "I-LOCATION", "B-ORGANIZATION", "I-ORGANIZATION",
    ]

    package let description: EncoderDescription
    private let words: [String: [Effect]]
    private let fault: TextReadingFault?
    private let seen = NIOLockedValueBox<[String]>([])

    package init(_ words: [String: [Effect]], fault: TextReadingFault? = nil) {
        self.words = words
        self.fault = fault
        let thresholds = [(rate: 0.001, probability: 0.99), (rate: 0.01, probability: 0.9), (rate: 0.05, probability: 0.6)]
        func sigmoid(_ name: String) -> EncoderDescription.Head {
            .init(kind: .sigmoid, columns: [Self.sequence.firstIndex(of: name) ?? 0], calibrations: [.init()], thresholds: thresholds)
        }
        func ordinal(_ name: String) -> EncoderDescription.Head {
            let columns = [2, 4, 6].compactMap { Self.sequence.firstIndex(of: "\(name)_\($0)") }
            return .init(kind: .ordinal, columns: columns, calibrations: columns.map { _ in .init() }, thresholds: [])
        }
        description = EncoderDescription(
            name: "scripted", version: "1", digest: "5c71f7ed", sequenceColumns: Self.sequence, tokenColumns: Self.tokens,
            heads: [
                "prompt_attack": sigmoid("prompt_attack"), "attack_role_play": sigmoid("attack_role_play"),
                "attack_leak": sigmoid("attack_leak"), "document_attack": sigmoid("document_attack"), "hate": ordinal("hate"),
                "violence": ordinal("violence"), "ungrounded": sigmoid("ungrounded"), "off_task": sigmoid("off_task"),
                "payload": .init(kind: .tokenSigmoid, columns: [0], calibrations: [.init()], thresholds: []),
                "names": .init(kind: .bio, columns: Array(1...7), calibrations: [], thresholds: []),
            ])
    }

    /// All texts that were read, in order.
    package var texts: [String] { seen.withLockedValue { $0 } }

    package func read(_ requests: [ReadingRequest], completion: @escaping @Sendable (Result<[TextReading], TextReadingFault>) -> Void) {
        seen.withLockedValue { seen in seen += requests.map { String(buffer: $0.text) } }
        completion(fault.map { .failure($0) } ?? .success(requests.map(reading)))
    }

    private func reading(of request: ReadingRequest) -> TextReading {
        var scores = [Float](repeating: -6, count: Self.sequence.count)
        var ranges: [Range<Int>] = []
        var tokenScores: [Float] = []
        let bytes = Array(request.text.readableBytesView)
        var start = 0
        while start < bytes.count {
            guard let end = bytes[start...].firstIndex(where: { !Self.isLetter($0) }) ?? Optional(bytes.count), end > start else {
                start += 1
                continue
            }
            var row = [Float](repeating: -6, count: Self.tokens.count)
            row[1] = 4
            for effect in words[String(decoding: bytes[start..<end], as: UTF8.self)] ?? [] {
                switch effect {
                case .sequence(let name, let score):
                    if let column = Self.sequence.firstIndex(of: name) { scores[column] = max(scores[column], score) }
                case .token(let name): if let column = Self.tokens.firstIndex(of: name) { row[column] = 8 }
                }
            }
            ranges.append(start..<end)
            tokenScores += row
            start = end
        }
        for word in (request.pair.map { Array($0.readableBytesView) } ?? []).split(whereSeparator: { !Self.isLetter($0) }) {
            for case .sequence(let name, let score) in words[String(decoding: word, as: UTF8.self)] ?? [] {
                if let column = Self.sequence.firstIndex(of: name) { scores[column] = max(scores[column], score) }
            }
        }
        return TextReading(windows: [
            .init(
                range: 0..<(request.pair?.readableBytes ?? bytes.count), scores: scores,
                tokens: request.wantsTokens ? .init(ranges: ranges, scores: tokenScores) : nil)
        ])
    }

    private static func isLetter(_ byte: UInt8) -> Bool { byte >= 0x80 || (byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7A) }
}
