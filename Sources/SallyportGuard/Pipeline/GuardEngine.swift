import NIOCore
import SallyportCore

/// The local guards, compiled: every detector's patterns are one database, scanned once per reading of a text.
///
/// Immutable; shared by all event loops. What asks over a network is a ``RemoteGuard`` and runs beside it.
package struct GuardEngine: Sendable {
    /// What an inspection needs besides the text.
    package struct Context: Sendable {
        package var policy: GuardPolicy {
            get { shared.policy }
            set { shared = Shared(newValue) }
        }
        /// Behind a reference: contexts are copied more often than policies change.
        private var shared: Shared
        private final class Shared: Sendable {
            let policy: GuardPolicy
            init(_ policy: GuardPolicy) { self.policy = policy }
        }
        /// The lists that the policy names, compiled; nil when it names none.
        package var blocklists: (any Detector)? {
            didSet { readings = Context.readings(blocklists, extraDetectors) }
        }
        /// Makes a pseudonym for a value within the caller's conversation; nil: redact instead.
        package var mint: (@Sendable (_ value: String, _ category: Finding.Category) -> [UInt8]?)?
        /// Per-exchange detectors, such as one for this conversation's canary.
        package var extraDetectors: [any Detector] {
            didSet { readings = Context.readings(blocklists, extraDetectors) }
        }
        /// What the shared encoder has read so far.
        package var learned = LearnedReadings()
        /// What remote guards have said so far.
        package var opinions = RemoteOpinions()
        /// What answers are held against.
        package var evidence: AnswerEvidence?
        /// Told what will be missing before the patterns are scanned, so that both go on at the same time; on the inspection's thread.
        package var announce: (@Sendable ([ReadingRequest]) -> Void)?
        /// What these want to see, gathered once: it is asked for with every text.
        fileprivate private(set) var readings: TextLayer.Kinds

        private static func readings(_ blocklists: (any Detector)?, _ extra: [any Detector]) -> TextLayer.Kinds {
            extra.reduce(blocklists?.layers ?? []) { $0.union($1.layers) }
        }

        package init(
            policy: GuardPolicy, blocklists: (any Detector)? = nil, extraDetectors: [any Detector] = [],
            mint: (@Sendable (String, Finding.Category) -> [UInt8]?)? = nil
        ) {
            shared = Shared(policy)
            self.blocklists = blocklists
            self.extraDetectors = extraDetectors
            self.mint = mint
            readings = Context.readings(blocklists, extraDetectors)
        }
    }

    /// How much of a text's end is read again together with what follows it.
    package static let overlap = 1024

    private let normaliser: Normaliser
    private let detectors: [any Detector]
    private let database: (any PatternDatabase)?
    /// For each compiled pattern: whose it is, and which of its patterns.
    private let owners: [(detector: Int, pattern: Int)]
    private let hasPatterns: [Bool]
    private let kinds: TextLayer.Kinds
    let learned: LearnedGuards?
    let remotes: [any RemoteGuard]
    /// The guards that are in every engine's nature: detectors, and the normaliser.
    package let detectorIDs: [DetectorID]
    /// There is protected material to compare answers with: contexts bring the detector.
    let comparesMaterial: Bool
    private static let plain: TextLayer.Kinds = [.original]

    /// - Throws: ``PatternError`` when a detector's expression cannot be compiled.
    package init(
        detectors: [any Detector], compiler: any PatternCompiler, normaliser: Normaliser, learned: LearnedGuards? = nil,
        remotes: [any RemoteGuard] = [], comparesMaterial: Bool = false
    ) throws {
        self.remotes = remotes
        self.detectors = detectors
        detectorIDs = detectors.map(\.id) + [Normaliser.detectorID]
        self.comparesMaterial = comparesMaterial
        self.learned = learned
        self.normaliser = normaliser
        var patterns: [Pattern] = []
        var owners: [(detector: Int, pattern: Int)] = []
        for (index, detector) in detectors.enumerated() {
            for (local, pattern) in detector.patterns.enumerated() {
                patterns.append(pattern)
                owners.append((index, local))
            }
        }
        self.owners = owners
        database = patterns.isEmpty ? nil : try compiler.compile(patterns)
        hasPatterns = detectors.map { !$0.patterns.isEmpty }
        kinds = detectors.reduce(into: []) { $0.formUnion($1.layers) }
    }

    // MARK: One text

    /// Reads one text in all its readings and applies the policy.
    /// - Parameter meaningFrom: learned guards need not read what comes before this byte: they did when it was new. nil: none of it.
    package func inspect(
        _ passage: Passage, meaningFrom: Int? = 0, in context: Context, verdict: inout Verdict
    ) -> PassageVerdict {
        var decided: [DecidedFinding] = []
        collect(passage, meaningFrom: meaningFrom, in: context, verdict: &verdict, into: &decided)
        return settle(decided, of: passage, in: context, verdict: &verdict)
    }

    /// Identifiers, enum values and other short non-prose strings: read as they stand only, and numbers in them are no personal data.
    package func inspectToken(_ passage: Passage, in context: Context, verdict: inout Verdict) -> PassageVerdict {
        var decided: [DecidedFinding] = []
        collect(passage, asItStands: true, in: context, verdict: &verdict, into: &decided)
        decided.removeAll { $0.finding.category.group == .sensitive }
        return settle(decided, of: passage, in: context, verdict: &verdict)
    }

    /// Reads the end of what went before and the beginning of a text as one, since a payload may be split between texts.
    /// - Returns: what lies across the border, in offsets of `before` followed by `text`.
    package func inspectBorder(
        after before: ByteBuffer, _ text: Passage, in context: Context, verdict: inout Verdict
    ) -> [DecidedFinding] {
        let head = text.prefix(atMost: GuardEngine.overlap)
        let border = before.readableBytes
        var joined = ByteBufferAllocator().buffer(capacity: border + head.count)
        joined.writeImmutableBuffer(before)
        joined.writeImmutableBuffer(head.text)
        var decided: [DecidedFinding] = []
        var inner = Verdict()
        collect(Passage(joined, origin: text.origin, isASCII: false), in: context, verdict: &inner, into: &decided)
        decided.removeAll { $0.finding.range.upperBound <= border || $0.finding.range.lowerBound >= border }
        // What each text says by itself was counted when it was read.
        inner.bytesInspected = 0
        verdict.merge(inner)
        for entry in decided {
            verdict.reports[entry.finding.detector, default: GuardReport(entry.finding.detector)].add(entry)
            if entry.mode == .enforce { verdict.action = max(verdict.action, entry.action) }
        }
        return decided
    }

    // MARK: Collecting

    /// - Parameter meaningFrom: where learned guards begin to read; nil: not at all.
    private func collect(
        _ passage: Passage, asItStands: Bool = false, meaningFrom: Int? = nil, in context: Context, verdict: inout Verdict,
        into decided: inout [DecidedFinding]
    ) {
        verdict.bytesInspected += passage.count
        guard passage.count > 0 else { return }
        var wanted = GuardEngine.plain
        if !asItStands { wanted = kinds.union(context.readings) }
        let readers = meaningFrom == nil ? [] : learned?.wanted(for: passage.origin, under: context.policy) ?? []
        if !readers.isEmpty { wanted.formUnion(GuardEngine.meaningful) }

        let normalised = normaliser.layers(of: passage, wanting: wanted)
        verdict.layersInspected += normalised.layers.count
        if !normalised.isComplete { fail(Normaliser.detectorID, .failed, context.policy, &verdict) }
        for observation in normalised.observations { decide(observation, in: .original, passage, context.policy, &verdict, &decided) }
        if let meaningFrom, !readers.isEmpty, let announce = context.announce {
            announce(requests(for: normalised, from: meaningFrom, by: readers).map(\.request).filter { context.learned[$0] == nil })
        }

        scanShared(normalised, context, &verdict, &decided)
        if let blocklists = context.blocklists {
            run(blocklists, on: normalised.reading(blocklists.layers), context, &verdict, &decided)
        }
        for extra in context.extraDetectors { run(extra, on: normalised.reading(extra.layers), context, &verdict, &decided) }
        if let meaningFrom, !readers.isEmpty { read(normalised, from: meaningFrom, by: readers, context, &verdict, &decided) }
        if let meaningFrom {
            checkGrounding(of: passage, from: meaningFrom, context, &verdict, &decided)
            ask(about: passage, from: meaningFrom, context, &verdict, &decided)
        }
    }

    // MARK: Meaning

    private struct PlannedReading {
        let layer: TextLayer
        let offset: Int
        let text: ByteBuffer
        let request: ReadingRequest
    }

    /// What the encoder must read of a text: each of its meaningful readings, the original from where it was not read yet.
    private func requests(for normalised: NormalisedText, from start: Int, by readers: [any LearnedDetector]) -> [PlannedReading] {
        let needsTokens = readers.contains { $0.needsTokens }
        return GuardEngine.meaningfulLayers(of: normalised, withLetters: needsTokens).compactMap { layer in
            let offset = layer.kind == .original ? min(start, layer.passage.count) : 0
            guard
                let text = layer.passage.text.getSlice(
                    at: layer.passage.text.readerIndex + offset, length: layer.passage.count - offset), text.readableBytes > 1
            else { return nil }
            let request = ReadingRequest(text, wantsTokens: needsTokens, mayBeCleared: !needsTokens)
            return PlannedReading(layer: layer, offset: offset, text: text, request: request)
        }
    }

    private func read(
        _ normalised: NormalisedText, from start: Int, by readers: [any LearnedDetector], _ context: Context, _ verdict: inout Verdict,
        _ decided: inout [DecidedFinding]
    ) {
        var suspicion: Double?
        defer { if let suspicion { verdict.suspicions.append(suspicion) } }
        for plan in requests(for: normalised, from: start, by: readers) {
            let (layer, offset) = (plan.layer, plan.offset)
            switch context.learned[plan.request] {
            case nil: verdict.unread.append(plan.request)
            case .failed: for reader in readers { fail(reader.id, .failed, context.policy, &verdict) }
            case .read(let reading):
                if let found = learned?.suspicion(in: reading, by: readers) { suspicion = max(suspicion ?? 0, found) }
                let part = offset == 0 ? layer.passage : Passage(plan.text, origin: layer.passage.origin, isASCII: layer.passage.isASCII)
                for reader in readers {
                    verdict.reports[reader.id, default: GuardReport(reader.id)].model = learned?.description.digest
                    for finding in reader.findings(in: reading, of: part) {
                        let range = finding.range.lowerBound + offset..<finding.range.upperBound + offset
                        decide(
                            finding.moved(to: layer.map.original(range)), in: layer.kind, layer.passage, context.policy, &verdict, &decided)
                    }
                }
            }
        }
    }

    // MARK: Remote guards

    private func ask(
        about passage: Passage, from start: Int, _ context: Context, _ verdict: inout Verdict, _ decided: inout [DecidedFinding]
    ) {
        let offset = min(start, passage.count)
        guard passage.count - offset > 1,
            let text = passage.text.getSlice(at: passage.text.readerIndex + offset, length: passage.count - offset)
        else { return }
        for name in context.policy.customCategories(for: passage.origin) {
            let request = OpinionRequest(
                asked: CustomCategoryQuestion.id(of: name), text: text, origin: passage.origin, isASCII: passage.isASCII)
            settle(request, as: CustomCategoryQuestion.detector, offset, passage, context, &verdict, &decided)
        }
        for remote in remotes where wants(remote, for: passage.origin, under: context.policy) {
            let request = OpinionRequest(asked: remote.id, text: text, origin: passage.origin, isASCII: passage.isASCII)
            settle(request, as: remote.id, offset, passage, context, &verdict, &decided)
        }
    }

    private func settle(
        _ request: OpinionRequest, as id: DetectorID, _ offset: Int, _ passage: Passage, _ context: Context, _ verdict: inout Verdict,
        _ decided: inout [DecidedFinding]
    ) {
        switch context.opinions[request] {
        case nil: verdict.unasked.append(request)
        case .failed(let isLate): fail(id, isLate ? .timedOut : .failed, context.policy, &verdict)
        case .said(let findings, let nanoseconds):
            verdict.reports[id, default: GuardReport(id)].nanoseconds += nanoseconds
            for finding in findings {
                let range = finding.range.lowerBound + offset..<finding.range.upperBound + offset
                decide(finding.moved(to: range), in: .original, passage, context.policy, &verdict, &decided)
            }
        }
    }

    /// A policy asks for a remote guard by naming it, and must have a rule for what it can say.
    func wants(_ remote: any RemoteGuard, for origin: PassageOrigin, under policy: GuardPolicy) -> Bool {
        guard let settings = policy.settings[remote.id], settings.isEnabled, remote.reads(origin) else { return false }
        return remote.categories.contains { policy.wantsLearned($0, in: origin) }
    }

    /// The one scan for all detectors that share the pattern database.
    private func scanShared(
        _ normalised: NormalisedText, _ context: Context, _ verdict: inout Verdict, _ decided: inout [DecidedFinding]
    ) {
        guard let database else { return }
        for layer in normalised.reading(kinds) {
            let isOriginal = layer.kind == .original
            var hits: [(detector: Int, hit: PatternHit)] = []
            do {
                try layer.passage.withBytes { bytes in
                    try database.scan(bytes) { hit in
                        let owner = owners[hit.pattern]
                        hits.append((owner.detector, PatternHit(pattern: owner.pattern, range: hit.range)))
                        return true
                    }
                }
            } catch {
                for detector in detectors where !detector.patterns.isEmpty { fail(detector.id, .failed, context.policy, &verdict) }
                continue
            }
            for (index, detector) in detectors.enumerated() {
                let hasPatterns = hasPatterns[index]
                if hasPatterns && hits.isEmpty { continue }
                guard isOriginal || detector.layers.contains(layer.kind) else { continue }
                let own = hasPatterns ? hits.compactMap { $0.detector == index ? $0.hit : nil } : []
                if hasPatterns && own.isEmpty { continue }
                run(detector, on: layer, hits: own, context, &verdict, &decided)
            }
        }
    }

    private func run(
        _ detector: any Detector, on layers: [TextLayer], _ context: Context, _ verdict: inout Verdict, _ decided: inout [DecidedFinding]
    ) {
        for layer in layers { run(detector, on: layer, hits: [], context, &verdict, &decided) }
    }

    private func run(
        _ detector: any Detector, on layer: TextLayer, hits: [PatternHit], _ context: Context, _ verdict: inout Verdict,
        _ decided: inout [DecidedFinding]
    ) {
        let settings = context.policy.settings(for: detector.id)
        guard settings.isEnabled else { return }
        // Reading the clock costs more than reading a few words.
        let isTimed = layer.passage.count >= 512 || !hits.isEmpty
        let start = isTimed ? NIODeadline.now() : .uptimeNanoseconds(0)
        do {
            for finding in try detector.findings(in: layer.passage, hits: hits, under: context.policy) {
                decide(
                    finding.moved(to: layer.map.original(finding.range)), in: layer.kind, layer.passage, context.policy, &verdict, &decided)
            }
        } catch {
            fail(detector.id, .failed, context.policy, &verdict)
        }
        guard isTimed else { return }
        let spent = NIODeadline.now() - start
        verdict.reports[detector.id, default: GuardReport(detector.id)].nanoseconds += UInt64(max(0, spent.nanoseconds))
        let allowance = settings.timeBudget.nanoseconds * Int64(1 + layer.passage.count / 4096)
        if spent.nanoseconds > allowance { fail(detector.id, .timedOut, context.policy, &verdict) }
    }

    func fail(_ detector: DetectorID, _ outcome: GuardReport.Outcome, _ policy: GuardPolicy, _ verdict: inout Verdict) {
        let settings = policy.settings(for: detector)
        verdict.reports[detector, default: GuardReport(detector)].outcome = outcome
        if settings.isEnabled && settings.onFailure == .closed && settings.mode == .enforce { verdict.isComplete = false }
    }

    // MARK: Deciding

    func decide(
        _ finding: Finding, in layer: TextLayer.Kind, _ passage: Passage, _ policy: GuardPolicy, _ verdict: inout Verdict,
        _ decided: inout [DecidedFinding]
    ) {
        let settings = policy.settings(for: finding.detector)
        guard settings.isEnabled else { return }
        let action = policy.action(on: finding, in: passage.origin)
        guard action > .allow else { return }
        // The same fact in several readings counts once (among many, near ones only: a flood of findings must not cost its square).
        let isKnown = decided.suffix(256).contains {
            $0.finding.category == finding.category && $0.finding.evidence == finding.evidence && $0.finding.range.overlaps(finding.range)
                && $0.finding.range.contains(finding.range)
        }
        guard !isKnown else { return }
        decided.append(DecidedFinding(finding: finding, action: action, mode: settings.mode, layer: layer))
    }

    private func settle(
        _ decided: [DecidedFinding], of passage: Passage, in context: Context, verdict: inout Verdict
    ) -> PassageVerdict {
        guard !decided.isEmpty else { return PassageVerdict() }
        var result = PassageVerdict()
        result.findings = decided
        for entry in decided {
            verdict.reports[entry.finding.detector, default: GuardReport(entry.finding.detector)].add(entry)
            if entry.mode == .enforce { result.action = max(result.action, entry.action) }
        }
        verdict.action = max(verdict.action, result.action)
        if result.action > .annotate { result.edits = Replacement.edits(for: decided, in: passage, mint: context.mint) }
        return result
    }
}

extension DecidedFinding {
    package func moved(to range: Range<Int>) -> DecidedFinding {
        DecidedFinding(finding: finding.moved(to: range), action: action, mode: mode, layer: layer)
    }
}

extension Duration {
    package var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }
}

extension Passage {
    /// The end of the text, beginning at a whole character.
    package func suffix(atMost limit: Int) -> Passage {
        guard count > limit else { return self }
        let start = withBytes { bytes in
            var start = bytes.count - limit
            while start < bytes.count && bytes[start] & 0xC0 == 0x80 { start += 1 }
            return start
        }
        return Passage(text.getSlice(at: text.readerIndex + start, length: count - start) ?? text, origin: origin, isASCII: isASCII)
    }

    /// The start of the text, ending at a whole character.
    package func prefix(atMost limit: Int) -> Passage {
        guard count > limit else { return self }
        let end = withBytes { bytes in
            var end = limit
            while end > 0 && bytes[end] & 0xC0 == 0x80 { end -= 1 }
            return end
        }
        return Passage(text.getSlice(at: text.readerIndex, length: end) ?? text, origin: origin, isASCII: isASCII)
    }
}
