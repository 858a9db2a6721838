/// Where the parts of an audit log lie.
struct AuditLayout: Sendable {
    let root: String

    var segments: String { root + "/segments" }
    var tiles: String { root + "/tile" }
    var checkpoint: String { root + "/checkpoint" }
    var history: String { root + "/checkpoints.log" }
    var signingKey: String { root + "/signing-key" }
    var verifierKey: String { root + "/verifier.vkey" }
    var lock: String { root + "/lock" }

    static let segmentSuffix = ".jsonl"
    private static let indexDigits = 20

    func segment(_ firstIndex: UInt64) -> String { segments + "/" + Self.segmentName(firstIndex) }

    static func segmentName(_ firstIndex: UInt64) -> String {
        let digits = String(firstIndex)
        return String(repeating: "0", count: indexDigits - digits.count) + digits + segmentSuffix
    }

    /// - Returns: nil when the name is not a segment's.
    static func firstIndex(ofSegment name: String) -> UInt64? {
        guard name.hasSuffix(segmentSuffix), let index = UInt64(name.dropLast(segmentSuffix.count)), segmentName(index) == name else {
            return nil
        }
        return index
    }

    /// First indices of the segments, ascending, and the names that are not segments.
    func listSegments() throws -> (indices: [UInt64], strangers: [String]) {
        var indices: [UInt64] = []
        var strangers: [String] = []
        for name in try Directory.names(in: segments) {
            if let index = Self.firstIndex(ofSegment: name) { indices.append(index) } else { strangers.append(name) }
        }
        return (indices, strangers)
    }

    /// C2SP tlog-tiles: `tile/<level>/<index>`, the index in groups of three digits, all but the last marked with an `x`.
    static func tileName(level: Int, index: UInt64) -> String {
        func group(_ value: UInt64) -> String { String(String(1000 + value % 1000).dropFirst()) }
        var path = group(index)
        var rest = index / 1000
        while rest > 0 {
            path = "x" + group(rest) + "/" + path
            rest /= 1000
        }
        return "\(level)/\(path)"
    }

    func tile(level: Int, index: UInt64) -> String { tiles + "/" + Self.tileName(level: level, index: index) }

    /// - Throws: ``AuditError`` when the file has not the size of a full tile, ``SystemError`` when it cannot be read.
    func readTile(level: Int, index: UInt64) throws -> [MerkleHash] {
        let bytes = try OpenFile.contents(of: tile(level: level, index: index), limit: 32 * MerkleTile.width)
        guard bytes.count == 32 * MerkleTile.width else {
            throw AuditError.damaged("tile \(Self.tileName(level: level, index: index)) is not full")
        }
        return stride(from: 0, to: bytes.count, by: 32).compactMap { MerkleHash(bytes[$0..<($0 + 32)]) }
    }

    func readCheckpoint() throws -> SignedCheckpoint? {
        do {
            return try SignedCheckpoint(parsing: String(decoding: OpenFile.contents(of: checkpoint, limit: 1 << 16), as: UTF8.self))
        } catch let error as SystemError where error.isMissingFile {
            return nil
        }
    }

    func readVerifier() throws -> NoteVerifier {
        try NoteVerifier(vkey: Self.line(OpenFile.contents(of: verifierKey, limit: 1 << 12)))
    }

    /// A one-line file's content, without its newline.
    static func line(_ bytes: [UInt8]) -> String {
        String(decoding: bytes.last == 0x0A ? bytes.dropLast() : bytes[...], as: UTF8.self)
    }
}
