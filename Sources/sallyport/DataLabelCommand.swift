import ArgumentParser
import Foundation
import SallyportCore
import SallyportStorage

extension DataCommand {
    struct Label: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Set a document's label; to lower one goes on record with its reason.",
            discussion: "What rules and detectors found raises labels again when the document's text changes.")
        @Argument var index: String
        @Argument(help: "The document, as the list shows it.") var source: String
        @Argument(help: "public, general, internal, confidential, highly-confidential or restricted.") var label: String
        @OptionGroup var store: StoreOptions
        @Option(help: "Why a lower label will do; goes on record.") var reason: String?

        func run() async throws {
            guard let label = SensitivityLabel(label) else { throw ValidationError("'\(label)' is not a label.") }
            let documents = SQLDocumentStore(try store.database())
            guard var document = try documents.document(source: source, in: IndexID(index), of: .default) else {
                throw ValidationError("There is no document '\(source)' in the index '\(index)'.")
            }
            let isLower = label < document.label
            if isLower, reason?.isEmpty != false { throw ValidationError("To lower '\(document.label)' say why, with --reason.") }
            let before = document.label
            (document.label, document.isLabelDeclared, document.labelOrigin) = (label, true, isLower ? .lowered : .declared)
            try store.recorded(
                isLower ? "data.label.lower" : "data.label", target: "\(index)/\(source)",
                result: { _ in "\(before) to \(label)\(reason.map { ": \($0)" } ?? "")" }
            ) { try documents.update(document) }
            print("\(source) is \(label) now.")
        }
    }
}
