import Foundation
import Logging
import NIOConcurrencyHelpers
import SallyportCore
import SallyportGateway
import SallyportGuard
import SallyportStorage
import SallyportVault

/// Keeps the vault as it should be while the gateway runs: changes of other processes, and whether the provider still gives keys out.
final class VaultKeeper: Sendable {
    /// How often pseudonyms that nobody used are looked for.
    private static let expiry: Int64 = 3600

    let vault: Vault
    private let interval: Int64
    private let subjects: SubjectKeyring
    private let pseudonyms: PseudonymVault
    private let resealing: Resealing
    private let logger: Logger
    private let state = NIOLockedValueBox(State())

    private struct State {
        var confirmedAt: Int64 = 0
        var expiredAt: Int64 = 0
        var isConfirming = false
        var locked: SealError?
    }

    init(
        _ open: OpenVault, database: SQLiteDatabase, subjects: SubjectKeyring, pseudonyms: PseudonymVault, interval: Duration,
        logger: Logger
    ) {
        vault = open.vault
        self.pseudonyms = pseudonyms
        self.interval = max(1, interval.components.seconds)
        resealing = open.resealing(database)
        self.subjects = subjects
        self.logger = logger
    }

    /// What other processes changed, and work of a few milliseconds. Blocks.
    /// - Returns: true when ``confirm()`` is due: it may wait for a key service, and must not keep other chores from their work.
    func refresh(at now: Int64) throws -> Bool {
        let changed = try vault.refresh()
        if changed {
            // The keys in memory may be those of someone who was erased meanwhile. What is not written yet is lost: callers bring their values again.
            subjects.forget()
            pseudonyms.unload()
        }
        let (isDue, isExpiring) = state.withLockedValue { state in
            let isExpiring = now - state.expiredAt >= Self.expiry
            if isExpiring { state.expiredAt = now }
            guard !state.isConfirming, changed || now - state.confirmedAt >= interval else { return (false, isExpiring) }
            state.confirmedAt = now
            state.isConfirming = true
            return (true, isExpiring)
        }
        if vault.locked == nil, !isDue {
            try pseudonyms.flush(at: now)
            if isExpiring { _ = try pseudonyms.expire(at: now) }
            if let task = try resealing.step(), task.finishedAt != nil {
                logger.notice("every stored value is under the newest key", metadata: ["vault.values": "\(task.total)"])
            }
        }
        return isDue
    }

    /// Asks the provider. Blocks for as long as a key service takes.
    func confirm() {
        let locked = vault.confirm()
        let before = state.withLockedValue { state in
            defer {
                state.locked = locked
                state.isConfirming = false
            }
            return state.locked
        }
        if locked != nil {
            subjects.forget()
            pseudonyms.unload()
        }
        if let locked, before == nil {
            logger.error(
                "the vault is locked: stored data is neither read nor written", metadata: ["vault.reason": "\(VaultParts.words(locked))"])
        } else if locked == nil, before != nil {
            logger.notice("the vault is open again")
        }
    }
}

/// Rotates upstreams' keys by their schedule, and says when secrets have changed.
final class SecretKeeper: Sendable {
    private struct State {
        var rotations: [KeyRotationPlan: KeyRotation] = [:]
        var nextAt: [KeyRotationPlan: Int64] = [:]
        var isAtWork = false
    }

    private let secrets: SQLSecretStore
    private let outbox: AdministrationOutbox
    private let logger: Logger
    private let state = NIOLockedValueBox(State())

    init(_ secrets: SQLSecretStore, outbox: AdministrationOutbox, logger: Logger) {
        self.secrets = secrets
        self.outbox = outbox
        self.logger = logger
    }

    /// Another one than before when a file or a secret that the configuration refers to has changed.
    func stamps(of plan: ServerPlan, since before: SecretStamps) -> SecretStamps {
        before.now(plan.secrets.values) { try? secrets.revision() }
    }

    /// Blocks for a call or two when something is due. One at a time.
    /// - Parameter keys: those that the gateway sends now.
    func rotate(_ plans: [KeyRotationPlan], keys: [UpstreamID: Redacted<String>], at now: Int64) {
        let isFree = state.withLockedValue { state in
            defer { state.isAtWork = true }
            return !state.isAtWork
        }
        guard isFree else { return }
        defer { state.withLockedValue { $0.isAtWork = false } }
        for plan in plans where plan.every != nil {
            let isTurn = state.withLockedValue { state in
                guard now >= state.nextAt[plan] ?? 0 else { return false }
                state.nextAt[plan] = now + 1
                return true
            }
            guard isTurn else { continue }
            do {
                let rotation = try state.withLockedValue { state in
                    if let known = state.rotations[plan] { return known }
                    let made = try KeyRotation(plan, secrets: secrets)
                    state.rotations = state.rotations.filter { plans.contains($0.key) }
                    state.rotations[plan] = made
                    return made
                }
                let step = try rotation.advance(isWanted: false) { keys[plan.upstream] == $0 }
                switch step {
                case .nothing: break
                case .begun: break
                case .finished:
                    try outbox.record(
                        "upstreams.rotate", target: plan.upstream.rawValue,
                        details: [(name: "result", value: "both keys are new"), (name: "cause", value: "schedule")])
                    logger.notice("both keys of an upstream are new", metadata: ["upstream.name": "\(plan.upstream)"])
                }
            } catch {
                // Not every second when the provider is away.
                state.withLockedValue { $0.nextAt[plan] = now + 60 }
                logger.warning(
                    "an upstream's keys could not be rotated",
                    metadata: [
                        "upstream.name": "\(plan.upstream)",
                        "reason": "\((error as? KeyRotation.Failure)?.description ?? "\(type(of: error))")",
                    ])
            }
        }
    }
}
