import SallyportCore

/// Custom categories on the data plane: asked about as remote guards are, since vectors are made elsewhere too.
package enum CustomCategoryQuestion {
    package static let detector: DetectorID = "custom-categories"
    private static let prefix = "category:"

    static func id(of name: String) -> DetectorID { DetectorID(prefix + name) }

    /// The category that a question is about; nil: it is about something else.
    package static func name(of request: OpinionRequest) -> String? {
        request.asked.rawValue.hasPrefix(prefix) ? String(request.asked.rawValue.dropFirst(prefix.count)) : nil
    }

    /// - Parameter probability: the highest of the text's parts.
    package static func findings(_ name: String, probability: Float, _ classifier: LinearClassifier, in request: OpinionRequest)
        -> [Finding]
    {
        guard probability >= classifier.threshold else { return [] }
        return [
            Finding(
                detector, .init(.category, name), at: 0..<request.text.readableBytes, confidence: Double(probability),
                falsePositiveRate: 0.01)
        ]
    }
}

extension GuardPolicy {
    /// The organisation's own categories that texts of this origin are asked about, by name.
    func customCategories(for origin: PassageOrigin) -> [String] {
        guard rules.contains(where: { $0.group == .category }), settings(for: CustomCategoryQuestion.detector).isEnabled,
            origin != .system, origin != .toolDefinition
        else { return [] }
        var names: Set<String> = []
        for rule in rules where rule.group == .category {
            for name in rule.names ?? [] where rule.mayApply(.category, name, in: origin) { names.insert(name) }
        }
        return names.sorted()
    }
}
