import SallyportCore

/// What a signed checkpoint states: a log had this many records, under this root (C2SP tlog-checkpoint).
package struct Checkpoint: Sendable, Hashable {
    /// The log's name.
    package let origin: String
    /// How many records the tree holds.
    package let size: UInt64
    package let root: MerkleHash

    package init(origin: String, size: UInt64, root: MerkleHash) {
        self.origin = origin
        self.size = size
        self.root = root
    }

    /// Reads a note's text; extension lines are passed over.
    init(text: String) throws {
        let lines = text.utf8.split(separator: 0x0A, omittingEmptySubsequences: false)
        guard lines.count >= 4, lines.last?.isEmpty == true, !lines.dropLast().contains(where: \.isEmpty) else {
            throw AuditError.malformed("checkpoint: expected origin, size and root, one to a line")
        }
        let digits = lines[1]
        guard
            digits.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            digits.first != UInt8(ascii: "0") || digits.count == 1,
            let size = UInt64(String(decoding: digits, as: UTF8.self))
        else { throw AuditError.malformed("checkpoint: the size is not a number") }
        guard let bytes = Base64.decode(lines[2]), let root = MerkleHash(bytes) else {
            throw AuditError.malformed("checkpoint: the root is not a hash")
        }
        self.init(origin: String(decoding: lines[0], as: UTF8.self), size: size, root: root)
    }

    var text: String { "\(origin)\n\(size)\n\(Base64.encode(root.bytes))\n" }
}

/// A checkpoint with the signatures under it: what is exported to keep away from the log.
package struct SignedCheckpoint: Sendable, Hashable {
    package let checkpoint: Checkpoint
    package let note: SignedNote

    /// Reads a checkpoint without judging its signatures.
    /// - Throws: ``AuditError`` when it is not one.
    package init(parsing note: String) throws {
        self.note = try SignedNote(parsing: note)
        checkpoint = try Checkpoint(text: self.note.text)
    }

    init(_ checkpoint: Checkpoint, by signer: NoteSigner) throws {
        self.checkpoint = checkpoint
        note = try signer.sign(checkpoint.text)
    }

    /// The text to store or send.
    package var encoded: String { note.encoded }

    /// True when the key signed it and the key's log is the one that it speaks of.
    package func isSigned(by key: NoteVerifier) -> Bool { key.name == checkpoint.origin && key.accepts(note) }
}
