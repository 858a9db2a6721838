import SallyportCore

/// One of Azure's content filters, as a policy document sets it.
package struct ContentFilter: Sendable, Hashable {
    /// The bare name: lower case, without blanks, `_` and `-`.
    package var name: String
    package var direction: Direction
    package var isEnabled: Bool
    package var isBlocking: Bool
    /// For the four categories of harm: the mildest severity that is filtered.
    package var severity: Int

    package init(_ name: String, _ direction: Direction, isEnabled: Bool = true, isBlocking: Bool = true, severity: Int = 4) {
        self.name = ContentFilter.bare(name)
        self.direction = direction
        self.isEnabled = isEnabled
        self.isBlocking = isBlocking
        self.severity = severity
    }

    static func bare(_ name: String) -> String { name.lowercased().filter { !" _-".contains($0) } }

    private static let harms = ["hate": "hate", "sexual": "sexual", "violence": "violence", "selfharm": "self_harm"]

    /// What the filters come to, and the names of those that nobody here can run.
    static func rules(of filters: [ContentFilter]) -> (rules: [GuardPolicy.Rule], unavailable: Set<String>) {
        struct Harm: Hashable {
            let direction: Direction
            let severity: Int
            let isBlocking: Bool
        }
        var rules: [GuardPolicy.Rule] = []
        var unavailable: Set<String> = []
        var harm: [(key: Harm, names: Set<String>)] = []
        for filter in filters where filter.isEnabled {
            let (direction, action) = (filter.direction, filter.isBlocking ? GuardAction.block : .annotate)
            if let name = harms[filter.name] {
                // As few rules as will do: all of them are asked about every text.
                let key = Harm(direction: direction, severity: filter.severity, isBlocking: filter.isBlocking)
                if let index = harm.firstIndex(where: { $0.key == key }) {
                    harm[index].names.insert(name)
                } else {
                    harm.append((key, [name]))
                }
                continue
            }
            switch filter.name {
            case "personallyidentifiableinformation", "pii": rules.append(.init(.sensitive, direction: direction, action: action))
            case "jailbreak":
                rules.append(.init(.attack, names: ["jailbreak"], direction: direction, falsePositiveRate: 0.01, action: action))
            case "indirectattack":
                rules.append(.init(.attack, names: ["indirect_attack"], direction: direction, falsePositiveRate: 0.01, action: action))
            case "protectedmaterialtext": rules.append(.init(.protectedMaterial, names: ["text"], direction: direction, action: action))
            case "protectedmaterialcode": rules.append(.init(.protectedMaterial, names: ["code"], direction: direction, action: action))
            case "groundedness", "groundednessdetection", "ungroundedmaterial", "taskadherence":
                guard direction == .completion else { continue }
                let group = filter.name == "taskadherence" ? Finding.Category.Group.taskAdherence : .groundedness
                rules.append(.init(group, direction: direction, minimumConfidence: 0.5, action: action))
            default: unavailable.insert(filter.name)
            }
        }
        for (key, names) in harm {
            rules += GuardPolicy.Rule.harm(names, key.direction, from: key.severity, action: key.isBlocking ? .block : .annotate)
        }
        return (rules, unavailable)
    }

    /// The same filters with some set anew: a filter is known by its name and its source.
    static func merge(_ base: [ContentFilter], with own: [ContentFilter]) -> [ContentFilter] {
        base.filter { old in !own.contains { $0.name == old.name && $0.direction == old.direction } } + own
    }

    /// The four categories of harm, both ways.
    static func harm(from severity: Int) -> [ContentFilter] {
        ["hate", "sexual", "violence", "selfharm"].flatMap { name in
            Direction.allCases.map { ContentFilter(name, $0, severity: severity) }
        }
    }

    /// The policies that Azure has in every account, by their names in lower case.
    static let azureBases: [String: [ContentFilter]] = [
        "microsoft.default": harm(from: 4),
        "microsoft.defaultv2": harm(from: 4) + [
            ContentFilter("jailbreak", .prompt), ContentFilter("protectedmaterialtext", .completion),
            ContentFilter("protectedmaterialcode", .completion, isBlocking: false),
        ],
    ]
}
