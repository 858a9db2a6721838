import ArgumentParser
import Foundation
import NIOCore
import SallyportCore
import SallyportOversight
import SallyportWire

struct AuditCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit", abstract: "Verify, prove and read the audit log, offline.",
        subcommands: [Verify.self, Prove.self, Check.self, Show.self, Checkpoint.self])

    struct Place: ParsableArguments {
        @Option(help: "The configuration that names the data directory.") var config: String?
        @Option(help: "The audit log's directory, instead of the configuration's.") var directory: String?

        func path() throws -> String {
            if let directory { return directory }
            guard let config else { throw ValidationError("Say where the log is: --directory DIR or --config FILE.") }
            return try StoreOptions.auditDirectory(config: config)
        }
    }

    static let keyHelp: ArgumentHelp = "The pinned public key (name+id+base64), or a file that holds it."

    /// A key as the command line names it.
    static func pinned(_ text: String) throws -> String {
        try FileManager.default.fileExists(atPath: text)
            ? String(contentsOfFile: text, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines) : text
    }

    struct Verify: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Recompute the whole tree and compare it with everything that was signed.",
            discussion:
                "Exit status 0: intact; 1: not. A key that lies beside the log proves nothing: pin one with --key, and compare with a checkpoint that you exported before."
        )
        @OptionGroup var place: Place
        @Option(help: AuditCommand.keyHelp) var key: String?
        @Option(help: "A checkpoint that was exported earlier, as a file.") var checkpoint: String?
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            let trusted = try key.map(AuditCommand.pinned)
            let exported = try checkpoint.map { try SignedCheckpoint(parsing: String(contentsOfFile: $0, encoding: .utf8)) }
            let result = try AuditVerifier.verify(directory: try place.path(), trustedKey: trusted, against: exported)
            if json {
                let encoder = JSONEncoder()
                encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
                print(String(decoding: try encoder.encode(result), as: UTF8.self))
            } else {
                for problem in result.problems {
                    print("PROBLEM  \(problem.file)\(problem.record.map { " record \($0)" } ?? ""): \(problem.reason)")
                }
                for note in result.notes { print("note     \(note)") }
                print(
                    "\(result.isIntact ? "intact" : "NOT INTACT"): \(result.records) records, root \(result.root), \(result.checkpoints) checkpoints, \(result.tiles) tiles"
                )
            }
            if !result.isIntact { throw ExitCode(1) }
        }
    }

    struct Prove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Prove that a record is in the log: its leaf, its path to the root, and the signed checkpoint.")
        @Argument(help: "The exchange's id (apim-request-id), or a record's number with --index.") var id: String
        @OptionGroup var place: Place
        @Flag(help: "The argument is a record's number.") var index = false

        func run() async throws {
            let directory = try place.path()
            let prover = AuditProver(directory: directory)
            let proofs: [InclusionProof]
            if index {
                guard let number = UInt64(id) else { throw ValidationError("'\(id)' is not a number.") }
                proofs = [try prover.prove(index: number)]
            } else {
                proofs = try prover.prove(id: id)
            }
            guard !proofs.isEmpty else {
                print("No record has the id \(id).")
                throw ExitCode(1)
            }
            let reader = AuditReader(directory: directory)
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            for proof in proofs {
                let record = String(decoding: try reader.record(at: proof.index), as: UTF8.self)
                print("{\"record\":\(record),\"proof\":\(String(decoding: try encoder.encode(proof), as: UTF8.self))}")
            }
        }
    }

    struct Check: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Check what 'prove' printed, without the log.",
            discussion: """
                Exit status 0: every record in the file was in a log that the key signed, unchanged; 1: one was not; 64: the file, the key \
                or the checkpoint cannot be used. With --checkpoint the proofs must lead to that very checkpoint.
                """)
        @Argument(help: "What 'prove' printed: a record and its proof on each line. - reads standard input.") var file: String
        @Option(help: AuditCommand.keyHelp) var key: String
        @Option(help: "A checkpoint that was kept elsewhere, as a file.") var checkpoint: String?

        func run() async throws {
            let verifier: NoteVerifier
            let kept: SignedCheckpoint?
            do {
                verifier = try NoteVerifier(vkey: try AuditCommand.pinned(key))
                kept = try checkpoint.map { try SignedCheckpoint(parsing: String(decoding: LineFile.bytes(of: $0), as: UTF8.self)) }
            } catch let error as AuditError { throw ValidationError("the key or the checkpoint \(error)") }
            if let kept, !kept.isSigned(by: verifier) { throw ValidationError("The checkpoint is not signed by the key.") }
            var count = 0
            for (index, line) in try LineFile.lines(of: file).enumerated() where !line.isEmpty {
                count += 1
                do {
                    let proof = try Self.check(line, verifier, kept)
                    print("proven: record \(proof.index) of the \(proof.size) that the checkpoint covers")
                } catch {
                    print("NOT PROVEN: line \(index + 1): \(Self.reason(error))")
                    throw ExitCode(1)
                }
            }
            guard count > 0 else { throw ValidationError("\(file): there is no proof in it.") }
        }

        private static func check(_ line: Data, _ key: NoteVerifier, _ kept: SignedCheckpoint?) throws -> InclusionProof {
            let document = try JSONDocument(parsing: ByteBuffer(bytes: line))
            var members = 0
            document.forEachMember(of: 0) { _, _ in members += 1 }
            // Another member could be taken for the record by whoever reads on.
            guard members == 2, let record = document.member("record", of: 0), let member = document.member("proof", of: 0) else {
                throw AuditError.unproven("it is not a record and its proof")
            }
            let proof = try JSONDecoder().decode(InclusionProof.self, from: Data(document.raw(member).readableBytesView))
            try proof.verify(record: Array(document.raw(record).readableBytesView), key: key)
            if let kept {
                let own = try SignedCheckpoint(parsing: proof.checkpoint).checkpoint
                guard own == kept.checkpoint else {
                    throw AuditError.unproven(
                        "it leads to a signed checkpoint of \(own.size) records, not to the kept one of \(kept.checkpoint.size)")
                }
            }
            return proof
        }

        private static func reason(_ error: any Error) -> String {
            switch error {
            case AuditError.unproven(let what): what
            case let error as AuditError: error.description
            case is DecodingError: "its proof cannot be read"
            case is JSONFault: "it is not a line of JSON"
            default: "\(error)"
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Print records, one line of JSON each.")
        @OptionGroup var place: Place
        @Option(help: "Begin at this record.") var from: UInt64 = 0
        @Option(help: "Only records with this exchange id.") var id: String?
        @Option(help: "At most this many.") var limit = 1000

        func run() async throws {
            let reader = AuditReader(directory: try place.path())
            if let id {
                for index in try reader.indices(ofID: id) { print(String(decoding: try reader.record(at: index), as: UTF8.self)) }
                return
            }
            var left = limit
            _ = try reader.forEach(from: from) { _, line in
                guard left > 0 else { return false }
                left -= 1
                print(String(decoding: line.bytes, as: UTF8.self))
                return true
            }
        }
    }

    struct Checkpoint: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print the latest signed checkpoint, to be kept elsewhere.")
        @OptionGroup var place: Place
        @Flag(help: "Print the public key instead.") var key = false

        func run() async throws {
            let file = try place.path() + (key ? "/verifier.vkey" : "/checkpoint")
            print(try String(contentsOfFile: file, encoding: .utf8), terminator: "")
        }
    }
}
