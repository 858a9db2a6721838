/// What ``AnswerSpans`` has learned: a weight for each place that a feature can be hashed to.
struct AnswerWeights: Sendable {
    static let bits = 14
    private let values: [Float]

    init(_ values: [Float]) { self.values = values }
    subscript(_ feature: Int) -> Float { values[feature] }
    static let learned = AnswerWeights([Float](repeating: 0, count: 1 << bits))
}
