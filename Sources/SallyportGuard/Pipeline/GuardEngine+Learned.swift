import NIOCore
import SallyportCore

/// What learned guards can and cannot do for a policy, and which readings of a text they see.
extension GuardEngine {
    /// The readings of a text whose meaning is looked at: what a model would understand of it.
    static let meaningful: TextLayer.Kinds = [
        .folded, .joined, .leet, .rot13, .reversed, .base64, .hex, .morse, .url, .htmlEntities, .tagCharacters, .variationSelectors,
    ]

    /// - Parameter withLetters: names are looked for, which need the exact letters; else the folded reading says all that the original does.
    static func meaningfulLayers(of normalised: NormalisedText, withLetters: Bool) -> [TextLayer] {
        let likeliest = likeliestRespelling(in: normalised)
        return normalised.reading(meaningful).compactMap { layer in
            guard layer.kind == .rot13 || layer.kind == .reversed else { return layer }
            return layer.passage.text == likeliest?.passage.text ? withoutItsRequest(layer, of: normalised) : nil
        }
            + (withLetters && normalised.layers.contains { $0.kind == .folded } ? normalised.layers.prefix(1) : [])
    }

    /// Every text can be read backwards or through rot13; few say more that way, and none says something both ways.
    private static func likeliestRespelling(in normalised: NormalisedText) -> TextLayer? {
        guard let original = normalised.layers.first else { return nil }
        let candidates = normalised.layers.filter { $0.kind == .rot13 || $0.kind == .reversed }
        guard !candidates.isEmpty else { return nil }
        let counts = candidates.map { CommonWords.count(in: $0.passage) }
        guard let most = counts.max(), most >= 2, most > CommonWords.count(in: original.passage), let index = counts.firstIndex(of: most)
        else { return nil }
        return candidates[index]
    }

    /// A respelled reading without the part that says so in plain words ("read this backwards: …"), which respelled is noise.
    private static func withoutItsRequest(_ layer: TextLayer, of normalised: NormalisedText) -> TextLayer {
        guard let original = normalised.layers.first?.passage, original.count == layer.passage.count else { return layer }
        let text = Array(original.text.readableBytesView)
        let read = Array(layer.passage.text.readableBytesView)
        // The request ends with a sentence, a colon or a line, near the beginning.
        let ends = text.indices.prefix(256).dropLast().filter { [0x3A, 0x2E, 0x3F, 0x21, 0x0A].contains(text[$0]) }.map { $0 + 1 }
        var best: (cut: Int, words: Int) = (0, CommonWords.count(in: read.prefix(4096)))
        for cut in ends {
            let rest = layer.kind == .reversed ? read.dropLast(cut) : read.dropFirst(cut)
            let words = CommonWords.count(in: text.prefix(cut)) + CommonWords.count(in: rest.prefix(4096))
            if words > best.words { best = (cut, words) }
        }
        guard best.cut > 0 else { return layer }
        // A text of the same shape, or its beginning: the way back to the original stays what it was.
        let shown =
            layer.kind == .reversed
            ? ByteBuffer(bytes: read.dropLast(best.cut)) : ByteBuffer(bytes: text.prefix(best.cut) + read.dropFirst(best.cut))
        return TextLayer(
            kind: layer.kind, depth: layer.depth, passage: Passage(shown, origin: layer.passage.origin, isASCII: layer.passage.isASCII),
            map: layer.map)
    }

    /// The texts that the encoder is given of a passage, as the gateway does.
    package static func meaningfulTexts(of passage: Passage) -> [ByteBuffer] {
        let normalised = Normaliser().layers(of: passage, wanting: meaningful)
        return meaningfulLayers(of: normalised, withLetters: false).map(\.passage.text)
    }

    package var isLearned: Bool { learned != nil }

    /// What the user's texts say together that none says alone; nil for nothing, or nothing that the policy acts on.
    package func escalation(in context: Context, verdict: inout Verdict) -> DecidedFinding? {
        guard let finding = learned?.escalation(over: verdict.suspicions) else { return nil }
        let action = context.policy.action(on: finding, in: .user)
        guard action > .allow else { return nil }
        let settings = context.policy.settings(for: finding.detector)
        let decided = DecidedFinding(finding: finding, action: action, mode: settings.mode, layer: .original)
        verdict.reports[finding.detector, default: GuardReport(finding.detector)].add(decided)
        if settings.mode == .enforce { verdict.action = max(verdict.action, action) }
        return decided
    }

    /// Whether texts that travel this way may have to be read by the encoder, or asked about.
    package func mayRead(_ direction: Direction, under policy: GuardPolicy) -> Bool {
        let held = [AnswerEvidence.ungrounded, AnswerEvidence.offTask]
        if learned != nil, direction == .completion, held.contains(where: { policy.looks(for: $0, .completion) }) { return true }
        return PassageOrigin.allCases.contains { origin in
            origin.direction == direction
                && (!(learned?.wanted(for: origin, under: policy).isEmpty ?? true)
                    || remotes.contains { wants($0, for: origin, under: policy) } || !policy.customCategories(for: origin).isEmpty)
        }
    }

    /// A learned or a remote guard that the policy asks may report findings of this kind.
    package func mayReport(_ category: Finding.Category, under policy: GuardPolicy) -> Bool {
        learned?.serves.contains(category) == true
            || remotes.contains { $0.categories.contains(category) && policy.settings[$0.id]?.isEnabled == true }
    }

    /// Filters that the policy demands and that nobody here can run, by Azure's bare names.
    package func missingFilters(of policy: GuardPolicy) -> Set<String> {
        var missing = policy.unavailableFilters
        func demand(_ group: Finding.Category.Group, _ names: some Sequence<String>) {
            for name in names where learned?.serves.contains(.init(group, name)) != true {
                // A remote guard that the policy names does it instead, when it may not fail unnoticed.
                let isAsked = remotes.contains {
                    $0.categories.contains(.init(group, name)) && policy.settings[$0.id]?.isEnabled == true
                        && policy.settings[$0.id]?.onFailure == .closed && policy.settings[$0.id]?.mode == .enforce
                }
                if isAsked { continue }
                missing.insert(name.lowercased().filter { $0 != "_" })
            }
        }
        for rule in policy.rules where rule.action > .allow {
            switch rule.group {
            case .harm:
                if let names = rule.names { demand(.harm, names) } else { demand(.harm, HarmDetector.Harm.allCases.map(\.rawValue)) }
            case .attack: if let names = rule.names { demand(.attack, names) }
            case .groundedness: demand(.groundedness, [AnswerEvidence.ungrounded.name])
            case .taskAdherence: demand(.taskAdherence, [AnswerEvidence.offTask.name])
            case .protectedMaterial:
                guard !comparesMaterial else { continue }
                missing.formUnion((rule.names ?? Set(MaterialKind.allCases.map(\.name))).map { "protectedmaterial\($0)" })
            case .sensitive, .secret, .blocklist, .output, .invisible, .category: break
            }
        }
        return missing
    }
}
