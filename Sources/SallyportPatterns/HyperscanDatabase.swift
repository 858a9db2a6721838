import CHyperscan
import NIOConcurrencyHelpers
import SallyportCore

/// How the start of a hit is known.
enum StartRule: Sendable, Hashable {
    /// Nobody asked: zero.
    case none
    /// The engine tracks it.
    case reported
    /// So many bytes before the end.
    case before(Int)
}

/// A compiled set of patterns. Any number of threads may scan at once: each takes a workspace of its own from a small pool.
final class HyperscanDatabase: PatternDatabase, @unchecked Sendable {
    // SAFETY: the engine only reads `database` while it scans and `prototype` while it clones, neither changes after init, and
    // both are freed in deinit, when no scan can be running. The pool is behind a lock.
    private let database: OpaquePointer
    private let prototype: OpaquePointer
    private let starts: [StartRule]
    private let pool: NIOLockedValueBox<[ScanWorkspace]>
    /// Workspaces kept for the next scan; more than this many at once are made and thrown away.
    private static let pooled = 32

    /// Takes ownership of `database`, also when it throws.
    init(database: OpaquePointer, starts: [StartRule]) throws {
        var scratch: OpaquePointer?
        let code = hs_alloc_scratch(database, &scratch)
        guard code == HS_SUCCESS, let scratch else {
            hs_free_database(database)
            throw code == HS_NOMEM ? HyperscanError.outOfMemory : HyperscanError.engine(code)
        }
        self.database = database
        self.prototype = scratch
        self.starts = starts
        self.pool = NIOLockedValueBox([])
    }

    deinit {
        hs_free_scratch(prototype)
        hs_free_database(database)
    }

    /// Hits come in order of their ends. In a text with more than ``ScanWorkspace/capacity`` hits the order holds within each such batch.
    /// Ranges are widened to whole code points where an expression matched only some bytes of one.
    func scan(_ text: UnsafeRawBufferPointer, onHit: (PatternHit) -> Bool) throws {
        guard let base = text.baseAddress, !text.isEmpty else { return }
        guard let length = UInt32(exactly: text.count) else { throw HyperscanError.textTooLong }
        let workspace = try takeWorkspace()
        defer { giveBack(workspace) }
        let code = withoutActuallyEscaping(onHit) { onHit in
            workspace.delivery = Delivery(text: text, starts: starts, onHit: onHit)
            defer { workspace.delivery = nil }
            let code = hs_scan(
                database, base.assumingMemoryBound(to: CChar.self), length, 0, workspace.scratch, recordHit,
                Unmanaged.passUnretained(workspace).toOpaque())
            if code == HS_SUCCESS { workspace.flush() }
            return code
        }
        guard code == HS_SUCCESS || code == HS_SCAN_TERMINATED else {
            throw code == HS_NOMEM ? HyperscanError.outOfMemory : HyperscanError.engine(code)
        }
    }

    private func takeWorkspace() throws -> ScanWorkspace {
        if let kept = pool.withLockedValue({ $0.popLast() }) { return kept }
        var scratch: OpaquePointer?
        let code = hs_clone_scratch(prototype, &scratch)
        guard code == HS_SUCCESS, let scratch else {
            throw code == HS_NOMEM ? HyperscanError.outOfMemory : HyperscanError.engine(code)
        }
        return ScanWorkspace(scratch: scratch)
    }

    private func giveBack(_ workspace: ScanWorkspace) {
        workspace.reset()
        pool.withLockedValue {
            if $0.count < Self.pooled { $0.append(workspace) }
        }
    }
}

/// What one scan needs to hand its hits on.
struct Delivery {
    let text: UnsafeRawBufferPointer
    let starts: [StartRule]
    let onHit: (PatternHit) -> Bool
}

/// A hit as the engine reports it.
private struct RecordedHit: Comparable {
    let pattern: UInt32
    let start: UInt32
    let end: UInt32

    static func < (a: Self, b: Self) -> Bool {
        a.end != b.end ? a.end < b.end : (a.pattern, a.start) < (b.pattern, b.start)
    }
}

/// Memory for one scan at a time: the engine's scratch and a buffer of hits, which the engine does not report in order.
final class ScanWorkspace: @unchecked Sendable {
    // SAFETY: used by the one thread that took it from the pool; the pool's lock orders the hand-over.
    let scratch: OpaquePointer
    var delivery: Delivery?
    private var hits: UnsafeMutableBufferPointer<RecordedHit>
    private var count = 0
    private var isSorted = true
    private var hasStopped = false

    /// Hits held at most before they are handed on; 768 KB.
    static let capacity = 65_536
    /// Buffers that grew above this are not kept.
    private static let kept = 4_096

    init(scratch: OpaquePointer) {
        self.scratch = scratch
        self.hits = .allocate(capacity: 64)
    }

    deinit {
        hits.deallocate()
        hs_free_scratch(scratch)
    }

    /// - Returns: false to end the scan.
    func record(_ pattern: UInt32, from start: UInt64, to end: UInt64) -> Bool {
        if count == hits.count {
            if count >= Self.capacity { flush() } else { grow() }
        }
        if hasStopped { return false }
        let hit = RecordedHit(pattern: pattern, start: UInt32(truncatingIfNeeded: start), end: UInt32(truncatingIfNeeded: end))
        if count > 0, hit < hits[count - 1] { isSorted = false }
        hits[count] = hit
        count += 1
        return true
    }

    private func grow() {
        let larger = UnsafeMutableBufferPointer<RecordedHit>.allocate(capacity: hits.count * 4)
        _ = larger.moveInitialize(fromContentsOf: hits)
        hits.deallocate()
        hits = larger
    }

    /// Hands the recorded hits on, in order.
    func flush() {
        guard count > 0, let delivery else { return }
        if !isSorted {
            hits[0..<count].sort()
        }
        for hit in hits[0..<count] where !hasStopped {
            let end = delivery.wholeEnd(Int(hit.end))
            let start =
                switch delivery.starts[Int(hit.pattern)] {
                case .none: 0
                case .reported: delivery.wholeStart(Int(hit.start))
                case .before(let length): delivery.wholeStart(max(0, Int(hit.end) - length))
                }
            hasStopped = !delivery.onHit(PatternHit(pattern: Int(hit.pattern), range: min(start, end)..<end))
        }
        count = 0
        isSorted = true
    }

    func reset() {
        count = 0
        isSorted = true
        hasStopped = false
        if hits.count > Self.kept {
            hits.deallocate()
            hits = .allocate(capacity: 64)
        }
    }
}

extension Delivery {
    /// Moved forward over continuation bytes.
    fileprivate func wholeEnd(_ offset: Int) -> Int {
        var offset = offset
        while offset < text.count, text[offset] & 0xC0 == 0x80 { offset += 1 }
        return offset
    }

    /// Moved back to a character's first byte.
    fileprivate func wholeStart(_ offset: Int) -> Int {
        var offset = offset
        while offset > 0, offset < text.count, text[offset] & 0xC0 == 0x80 { offset -= 1 }
        return offset
    }
}

/// The engine's callback. `context` is the scan's workspace.
private func recordHit(
    pattern: UInt32, start: UInt64, end: UInt64, flags: UInt32, context: UnsafeMutableRawPointer?
) -> Int32 {
    guard let context else { return 1 }
    let workspace = Unmanaged<ScanWorkspace>.fromOpaque(context).takeUnretainedValue()
    return workspace.record(pattern, from: start, to: end) ? 0 : 1
}
