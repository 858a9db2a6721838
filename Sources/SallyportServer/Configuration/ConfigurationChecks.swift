/// What no single value shows: keys that contradict each other or have no effect where they stand.
extension ConfigurationTree {
    /// - Returns: warnings: what works, but hardly as it was meant.
    mutating func checkWhole() -> [String] {
        for entry in names["upstreams"] ?? [] { checkUpstream(entry.name) }
        checkPrefixes()
        for entry in names["deployments"] ?? [] { checkDeployment(entry.name) }
        if let chosen = values["server.resourceUpstream"], let kind = kind(of: chosen.text), !["azure-openai", "openai"].contains(kind) {
            report("the upstream '\(chosen.text)' is of kind \(kind), which holds no files", at: "server.resourceUpstream")
        }
        return checkListeners() + (names["upstreams"] ?? []).compactMap { plaintextWarning($0.name) }
    }

    private func kind(of upstream: String) -> String? { values["upstreams.\(upstream).kind"]?.text }

    /// Keys below `base`, in the order of the file. A name may hold dots, so the rest must be a key of the schema.
    private func keys(below base: String) -> [(key: String, path: String)] {
        let options = Set(
            ConfigurationKey.all.compactMap { $0.path.hasPrefix("upstreams.*.") ? String($0.path.dropFirst("upstreams.*.".count)) : nil })
        return values.filter { $0.key.hasPrefix(base + ".") }
            .map { (key: String($0.key.dropFirst(base.count + 1)), path: $0.key, value: $0.value) }
            .filter { options.contains($0.key) || $0.key.hasPrefix("headers.") }
            .sorted { ($0.value.line, $0.value.column) < ($1.value.line, $1.value.column) }
            .map { ($0.key, $0.path) }
    }

    private mutating func checkUpstream(_ name: String) {
        let base = "upstreams.\(name)"
        guard let kind = kind(of: name) else { return }
        let keys = keys(below: base)
        for (key, path) in keys where !Self.applies(key, to: kind) {
            report("has no effect for an upstream of kind \(kind)", at: path)
        }
        if values["\(base).apiKey"] != nil, let entra = keys.first(where: { $0.key.hasPrefix("entra.") }) {
            report("give 'apiKey' or 'entra', not both", at: entra.path)
        }
        if values["\(base).apiKeyHeader"] != nil, values["\(base).apiKey"] == nil {
            report("has no effect without 'apiKey'", at: "\(base).apiKeyHeader")
        }
        for (one, other) in [("clientCertificate", "clientKey"), ("clientKey", "clientCertificate")]
        where values["\(base).tls.\(one)"] != nil && values["\(base).tls.\(other)"] == nil {
            report("needs '\(other)' beside it", at: "\(base).tls.\(one)")
        }
        if values["\(base).endpoint"]?.text.lowercased().hasPrefix("http:") == true,
            let tls = keys.first(where: { $0.key.hasPrefix("tls.") })
        {
            report("has no effect: the endpoint is not https", at: tls.path)
        }
        if values["\(base).health.interval"] != nil, values["\(base).health.path"] == nil {
            report("has no effect without 'path'", at: "\(base).health.interval")
        }
    }

    private static func applies(_ key: String, to kind: String) -> Bool {
        switch (kind, key) {
        case (_, "kind"): true
        case ("embedded", _): key == "documents" || key == "index"
        case (_, "documents"), (_, "index"): false
        case (_, "paths"): kind == "azure-ai"
        case (_, "apiVersion"): kind == "azure-openai"
        default: true
        }
    }

    /// One path leads to one upstream.
    private mutating func checkPrefixes() {
        var taken: [String: String] = [:]
        for entry in names["upstreams"] ?? [] {
            let path = "upstreams.\(entry.name).paths"
            for prefix in values[path]?.texts ?? [] {
                if let other = taken.updateValue(entry.name, forKey: prefix) {
                    report("'\(prefix)' goes to '\(other)' already", at: path)
                }
            }
        }
    }

    private mutating func checkDeployment(_ name: String) {
        let base = "deployments.\(name)"
        let list = values["\(base).targets"]
        var places = values["\(base).upstream"] == nil ? [] : ["\(base).upstream"]
        places += (0..<(list?.count ?? 0)).map { "\(base).targets[\($0)].upstream" }
        for place in places {
            guard let upstream = values[place]?.text, kind(of: upstream) == "azure-ai" else { continue }
            report("the upstream '\(upstream)' is of kind azure-ai: it is asked by its paths and answers no deployment", at: place)
        }
        guard let list else { return }
        if list.count == 0 { report("names no target", at: "\(base).targets") }
        let weights = (0..<list.count).map { values["\(base).targets[\($0)].weight"]?.text }
        if list.count > 0, weights.allSatisfy({ $0 == "0" }) { report("every target has weight 0", at: "\(base).targets") }
    }

    private mutating func checkListeners() -> [String] {
        let listen = ConfigurationValues.address(values["server.listen"]?.text ?? "127.0.0.1:8080")
        if let written = values["server.adminListen"], let admin = ConfigurationValues.address(written.text), admin.port != 0 {
            for (key, standard) in [("server.listen", "127.0.0.1:8080"), ("server.metricsListen", "127.0.0.1:9464")]
            where ConfigurationValues.address(values[key]?.text ?? standard) == admin {
                report("is the address of '\(key)'", at: "server.adminListen")
            }
        }
        guard let written = values["server.metricsListen"], let metrics = ConfigurationValues.address(written.text) else { return [] }
        if let listen, listen.port != 0, listen.port == metrics.port, listen.host == metrics.host {
            report("is the address of 'server.listen'", at: "server.metricsListen")
        }
        guard !Self.isLoopback(metrics.host) else { return [] }
        return ["whoever reaches \(written.text) may read the metrics: 'server.metricsListen' asks for no key"]
    }

    private func plaintextWarning(_ name: String) -> String? {
        let base = "upstreams.\(name)"
        guard let endpoint = values["\(base).endpoint"], endpoint.unset == nil, endpoint.text.lowercased().hasPrefix("http://") else {
            return nil
        }
        guard values["\(base).apiKey"] != nil || keys(below: base).contains(where: { $0.key.hasPrefix("entra.") }) else { return nil }
        let authority = endpoint.text.dropFirst("http://".count).prefix { $0 != "/" }
        let host = authority.hasPrefix("[") ? authority.dropFirst().prefix { $0 != "]" } : authority.prefix { $0 != ":" }
        guard !Self.isLoopback(String(host)) else { return nil }
        return "the upstream '\(name)' is sent its credentials and all texts in the clear: its endpoint is not https"
    }

    /// Files of certificates and keys: the listener does not open without its own; an upstream is down until its are there.
    /// - Returns: warnings about those of upstreams.
    mutating func checkCertificates() -> [String] {
        let authorities = (names["network.tls.clientAuthorities"] ?? []).map { "network.tls.clientAuthorities.\($0.name)." }
        for path in ["network.tls.certificate", "network.tls.key"] + authorities.flatMap({ [$0 + "caFile", $0 + "crlFile"] }) {
            if let problem = missingFile(path) { report(problem, at: path) }
        }
        return (names["upstreams"] ?? []).flatMap { entry in
            ["caFile", "clientCertificate", "clientKey"].compactMap { name in
                let path = "upstreams.\(entry.name).tls.\(name)"
                return missingFile(path).map { "the upstream '\(entry.name)' is down: '\(path)' names \($0)" }
            }
        }
    }

    private func missingFile(_ path: String) -> String? {
        guard let value = values[path], value.unset == nil else { return nil }
        return UnreadableFile.problem(value.text).map { "\(value.text): \($0)" }
    }

    private static func isLoopback(_ host: String) -> Bool {
        let host = host.lowercased()
        return host == "localhost" || host == "::1" || (host.hasPrefix("127.") && host.allSatisfy { $0.isNumber || $0 == "." })
    }
}
