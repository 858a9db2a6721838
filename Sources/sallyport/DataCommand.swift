import ArgumentParser
import Foundation
import NIOPosix
import SallyportCore
import SallyportRetrieval
import SallyportServer
import SallyportStorage

struct DataCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "data", abstract: "Documents that answers come from: add, list, label, remove, search, review, verify.",
        subcommands: [Add.self, List.self, Label.self, Remove.self, Search.self, Ask.self, Quarantine.self, Verify.self])

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract:
                "Take files and folders into an index: text, Markdown, HTML, PDF, Word, PowerPoint, Excel, CSV, mail, archives, pictures.",
            discussion:
                "What is there unchanged is passed over, so a run that was cut short goes on where it ended. Each document is parsed in a process of its own, without a network, and every piece passes the guards before it can be found."
        )
        @Argument(help: "The index; made when it is not there.") var index: String
        @Argument(help: "Files and folders.") var paths: [String]
        @OptionGroup var store: StoreOptions
        @Option(help: "Who may read them: everyone, user:NAME or group:NAME; repeat it.") var allow: [String] = []
        @Option(help: "public, general, internal, confidential, highly-confidential or restricted.") var label: String?
        @Option(help: "Whose they are. Default: you.") var owner: String?
        @Option(help: "Put before the documents' names.") var prefix = ""
        @Flag(help: "Remove documents of these folders whose files are gone.") var prune = false

        func validate() throws {
            guard !paths.isEmpty else { throw ValidationError("Say which files or folders.") }
            guard !allow.isEmpty else { throw ValidationError("Say who may read them: --allow everyone, user:NAME or group:NAME.") }
            for name in allow where Grantee(name) == nil { throw ValidationError("'\(name)' is not everyone, user:NAME or group:NAME.") }
            if let label, SensitivityLabel(label) == nil { throw ValidationError("'\(label)' is not a label.") }
            try DataCommand.check(index)
        }

        func run() async throws {
            let access = AccessList(Set(allow.compactMap { Grantee($0) }))
            var settings = DocumentIngest.Settings(
                index: IndexID(index), owner: PrincipalID(owner ?? "os-user:\(NSUserName())"), access: access,
                label: label.flatMap { SensitivityLabel($0) })
            settings.prefix = prefix
            settings.prunes = prune
            let labels = try store.labels()
            settings.standardLabel = labels.standard
            settings.labelRules = labels.rules
            let (ingest, isolation) = try DataCommand.explaining {
                try DocumentParts(
                    database: store.database(), plan: store.learned(), eventLoop: MultiThreadedEventLoopGroup.singleton.next()
                ).ingest()
            }
            if isolation == .limitsOnly {
                DataCommand.complain("note: bubblewrap is not available; parsers run within limits, but not shut in.")
            }
            let progress = Progress()
            let report = try store.recorded("data.add", target: index, result: { "\(DataCommand.summary($0))" }) {
                try DataCommand.explaining { try ingest.add(paths, settings) { progress.show($0) } }
            }
            progress.end()
            for (source, problem) in report.refused { DataCommand.complain("refused: \(source) \(problem)") }
            print(DataCommand.summary(report))
            if report.raised > 0 {
                print(
                    "\(report.raised) documents have a higher label than declared, by rules or by what was found in them: sallyport data list \(index)"
                )
            }
            if report.quarantined > 0 {
                print("\(report.quarantined) pieces wait for a reviewer: sallyport data quarantine list \(index)")
            }
            if !report.refused.isEmpty { throw ExitCode(2) }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the indexes, or an index's documents.")
        @Argument var index: String?
        @OptionGroup var store: StoreOptions
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            let documents = SQLDocumentStore(try store.database())
            guard let index else {
                let names = try documents.indexes(of: .default).map(\.rawValue)
                return print(json ? try DataCommand.json(names) : names.joined(separator: "\n"))
            }
            let found = try documents.documents(in: IndexID(index), of: .default)
            if json { return print(try DataCommand.json(found.map { DocumentShown($0, isLabelDeclared: $0.isLabelDeclared) })) }
            if found.isEmpty { DataCommand.complain("There are no documents in the index '\(index)'.") }
            for document in found {
                let access = document.access.grantees.map(\.description).sorted().joined(separator: ",")
                let label = document.labelOrigin == .declared ? "\(document.label)" : "\(document.label) (\(document.labelOrigin))"
                let waiting = document.quarantined > 0 ? "  \(document.quarantined) in quarantine" : ""
                DataCommand.say(
                    "\(document.source)  \(document.chunks) pieces  \(label)  \(document.language)  read by \(access)\(waiting)")
            }
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Remove documents from an index.")
        @Argument var index: String
        @Argument(help: "Their names, as the list shows them.") var sources: [String]
        @OptionGroup var store: StoreOptions

        func run() async throws {
            let documents = SQLDocumentStore(try store.database())
            for source in sources {
                guard let document = try documents.document(source: source, in: IndexID(index), of: .default) else {
                    throw ValidationError("There is no document '\(source)' in the index '\(index)'.")
                }
                _ = try store.recorded("data.remove", target: "\(index)/\(source)") {
                    // The container goes last: a run that is cut short is run again.
                    if document.format.isContainer {
                        for part in try documents.documents(in: IndexID(index), of: .default)
                        where DocumentIngest.containers(of: part.source).contains(source) {
                            _ = try documents.remove(part.id, in: IndexID(index), of: .default)
                        }
                    }
                    return try documents.remove(document.id, in: IndexID(index), of: .default)
                }
                print("Removed \(source).")
            }
        }
    }

    struct Search: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Search an index with someone's eyes.")
        @Argument var index: String
        @Argument var query: String
        @OptionGroup var store: StoreOptions
        @Option(name: .customLong("as"), help: "The principal whose access counts.") var principal: String
        @Option(help: "Groups of that principal, separated by commas.") var groups: String?
        @Option(help: "The most results.") var top = 5
        @Option(help: "What is compared: words, vectors, or both.") var kind = "both"
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            let reader = DataCommand.reader(principal, groups)
            let documents = SQLDocumentStore(try store.database())
            let hits = try store.recorded("data.search", target: "\(index) as \(reader.user)") {
                let search = DocumentSearch(documents)
                try search.refresh()
                var options = try DataCommand.options(kind)
                options.top = max(1, min(100, top))
                options.strictness = 1
                let retriever = DocumentRetriever(store: documents, search: search, embedder: try DataCommand.embedder(store, options))
                return try retriever.retrieve([DocumentQuery(query)], in: IndexID(index), for: reader, options).kept.map { found in
                    Shown(
                        chunk: found.id.description, source: found.entry.source, title: found.entry.title,
                        page: found.chunk.pages.first?.page, score: (found.relevance * 1000).rounded() / 1000, text: found.chunk.text)
                }
            }
            if json { return print(try DataCommand.json(hits)) }
            for hit in hits {
                DataCommand.say("\(hit.score)  \(hit.source)\(hit.page.map { " page \($0)" } ?? "")  [\(hit.chunk)]")
                DataCommand.say("    \(hit.text.prefix(200))")
            }
            if hits.isEmpty { print("Nothing found.") }
        }

        private struct Shown: Encodable {
            let chunk, source, title: String
            let page: Int?
            let score: Double
            let text: String
        }
    }

    struct Quarantine: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Pieces of documents that the guards kept from being found.", subcommands: [Waiting.self, Release.self])

        struct Waiting: AsyncParsableCommand {
            static let configuration = CommandConfiguration(commandName: "list", abstract: "List what waits for a reviewer, and why.")
            @Argument var index: String
            @OptionGroup var store: StoreOptions
            @Flag(help: "Print JSON.") var json = false

            func run() async throws {
                let waiting = try SQLDocumentStore(store.database()).quarantined(in: IndexID(index), of: .default)
                if json {
                    return print(
                        try DataCommand.json(
                            waiting.map {
                                [
                                    "chunk": $0.id.description, "source": $0.source, "owner": $0.owner.rawValue, "reason": $0.reason,
                                    "page": $0.pages.first.map { "\($0.page)" } ?? "",
                                ]
                            }))
                }
                for chunk in waiting {
                    DataCommand.say("\(chunk.id)  \(chunk.source)\(chunk.pages.first.map { " page \($0.page)" } ?? "")  \(chunk.reason)")
                }
                if waiting.isEmpty { print("Nothing waits.") }
            }
        }

        struct Release: AsyncParsableCommand {
            static let configuration = CommandConfiguration(abstract: "Let a piece be found after all; the decision goes on record.")
            @Argument var index: String
            @Argument(help: "The piece, as the list shows it.") var chunk: String
            @OptionGroup var store: StoreOptions
            @Option(help: "Why it may be found; goes on record.") var reason: String

            func run() async throws {
                guard let id = ChunkID(chunk) else { throw ValidationError("'\(chunk)' is not a piece of a document.") }
                let documents = SQLDocumentStore(try store.database())
                let released = try store.recorded("data.release", target: "\(index)/\(chunk)", result: { $0 ? reason : nil }) {
                    try documents.release(
                        id, in: IndexID(index), of: .default, by: PrincipalID("os-user:\(NSUserName())"),
                        at: Int64(Date().timeIntervalSince1970))
                }
                guard released else { throw ValidationError("'\(chunk)' is not in quarantine.") }
                print("Released \(chunk).")
            }
        }
    }

    // MARK: Shared

    static func options(_ kind: String) throws -> RetrievalOptions {
        guard let kind = DocumentSearch.Kind(rawValue: kind) else { throw ValidationError("'\(kind)' is not words, vectors or both.") }
        var options = RetrievalOptions()
        options.kind = kind
        return options
    }

    /// The embedding model, where the configuration has one and it is needed.
    static func embedder(_ store: StoreOptions, _ options: RetrievalOptions) throws -> (any TextEmbedder)? {
        let learned = try store.learned()
        guard learned.isEnabled, options.kind != .words else { return nil }
        return try explaining { try LearnedParts.embedder(learned) }
    }

    static func check(_ index: String) throws {
        guard !index.isEmpty, index.utf8.count <= 128, !index.contains(":"), index.unicodeScalars.allSatisfy({ $0.value > 0x20 }) else {
            throw ValidationError("'\(index)' is not a name of an index: up to 128 bytes, no colon, no space.")
        }
    }

    static func summary(_ report: DocumentIngest.Report) -> String {
        let words = ["added", "changed", "described", "unchanged", "removed", "refused"].compactMap { name in
            report.counts[name].map { "\($0) \(name)" }
        }
        return words.isEmpty ? "There is nothing to take in." : words.joined(separator: ", ")
    }

    static func complain(_ line: String) { FileHandle.standardError.write(Data((shown(line) + "\n").utf8)) }

    static func say(_ line: String) { print(shown(line)) }

    /// Names and texts of documents are others' words: nothing in them steers the terminal or turns what is read around.
    private static func shown(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { scalar in
                    let category = scalar.properties.generalCategory
                    return [.control, .format, .lineSeparator, .paragraphSeparator].contains(category) ? "\u{FFFD}" : scalar
                }))
    }

    static func json(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }

    /// Mistakes that say all there is to say are shown as they are.
    static func explaining<R>(_ work: () throws -> R) throws -> R {
        do { return try work() } catch let mistake as DocumentIngest.Mistake {
            throw ValidationError(mistake.description)
        } catch let mistake as DocumentParts.Mistake {
            throw ValidationError(mistake.description)
        } catch let mistake as LearnedParts.Mistake {
            throw ValidationError(mistake.description)
        }
    }

    /// One line that is written over, on a terminal; nothing elsewhere.
    struct Progress {
        private let isTerminal = isatty(STDERR_FILENO) == 1

        func show(_ step: DocumentIngest.Step) {
            guard isTerminal else { return }
            let width = 30
            let full = step.of > 0 ? width * step.done / step.of : width
            let bar = String(repeating: "█", count: full) + String(repeating: "·", count: width - full)
            let source = DataCommand.shown(String(step.source.suffix(40)))
            FileHandle.standardError.write(Data("\r\u{1B}[K\(bar) \(step.done)/\(step.of) \(source)".utf8))
        }

        func end() {
            if isTerminal { FileHandle.standardError.write(Data("\r\u{1B}[K".utf8)) }
        }
    }
}
