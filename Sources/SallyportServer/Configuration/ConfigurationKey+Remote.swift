extension ConfigurationKey {
    static let labelsAndRemote: [ConfigurationKey] = labels + remote

    /// Second opinions from classifiers elsewhere.
    static let remote: [ConfigurationKey] = [
        .init(
            "guards.remote.*.kind", .choice(["prompt-shields", "content-safety", "judge", "classifier"]), "",
            "A second opinion, asked for by policies that name it under `guards`: Azure's Prompt Shields, Azure's `text:analyze`, a language model as a judge, or any HTTP classifier. Needed. Changes with the next start, as all keys of remote guards do."
        ),
        .init("guards.remote.*.upstream", .text, "", "The upstream that is asked. Needed."),
        .init("guards.remote.*.apiVersion", .text, "2024-09-01", "For Azure's; for a judge at `azure-openai` the upstream's own is used."),
        .init("guards.remote.*.model", .text, "", "The judge's model or deployment. Needed for `judge`."),
        .init(
            "guards.remote.*.detect", .texts, "jailbreak, indirect_attack",
            "What a judge or classifier (one only) reports: `jailbreak`, `indirect_attack`, `hate`, `sexual`, `violence`, `self_harm`."),
        .init("guards.remote.*.path", .requestPath, "/", "A classifier's path."),
        .init("guards.remote.*.textField", .text, "text", "The member of the classifier's request that takes the text."),
        .init("guards.remote.*.score", .text, "/score", "JSON pointer to the score in its answer, a number from 0 to 1."),
        .init("guards.remote.*.label", .text, "", "JSON pointer to a label; with `labels`."),
        .init("guards.remote.*.labels", .texts, "", "The labels that the score speaks for; with another label nothing is found."),
        .init(
            "guards.remote.*.maximumText", .integer(400...1_000_000), "10000; judge 24000",
            "Characters of one question; longer texts are asked about in parts that overlap."),
        .init("guards.remote.*.timeout", .duration, "2s", "For a text; then the guard has failed, and the policy's `onFailure` decides."),
        .init(
            "guards.remote.*.callsPerMinute", .integer(1...1_000_000), "600", "Questions within a minute; above it the guard has failed."),
        .init("guards.remote.*.concurrentCalls", .integer(1...10_000), "64", "Questions at one time."),
        .init(
            "guards.remote.*.cacheFor", .durationOrNone, "10m",
            "How long an opinion on a text is remembered, under a keyed hash; `0s`: not at all."),
    ]
}
