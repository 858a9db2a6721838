import SallyportCore

/// The numbers that one group of threads counts into. A value, so that a scrape takes it whole under the lock and reads it outside.
struct MetricsShard: Sendable {
    /// What bounds the numbers of a family: the same rules in every shard.
    struct Bounds: Sendable {
        /// Spellings of a key that are remembered; further ones are counted under `other`. A scrape grows by about 25 lines with each.
        var keys = 1024
        /// Values of one label.
        var values = 256
        var guards = 512
        var harms = 1024
        /// Deployments of the configuration: they have their place, whatever else comes first.
        var deployments: Set<String> = []
    }

    static let other = "other"
    let bounds: Bounds
    /// Series by key as it comes, which may be several for one series, and by key as it is shown.
    private var known: [SeriesKey: Int] = [:]
    private(set) var series: [SeriesKey: Int] = [:]
    private(set) var cells: [Int64] = []
    private(set) var guards: [GuardKey: Int] = [:]
    private(set) var guardCells: [Int64] = []
    private(set) var harmful: [HarmKey: Int] = [:]
    private(set) var rejected: [HarmKey: Int] = [:]
    private(set) var faults: [Fault.Code: Int] = [:]
    private(set) var started = 0
    private(set) var ended = 0
    private var values: [Label: Set<String>] = [:]

    private enum Label: Hashable { case operation, apiVersion, deployment, model, upstream, detector, action, category }

    init(bounds: Bounds) {
        self.bounds = bounds
        values[.deployment] =
            bounds.deployments.count <= bounds.values ? bounds.deployments : Set(bounds.deployments.sorted().prefix(bounds.values))
    }

    mutating func noteStart() { started += 1 }

    mutating func note(_ summary: ExchangeSummary) {
        ended += 1
        let base = position(of: SeriesKey(summary))
        cells.withUnsafeMutableBufferPointer { cells in
            guard let start = cells.baseAddress else { return }
            MetricsShard.count(summary, in: start + base)
        }
        if let code = summary.faultCode { faults[code, default: 0] += 1 }
        for entry in summary.guards {
            let base = guardPosition(of: GuardKey(detector: entry.detector.rawValue, action: entry.action))
            guardCells[base + SeriesLayout.guardFindings] &+= Int64(clamping: entry.findings)
            if entry.failed { guardCells[base + SeriesLayout.guardFailures] &+= 1 }
            guardCells.withUnsafeMutableBufferPointer { cells in
                guard let start = cells.baseAddress else { return }
                SeriesLayout.guardDuration.observe(Int64(clamping: entry.nanoseconds), in: start + base)
            }
        }
        if !summary.harmful.isEmpty { noteHarm(summary) }
    }

    private static func count(_ summary: ExchangeSummary, in cells: UnsafeMutablePointer<Int64>) {
        cells[SeriesLayout.requests] &+= 1
        if summary.wasBlocked { cells[SeriesLayout.blocked] &+= 1 }
        cells[SeriesLayout.requestBytes] &+= Int64(summary.requestBytes)
        cells[SeriesLayout.responseBytes] &+= Int64(summary.responseBytes)
        cells[SeriesLayout.promptTokens] &+= Int64(summary.promptTokens)
        cells[SeriesLayout.completionTokens] &+= Int64(summary.completionTokens)
        cells[SeriesLayout.cachedTokens] &+= Int64(summary.cachedTokens)
        cells[SeriesLayout.attempts] &+= Int64(summary.attempts)
        if !summary.guards.isEmpty { cells[SeriesLayout.safetyChecks] &+= 1 }
        let total = max(0, summary.endedAt &- summary.startedAt)
        SeriesLayout.duration.observe(total, in: cells)
        SeriesLayout.overhead.observe(max(0, total - summary.upstreamNanoseconds), in: cells)
        SeriesLayout.auditWait.observe(Int64(clamping: summary.auditNanoseconds), in: cells)
        if summary.upstreamStartedAt > 0 { SeriesLayout.upstream.observe(summary.upstreamNanoseconds, in: cells) }
        // Latencies as Azure has them are those of answers that a model gave.
        guard summary.firstByteAt > 0 else { return }
        let toResponse = max(0, summary.firstByteAt &- summary.startedAt)
        SeriesLayout.timeToResponse.observe(toResponse, in: cells)
        guard (200..<300).contains(summary.status) else { return }
        SeriesLayout.timeToFirstByte.observe(toResponse, in: cells)
        SeriesLayout.timeToLastByte.observe(total, in: cells)
        let generating = max(0, summary.endedAt &- summary.firstByteAt)
        if summary.isStreaming && summary.completionTokens > 1 {
            SeriesLayout.timeBetweenTokens.observe(generating / Int64(summary.completionTokens - 1), in: cells)
        }
        if summary.completionTokens > 0 && total > 0 {
            SeriesLayout.tokenRate.observe(Int64(Double(summary.completionTokens) * 1e12 / Double(total)), in: cells)
        }
    }

    /// Once per exchange, text type and category: Azure counts requests, not findings.
    private mutating func noteHarm(_ summary: ExchangeSummary) {
        var seen: [(key: HarmKey, blocked: Bool)] = []
        let shown = SeriesKey(summary)
        for harm in summary.harmful {
            if let index = seen.firstIndex(where: { $0.key.textType == harm.textType && $0.key.category == harm.category }) {
                if harm.blocked { seen[index].blocked = true }
                continue
            }
            guard seen.count < 64 else { break }
            seen.append(
                (
                    HarmKey(
                        deployment: shown.deployment, model: shown.model, apiVersion: shown.apiVersion, textType: harm.textType,
                        category: harm.category), harm.blocked
                ))
        }
        for (key, blocked) in seen {
            var key = key
            if harmful[key] == nil {
                key.deployment = bounded(key.deployment, .deployment)
                key.model = bounded(key.model, .model)
                key.apiVersion = boundedVersion(key.apiVersion)
                key.category = bounded(key.category, .category)
                if harmful[key] == nil && harmful.count >= bounds.harms {
                    key.deployment = MetricsShard.other
                    key.model = MetricsShard.other
                    key.apiVersion = MetricsShard.other
                }
            }
            harmful[key, default: 0] += 1
            if blocked { rejected[key, default: 0] += 1 }
        }
    }

    // MARK: Finding a place

    private mutating func position(of key: SeriesKey) -> Int {
        if let position = known[key] { return position }
        var shown = key
        shown.operation = bounded(key.operation, .operation)
        shown.apiVersion = boundedVersion(key.apiVersion)
        shown.deployment = bounded(key.deployment, .deployment)
        shown.model = bounded(key.model, .model)
        shown.upstream = bounded(key.upstream, .upstream)
        shown.status = (100...599).contains(key.status) ? key.status : 0
        if series[shown] == nil && series.count >= bounds.keys {
            shown.apiVersion = MetricsShard.other
            shown.deployment = MetricsShard.other
            shown.model = MetricsShard.other
            shown.upstream = MetricsShard.other
            // Operation and status stay while there is room for as many again: both are small sets unless something is very wrong.
            if series[shown] == nil && series.count >= bounds.keys * 2 {
                shown.operation = MetricsShard.other
                shown.status = 0
            }
        }
        let position: Int
        if let found = series[shown] {
            position = found
        } else {
            position = cells.count
            series[shown] = position
            cells.append(contentsOf: repeatElement(0, count: SeriesLayout.width))
        }
        if known.count < bounds.keys { known[key] = position }
        return position
    }

    private mutating func guardPosition(of key: GuardKey) -> Int {
        if let position = guards[key] { return position }
        var shown = GuardKey(detector: bounded(key.detector, .detector), action: bounded(key.action, .action))
        if guards[shown] == nil && guards.count >= bounds.guards {
            shown = GuardKey(detector: MetricsShard.other, action: MetricsShard.other)
        }
        if let position = guards[shown] { return position }
        let position = guardCells.count
        guards[shown] = position
        guardCells.append(contentsOf: repeatElement(0, count: SeriesLayout.guardWidth))
        return position
    }

    private mutating func bounded(_ value: String, _ label: Label) -> String {
        if value.isEmpty || values[label]?.contains(value) == true { return value }
        guard values[label]?.count ?? 0 < bounds.values, value.utf8.count <= 128 else { return MetricsShard.other }
        values[label, default: []].insert(value)
        return value
    }

    /// Versions stand in requests: only what looks like one becomes a label.
    private mutating func boundedVersion(_ value: String) -> String {
        let bytes = Array(value.utf8)
        let isDate =
            bytes.count >= 10
            && bytes[..<10].enumerated().allSatisfy { $0.offset == 4 || $0.offset == 7 ? $0.element == 0x2D : $0.element &- 0x30 < 10 }
            && (bytes.count == 10 || value.hasSuffix("-preview") && bytes.count == 18)
        guard isDate || value.isEmpty || value == "v1" || value == "preview" || value == "latest" else { return MetricsShard.other }
        return bounded(value, .apiVersion)
    }
}

extension ExchangeSummary {
    /// From the first byte to the upstream until its last one back; 0 when it was never asked.
    package var upstreamNanoseconds: Int64 {
        guard upstreamStartedAt > 0 else { return 0 }
        return max(0, (upstreamEndedAt > 0 ? upstreamEndedAt : endedAt) &- upstreamStartedAt)
    }
}
