import ArgumentParser
import Foundation
import SallyportCore
import SallyportStorage

extension DataCommand {
    struct Verify: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Check that documents are as they were taken in: text, access list, label, quarantine.",
            discussion:
                "Each document has a seal under the tenant's key. What does not match it is named, is not searched, and the exit status is 2; take it in again."
        )
        @Argument(help: "The index; none: all.") var index: String?
        @OptionGroup var store: StoreOptions

        func run() async throws {
            let documents = SQLDocumentStore(try store.database())
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
    }
}
