#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// What verifying a log established.
package struct AuditVerification: Sendable, Codable, Hashable {
    package struct Problem: Sendable, Codable, Hashable {
        /// The file, below the log's directory.
        package let file: String
        /// The record at which it was noticed, where there is one.
        package let record: UInt64?
        package let reason: String
    }

    /// Complete records found.
    package internal(set) var records: UInt64 = 0
    /// The tree's root over all of them.
    package internal(set) var root: MerkleHash = .emptyTree
    /// Records under the latest checkpoint; the rest is not signed yet.
    package internal(set) var signedRecords: UInt64 = 0
    /// Checkpoints whose signature and root were compared: history, latest and exported.
    package internal(set) var checkpoints = 0
    /// Tiles that were compared.
    package internal(set) var tiles = 0
    /// Bytes at the end that are not a whole record: a crash's remains, or a write under way. Never acknowledged.
    package internal(set) var unfinishedBytes = 0
    /// True when the signatures were checked with a key that came from elsewhere.
    package internal(set) var isKeyPinned = false
    package internal(set) var problems: [Problem] = []
    /// True when there were more problems than are listed.
    package internal(set) var hasMoreProblems = false
    /// What the reader must know besides.
    package internal(set) var notes: [String] = []

    package var isIntact: Bool { problems.isEmpty }

    /// More would bury the first, which is where to look.
    private static let maximumProblems = 100

    mutating func add(_ file: String, at record: UInt64? = nil, _ reason: String) {
        if problems.count < Self.maximumProblems {
            problems.append(Problem(file: file, record: record, reason: reason))
        } else {
            hasMoreProblems = true
        }
    }
}

/// Checks a log offline, reading each record once, in constant memory. A log that is being written can be checked too.
package enum AuditVerifier {
    /// - Parameters:
    ///   - trustedKey: the log's key as it was written down elsewhere. nil: the key beside the log, which proves nothing against
    ///     whoever can write there.
    ///   - exported: a checkpoint that was kept elsewhere: shows that nothing up to it was cut off or rewritten.
    /// - Throws: ``AuditError`` or a system's error when there is nothing to check; what is wrong with a log is in the result.
    package static func verify(
        directory: String, trustedKey: String? = nil, against exported: SignedCheckpoint? = nil,
        maximumRecordBytes: Int = AuditLog.defaultMaximumRecordBytes
    ) throws -> AuditVerification {
        let layout = AuditLayout(root: directory)
        guard Directory.exists(layout.segments) || Directory.exists(layout.checkpoint) else {
            throw AuditError.notFound("an audit log in \(directory)")
        }
        var check = AuditCheck(layout: layout, key: try key(layout, trustedKey), maximumRecordBytes: maximumRecordBytes)
        check.report.isKeyPinned = trustedKey != nil
        if trustedKey == nil {
            check.report.notes.append(
                "The signatures were checked with the key beside the log, which proves nothing against whoever can write there: "
                    + "give the key that you keep elsewhere."
            )
        } else {
            do {
                if try layout.readVerifier() != check.key {
                    check.report.add("verifier.vkey", "the key beside the log is not the trusted key")
                }
            } catch {
                check.report.add("verifier.vkey", "\(error)")
            }
        }
        if exported == nil {
            check.report.notes.append(
                "Without a checkpoint kept elsewhere, records cut off together with their checkpoints cannot be noticed.")
        }
        try check.run(exported)
        return check.report
    }

    private static func key(_ layout: AuditLayout, _ trusted: String?) throws -> NoteVerifier {
        if let trusted { return try NoteVerifier(vkey: trusted) }
        return try layout.readVerifier()
    }
}

/// One run of the verifier.
struct AuditCheck {
    let layout: AuditLayout
    let key: NoteVerifier
    let maximumRecordBytes: Int
    var report = AuditVerification()
    private var tree = MerkleTree()
    /// Tiles on disk that were not compared yet are counted, not listed: a name is enough to find what is missing or too many.
    private var tilesOnDisk: [Int: UInt64] = [:]

    init(layout: AuditLayout, key: NoteVerifier, maximumRecordBytes: Int) {
        self.layout = layout
        self.key = key
        self.maximumRecordBytes = maximumRecordBytes
    }

    /// A checkpoint whose root is compared when the tree has reached its size.
    private struct Claim {
        /// Small, since a history may hold hundreds of thousands.
        enum Source {
            case latest, exported
            case history(Int)
        }
        let size: UInt64
        let root: MerkleHash
        let source: Source

        var file: String {
            switch source {
            case .latest: "checkpoint"
            case .exported: "(exported checkpoint)"
            case .history: "checkpoints.log"
            }
        }
        var name: String {
            switch source {
            case .latest: "the latest checkpoint"
            case .exported: "the exported checkpoint"
            case .history(let number): "checkpoint \(number) of the history"
            }
        }
    }

    mutating func run(_ exported: SignedCheckpoint?) throws {
        // Checkpoints and tiles are looked at before the records: a running log adds records first.
        var claims: [Claim] = []
        let latest = readLatest(&claims)
        report.signedRecords = latest?.size ?? 0
        if let exported { _ = accept(exported, .exported, &claims) }
        let historySize = (try? OpenFile(layout.history, O_RDONLY).size()) ?? 0
        try listTiles(below: layout.tiles)
        try readHistory(upTo: historySize, latest, &claims)
        claims.sort { $0.size < $1.size }

        var pending = claims[...]
        compare(&pending)
        try readRecords { check in check.compare(&pending) }
        for claim in pending {
            report.add(
                claim.file,
                "\(claim.name) covers \(claim.size) records, and the log holds \(tree.size): \(claim.size - tree.size) are cut off")
        }
        for (level, count) in tilesOnDisk.sorted(by: { $0.key < $1.key }) {
            // Checked tiles were taken out of the count, so what is left stands for records that do not exist.
            if count > 0 { report.add("tile/\(level)", "\(count) tiles are there for records that are not") }
        }
        report.records = tree.size
        report.root = tree.root
    }

    // MARK: Checkpoints

    private mutating func readLatest(_ claims: inout [Claim]) -> Checkpoint? {
        do {
            guard let latest = try layout.readCheckpoint() else {
                report.add("checkpoint", "it is missing")
                return nil
            }
            return accept(latest, .latest, &claims)
        } catch {
            report.add("checkpoint", "\(error)")
            return nil
        }
    }

    private mutating func accept(
        _ signed: SignedCheckpoint, _ source: Claim.Source, _ claims: inout [Claim]
    ) -> Checkpoint? {
        let claim = Claim(size: signed.checkpoint.size, root: signed.checkpoint.root, source: source)
        guard signed.isSigned(by: key) else {
            report.add(claim.file, "\(claim.name) is not signed by the key \(key.vkey)")
            return nil
        }
        report.checkpoints += 1
        claims.append(claim)
        return signed.checkpoint
    }

    private mutating func readHistory(upTo size: Int, _ latest: Checkpoint?, _ claims: inout [Claim]) throws {
        guard Directory.exists(layout.history) else {
            if latest != nil { report.add("checkpoints.log", "it is missing") }
            return
        }
        var previous: UInt64 = 0
        try CheckpointHistory.forEach(layout, upTo: size) { number, entry in
            switch entry {
            case .failure(let error): report.add("checkpoints.log", "checkpoint \(number): \(error)")
            case .success(let signed):
                guard let checkpoint = accept(signed, .history(number), &claims) else { return }
                if checkpoint.size < previous {
                    report.add("checkpoints.log", "checkpoint \(number) covers fewer records than the one before it")
                }
                previous = max(previous, checkpoint.size)
            }
        }
    }

    /// Compares the root with every checkpoint of the tree's present size.
    private mutating func compare(_ pending: inout ArraySlice<Claim>) {
        while let claim = pending.first, claim.size == tree.size {
            if claim.root != tree.root {
                report.add(claim.file, at: tree.size, "the first \(tree.size) records do not give the root of \(claim.name)")
            }
            pending.removeFirst()
        }
    }

    // MARK: Tiles

    private mutating func listTiles(below path: String) throws {
        for level in try Directory.names(in: path) {
            guard let number = Int(level), (0..<8).contains(number), String(number) == level else {
                report.add("tile/\(level)", "it is not a level of the tree")
                continue
            }
            tilesOnDisk[number] = try countTiles(path + "/" + level, "tile/" + level)
        }
    }

    private mutating func countTiles(_ path: String, _ name: String) throws -> UInt64 {
        var count: UInt64 = 0
        for entry in try Directory.names(in: path) {
            let digits = entry.hasPrefix("x") ? entry.dropFirst() : entry[...]
            if digits.utf8.count == 3, digits.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) {
                count += entry.hasPrefix("x") ? try countTiles(path + "/" + entry, name + "/" + entry) : 1
            } else if !entry.hasSuffix(".new") {
                // `.new`: being written, or left by a crash.
                report.add(name + "/" + entry, "it is not a tile")
            }
        }
        return count
    }

    private mutating func compare(_ tile: MerkleTile) {
        let name = "tile/" + AuditLayout.tileName(level: tile.level, index: tile.index)
        let firstRecord = tile.index << UInt64(8 * (tile.level + 1))
        do {
            let stored = try layout.readTile(level: tile.level, index: tile.index)
            if let left = tilesOnDisk[tile.level], left > 0 { tilesOnDisk[tile.level] = left - 1 }
            report.tiles += 1
            if let wrong = zip(stored, tile.hashes).enumerated().first(where: { $0.element.0 != $0.element.1 }) {
                let record = firstRecord + UInt64(wrong.offset) << UInt64(8 * tile.level)
                report.add(name, at: record, "hash \(wrong.offset) is not that of the records from \(record)")
            }
        } catch let error as SystemError where error.isMissingFile {
            // Tiles are written before the checkpoint that covers them, and not before.
            if tree.size <= report.signedRecords { report.add(name, at: firstRecord, "it is missing") }
        } catch {
            report.add(name, at: firstRecord, "\(error)")
        }
    }

    // MARK: Records

    private mutating func readRecords(onRecord: (inout AuditCheck) -> Void) throws {
        let (segments, strangers) = try layout.listSegments()
        for stranger in strangers { report.add("segments/" + stranger, "it is not a segment") }
        // A segment that a running log adds meanwhile is left for the next run.
        for segment in segments {
            let name = "segments/" + AuditLayout.segmentName(segment)
            if segment != tree.size {
                report.add(name, at: tree.size, "it begins with record \(segment), but record \(tree.size) comes next")
            }
            var reader = try LineReader(layout.segment(segment), limit: maximumRecordBytes)
            try readLines(&reader, name, onRecord)
            if reader.end == .oversized {
                report.add(name, at: tree.size, "record \(tree.size), at byte \(reader.offset), is longer than a record may be")
            } else if reader.end != .complete && segment != segments.last {
                report.add(name, at: tree.size, "it cannot be read after byte \(reader.offset)")
            }
            if segment == segments.last { report.unfinishedBytes = reader.residue }
        }
    }

    private mutating func readLines(_ reader: inout LineReader, _ name: String, _ onRecord: (inout AuditCheck) -> Void) throws {
        var attempts = 0
        while true {
            while let line = try reader.next() {
                if !AuditLine.isFramed(line) || !AuditLine(line).isObject {
                    report.add(name, at: tree.size, "record \(tree.size) is not one JSON object")
                }
                var filled: [MerkleTile] = []
                tree.append(.leaf(line)) { filled.append($0) }
                for tile in filled { compare(tile) }
                onRecord(&self)
            }
            guard reader.end == .padding, try !reader.isPaddingClean() else { return }
            // A running log may be in the middle of a write: then another look gets further.
            attempts += 1
            guard attempts < 3 else {
                report.add(
                    name, at: tree.size,
                    "there are bytes after the end of the records, at byte \(reader.offset): a write torn by a power cut, or tampering")
                return
            }
            reader.lookAgain()
        }
    }
}
