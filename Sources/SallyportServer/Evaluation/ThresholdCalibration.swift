import Foundation
import SallyportCore

/// Thresholds of the learned detectors as a tenant's own harmless texts set them, bound to the model that scored them.
package struct ThresholdCalibration: Sendable, Codable {
    /// Digest of the model; with another the file is refused.
    package let model: String
    /// Head, then stated false-positive rate, then probability.
    package let heads: [String: [String: Double]]

    package struct Mistake: Error, CustomStringConvertible {
        package let description: String
    }

    package static let rates = [0.001, 0.01, 0.05]
    private static let fitted: [EvaluationHead] = [.promptAttack, .documentAttack, .hate, .sexual, .violence, .selfHarm]

    /// - Parameter report: told, for each head, what was fitted and what was left as shipped.
    package static func fitted(
        to lines: [Data], reader: any TextReader, report: (String) -> Void
    ) async throws -> ThresholdCalibration {
        // The texts are harmless by what they are given as: label them so.
        let rows = try lines.enumerated().filter { !$1.isEmpty }.map { number, line in
            guard let object = try? JSONSerialization.jsonObject(with: line) as? [String: Any], let text = object["text"] as? String else {
                throw Mistake(description: "line \(number + 1): is not a JSON object with a 'text'")
            }
            var row: [String: Any] = ["text": text, "label": 0]
            for harm in EvaluationHead.harms { row[harm] = 0 }
            return try JSONSerialization.data(withJSONObject: row)
        }
        guard !rows.isEmpty else { throw Mistake(description: "there is no text in the file") }
        var heads: [String: [String: Double]] = [:]
        for head in fitted where reader.description.heads[head.rawValue] != nil {
            let scored = try await Evaluation(head, reader: reader).scores(of: rows, first: 1)
            let metrics = BinaryMetrics(scored.map { (score: $0.score, isPositive: false) })
            var own: [String: Double] = [:]
            for rate in rates {
                if let threshold = metrics.threshold(forFalsePositiveRate: rate) { own["fpr_\(rate)"] = threshold }
            }
            heads[head.rawValue] = own
            let kept = rates.filter { own["fpr_\($0)"] == nil }.map { "\($0 * 100) %" }
            report(
                "\(head.rawValue): \(rows.count) texts\(kept.isEmpty ? "" : "; too few for \(kept.joined(separator: ", ")), which stays as shipped")"
            )
        }
        return ThresholdCalibration(model: reader.description.digest, heads: heads)
    }

    package func write(to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try encoder.encode(self).write(to: URL(fileURLWithPath: path), options: .atomic)
    }

    package init(model: String, heads: [String: [String: Double]]) {
        self.model = model
        self.heads = heads
    }

    package init(file path: String) throws {
        guard let bytes = FileManager.default.contents(atPath: path) else { throw Mistake(description: "\(path) cannot be read") }
        do { self = try JSONDecoder().decode(ThresholdCalibration.self, from: bytes) } catch {
            throw Mistake(description: "\(path) is not a calibration that `sallyport calibrate` wrote")
        }
        guard heads.values.allSatisfy({ $0.values.allSatisfy { (0...1).contains($0) } }) else {
            throw Mistake(description: "\(path) holds a threshold that is not a probability")
        }
    }

    /// The description with these thresholds in the place of the shipped ones.
    /// - Throws: ``Mistake`` when they were fitted with another model.
    package func applied(to description: EncoderDescription) throws -> EncoderDescription {
        guard model == description.digest else {
            throw Mistake(description: "the calibration was fitted with another model: run `sallyport calibrate` again")
        }
        var heads = description.heads
        for (name, own) in self.heads {
            guard let head = heads[name] else { continue }
            var thresholds = head.thresholds.filter { own["fpr_\($0.rate)"] == nil }
            for rate in Self.rates { if let probability = own["fpr_\(rate)"] { thresholds.append((rate, probability)) } }
            thresholds.sort { $0.rate < $1.rate }
            var calibrated = EncoderDescription.Head(
                kind: head.kind, columns: head.columns, calibrations: head.calibrations, thresholds: thresholds,
                windowPenalties: head.windowPenalties, shortPenalties: head.shortPenalties)
            calibrated.lexical = head.lexical
            heads[name] = calibrated
        }
        return EncoderDescription(
            name: description.name, version: description.version, digest: description.digest,
            sequenceColumns: description.sequenceColumns, tokenColumns: description.tokenColumns, heads: heads)
    }
}
