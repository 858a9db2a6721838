import ArgumentParser
import Foundation
import SallyportCore
import SallyportRetrieval
import SallyportStorage

extension DataCommand {
    struct Ask: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Ask an index with someone's eyes, as the embedded upstream answers; with a file, many questions.",
            discussion:
                "For each question one line of JSON: the answer, whether it was found, how sure, its citations, and the sources found.")
        @Argument var index: String
        @Argument(help: "The question; none with --questions.") var question: String?
        @OptionGroup var store: StoreOptions
        @Option(name: .customLong("as"), help: "The principal whose access counts.") var principal: String
        @Option(help: "Groups of that principal, separated by commas.") var groups: String?
        @Option(help: "A file with a question on each line.") var questions: String?
        @Option(help: "What is compared: words, vectors, or both.") var kind = "both"
        @Flag(help: "With each question all that was found, and what its place in the order comes from.") var explain = false

        func run() async throws {
            let asked: [String]
            if let questions {
                guard let text = try? String(contentsOfFile: questions, encoding: .utf8) else {
                    throw ValidationError("\(questions) cannot be read.")
                }
                asked = text.split(separator: "\n").map(String.init)
            } else if let question {
                asked = [question]
            } else {
                throw ValidationError("Ask a question, or name a file of them with --questions.")
            }
            let reader = DataCommand.reader(principal, groups)
            let options = try DataCommand.options(kind)
            let documents = SQLDocumentStore(try store.database())
            try store.recorded("data.ask", target: "\(index) as \(reader.user)") {
                let search = DocumentSearch(documents)
                try search.refresh()
                let embedder = try DataCommand.embedder(store, options)
                let answerer = GroundedAnswerer(store: documents, search: search, embedder: embedder)
                let retriever = DocumentRetriever(store: documents, search: search, embedder: embedder)
                var asking = options
                asking.strictness = 1
                asking.top = 10
                let encoder = JSONEncoder()
                encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
                for question in asked {
                    let found = try retriever.retrieve([DocumentQuery(question)], in: IndexID(index), for: reader, asking)
                    let sources = (found.kept + found.dropped).prefix(10).map(\.entry.source)
                    var plain = options
                    plain.strictness = 1
                    let answer = try answerer.answer(to: [question], in: IndexID(index), for: reader, options: plain)
                    let line = Line(
                        answer: answer.said.joined(separator: " "), short: answer.shorts.first.map(Line.Short.init),
                        sentences: answer.sentences, isFound: answer.isFound,
                        confidence: (answer.confidence * 1000).rounded() / 1000,
                        citations: answer.citations.map(Line.Citation.init), sources: sources,
                        found: explain ? (found.kept + found.dropped).map(Line.Found.init) : nil)
                    print(String(decoding: try encoder.encode(line), as: UTF8.self))
                }
            }
        }

        private struct Line: Encodable {
            struct Span: Encodable {
                let start, end: Int

                init(_ span: Range<Int>) { (start, end) = (span.lowerBound, span.upperBound) }
            }
            struct Citation: Encodable {
                let source, content: String
                /// UTF-8 bytes of the document's extracted text, in the order of the sentences.
                let spans: [Span]
                let pages: [Int]

                init(_ citation: GroundedAnswer.Citation) {
                    (source, content, pages) = (citation.source, citation.content, citation.pages)
                    spans = citation.spans.map(Span.init)
                }
            }
            struct Short: Encodable {
                let text: String
                let span: Span
                let sentence: Int

                init(_ short: GroundedAnswer.Short) {
                    (text, span, sentence) = (short.text, Span(short.span), short.sentence)
                }
            }
            let answer: String
            let short: Short?
            let sentences: [String]
            let isFound: Bool
            let confidence: Double
            let citations: [Citation]
            let sources: [String]
            /// Best first.
            let found: [Found]?

            struct Found: Encodable {
                let source, chunk: String
                let rank, words, likeness, coverage, nearness, relevance: Double
                let terms: Int

                init(_ found: RetrievedChunk) {
                    func rounded(_ value: Double) -> Double { (value * 10_000).rounded() / 10_000 }
                    source = found.entry.source
                    chunk = found.id.description
                    rank = rounded(found.rank)
                    words = rounded(found.words)
                    likeness = rounded(found.likeness)
                    coverage = rounded(found.coverage)
                    nearness = rounded(found.nearness)
                    relevance = rounded(found.relevance)
                    terms = found.terms
                }
            }
        }
    }

    static func reader(_ principal: String, _ groups: String?) -> DocumentReader {
        let name = principal.hasPrefix("user:") ? String(principal.dropFirst(5)) : principal
        return DocumentReader(
            user: PrincipalID(name), groups: Set((groups ?? "").split(separator: ",").map { $0.drop { $0 == " " } }.map(String.init)))
    }
}
