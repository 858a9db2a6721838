import SallyportCore

extension ConfigurationKey {
    private static let labelNames = SensitivityLabel.allCases.map(\.description)

    static let labels: [ConfigurationKey] = [
        .init("labels.default", .choice(labelNames), "general", "The label of documents that nobody labels."),
        .init(
            "labels.rules", .objects, "",
            "Labels that documents get by their name, words or content. All that a rule names must be met; rules only raise."),
        .init("labels.rules[].name", .text, "", "What the document's `label origin` says. Needed."),
        .init("labels.rules[].label", .choice(labelNames), "", "The label. Needed."),
        .init("labels.rules[].paths", .texts, "", "Names of documents: `*` within a name, `**` across folders."),
        .init("labels.rules[].words", .texts, "", "Any of these stands in it, whatever the case."),
        .init("labels.rules[].kinds", .texts, "", "Kinds of sensitive data found in it, such as `CreditCardNumber`; `secret` for secrets."),
        .init("labels.rules[].atLeast", .integer(1...1_000_000), "1", "How often those kinds must be found together."),
        .init(
            "upstreams.*.clearance", .choice(labelNames), "no limit",
            "The highest label of data that may be sent there. A deployment's other targets are used instead; without one the request is refused."
        ),
    ]
}
