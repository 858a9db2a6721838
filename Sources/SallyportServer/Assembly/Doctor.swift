import CProcess
import Foundation
import SallyportCore
import SallyportEgress
import SallyportSandbox
import SallyportStorage
import SallyportVault

/// Looks for weak settings: of the configuration, of what lies on disk, of keys. Changes no setting, and shows no secret.
package struct Doctor: Sendable {
    package enum Level: String, Sendable, Codable, Comparable {
        case good, note, weak, bad
        private var rank: Int {
            switch self {
            case .good: 0
            case .note: 1
            case .weak: 2
            case .bad: 3
            }
        }
        package static func < (a: Level, b: Level) -> Bool { a.rank < b.rank }
    }

    package struct Finding: Sendable, Codable, Hashable {
        package let level: Level
        /// A short name that stays, for scripts: `vault.key-file`.
        package let id: String
        package let text: String
        /// What to do; empty when all is well.
        package let advice: String
        package init(level: Level, id: String, text: String, advice: String) {
            self.level = level
            self.id = id
            self.text = text
            self.advice = advice
        }
    }

    private static let day: Int64 = 86_400
    private let plan: ServerPlan
    private let now: Int64

    package init(_ plan: ServerPlan, now: Int64) {
        self.plan = plan
        self.now = now
    }

    package func findings() -> [Finding] {
        var found: [Finding] = []
        found += network()
        found += upstreams()
        found += guards()
        found += files()
        found += vault()
        found += identity()
        found += keys()
        found += system()
        return found
    }

    private func finding(_ level: Level, _ id: String, _ text: String, _ advice: String = "") -> Finding {
        Finding(level: level, id: id, text: text, advice: advice)
    }

    // MARK: Configuration

    private func network() -> [Finding] {
        var found: [Finding] = []
        let isLocal = Self.isLoopback(plan.listen.host)
        if plan.tls == nil, !isLocal {
            found.append(
                finding(
                    plan.expectsProxyHeader || !plan.gateway.network.trustedProxies.isEmpty ? .note : .bad, "network.tls",
                    "the gateway listens on \(plan.listen.host) without TLS",
                    "set network.tls, or let TLS end before it on the same machine"))
        } else if let tls = plan.tls {
            found.append(finding(.good, "network.tls", "callers speak TLS to the gateway"))
            if tls.minimumVersion != .tls13 {
                found.append(finding(.note, "network.tls-version", "TLS 1.2 is accepted", "set network.tls.minimumVersion to 1.3"))
            }
        }
        if !isLocal, plan.gateway.network.isOpen {
            found.append(finding(.note, "network.rules", "every network may call", "set network.allow, or network.publicAccess: disabled"))
        }
        if let metrics = plan.metricsListen, !Self.isLoopback(metrics.host), plan.metricsRules.isOpen {
            found.append(
                finding(
                    .weak, "network.metrics", "metrics are served to everybody on \(metrics.host)",
                    "set server.metricsListen or network.metrics.allow"))
        }
        if plan.audit.durability == .relaxed {
            found.append(finding(.weak, "audit.durability", "audit records do not survive a power cut", "set audit.durability: strict"))
        }
        if plan.gateway.acceptsKeys, !plan.issuers.isEmpty {
            found.append(
                finding(.note, "identity.keys", "API keys are accepted beside tokens", "set identity.keys: disabled when nobody needs them")
            )
        }
        if let endpoint = plan.tracing?.endpoint, endpoint.hasPrefix("http://"), let url = URL(string: endpoint), let host = url.host,
            !Self.isLoopback(host)
        {
            found.append(finding(.weak, "tracing.tls", "traces go to \(host) without TLS", "use https"))
        }
        return found
    }

    private func upstreams() -> [Finding] {
        var found: [Finding] = []
        for upstream in plan.egress {
            let name = "upstreams.\(upstream.id)"
            if upstream.endpoint.scheme == .http, !Self.isLoopback(upstream.endpoint.hostText) {
                found.append(finding(.bad, "upstream.tls", "\(name) is reached without TLS", "use https"))
            }
            if upstream.egress.allowLinkLocal {
                found.append(finding(.bad, "upstream.link-local", "\(name) may lead to metadata services", "remove allowLinkLocal"))
            }
            switch upstream.credential {
            case .header, .bearer:
                if upstream.kind != .openAI {
                    found.append(
                        finding(
                            .note, "upstream.key", "\(name) uses a key", "prefer Entra tokens (entra), and rotate the key (keyRotation)"))
                }
            case .entra(let credential):
                found.append(
                    credential.federatedTokenFile == nil
                        ? finding(.note, "upstream.secret", "\(name) uses a client secret", "prefer workload identity (federatedTokenFile)")
                        : finding(.good, "upstream.workload-identity", "\(name) uses workload identity"))
            case .none:
                if !Self.isLoopback(upstream.endpoint.hostText) {
                    found.append(finding(.note, "upstream.credential", "\(name) needs no credential", ""))
                }
            }
        }
        for key in plan.literalSecrets {
            found.append(
                finding(
                    .bad, "secrets.literal", "'\(key)' stands in the configuration file itself",
                    "write ${VARIABLE}, file:PATH or vault:NAME instead"))
        }
        for (key, reference) in plan.secrets.sorted(by: { $0.key < $1.key }) {
            guard case .file(let path) = reference, let mode = Self.mode(path), mode & 0o077 != 0 else { continue }
            found.append(finding(.bad, "secrets.file", "others may read \(path) ('\(key)')", "run chmod 600 on it"))
        }
        return found
    }

    private func guards() -> [Finding] {
        var found: [Finding] = []
        if !plan.learned.isEnabled {
            found.append(finding(.weak, "guards.learned", "learned detectors are switched off", "remove guards.learned: false"))
        }
        for deployment in plan.deployments where deployment.limits == LimitSet() {
            found.append(
                finding(
                    .note, "limits.deployment", "the deployment \(deployment.id) has no limits", "set deployments.\(deployment.id).limits"))
        }
        return found
    }

    // MARK: On disk

    private func files() -> [Finding] {
        var found: [Finding] = []
        guard let mode = Self.mode(plan.dataDirectory) else {
            return [finding(.note, "data.directory", "\(plan.dataDirectory) does not exist yet")]
        }
        if mode & 0o022 != 0 {
            found.append(finding(.bad, "data.directory", "others may write to \(plan.dataDirectory)", "run chmod 700 on it"))
        } else if mode & 0o055 != 0 {
            found.append(finding(.weak, "data.directory", "others may look into \(plan.dataDirectory)", "run chmod 700 on it"))
        }
        for name in ["sallyport.sqlite", "vault.sqlite", "audit/signing-key"] {
            guard let mode = Self.mode(plan.dataDirectory + "/" + name), mode & 0o077 != 0 else { continue }
            found.append(finding(.bad, "data.files", "others may read \(name)", "run chmod 600 on it"))
        }
        if let text = FileManager.default.contents(atPath: plan.dataDirectory + "/audit/signing-key"), plan.vault.mode == .on,
            text.starts(with: Data("PRIVATE+KEY".utf8))
        {
            found.append(
                finding(
                    .weak, "audit.signing-key", "the audit log's signing key lies in the clear", "restart the gateway: it seals the key"))
        }
        return found
    }

    private func vault() -> [Finding] {
        guard plan.vault.mode == .on else {
            return [finding(.bad, "vault.encryption", "what is stored lies in the clear", "remove vault.encryption: off")]
        }
        var found = [finding(.good, "vault.encryption", "what is stored is encrypted")]
        if plan.vault.provider == .file, plan.vault.passphrase == nil {
            found.append(
                plan.vault.keyDirectory == nil
                    ? finding(
                        .weak, "vault.key-beside-data", "the key-encryption key lies beside the data it protects",
                        "set vault.file.passphraseFile, credential or directory, or another vault.provider")
                    : finding(
                        .note, "vault.key-plain", "the key files are not encrypted under a passphrase",
                        "set vault.file.passphraseFile or credential"))
        }
        let keyDirectory = plan.vault.keyDirectory ?? plan.dataDirectory + "/keys"
        for name in (try? FileManager.default.contentsOfDirectory(atPath: keyDirectory)) ?? [] where name.hasSuffix(".key") {
            if let mode = Self.mode(keyDirectory + "/" + name), mode & 0o077 != 0 {
                found.append(finding(.bad, "vault.key-file", "others may read \(name)", "run chmod 600 on it and rotate the key"))
            }
        }
        guard FileManager.default.fileExists(atPath: plan.dataDirectory + "/vault.sqlite") else { return found }
        do {
            let database = try SQLiteDatabase(.file(plan.dataDirectory + "/sallyport.sqlite"))
            let vault = try VaultParts.open(plan.vault, dataDirectory: plan.dataDirectory, database: database).vault
            if let locked = vault.confirm() {
                found.append(finding(.bad, "vault.locked", "the vault is locked (\(VaultParts.words(locked)))", "give the key back"))
                return found
            }
            for key in try vault.store.tenantKeys() where key.state == .active && now - key.createdAt > 365 * Self.day {
                found.append(
                    finding(.weak, "vault.age", "the data key of \(key.tenant) is older than a year", "run sallyport vault rotate data-key")
                )
            }
            for key in try vault.store.tenantKeys() where key.provider != vault.provider.name && key.state != .destroyed {
                found.append(
                    finding(
                        .weak, "vault.provider", "a data key of \(key.tenant) is still wrapped by \(key.provider)",
                        "run sallyport vault rewrap"))
            }
            if let task = try vault.store.task(Resealing.kind), task.finishedAt == nil, now - task.startedAt > Self.day {
                found.append(finding(.weak, "vault.rotation", "a rotation is not finished after a day", "run sallyport vault rewrap"))
            }
            if vault.memory.unlockedPages > 0 {
                found.append(finding(.note, "vault.memory", "keys could be swapped out", "raise the limit of locked memory (LimitMEMLOCK)"))
            }
        } catch {
            let reason = (error as? Fault).map { VaultParts.reason(of: $0) } ?? ""
            found.append(finding(.bad, "vault.open", "the vault does not open \(reason)", "see the provider's settings"))
        }
        return found
    }

    /// Where keys, roles and people are another gateway's.
    private func identity() -> [Finding] {
        guard let source = plan.identityDirectory else { return [] }
        var found: [Finding] = []
        do {
            try BorrowedDatabase(directory: source).confirm()
            found.append(finding(.good, "identity.shared", "keys, roles and people are those of the gateway of \(source)"))
        } catch {
            found.append(
                finding(.bad, "identity.shared", "keys, roles and people of \(source) cannot be read (\(error))", "see data.identity"))
        }
        if let mode = Self.mode(source), mode & 0o055 != 0 {
            found.append(finding(.weak, "identity.directory", "others may look into \(source)", "run chmod 700 on it"))
        }
        // What is configured here is not what is stored there: both must say the same.
        if !plan.access.assignments.isEmpty || !plan.access.roles.isEmpty {
            found.append(
                finding(
                    .note, "identity.configuration", "roles and assignments of the configuration hold at this gateway only",
                    "keep access.roles and access.assignments the same at every gateway"))
        }
        let own = plan.dataDirectory + "/sallyport.sqlite"
        if FileManager.default.fileExists(atPath: own) {
            let keys = try? SQLKeyStore(SQLiteDatabase(.file(own), configuration: .init(isReadOnly: true))).allKeys()
            let live = (keys ?? []).filter { ($0.revokedAt ?? .max) > now }
            if !live.isEmpty {
                found.append(
                    finding(
                        .weak, "identity.own-keys", "\(live.count) API keys in \(plan.dataDirectory) have no effect",
                        "remove data.identity if they were meant"))
            }
        }
        return found
    }

    private func keys() -> [Finding] {
        // Told of where they are kept.
        guard plan.identityDirectory == nil else { return [] }
        let path = plan.dataDirectory + "/sallyport.sqlite"
        guard FileManager.default.fileExists(atPath: path) else { return [] }
        do {
            let store = SQLKeyStore(try SQLiteDatabase(.file(path), configuration: .init(isReadOnly: true)))
            let keys = try store.allKeys().filter { ($0.revokedAt ?? .max) > now && ($0.expiresAt ?? .max) > now && !$0.isHoney }
            let uses = Dictionary(try store.uses(of: .default).map { ($0.key, $0.at) }) { first, _ in first }
            var found: [Finding] = []
            let endless = keys.filter { $0.expiresAt == nil }
            if !endless.isEmpty {
                found.append(
                    finding(
                        .weak, "keys.expiry", "\(endless.count) API keys never expire: \(Self.some(endless.map(\.name)))",
                        "make them anew with --expires"))
            }
            let idle = keys.filter { now - (uses[$0.id] ?? $0.createdAt) > 90 * Self.day }
            if !idle.isEmpty {
                found.append(
                    finding(
                        .weak, "keys.unused", "\(idle.count) API keys were not used for 90 days: \(Self.some(idle.map(\.name)))",
                        "revoke them"))
            }
            let old = keys.filter { now - $0.createdAt > 365 * Self.day }
            if !old.isEmpty {
                found.append(
                    finding(.weak, "keys.age", "\(old.count) API keys are older than a year: \(Self.some(old.map(\.name)))", "rotate them"))
            }
            return found
        } catch { return [finding(.bad, "data.database", "the database cannot be read", "see sallyport config check")] }
    }

    private func system() -> [Finding] {
        var found: [Finding] = []
        found.append(
            process_is_dumpable() == 0
                ? finding(.good, "process.dumps", "processes of Sallyport leave no core dumps")
                : finding(.note, "process.dumps", "core dumps could not be switched off"))
        if geteuid() == 0 { found.append(finding(.note, "process.root", "this runs as root", "run the gateway as a user of its own")) }
        if let parser = try? SandboxedParser(worker: SandboxedParser.workerBesideThisProgram()), parser.isolation == .limitsOnly {
            found.append(finding(.weak, "documents.sandbox", "documents are parsed without bubblewrap", "install bubblewrap"))
        }
        return found
    }

    private static func mode(_ path: String) -> mode_t? {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_mode & 0o7777 : nil
    }

    private static func isLoopback(_ host: String) -> Bool {
        if host == "localhost" { return true }
        switch IPAddress(host) {
        case .v4(let value): return value >> 24 == 127
        case .v6(let high, let low): return high == 0 && low == 1
        case nil: return false
        }
    }

    private static func some(_ names: [String]) -> String {
        names.sorted().prefix(5).joined(separator: ", ") + (names.count > 5 ? ", …" : "")
    }
}
