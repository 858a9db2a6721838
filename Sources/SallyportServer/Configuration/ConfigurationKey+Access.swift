extension ConfigurationKey {
    /// Roles and assignments: what `sallyport access` shows together with what it stored itself.
    static let access: [ConfigurationKey] = [
        .init("access.roles.*.description", .text, "", "A role of your own, in the shape of Azure's: what it is for."),
        .init("access.roles.*.actions", .texts, "", "Management actions that it gives; `*` stands for anything."),
        .init("access.roles.*.notActions", .texts, "", "Taken off again: not a denial, another role may still give them."),
        .init("access.roles.*.dataActions", .texts, "", "Data actions that it gives."),
        .init("access.roles.*.notDataActions", .texts, "", "Taken off again."),
        .init("access.roles.*.assignableScopes", .texts, "/", "Scopes at which it may be assigned."),
        .init("access.assignments", .objects, "", "Role assignments; `sallyport access assignments` adds others."),
        .init("access.assignments[].principal", .text, "", "`user:ID`, `group:ID`, `service:ID` or `key:ID`. Needed."),
        .init("access.assignments[].role", .text, "", "A role's short name, Azure name or id. Needed."),
        .init(
            "access.assignments[].scope", .text, "/", "`/`, `/projects/NAME`, `/deployments/NAME` or `/indexes/NAME`; holds below it too."),
        .init("access.assignments[].effect", .choice(["allow", "deny"]), "allow", "A denial beats everything that allows."),
        .init("access.assignments[].condition", .text, "always", "When it holds; see `docs/access.md`."),
        .init("access.assignments[].expires", .text, "never", "When it ends: an ISO 8601 date or date and time."),
        .init("access.assignments[].note", .text, "", "For people."),
        .init(
            "access.breakGlass", .texts, "",
            "Principals for emergencies (`user:ID`, `service:ID`, `key:ID`): no access review ever takes anything from them."),
        .init(
            "access.separation.*.first", .texts, "",
            "A rule of your own for the separation of duty: who may do one of these actions (`*` stands for anything) ..."),
        .init("access.separation.*.second", .texts, "", "... must not be able to do one of these."),
        .init("access.separation.*.reason", .text, "", "Why, for people."),
    ]
}
