import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import SallyportCore
import Testing

@testable import SallyportOversight

@Suite struct GatewayMetricsTests {
    @Test func isValidBeforeTheFirstRequest() throws {
        let read = try GatewayMetrics().read()
        #expect(read.value("sallyport_requests_in_flight") == 0)
        #expect(read.values(of: "code", in: "sallyport_faults_total") == Set(Fault.Code.allCases.map(\.rawValue)))
    }

    @Test func countsAnExchangeUnderAzuresNames() throws {
        let metrics = GatewayMetrics(deployments: ["gpt-4o"], region: "westeurope")
        metrics.count(.chat())
        metrics.count(.chat())
        metrics.count(.chat { $0.status = 429 })
        let read = try metrics.read()
        let labels = [
            "api_name": "Azure OpenAI API version 2024-10-21", "operation_name": "ChatCompletions_Create",
            "model_deployment_name": "gpt-4o",
            "model_name": "gpt-4o-2024-11-20", "status_code": "200", "stream_type": "Streaming", "region": "westeurope",
        ]
        #expect(read.value("azure_openai_requests_total", labels) == 2)
        #expect(read.labels(of: "azure_openai_requests_total") == Set(labels.keys))
        #expect(read.value("azure_openai_requests_total", ["status_code": "429"]) == 1)
        #expect(read.value("processed_prompt_tokens_total") == 300)
        #expect(read.value("generated_tokens_total") == 153)
        #expect(read.value("token_transaction_total") == 453)
        #expect(read.value("active_tokens_total") == 393)
        #expect(read.value("rai_total_requests_total") == 3)
    }

    @Test func measuresLatenciesInMilliseconds() throws {
        let metrics = GatewayMetrics()
        metrics.count(.chat())
        let read = try metrics.read()
        #expect(read.value("azure_openai_time_to_response_milliseconds_sum") == 250)
        #expect(read.value("azure_openai_normalized_ttft_milliseconds_sum") == 250)
        #expect(read.value("azure_openai_ttlt_milliseconds_sum") == 1000)
        // 750 ms for 50 steps between 51 tokens.
        #expect(read.value("azure_openai_normalized_tbt_milliseconds_sum") == 15)
        #expect(read.value("azure_openai_token_per_second_sum") == 51)
        #expect(read.value("azure_openai_time_to_response_milliseconds_bucket", ["le": "100"]) == 0)
        #expect(read.value("azure_openai_time_to_response_milliseconds_bucket", ["le": "250"]) == 1)
    }

    @Test func measuresTheGatewaysOwnShareInSeconds() throws {
        let metrics = GatewayMetrics()
        metrics.count(.chat())
        let read = try metrics.read()
        #expect(read.value("sallyport_overhead_seconds_sum") == 0.1)
        #expect(read.value("sallyport_request_duration_seconds_sum") == 1)
        #expect(read.value("sallyport_upstream_duration_seconds_sum", ["upstream": "aoai"]) == 0.9)
        #expect(read.value("sallyport_audit_wait_seconds_sum") == 0.0006)
        #expect(read.value("sallyport_upstream_attempts_total", ["upstream": "aoai"]) == 1)
    }

    @Test func countsAllAsOverheadWhenNoUpstreamWasAsked() throws {
        let metrics = GatewayMetrics()
        metrics.count(
            .chat {
                $0.upstreamStartedAt = 0
                $0.upstreamEndedAt = 0
                $0.upstream = nil
            })
        let read = try metrics.read()
        #expect(read.value("sallyport_overhead_seconds_sum") == 1)
        #expect(read.value("sallyport_upstream_duration_seconds_count") == nil)
    }

    @Test func countsGuardsByActionAndFailure() throws {
        let metrics = GatewayMetrics()
        metrics.count(.chat())
        metrics.count(.chat { $0.guards = [("sensitive-data", "block", 1, 2_000_000, false), ("links", "refuse", 0, 1, true)] })
        let read = try metrics.read()
        #expect(read.value("sallyport_guard_findings_total", ["guard": "sensitive-data", "action": "redact"]) == 2)
        #expect(read.value("sallyport_guard_findings_total", ["guard": "sensitive-data", "action": "block"]) == 1)
        #expect(read.value("sallyport_guard_seconds_count", ["guard": "sensitive-data"]) == 2)
        #expect(read.value("sallyport_guard_seconds_bucket", ["guard": "sensitive-data", "le": "0.001"]) == 1)
        #expect(read.value("sallyport_guard_failures_total", ["guard": "links"]) == 1)
        #expect(read.value("sallyport_guard_failures_total", ["guard": "sensitive-data"]) == 0)
    }

    @Test func countsHarmPerRequestNotPerFinding() throws {
        let metrics = GatewayMetrics()
        metrics.count(
            .chat {
                $0.harmful = Array(repeating: (Direction.prompt, "sensitive", false), count: 500)
                $0.harmful.append((.prompt, "sensitive", true))
                $0.harmful.append((.completion, "sensitive", false))
                $0.harmful.append((.prompt, "blocklist", false))
            })
        let read = try metrics.read()
        #expect(read.value("rai_harmful_requests_total", ["text_type": "Prompt", "category": "sensitive"]) == 1)
        #expect(read.value("rai_harmful_requests_total", ["text_type": "Completion", "category": "sensitive"]) == 1)
        #expect(read.value("rai_harmful_requests_total") == 3)
        #expect(read.value("rai_rejected_requests_total") == 1)
        #expect(read.value("rai_rejected_requests_total", ["text_type": "Prompt", "category": "sensitive"]) == 1)
    }

    @Test func countsFaultsAndWhatIsUnderWay() throws {
        let metrics = GatewayMetrics()
        metrics.exchangeDidStart()
        metrics.exchangeDidStart()
        metrics.exchangeDidEnd(
            .chat {
                $0.faultCode = .contentFiltered
                $0.status = 400
                $0.wasBlocked = true
            })
        let read = try metrics.read()
        #expect(read.value("sallyport_requests_in_flight") == 1)
        #expect(read.value("sallyport_faults_total", ["code": "contentFiltered"]) == 1)
        #expect(read.value("sallyport_faults_total") == 1)
        #expect(read.value("sallyport_requests_blocked_total", ["operation": "ChatCompletions_Create"]) == 1)
    }

    @Test(arguments: ["Health", "unrouted", "ContentSafety_AnalyzeText", "Language_AnalyzeText", "CognitiveServices_Call"])
    func keepsItsOwnRoutesOutOfAzuresNumbers(operation: String) throws {
        let metrics = GatewayMetrics()
        metrics.count(.chat { $0.operation = operation })
        let read = try metrics.read()
        #expect(read.value("azure_openai_requests_total") == nil)
        #expect(read.value("sallyport_requests_total", ["operation": operation]) == 1)
        #expect((read.value("content_safety_text_analyze_request_count_total") == 1) == (operation == "ContentSafety_AnalyzeText"))
    }

    @Test func boundsEveryLabelAndLosesNoCount() throws {
        var bounds = MetricsShard.Bounds()
        bounds.keys = 60
        bounds.values = 20
        bounds.guards = 30
        bounds.harms = 40
        bounds.deployments = ["kept"]
        let metrics = GatewayMetrics(bounds: bounds, region: "", version: nil) { _ in }
        for index in 0..<300 {
            metrics.count(
                .chat {
                    $0.deployment = DeploymentID("d\(index)")
                    $0.model = "m\(index)"
                    $0.apiVersion = index % 2 == 0 ? "evil\n\(index)" : "2024-10-\(10 + index % 15)"
                    $0.operation = "op\(index % 30)"
                    $0.status = index * 3
                    $0.guards = [(DetectorID("guard\(index)"), "action\(index)", 1, 1, false)]
                    $0.harmful = [(.prompt, "c\(index)", false)]
                })
        }
        metrics.count(.chat { $0.deployment = "kept" })
        let read = try metrics.read()
        #expect(read.value("sallyport_requests_total") == 301)
        #expect(read.value("azure_openai_requests_total") == 301)
        #expect(read.value("rai_harmful_requests_total") == 300)
        #expect(read.value("sallyport_guard_findings_total") == 302)
        let deployments = read.values(of: "model_deployment_name", in: "azure_openai_requests_total")
        #expect(deployments.count <= 21)
        #expect(deployments.contains("other"))
        let versions = read.values(of: "api_name", in: "azure_openai_requests_total")
        #expect(versions.count <= 17)
        #expect(!versions.contains { $0.contains("evil") })
        #expect(read.values(of: "guard", in: "sallyport_guard_seconds_count").count <= 21)
        // Sixty series, as many of the overflow, and two for the rest.
        #expect(read.families.first { $0.name == "azure_openai_requests_total" }.map { $0.samples.count <= 122 } == true)
    }

    @Test func keepsAPlaceForTheConfiguredDeployments() throws {
        var bounds = MetricsShard.Bounds()
        bounds.values = 3
        bounds.deployments = ["kept"]
        let metrics = GatewayMetrics(bounds: bounds, region: "", version: nil) { _ in }
        for name in ["a", "b", "c", "d", "kept"] { metrics.count(.chat { $0.deployment = DeploymentID(name) }) }
        #expect(try metrics.read().values(of: "model_deployment_name", in: "azure_openai_requests_total") == ["a", "b", "kept", "other"])
    }

    @Test func losesNothingWhenManyThreadsCount() throws {
        let metrics = GatewayMetrics(deployments: ["gpt-4o"])
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 4)
        defer { try? group.syncShutdownGracefully() }
        let done = (0..<4).map { _ in group.next().submit { for _ in 0..<500 { metrics.count(.chat()) } } }
        for _ in 0..<20 { _ = try metrics.read() }
        for future in done { try future.wait() }
        let read = try metrics.read()
        #expect(read.value("sallyport_requests_total") == 2000)
        #expect(read.value("sallyport_overhead_seconds_count") == 2000)
        #expect(read.value("sallyport_requests_in_flight") == 0)
    }

    @Test func toleratesTimesThatMakeNoSense() throws {
        let metrics = GatewayMetrics()
        metrics.count(
            .chat {
                $0.endedAt = 0
                $0.firstByteAt = 5
                $0.upstreamEndedAt = 1
                $0.guardNanoseconds = .max
                $0.auditNanoseconds = .max
                $0.status = -5
                $0.guards = [("g", "allow", .max, .max, false)]
            })
        metrics.count(ExchangeSummary())
        #expect(try metrics.read().value("sallyport_requests_total") == 2)
    }

    @Test func showsTheProcessAndWhatOthersAdd() throws {
        let metrics = GatewayMetrics(version: "1.2.3") { $0.gauge("sallyport_audit_records", help: "Records.", 7) }
        let read = try metrics.read()
        #expect(read.value("sallyport_audit_records") == 7)
        #expect(read.value("sallyport_build_info", ["version": "1.2.3"]) == 1)
        #if os(Linux)
            #expect((read.value("process_resident_memory_bytes") ?? 0) > 1_000_000)
            #expect((read.value("process_cpu_seconds_total") ?? 0) > 0)
            #expect((read.value("process_open_fds") ?? 0) >= 3)
            #expect((read.value("process_max_fds") ?? 0) >= 16)
            #expect((read.value("process_threads") ?? 0) >= 1)
            // Started within the last day, by the wall clock.
            let now = Double(AuditTime.now().millisecondsSince1970) / 1000
            #expect(((now - 86_400)...(now + 2)).contains(read.value("process_start_time_seconds") ?? 0))
        #endif
    }

    @Test func tellsEveryObserver() throws {
        let (first, second) = (GatewayMetrics(), GatewayMetrics())
        let both = CompositeObserver([first, second])
        both.exchangeDidStart()
        both.exchangeDidEnd(.chat())
        both.exchangeDidStart()
        for metrics in [first, second] {
            let read = try metrics.read()
            #expect(read.value("sallyport_requests_total") == 1)
            #expect(read.value("sallyport_requests_in_flight") == 1)
        }
    }
}
