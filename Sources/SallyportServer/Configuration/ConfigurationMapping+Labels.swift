import SallyportCore

/// Labels of documents, and which upstream may receive them.
extension ConfigurationMapping {
    mutating func labels() -> ServerPlan.Labels {
        var labels = ServerPlan.Labels()
        if let standard = text("labels.default").flatMap({ SensitivityLabel($0) }) { labels.standard = standard }
        guard let list = tree.values["labels.rules"] else { return labels }
        for index in 0..<list.count {
            let base = "labels.rules[\(index)]"
            guard let name = text("\(base).name"), let label = text("\(base).label").flatMap({ SensitivityLabel($0) }) else {
                report("'\(base)' needs 'name' and 'label'", line: list.line, column: list.column)
                continue
            }
            func texts(_ key: String) -> [String] { tree.values["\(base).\(key)"]?.texts.filter { !$0.isEmpty } ?? [] }
            let rule = LabelRule(
                name: name, label: label, paths: texts("paths"), words: texts("words"), kinds: Set(texts("kinds")),
                atLeast: int("\(base).atLeast") ?? 1)
            if rule.paths.isEmpty, rule.words.isEmpty, rule.kinds.isEmpty {
                report("names no paths, words or kinds", under: base)
            }
            labels.rules.append(rule)
        }
        return labels
    }
}
