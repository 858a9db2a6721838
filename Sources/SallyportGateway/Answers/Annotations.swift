import NIOCore
import SallyportCore
import SallyportGuard
import SallyportWire

/// Writes what the guards found in the form of Azure's content-filter annotations. The map is open: `custom_blocklists` and
/// `personally_identifiable_information` are Azure's keys; `secrets`, `unsafe_output` and `invisible_text` are ours, in the "detected" form.
enum Annotations {
    /// One `content_filter_results` object. Every kind that the policy looks for is listed, found or not.
    static func results(_ findings: [DecidedFinding], policy: GuardPolicy, direction: Direction) -> ByteBuffer {
        var json = JSONWriter(capacity: 256)
        json.beginObject()
        let groups = groups(of: policy, direction)
        if groups.contains(.harm) { harms(findings, policy: policy, direction, &json) }
        // Attacks are looked for in what goes to the model.
        for (name, key, detector) in [
            ("jailbreak", "jailbreak", "prompt-attack"), ("indirect_attack", "indirect_attack", "document-attack"),
        ] as [(String, StaticString, DetectorID)]
        where direction == .prompt && policy.looks(for: .init(.attack, name), direction) && policy.settings(for: detector).isEnabled {
            let found = findings.filter { $0.finding.category == .init(.attack, name) }
            json.key(key)
            json.beginObject()
            json.key("filtered")
            json.bool(found.contains(where: isFiltered))
            json.key("detected")
            json.bool(!found.isEmpty)
            json.endObject()
        }
        if groups.contains(.blocklist) {
            json.key("custom_blocklists")
            json.beginObject()
            json.key("filtered")
            json.bool(findings.contains { $0.finding.category.group == .blocklist && isFiltered($0) })
            json.key("details")
            json.beginArray()
            for use in policy.blocklists where use.direction == direction {
                let hits = findings.filter { $0.finding.category.group == .blocklist && $0.finding.category.name == use.name }
                guard !hits.isEmpty else { continue }
                json.beginObject()
                json.key("filtered")
                json.bool(hits.contains(where: isFiltered))
                json.key("id")
                json.string(use.name)
                json.endObject()
            }
            json.endArray()
            json.endObject()
        }
        if groups.contains(.sensitive) { personalData(findings, &json) }
        for (group, key) in [(Finding.Category.Group.secret, "secrets"), (.output, "unsafe_output"), (.invisible, "invisible_text")]
            as [(Finding.Category.Group, StaticString)]
        where groups.contains(group) {
            let found = findings.filter { $0.finding.category.group == group }
            json.key(key)
            json.beginObject()
            json.key("filtered")
            json.bool(found.contains(where: isFiltered))
            json.key("detected")
            json.bool(!found.isEmpty)
            json.endObject()
        }
        if groups.contains(.groundedness) { groundedness(findings, policy: policy, direction, &json) }
        if direction == .completion, policy.looks(for: .init(.taskAdherence, "task_adherence"), direction) {
            let found = findings.filter { $0.finding.category.group == .taskAdherence }
            json.key("task_adherence")
            json.beginObject()
            json.key("filtered")
            json.bool(found.contains { $0.mode == .enforce && $0.action > .annotate })
            json.key("detected")
            json.bool(!found.isEmpty)
            json.endObject()
        }
        if groups.contains(.category) { topics(findings, policy: policy, direction, &json) }
        if groups.contains(.protectedMaterial) { protectedMaterial(findings, policy: policy, direction, &json) }
        json.endObject()
        return json.buffer
    }

    /// What the request's documents do not support, in code points of the answer's text.
    private static func groundedness(
        _ findings: [DecidedFinding], policy: GuardPolicy, _ direction: Direction, _ json: inout JSONWriter
    ) {
        guard direction == .completion, policy.looks(for: .init(.groundedness, "ungrounded_material"), direction) else { return }
        let found = findings.filter { $0.finding.category.group == .groundedness }
        json.key("ungrounded_material")
        json.beginObject()
        json.key("filtered")
        json.bool(found.contains(where: isFiltered))
        json.key("detected")
        json.bool(!found.isEmpty)
        json.key("details")
        json.beginArray()
        var seen: Set<Range<Int>> = []
        for place in found.compactMap(\.place).sorted(by: { $0.lowerBound < $1.lowerBound }) where seen.insert(place).inserted {
            json.beginObject()
            json.key("completion_start_offset")
            json.int(place.lowerBound)
            json.key("completion_end_offset")
            json.int(place.upperBound)
            json.endObject()
        }
        json.endArray()
        json.endObject()
    }

    /// The organisation's own categories.
    private static func topics(_ findings: [DecidedFinding], policy: GuardPolicy, _ direction: Direction, _ json: inout JSONWriter) {
        let names = Set(
            policy.rules.filter { $0.group == .category && ($0.direction ?? direction) == direction }.flatMap { $0.names ?? [] })
        guard !names.isEmpty else { return }
        let found = findings.filter { $0.finding.category.group == .category }
        json.key("custom_topics")
        json.beginObject()
        json.key("filtered")
        json.bool(found.contains(where: isFiltered))
        json.key("details")
        json.beginArray()
        for name in names.sorted() {
            json.beginObject()
            json.key("detected")
            json.bool(found.contains { $0.finding.category.name == name })
            json.key("id")
            json.string(name)
            json.endObject()
        }
        json.endArray()
        json.endObject()
    }

    /// Known text, and known code with where it is from.
    private static func protectedMaterial(
        _ findings: [DecidedFinding], policy: GuardPolicy, _ direction: Direction, _ json: inout JSONWriter
    ) {
        for (kind, key) in [(.text, "protected_material_text"), (.code, "protected_material_code")] as [(MaterialKind, StaticString)] {
            let category = ProtectedMaterialDetector.category(kind)
            guard policy.looks(for: category, direction) else { continue }
            let found = findings.filter { $0.finding.category == category }
            json.key(key)
            json.beginObject()
            json.key("filtered")
            json.bool(found.contains(where: isFiltered))
            json.key("detected")
            json.bool(!found.isEmpty)
            if kind == .code, let citation = ProtectedMaterialDetector.Citation(found.first?.finding.evidence) {
                json.key("citation")
                json.beginObject()
                json.key("URL")
                json.string(citation.url)
                json.key("license")
                json.string(citation.licence)
                json.endObject()
            }
            json.endObject()
        }
    }

    /// Azure's four harm categories: the highest severity found, as a word.
    private static func harms(_ findings: [DecidedFinding], policy: GuardPolicy, _ direction: Direction, _ json: inout JSONWriter) {
        let names =
            [("hate", "hate"), ("self_harm", "self_harm"), ("sexual", "sexual"), ("violence", "violence")] as [(String, StaticString)]
        for (name, key) in names
        where policy.looks(for: .init(.harm, name), direction) && policy.settings(for: DetectorID("harm-\(name)")).isEnabled {
            let found = findings.filter { $0.finding.category == .init(.harm, name) }
            json.key(key)
            json.beginObject()
            json.key("filtered")
            json.bool(found.contains(where: isFiltered))
            json.key("severity")
            switch Int(((found.map(\.finding.confidence).max() ?? 0) * 7).rounded()) {
            case ..<2: json.string("safe")
            case 2...3: json.string("low")
            case 4...5: json.string("medium")
            default: json.string("high")
            }
            json.endObject()
        }
    }

    private static func personalData(_ findings: [DecidedFinding], _ json: inout JSONWriter) {
        let found = findings.filter { $0.finding.category.group == .sensitive }
        json.key("personally_identifiable_information")
        json.beginObject()
        json.key("filtered")
        json.bool(found.contains(where: isFiltered))
        json.key("detected")
        json.bool(!found.isEmpty)
        if !found.isEmpty {
            json.key("sub_categories")
            json.beginArray()
            for name in Set(found.map(\.finding.category.name)).sorted() {
                let own = found.filter { $0.finding.category.name == name }
                json.beginObject()
                json.key("sub_category")
                json.string(name)
                json.key("filtered")
                json.bool(own.contains(where: isFiltered))
                json.key("detected")
                json.bool(true)
                json.key("redacted")
                json.bool(own.contains { $0.mode == .enforce && $0.action.rewrites })
                json.endObject()
            }
            json.endArray()
        }
        json.endObject()
    }

    /// `filtered` says that a blocking filter fired; what was only masked or noted is `detected`.
    private static func isFiltered(_ decided: DecidedFinding) -> Bool { decided.mode == .enforce && decided.action == .block }

    /// What the policy looks for on this way, by guards that run: what is switched off is left out, as Azure leaves it out.
    private static func groups(of policy: GuardPolicy, _ direction: Direction) -> Set<Finding.Category.Group> {
        var groups: Set<Finding.Category.Group> = []
        for rule in policy.rules
        where rule.action > .allow && (rule.direction ?? direction) == direction
            && (rule.origins?.contains { $0.direction == direction } ?? true)
        {
            groups.insert(rule.group)
        }
        if policy.blocklists.contains(where: { $0.direction == direction }) { groups.insert(.blocklist) }
        for (group, detectors) in detectors
        where groups.contains(group) && !detectors.contains(where: { policy.settings(for: $0).isEnabled }) { groups.remove(group) }
        // These are looked for in answers alone.
        if direction == .prompt { groups.subtract([.output, .protectedMaterial]) }
        return groups
    }

    private static let detectors: [(Finding.Category.Group, [DetectorID])] = [
        (.sensitive, ["sensitive-data", "names"]), (.secret, ["secrets"]), (.output, ["output-link", "output-html", "canary"]),
        (.invisible, ["invisible", "normaliser"]), (.protectedMaterial, ["protected-material"]), (.blocklist, ["blocklist"]),
    ]
}
