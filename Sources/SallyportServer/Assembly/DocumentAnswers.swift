import NIOConcurrencyHelpers
import SallyportCore
import SallyportGateway
import SallyportRetrieval

/// The embedded upstream's documents, replaced as a whole on reload.
final class DocumentAnswers: EmbeddedAnswering {
    private let current: NIOLockedValueBox<ExtractiveAnswerer>

    init(_ answerer: ExtractiveAnswerer) { current = NIOLockedValueBox(answerer) }

    static func answerer(over folders: [UpstreamID: String]) throws -> ExtractiveAnswerer { try ExtractiveAnswerer(folders: folders) }

    func replace(_ answerer: ExtractiveAnswerer) { current.withLockedValue { $0 = answerer } }

    func answer(to question: String, upstream: UpstreamID) throws -> [String] {
        try current.withLockedValue { $0 }.answer(to: question, upstream: upstream)
    }

    func embedding(of text: String, dimensions: Int?) -> [Float] {
        current.withLockedValue { $0 }.embedding(of: text, dimensions: dimensions)
    }
}
