/// One key of the configuration: its place, what may stand there, and what it means. The list is the loader's schema and the reference
/// page's source, so that neither can know more than the other.
package struct ConfigurationKey: Sendable {
    enum Kind: Sendable {
        case text
        /// Never repeated in a message.
        case secret
        /// A header field's value; may be a secret, never repeated in a message.
        case headerValue
        case path
        case url
        /// `host:port`
        case address
        case integer(ClosedRange<Int>)
        case fraction
        /// A decimal number, not negative.
        case amount
        case duration
        /// A duration; zero switches off.
        case durationOrNone
        case size(ClosedRange<Int>)
        case flag
        case choice([String])
        /// Paths below which requests go to an upstream.
        case prefixes
        /// SHA-256 digests in hex.
        case digests
        /// Texts of any kind.
        case texts
        /// Networks in CIDR notation.
        case networks
        /// The path of a request, beginning with a slash.
        case requestPath
        /// The name of a header field that a caller sends; none that holds a credential.
        case headerName
        /// The name of a header field for an upstream's key.
        case keyHeaderName
        /// A list of objects whose members are listed as `key[].member`.
        case objects
    }

    /// `*` stands for a name that the operator chooses.
    package let path: String
    let kind: Kind
    /// As it would be written; empty: none, the key is needed or has no effect when absent.
    package let standard: String
    package let meaning: String

    init(_ path: String, _ kind: Kind, _ standard: String = "", _ meaning: String) {
        self.path = path
        self.kind = kind
        self.standard = standard
        self.meaning = meaning
    }

    package var kindName: String {
        switch kind {
        case .text: "text"
        case .secret, .headerValue: "secret"
        case .path: "path"
        case .url: "URL"
        case .address: "host:port"
        case .integer(let range): "integer \(range.lowerBound)–\(range.upperBound)"
        case .fraction: "number 0–1"
        case .amount: "number"
        case .duration, .durationOrNone: "duration (`500ms`, `30s`, `2m`, `1h`)"
        case .size: "size (`512KiB`, `32MiB`)"
        case .requestPath: "path"
        case .headerName, .keyHeaderName: "text"
        case .flag: "true or false"
        case .choice(let values): values.map { "`\($0)`" }.joined(separator: ", ")
        case .prefixes, .digests, .texts: "list of texts"
        case .networks: "list of networks (`10.0.0.0/8`)"
        case .objects: "list"
        }
    }
}

extension ConfigurationKey {
    private static let count = 1...1_000_000_000
    /// What is held in one buffer.
    private static let held = 1...(1 << 30)
    private static let anySize = 1...(1 << 40)
    /// Of a text that is read at once.
    private static let codePoints = 1...100_000_000

    package static let all: [ConfigurationKey] =
        [
            .init("server.listen", .address, "127.0.0.1:8080", "Where the gateway listens. Port 0 takes a free one."),
            .init(
                "server.metricsListen", .text, "127.0.0.1:9464",
                "A listener of its own for `/metrics`, without authentication: keep it on loopback or a private network. `none` switches it off."
            ),
            .init(
                "server.adminListen", .text, "127.0.0.1:8081",
                "A listener of its own for the administrative surface: sign-in, the administrative API. `none` switches it off, `data.identity` too. It speaks TLS when `network.tls` is set."
            ),
            .init("server.threads", .integer(1...256), "one per core", "Event loops."),
            .init(
                "server.maximumConnections", .integer(count), "10000",
                "Callers' connections at one time; one more is answered 503 and closed."),
            .init("server.region", .text, "", "What `x-ms-region` says; without it the header is not sent."),
            .init("server.headerTimeout", .duration, "10s", "From a new connection to the end of its first request's head."),
            .init("server.bodyTimeout", .duration, "60s", "From a request's head to the end of its body; then 408."),
            .init("server.idleTimeout", .duration, "2m", "How long a connection without a request is kept."),
            .init(
                "server.drainTimeout", .duration, "30s",
                "How long requests under way may go on after SIGTERM; then they are cut off. Ten seconds later the process has ended, whatever hangs."
            ),
            .init("server.maximumBodyBytes", .size(held), "32MiB", "The largest JSON body; above it 413."),
            .init("server.maximumUploadBytes", .size(held), "64MiB", "The largest multipart body; above it 413."),
            .init("server.maximumAnswerBytes", .size(held), "64MiB", "The largest answer of an upstream that is held for inspection."),
            .init("server.maximumHeaderBytes", .size(1024...(1 << 20)), "32KiB", "All header fields of a request together; above it 431."),
            .init("server.maximumConcurrentRequests", .integer(count), "4096", "Above it 503 with `retry-after`."),
            .init("server.maximumAdmittedBytes", .size(anySize), "512MiB", "Request bodies in memory at one time; above it 503."),
            .init(
                "server.unstatedAnswerTokens", .integer(1...1_000_000), "16",
                "Reserved of token limits for an answer whose request states no maximum. With the longest answer of the models here, no limit is passed however many call at once."
            ),
            .init("server.jsonDepth", .integer(4...512), "64", "How deep a JSON body may be nested."),
            .init("server.conversationHeader", .headerName, "", "A request header that names the conversation (for pseudonyms)."),
            .init(
                "server.publicURL", .url, "as each request says",
                "What callers use as the base of their requests, for links in answers: set it where TLS ends before the gateway."),
            .init(
                "server.resourceUpstream", .text, "the first `azure-openai` or `openai` upstream by name",
                "Where files, batches, vector stores and fine-tuning jobs are made."),
            .init("data.directory", .path, "./var", "Where everything that is kept lies; made with mode 0700."),
            .init(
                "data.identity", .path, "its own",
                "The data directory of another gateway on this host, whose keys, role assignments, provisioned people and groups, conditional access, revocations, consents and legal holds are used instead of its own. Such a gateway has no administrative surface; see [administration](administration.md#several-gateways)."
            ),
            .init(
                "audit.durability", .choice(["strict", "relaxed"]), "strict",
                "`strict`: a record counts when it is synchronised to disk; `relaxed`: when the kernel has it (survives a killed process, not a power cut)."
            ),
            .init("audit.segmentBytes", .size(anySize), "64MiB", "When a new segment file begins."),
            .init("audit.origin", .text, "sallyport/audit", "The log's name in its checkpoints; fixed once the log exists."),
            .init("audit.checkpointInterval", .duration, "1s", "How long records may wait for a signed checkpoint."),
            .init(
                "log.level", .choice(["trace", "debug", "info", "notice", "warning", "error"]), "notice",
                "The least severe message that is logged."),
            .init("log.format", .choice(["json", "text"]), "json", "One JSON object a line, or text."),
            .init("tracing.endpoint", .url, "", "An OpenTelemetry collector's OTLP/HTTP traces URL; without it nothing is exported."),
            .init("tracing.sampleRatio", .fraction, "0.1", "Share of requests traced when the caller's `traceparent` does not decide."),
            .init("tracing.serviceName", .text, "sallyport", "`service.name` of the spans."),
            .init(
                "upstreams.*.kind", .choice(["azure-openai", "openai", "azure-ai", "azure-search", "embedded"]), "",
                "What speaks there. Needed. `azure-search` is a source of documents for `data_sources`, not of answers."),
            .init(
                "upstreams.*.endpoint", .url, "",
                "Its base URL; needed but for `embedded`. For `openai` with its path, such as `https://host/v1`."),
            .init(
                "upstreams.*.apiKey", .secret, "",
                "Its key: sent as `api-key` (`azure-openai`, `azure-search`), `Ocp-Apim-Subscription-Key` (`azure-ai`) or `Authorization: Bearer` (`openai`)."
            ),
            .init(
                "upstreams.*.apiKeyHeader", .keyHeaderName, "", "Send the key in this header instead, as it is: `x-api-key`, for example."),
            .init(
                "upstreams.*.headers.*", .headerValue, "",
                "A header that every request to it gets, by name: `headers: {x-team: search}`. A caller's of that name is not sent."),
            .init("upstreams.*.apiVersion", .text, "2024-10-21", "For `azure-openai`."),
            .init("upstreams.*.entra.tenant", .text, "", "Microsoft Entra ID instead of a key: the directory (tenant) id."),
            .init("upstreams.*.entra.clientId", .text, "", "The application (client) id."),
            .init("upstreams.*.entra.clientSecret", .secret, "", "The client secret."),
            .init(
                "upstreams.*.entra.federatedTokenFile", .path, "",
                "Instead of a secret (workload identity): the file with the workload's token, read anew for each request."),
            .init(
                "upstreams.*.entra.scope", .text, "https://cognitiveservices.azure.com/.default",
                "The token's scope. For `azure-search` the default is `https://search.azure.com/.default`."),
            .init("upstreams.*.entra.authority", .url, "https://login.microsoftonline.com", "The token service."),
            .init(
                "upstreams.*.paths", .prefixes, "",
                "For `azure-ai`: path prefixes that go there, such as `/translator`, or `/contentsafety/image:analyze`."),
            .init(
                "upstreams.*.trimming.groups", .text, "group_ids",
                "For `azure-search`: the field of its indexes that holds the groups that may read a document (a collection, filterable)."),
            .init(
                "upstreams.*.trimming.users", .text, "", "For `azure-search`: the field that holds single readers, where there is one."),
            .init(
                "upstreams.*.documents", .path, "the sample documents",
                "For `embedded`: a folder of documents (text, Markdown, HTML, PDF, Office, CSV, mail, archives, pictures) that every caller of the upstream may read."
            ),
            .init(
                "upstreams.*.index", .text, "",
                "For `embedded`, instead of `documents`: an index made with `sallyport data add`; each caller reads what its access lists allow."
            ),
            .init("upstreams.*.timeouts.connect", .duration, "5s", "For name resolution, TCP and TLS."),
            .init("upstreams.*.timeouts.firstByte", .duration, "120s", "Per attempt, to the answer's head."),
            .init("upstreams.*.timeouts.idle", .duration, "60s", "Between two pieces of an answer."),
            .init("upstreams.*.timeouts.total", .duration, "10m", "From the request to the answer's end."),
            .init("upstreams.*.pool.maximumConnections", .integer(1...10_000), "4096", "Per event loop."),
            .init("upstreams.*.pool.idleTimeout", .duration, "50s", "How long an unused connection is kept."),
            .init(
                "upstreams.*.pool.http2", .choice(["auto", "never", "priorKnowledge"]), "auto",
                "HTTP/2 by ALPN over TLS, not at all, or without TLS by prior knowledge."),
            .init(
                "upstreams.*.tls.caFile", .path, "",
                "Certificate authorities to trust instead of the system's. Read again when it changes, as are the client's certificate and key."
            ),
            .init("upstreams.*.tls.minimumVersion", .choice(["1.2", "1.3"]), "1.2", "The oldest TLS that is spoken."),
            .init("upstreams.*.tls.pins", .digests, "", "SHA-256 of certificates or public keys that are accepted, in hex."),
            .init("upstreams.*.tls.clientCertificate", .path, "", "For mutual TLS."),
            .init("upstreams.*.tls.clientKey", .path, "", "Its private key."),
            .init("upstreams.*.health.path", .requestPath, "", "A path that is asked regularly; without it only real requests tell."),
            .init("upstreams.*.health.interval", .duration, "10s", "How often."),
            .init("upstreams.*.policy", .text, "Default", "For `azure-ai`: the guard policy of its calls."),
            .init(
                "upstreams.*.breaker.failureRatio", .fraction, "0.5",
                "Share of failed requests (no answer, or 5xx) at which the upstream is left alone for a while."),
            .init("upstreams.*.breaker.minimumRequests", .integer(count), "20", "Among at least so many requests within ten seconds."),
            .init("upstreams.*.breaker.consecutiveFailures", .integer(count), "5", "Or after so many failures in a row."),
            .init(
                "upstreams.*.breaker.openFor", .duration, "5s",
                "How long it is left alone at first; each failed probe doubles it, up to a minute."),
            .init("upstreams.*.allowLinkLocal", .flag, "false", "Permit link-local and metadata addresses: leave it off."),
            .init(
                "upstreams.*.allowPrivate", .flag, "true",
                "Whether its name may resolve into private networks, as a private endpoint's does. `false` for what is reached over the Internet only: a name that suddenly leads inwards is not followed."
            ),
            .init("deployments.*.upstream", .text, "", "Who answers; this or `targets` is needed."),
            .init("deployments.*.model", .text, "the deployment's name", "The model's or deployment's name at the upstream."),
            .init("deployments.*.targets", .objects, "", "Several places that can answer, instead of `upstream` and `model`."),
            .init("deployments.*.targets[].upstream", .text, "", "The upstream. Needed."),
            .init("deployments.*.targets[].model", .text, "the deployment's name", "Its model."),
            .init("deployments.*.targets[].weight", .integer(0...1_000_000), "1", "Share among targets of one priority; 0 takes it out."),
            .init("deployments.*.targets[].priority", .integer(0...1000), "0", "Lower numbers first; higher ones are fallbacks."),
            .init("deployments.*.policy", .text, "Default", "The guard policy, and the floor for `x-policy-id`."),
            .init("deployments.*.project", .text, "default", "The project that it belongs to."),
            .init(
                "deployments.*.label", .text, "", "The kind of data that it is cleared for: keys and conditions can be confined to labels."),
            .init("deployments.*.price.promptPer1K", .amount, "0", "For cost quotas: price of 1,000 prompt tokens."),
            .init("deployments.*.price.completionPer1K", .amount, "0", "Price of 1,000 completion tokens."),
            .init(
                "language.minimumConfidence", .fraction, "0.65",
                "What Azure AI Language's PII request reports when it names no `confidenceScoreThreshold`. Shapes that nothing near them speaks for have 0.65, distinctive ones 0.75, those with a right checksum or a fitting word 0.85."
            ),
            .init("policies.directory", .path, "", "Policy documents (*.json) in Azure's `raiPolicies` shape."),
            .init(
                "guards.learned", .flag, "true",
                "Learned detectors: prompt and document attacks, harm severities, names. When false the built-in policies do without them, and requests under a policy that demands them are refused."
            ),
            .init(
                "guards.modelsDirectory", .path, "",
                "Where the models lie; without it `Models` in the working directory, beside the program, or in its source tree."),
            .init(
                "guards.inferenceLibrary", .path, "",
                "The folder of `libopenvino_c`; without it beside the program, in `.deps` of its source tree, then wherever the system looks."
            ),
            .init("guards.calibration", .path, "", "Thresholds fitted to your own harmless texts, as `sallyport calibrate` writes them."),
            .init("guards.inferenceThreads", .integer(1...64), "one per two cores", "Threads that run the encoder."),
            .init(
                "guards.maximumQueuedTokens", .integer(1024...100_000_000), "400000",
                "Tokens that may wait for the encoder; a request that finds it full is answered 429, one that is longer alone 413."),
            .init(
                "guards.tenantShare", .fraction, "0.75",
                "Share of these tokens that one tenant's texts may hold before its next one is answered 429."),
            .init(
                "guards.readingBase", .duration, "10s",
                "What the encoder may take for a request at the least; a request that would wait longer for others is answered 429 at once."
            ),
            .init(
                "guards.readingPerWindow", .duration, "500ms",
                "And for each 128 tokens of its texts, so that no length is refused for itself."),
            .init("contentSafety.maximumText", .integer(codePoints), "10000", "Characters (code points) of `text:analyze`."),
            .init("contentSafety.maximumPrompt", .integer(codePoints), "10000", "Characters of `text:shieldPrompt`'s prompt."),
            .init("contentSafety.maximumDocuments", .integer(1...10_000), "5", "Documents of `text:shieldPrompt`."),
            .init("contentSafety.maximumDocumentText", .integer(codePoints), "10000", "Characters of all of them together."),
            .init(
                "contentSafety.maximumGroundedText", .integer(codePoints), "7500",
                "Characters of `text:detectGroundedness`'s text, and of its question."),
            .init("contentSafety.maximumGroundingSources", .integer(codePoints), "55000", "Characters of all its sources together."),
            .init("contentSafety.maximumProtectedText", .integer(codePoints), "1000", "Characters of `text:detectProtectedMaterial`."),
            .init(
                "contentSafety.maximumProtectedCode", .integer(codePoints), "10000", "Characters of `text:detectProtectedMaterialForCode`."),
            .init("contentSafety.maximumCategoryText", .integer(codePoints), "1000", "Characters of `text:analyzeCustomCategory`."),
            .init("contentSafety.maximumIncidentText", .integer(codePoints), "1000", "Characters of `text:detectIncidents`."),
            .init(
                "contentSafety.maximumAgentText", .integer(codePoints), "100000", "Characters of `agent:analyzeTaskAdherence`'s messages."),
            .init(
                "contentSafety.imageText", .flag, "false",
                "`image:analyze` without an upstream that judges images: read the words in them by OCR (Tesseract, in the sandbox) and judge those alone. What else an image shows is not judged then. Changes with the next start."
            ),
            .init("retries.maximumAttempts", .integer(1...10), "3", "Attempts per request, the first included."),
        ] + limitKeys("deployments.*.limits", "of the deployment") + access + identity + console + privacy + provisioning + labelsAndRemote
        + vault + keyRotation
        + limitKeys("limits.*", "of a scope: `key:ID`, `user:ID`, `team:NAME`, or `key:*` and so on for every other")

    private static func limitKeys(_ base: String, _ whose: String) -> [ConfigurationKey] {
        [
            .init("\(base).requestsPerMinute", .integer(0...1_000_000_000), "", "Requests per minute \(whose)."),
            .init("\(base).tokensPerMinute", .integer(0...1_000_000_000), "", "Tokens per minute."),
            .init("\(base).tokensPerDay", .integer(0...1_000_000_000_000), "", "Tokens per UTC day."),
            .init("\(base).tokensPerMonth", .integer(0...1_000_000_000_000), "", "Tokens per UTC month."),
            .init("\(base).costPerDay", .amount, "", "Cost per UTC day, in the currency of the prices."),
            .init("\(base).costPerMonth", .amount, "", "Cost per UTC month."),
        ]
    }
}
