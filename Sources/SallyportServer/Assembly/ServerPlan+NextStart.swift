import SallyportOversight

extension ServerPlan {
    /// Keys that this plan has otherwise than the one that the process was started with, and that wait for the next start.
    func keysForNextStart(since started: ServerPlan) -> [String] {
        var keys: [String] = []
        func note(_ key: String, _ isSame: Bool) { if !isSame { keys.append(key) } }
        note("server.listen", listen == started.listen)
        note("server.metricsListen", metricsListen == started.metricsListen)
        note("server.adminListen", console?.listen == started.console?.listen)
        note("server.threads", threads == started.threads)
        note("data.directory", dataDirectory == started.dataDirectory)
        note("data.identity", identityDirectory == started.identityDirectory)
        note(
            "audit",
            audit.origin == started.audit.origin && audit.durability == started.audit.durability
                && audit.segmentBytes == started.audit.segmentBytes && audit.checkpointInterval == started.audit.checkpointInterval)
        note("tracing", tracing == started.tracing)
        note("guards", learned == started.learned)
        note("guards.remote", remoteGuards == started.remoteGuards)
        note("contentSafety.imageText", gateway.safety.readsImageText == started.gateway.safety.readsImageText)
        note("network.tls", (tls == nil) == (started.tls == nil))
        note("network.proxyProtocol", expectsProxyHeader == started.expectsProxyHeader)
        note("network.metrics", metricsRules == started.metricsRules)
        note("vault", vault == started.vault)
        return keys
    }
}
