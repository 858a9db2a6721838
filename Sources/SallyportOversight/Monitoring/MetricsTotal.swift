import SallyportCore

/// The shards' numbers added up, and how each metric is read from them. Azure's names are respelled as `docs/metrics.md` says.
struct MetricsTotal {
    private let series: [(key: SeriesKey, cells: [Int64])]
    private let guards: [(key: GuardKey, cells: [Int64])]
    private let harmful: [(key: HarmKey, count: Int)]
    private let rejected: [(key: HarmKey, count: Int)]
    private let faults: [Fault.Code: Int]
    private let inFlight: Int

    init(_ shards: [MetricsShard]) {
        series = MetricsTotal.sum(shards.map { ($0.series, $0.cells) }, width: SeriesLayout.width)
            .sorted { MetricsTotal.order($0.key) < MetricsTotal.order($1.key) }
        guards = MetricsTotal.sum(shards.map { ($0.guards, $0.guardCells) }, width: SeriesLayout.guardWidth)
            .sorted { ($0.key.detector, $0.key.action) < ($1.key.detector, $1.key.action) }
        harmful = MetricsTotal.sum(shards.map(\.harmful))
        rejected = MetricsTotal.sum(shards.map(\.rejected))
        faults = shards.reduce(into: [:]) { $0.merge($1.faults, uniquingKeysWith: +) }
        inFlight = max(0, shards.reduce(0) { $0 + $1.started - $1.ended })
    }

    private static func sum<Key>(_ parts: [(places: [Key: Int], cells: [Int64])], width: Int) -> [(key: Key, cells: [Int64])] {
        var sums: [Key: [Int64]] = [:]
        for part in parts {
            for (key, base) in part.places {
                MetricsTotal.add(part.cells[base..<base + width], to: &sums[key, default: []])
            }
        }
        return sums.map { (key: $0.key, cells: $0.value) }
    }

    private static func sum(_ parts: [[HarmKey: Int]]) -> [(key: HarmKey, count: Int)] {
        parts.reduce(into: [HarmKey: Int]()) { $0.merge($1, uniquingKeysWith: +) }.map { (key: $0.key, count: $0.value) }
            .sorted { MetricsTotal.order($0.key) < MetricsTotal.order($1.key) }
    }

    private static func add(_ cells: ArraySlice<Int64>, to sum: inout [Int64]) {
        if sum.isEmpty {
            sum = Array(cells)
        } else {
            for (index, cell) in cells.enumerated() { sum[index] &+= cell }
        }
    }

    private static func order(_ key: SeriesKey) -> String {
        [key.operation, key.apiVersion, key.deployment, key.model, key.upstream, "\(key.status)", "\(key.isStreaming)"].joined(
            separator: "\u{0}")
    }

    private static func order(_ key: HarmKey) -> String {
        [key.apiVersion, key.deployment, key.model, key.textType.rawValue, key.category].joined(separator: "\u{0}")
    }

    // MARK: Writing

    func write(to out: inout Exposition, region: String) {
        let azure = series.filter { MetricsTotal.isModelCall($0.key.operation) }
        writeAzure(azure, to: &out, region: region)
        writeSafety(azure, to: &out, region: region)
        writeOwn(to: &out)
        writeGuards(to: &out)
    }

    private func writeAzure(_ azure: [(key: SeriesKey, cells: [Int64])], to out: inout Exposition, region: String) {
        func api(_ key: SeriesKey) -> Exposition.Labels {
            [("api_name", MetricsTotal.apiName(key.apiVersion)), ("operation_name", key.operation)]
        }
        func model(_ key: SeriesKey) -> Exposition.Labels { [("model_deployment_name", key.deployment), ("model_name", key.model)] }
        func place(_ key: SeriesKey) -> Exposition.Labels { [("region", region)] }
        func stream(_ key: SeriesKey) -> Exposition.Labels { [("stream_type", key.isStreaming ? "Streaming" : "Non-Streaming")] }
        func status(_ key: SeriesKey) -> Exposition.Labels { [("status_code", "\(key.status)")] }
        let full = { (key: SeriesKey) in api(key) + model(key) + status(key) + stream(key) + place(key) }
        let short = { (key: SeriesKey) in model(key) + place(key) }
        let usage = { (key: SeriesKey) in [api(key)[0]] + model(key) + place(key) }

        counter(azure, &out, "azure_openai_requests_total", "Requests (AzureOpenAIRequests).", SeriesLayout.requests, full)
        histogram(
            azure, &out, "azure_openai_time_to_response_milliseconds",
            "From the request's start to the answer's first byte (AzureOpenAITimeToResponse).",
            SeriesLayout.timeToResponse, scale: 1e6, full)
        histogram(
            azure, &out, "azure_openai_normalized_ttft_milliseconds",
            "From the request's start to the first byte of an answer that succeeded (AzureOpenAINormalizedTTFTInMS).",
            SeriesLayout.timeToFirstByte, scale: 1e6, short)
        histogram(
            azure, &out, "azure_openai_normalized_tbt_milliseconds",
            "Mean time between the tokens of a streamed answer (AzureOpenAINormalizedTBTInMS).",
            SeriesLayout.timeBetweenTokens, scale: 1e6, short)
        histogram(
            azure, &out, "azure_openai_ttlt_milliseconds", "From the request's start to the answer's last byte (AzureOpenAITTLTInMS).",
            SeriesLayout.timeToLastByte, scale: 1e6, short)
        histogram(
            azure, &out, "azure_openai_token_per_second", "Generated tokens per second of an exchange (AzureOpenAITokenPerSecond).",
            SeriesLayout.tokenRate, scale: 1e3, short)
        counter(azure, &out, "processed_prompt_tokens_total", "Prompt tokens (ProcessedPromptTokens).", usage) {
            $0[SeriesLayout.promptTokens]
        }
        counter(azure, &out, "generated_tokens_total", "Generated tokens (GeneratedTokens).", usage) { $0[SeriesLayout.completionTokens] }
        counter(azure, &out, "token_transaction_total", "Prompt and generated tokens (TokenTransaction).", usage) {
            $0[SeriesLayout.promptTokens] + $0[SeriesLayout.completionTokens]
        }
        counter(azure, &out, "active_tokens_total", "Prompt and generated tokens less cached ones (ActiveTokens).", short) {
            max(0, $0[SeriesLayout.promptTokens] + $0[SeriesLayout.completionTokens] - $0[SeriesLayout.cachedTokens])
        }
        counter(
            azure, &out, "sallyport_cached_prompt_tokens_total", "Prompt tokens that the upstream took from its cache.",
            SeriesLayout.cachedTokens, short)
    }

    private func writeSafety(_ azure: [(key: SeriesKey, cells: [Int64])], to out: inout Exposition, region: String) {
        counter(
            azure, &out, "rai_total_requests_total", "Exchanges that guards looked at (RAITotalRequests).", SeriesLayout.safetyChecks
        ) { key in
            [
                ("api_name", MetricsTotal.apiName(key.apiVersion)), ("model_deployment_name", key.deployment), ("model_name", key.model),
                ("region", region),
            ]
        }
        for (name, help, counts) in [
            ("rai_harmful_requests_total", "Exchanges in which a guard found something, blocked or not (RAIHarmfulRequests).", harmful),
            ("rai_rejected_requests_total", "Exchanges that were blocked (RAIRejectedRequests).", rejected),
        ] {
            for (key, count) in counts {
                out.counter(
                    name, help: help, Double(count),
                    labels: [
                        ("api_name", MetricsTotal.apiName(key.apiVersion)), ("model_deployment_name", key.deployment),
                        ("model_name", key.model),
                        ("text_type", key.textType.rawValue), ("category", key.category), ("region", region),
                    ])
            }
        }
        let analyses = series.filter { $0.key.operation == "ContentSafety_AnalyzeText" }
        counter(
            analyses, &out, "content_safety_text_analyze_request_count_total", "Text analyses (ContentSafetyTextAnalyzeRequestCount).",
            SeriesLayout.requests
        ) { [("api_version", $0.apiVersion), ("region", region)] }
    }

    private func writeOwn(to out: inout Exposition) {
        let operation = { (key: SeriesKey) -> Exposition.Labels in [("operation", key.operation)] }
        counter(series, &out, "sallyport_requests_total", "Requests of every kind that were answered.", SeriesLayout.requests) {
            [("operation", $0.operation), ("status_code", "\($0.status)")]
        }
        counter(
            series, &out, "sallyport_requests_blocked_total", "Requests or answers that a guard stopped.", SeriesLayout.blocked, operation)
        counter(series, &out, "sallyport_request_bytes_total", "Bytes of request bodies.", SeriesLayout.requestBytes, operation)
        counter(series, &out, "sallyport_response_bytes_total", "Bytes of answer bodies.", SeriesLayout.responseBytes, operation)
        out.gauge("sallyport_requests_in_flight", help: "Requests under way.", Double(inFlight))
        histogram(
            series, &out, "sallyport_request_duration_seconds", "From a request's start to its answer's end.", SeriesLayout.duration,
            scale: 1e9, operation)
        histogram(
            series, &out, "sallyport_overhead_seconds", "Duration less the time that the upstream had the request.", SeriesLayout.overhead,
            scale: 1e9,
            operation)
        histogram(
            series, &out, "sallyport_audit_wait_seconds", "Time that exchanges waited for their audit records.", SeriesLayout.auditWait,
            scale: 1e9,
            { _ in [] })
        let asked = series.filter { !$0.key.upstream.isEmpty }
        histogram(
            asked, &out, "sallyport_upstream_duration_seconds", "From the first byte to the upstream until its last one back.",
            SeriesLayout.upstream,
            scale: 1e9
        ) { [("upstream", $0.upstream)] }
        counter(asked, &out, "sallyport_upstream_attempts_total", "Tries at upstreams, retries included.", SeriesLayout.attempts) {
            [("upstream", $0.upstream)]
        }
        for code in Fault.Code.allCases {
            out.counter(
                "sallyport_faults_total", help: "Requests that the gateway itself refused, by reason.", Double(faults[code] ?? 0),
                labels: [("code", code.rawValue)])
        }
    }

    private func writeGuards(to out: inout Exposition) {
        let scale = 1e9
        var byGuard: [String: [Int64]] = [:]
        for entry in guards { MetricsTotal.add(entry.cells[...], to: &byGuard[entry.key.detector, default: []]) }
        for (detector, cells) in byGuard.sorted(by: { $0.key < $1.key }) {
            MetricsTotal.write(
                cells, SeriesLayout.guardDuration, scale: scale, to: &out, "sallyport_guard_seconds",
                "Time that a guard took per exchange and direction.",
                [("guard", detector)])
            out.counter(
                "sallyport_guard_failures_total", help: "Times that a guard could not do its work.",
                Double(cells[SeriesLayout.guardFailures]),
                labels: [("guard", detector)])
        }
        for (key, cells) in guards {
            out.counter(
                "sallyport_guard_findings_total", help: "What guards found, by what was done about it.",
                Double(cells[SeriesLayout.guardFindings]),
                labels: [("guard", key.detector), ("action", key.action)])
        }
    }

    // MARK: Grouping

    private typealias Labelling = (SeriesKey) -> Exposition.Labels

    private func counter(
        _ series: [(key: SeriesKey, cells: [Int64])], _ out: inout Exposition, _ name: String, _ help: String, _ cell: Int,
        _ labels: Labelling
    ) {
        counter(series, &out, name, help, labels) { $0[cell] }
    }

    private func counter(
        _ series: [(key: SeriesKey, cells: [Int64])], _ out: inout Exposition, _ name: String, _ help: String, _ labels: Labelling,
        _ value: ([Int64]) -> Int64
    ) {
        for (labels, cells) in grouped(series, by: labels) { out.counter(name, help: help, Double(value(cells)), labels: labels) }
    }

    private func histogram(
        _ series: [(key: SeriesKey, cells: [Int64])], _ out: inout Exposition, _ name: String, _ help: String, _ histogram: SeriesHistogram,
        scale: Double, _ labels: Labelling
    ) {
        for (labels, cells) in grouped(series, by: labels) {
            MetricsTotal.write(cells, histogram, scale: scale, to: &out, name, help, labels)
        }
    }

    private static func write(
        _ cells: [Int64], _ histogram: SeriesHistogram, scale: Double, to out: inout Exposition, _ name: String, _ help: String,
        _ labels: Exposition.Labels
    ) {
        let buckets = histogram.bounds.count + 1
        out.histogram(
            name, help: help, bounds: histogram.bounds.map { Double($0) / scale },
            counts: cells[histogram.offset..<histogram.offset + buckets].map { UInt64(max(0, $0)) },
            sum: Double(cells[histogram.offset + buckets]) / scale, labels: labels)
    }

    /// Adds up the series that have the same labels, in the order of their first.
    private func grouped(
        _ series: [(key: SeriesKey, cells: [Int64])], by labels: Labelling
    ) -> [(labels: Exposition.Labels, cells: [Int64])] {
        var groups: [(labels: Exposition.Labels, cells: [Int64])] = []
        var positions: [[String]: Int] = [:]
        for entry in series {
            let labels = labels(entry.key)
            let values = labels.map(\.value)
            if let position = positions[values] {
                MetricsTotal.add(entry.cells[...], to: &groups[position].cells)
            } else {
                positions[values] = groups.count
                groups.append((labels, entry.cells))
            }
        }
        return groups
    }

    /// Azure's metrics are those of model calls: the gateway's own routes and what no route serves are left out.
    private static func isModelCall(_ operation: String) -> Bool {
        !["ContentSafety", "Language_", "CognitiveServices_", "Health", "Metrics", "unrouted"].contains { operation.hasPrefix($0) }
    }

    /// As Azure's diagnostic logs spell it.
    private static func apiName(_ version: String) -> String {
        version.isEmpty ? "Azure OpenAI API" : "Azure OpenAI API version \(version)"
    }
}
