import Foundation

/// How well scores tell two classes apart, with the doubt that the number of rows leaves.
package struct BinaryMetrics: Sendable {
    /// A share with its 95 % interval (Wilson 1927).
    package struct Share: Sendable, Hashable, Codable {
        package let hits: Int
        package let count: Int
        package var value: Double { count == 0 ? .nan : Double(hits) / Double(count) }

        package init(_ hits: Int, of count: Int) {
            self.hits = hits
            self.count = count
        }

        package var interval: ClosedRange<Double> {
            guard count > 0 else { return 0...1 }
            let z = 1.959964
            let n = Double(count)
            let centre = value + z * z / (2 * n)
            let width = z * (value * (1 - value) / n + z * z / (4 * n * n)).squareRoot()
            let scale = 1 + z * z / n
            return max(0, (centre - width) / scale)...min(1, (centre + width) / scale)
        }
    }

    private let positives: [Double]
    private let negatives: [Double]

    /// - Parameter rows: score and whether it belongs to the class that is looked for.
    package init(_ rows: some Sequence<(score: Double, isPositive: Bool)>) {
        var positives: [Double] = []
        var negatives: [Double] = []
        for row in rows { if row.isPositive { positives.append(row.score) } else { negatives.append(row.score) } }
        self.positives = positives.sorted(by: >)
        self.negatives = negatives.sorted(by: >)
    }

    package var positiveCount: Int { positives.count }
    package var negativeCount: Int { negatives.count }

    /// Of the rows that are looked for, how many reach the threshold.
    package func recall(at threshold: Double) -> Share { Share(positives.prefix { $0 >= threshold }.count, of: positives.count) }
    package func falsePositiveRate(at threshold: Double) -> Share { Share(negatives.prefix { $0 >= threshold }.count, of: negatives.count) }

    /// The lowest threshold that at most this share of the negatives reaches; nil when there are too few of them to say.
    package func threshold(forFalsePositiveRate rate: Double) -> Double? {
        guard Double(negatives.count) * rate >= 1 else { return nil }
        let allowed = Int(Double(negatives.count) * rate)
        guard allowed < negatives.count else { return 0 }
        // Above the first one that must not reach it.
        return negatives[allowed].nextUp
    }

    /// Area under the receiver operating characteristic: how often a positive scores above a negative, ties one half. nil without both.
    package var rocArea: Double? {
        guard !positives.isEmpty, !negatives.isEmpty else { return nil }
        var below = 0
        var through = 0
        var sum = 0.0
        for score in positives {
            while below < negatives.count, negatives[below] > score { below += 1 }
            through = max(through, below)
            while through < negatives.count, negatives[through] == score { through += 1 }
            sum += Double(negatives.count - through) + Double(through - below) / 2
        }
        return sum / (Double(positives.count) * Double(negatives.count))
    }

    /// Average precision: the mean over the positives of the precision at their score. nil without positives.
    package var averagePrecision: Double? {
        guard !positives.isEmpty else { return nil }
        var sum = 0.0
        var found = 0
        var wrong = 0
        while found < positives.count {
            let score = positives[found]
            let first = found
            while found < positives.count, positives[found] == score { found += 1 }
            while wrong < negatives.count, negatives[wrong] >= score { wrong += 1 }
            sum += Double(found - first) * Double(found) / Double(found + wrong)
        }
        return sum / Double(positives.count)
    }
}
