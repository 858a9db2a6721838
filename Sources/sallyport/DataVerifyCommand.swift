import ArgumentParser
import Foundation
import SallyportCore
import SallyportStorage

extension DataCommand {
    struct Verify: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Check that documents are as they were taken in: text, access list, label, quarantine.",
            discussion:
                "Each document is signed with a key of the tenant's. What does not match is named, is not searched, and the exit status is 2; take it in again."
        )
        @Argument(help: "The index; none: all.") var index: String?
        @OptionGroup var store: StoreOptions
        @Option(help: "Print what is signed of this document, as JSON: statement, signature and public key (Ed25519, base64).")
        var statement: String?

        func validate() throws {
            if statement != nil && index == nil { throw ValidationError("Say which index the document is in.") }
        }

        func run() async throws {
            let documents = SQLDocumentStore(try store.database())
            if let statement, let index { return try show(statement, in: IndexID(index), documents) }
            let indexes = try index.map { [IndexID($0)] } ?? documents.indexes(of: .default)
            var (count, doubtful) = (0, 0)
            for index in indexes {
                for document in try documents.documents(in: index, of: .default) {
                    count += 1
                    let chunks: [ChunkRecord]
                    do {
                        chunks = try documents.chunks(of: document.id, in: index, of: .default, searchableOnly: true)
                        guard try !documents.isAuthentic(document, chunks: chunks) else { continue }
                        DataCommand.say("changed: \(index)/\(document.source)")
                    } catch is DamagedDocument { DataCommand.say("damaged: \(index)/\(document.source)") }
                    doubtful += 1
                }
            }
            print("\(count - doubtful) of \(count) documents are as they were taken in.")
            if doubtful > 0 { throw ExitCode(2) }
        }

        private struct Signed: Encodable {
            let statement, signature, publicKey: String
        }

        private func show(_ source: String, in index: IndexID, _ documents: SQLDocumentStore) throws {
            let signed = try store.recorded("data.statement", target: "\(index)/\(source)") { () -> Signed in
                guard let document = try documents.document(source: source, in: index, of: .default) else {
                    throw ValidationError("There is no document '\(source)' in '\(index)'.")
                }
                let chunks = try documents.chunks(of: document.id, in: index, of: .default, searchableOnly: true)
                let found = try documents.statement(of: document, chunks: chunks)
                return Signed(
                    statement: String(decoding: found.bytes, as: UTF8.self), signature: Base64.encode(found.signature),
                    publicKey: Base64.encode(found.publicKey))
            }
            print(try DataCommand.json(signed))
        }
    }
}
