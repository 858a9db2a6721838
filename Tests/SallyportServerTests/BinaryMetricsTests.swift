import SallyportServer
import Testing

struct BinaryMetricsTests {
    private func metrics(_ positives: [Double], _ negatives: [Double]) -> BinaryMetrics {
        BinaryMetrics(positives.map { (score: $0, isPositive: true) } + negatives.map { (score: $0, isPositive: false) })
    }

    @Test func countsTiesAsHalfInTheArea() {
        #expect(metrics([0.9, 0.8], [0.1, 0.2]).rocArea == 1)
        #expect(metrics([0.1], [0.9]).rocArea == 0)
        #expect(metrics([0.5], [0.5]).rocArea == 0.5)
        // Of the six pairs four are in order and one is a tie.
        let mixed: Double? = 4.5 / 6
        #expect(metrics([0.9, 0.4], [0.5, 0.4, 0.1]).rocArea == mixed)
        #expect(metrics([0.9], []).rocArea == nil)
    }

    @Test func averagesPrecisionOverThePositives() {
        #expect(metrics([0.9, 0.8], [0.1]).averagePrecision == 1)
        // Precision 1 at the first, 2 of 3 at the second.
        let mean: Double? = (1 + 2.0 / 3) / 2
        #expect(metrics([0.9, 0.4], [0.5]).averagePrecision == mean)
        #expect(metrics([0.5], [0.5]).averagePrecision == 0.5)
    }

    @Test func setsAThresholdThatNoMoreOfTheHarmlessReach() throws {
        let metrics = metrics([], (0..<100).map { Double($0) / 100 })
        let threshold = try #require(metrics.threshold(forFalsePositiveRate: 0.05))
        #expect(metrics.falsePositiveRate(at: threshold).hits == 5)
        #expect(metrics.threshold(forFalsePositiveRate: 0.001) == nil)
    }

    @Test func givesWilsonsInterval() {
        // Newcombe 1998, table I: 81 of 263.
        let interval = BinaryMetrics.Share(81, of: 263).interval
        let (low, high) = (abs(interval.lowerBound - 0.2553), abs(interval.upperBound - 0.3662))
        #expect(low < 0.0001)
        #expect(high < 0.0001)
    }
}
