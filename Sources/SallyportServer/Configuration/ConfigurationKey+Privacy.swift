extension ConfigurationKey {
    /// Who answers for the data, where it may go, and what it is used for.
    static let privacy: [ConfigurationKey] = [
        .init(
            "privacy.controller.name", .text, "",
            "Who answers for the processing (GDPR art. 30(1)(a)); stands in the registers and reports."),
        .init("privacy.controller.contact", .text, "", "How to reach the controller."),
        .init("privacy.controller.officer", .text, "", "How to reach the data protection officer."),
        .init(
            "privacy.minimumGroup", .integer(2...1000), "5",
            "Statistics over people show no group of fewer than these (k-anonymity); 10 for health data."),
        .init(
            "privacy.regions.*", .texts, "",
            "A name for several regions, for `residency` in policies. `eu` is built in: Azure's regions in the European Union."),
        .init("privacy.activities.*.purpose", .text, "", "A processing activity for the record of article 30: what for. Needed."),
        .init(
            "privacy.activities.*.legalBasis", .choice(legalBases), "", "On what ground (article 6(1)). Needed."),
        .init("privacy.activities.*.subjects", .texts, "", "Whose data: `staff`, `customers`."),
        .init("privacy.activities.*.categories", .texts, "", "What data."),
        .init("privacy.activities.*.recipients", .texts, "", "Who gets it, besides the upstreams."),
        .init("privacy.activities.*.retention", .text, "", "How long it is kept."),
        .init("privacy.activities.*.measures", .texts, "", "How it is protected, besides what the gateway does."),
        .init(
            "upstreams.*.region", .text, "",
            "Where it processes and stores: `germanywestcentral`. A policy with `residency` sends nothing to an upstream without one."),
        .init("upstreams.*.sharing.recipient", .text, "the endpoint's host", "Who runs it, for the data-sharing register."),
        .init(
            "upstreams.*.sharing.role", .choice(["processor", "controller", "own"]), "processor",
            "What it is in the words of the GDPR; `own`: the organisation's own system."),
        .init("upstreams.*.sharing.terms", .text, "", "Under which contract or terms."),
        .init("upstreams.*.sharing.transfer", .text, "", "What a transfer to a third country rests on (chapter V)."),
        .init("upstreams.*.sharing.retention", .text, "", "How long it keeps what it is sent."),
        .init(
            "upstreams.*.sharing.training", .choice(["never", "allowed", "unknown"]), "unknown", "Whether it may train on what it is sent."),
    ]

    /// Who tells us of people and groups.
    static let provisioning: [ConfigurationKey] = [
        .init(
            "provisioning.issuer", .text, "",
            "The issuer (its name under `identity.issuers`) whose people and groups SCIM brings; without it their ids begin with `scim:`."),
        .init(
            "provisioning.principal", .choice(["externalId", "userName"]), "externalId",
            "Which SCIM attribute is the principal's id: what tokens carry as `oid` or `sub`."),
    ]

    static let legalBases = ["consent", "contract", "legalObligation", "vitalInterests", "publicTask", "legitimateInterests"]
}
