import NIOConcurrencyHelpers
import SallyportCore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The log's signing key, made with the log.
enum AuditKeyring {
    /// Reads the key, or makes the log's key and its first checkpoint when the log is new.
    static func signer(_ layout: AuditLayout, origin: String, disk: DiskPort, sealer: (any Sealer)?) throws -> NoteSigner {
        guard Directory.exists(layout.signingKey) else {
            guard !Directory.exists(layout.checkpoint), try layout.listSegments().indices.isEmpty else {
                throw AuditError.damaged("its signing key is missing")
            }
            let signer = try NoteSigner(name: origin)
            // The key comes last: until it is there the log is still a new one.
            let empty = try SignedCheckpoint(Checkpoint(origin: origin, size: 0, root: .emptyTree), by: signer)
            try OpenFile.replace(layout.verifierKey, with: Array((signer.verifier.vkey + "\n").utf8), disk: disk)
            try OpenFile.replace(layout.signingKey + ".first-checkpoint", with: Array(empty.encoded.utf8), disk: disk)
            try OpenFile.replace(layout.signingKey, with: written(signer.encoded, sealer), disk: disk)
            try Directory.synchronize(layout.root, disk: disk)
            return try adopt(signer, layout, disk)
        }
        let encoded = try read(layout, sealer, disk)
        let signer = try NoteSigner(encoded: encoded)
        guard signer.verifier.name == origin else {
            throw AuditError.damaged("its key belongs to the log \(signer.verifier.name), and the configuration names it \(origin)")
        }
        guard try layout.readVerifier() == signer.verifier else {
            throw AuditError.damaged("its verifier key is not that of its signing key")
        }
        return try adopt(signer, layout, disk)
    }

    private static func written(_ key: String, _ sealer: (any Sealer)?) throws -> [UInt8] {
        guard let sealer, try sealer.isOutdated([], for: .auditSigningKey) else { return Array((key + "\n").utf8) }
        return Array((try sealer.sealText(key, for: .auditSigningKey) + "\n").utf8)
    }

    /// Opens the key, and seals it anew when it lies there in the clear or under an older key.
    private static func read(_ layout: AuditLayout, _ sealer: (any Sealer)?, _ disk: DiskPort) throws -> String {
        let text = try AuditLayout.line(OpenFile.contents(of: layout.signingKey, limit: 1 << 12))
        guard let sealer else { return text }
        let sealed = SealedText.decode(text)
        let key = try sealed == nil ? text : sealer.openText(text, for: .auditSigningKey)
        if try sealer.isOutdated(sealed ?? Array(text.utf8), for: .auditSigningKey) {
            try OpenFile.replace(layout.signingKey, with: written(key, sealer), disk: disk)
            try Directory.synchronize(layout.root, disk: disk)
        }
        return key
    }

    /// Puts a new log's first checkpoint in its place; a crash may have come between.
    private static func adopt(_ signer: NoteSigner, _ layout: AuditLayout, _ disk: DiskPort) throws -> NoteSigner {
        let first = layout.signingKey + ".first-checkpoint"
        if Directory.exists(first) {
            guard rename(first, layout.checkpoint) == 0 else { throw SystemError(call: "rename", path: first, code: errno) }
            try Directory.synchronize(layout.root, disk: disk)
        }
        return signer
    }
}

/// The directories of a log, held by this process alone for as long as the object lives.
final class AuditLock: Sendable {
    private let descriptor: Int32

    init(_ layout: AuditLayout, disk: DiskPort) throws {
        try Directory.create(layout.root)
        let descriptor = open(layout.lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw SystemError(call: "open", path: layout.lock, code: errno) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            closeDescriptor(descriptor)
            throw code == EWOULDBLOCK ? AuditError.inUse(layout.root) : SystemError(call: "flock", path: layout.lock, code: code)
        }
        self.descriptor = descriptor
        try Directory.create(layout.segments)
        try Directory.create(layout.tiles)
        try Directory.synchronize(layout.root, disk: disk)
    }

    deinit { closeDescriptor(descriptor) }
}

/// The end of a log's threads, which any number of tasks may wait for.
final class Ending: Sendable {
    private struct State {
        var lock: AuditLock?
        var isOver = false
        var waiting: [CheckedContinuation<Void, Never>] = []
    }
    private let state: NIOLockedValueBox<State>

    init(_ lock: AuditLock) { state = NIOLockedValueBox(State(lock: lock)) }

    func finish() {
        let waiting = state.withLockedValue { state in
            state.lock = nil
            state.isOver = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    func wait() async {
        await withCheckedContinuation { continuation in
            let isOver = state.withLockedValue { state in
                if !state.isOver { state.waiting.append(continuation) }
                return state.isOver
            }
            if isOver { continuation.resume() }
        }
    }
}

private func closeDescriptor(_ descriptor: Int32) { close(descriptor) }
