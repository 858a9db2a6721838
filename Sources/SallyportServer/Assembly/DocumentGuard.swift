import NIOCore
import SallyportCore
import SallyportGuard
import SallyportRetrieval

/// The guards in front of an index: every chunk is read as a document's text, and its border with the one before.
struct DocumentGuard: ChunkInspector {
    /// Reads texts with the shared encoder and waits for it.
    typealias Reading = @Sendable ([ReadingRequest]) throws -> Result<[TextReading], TextReadingFault>

    private struct NotCleared: Error {}

    private let engine: GuardEngine
    private let policy: GuardPolicy
    private let read: Reading?

    init(engine: GuardEngine, read: Reading?) {
        self.engine = engine
        self.read = read
        policy = GuardPolicy.documents(learned: engine.isLearned)
    }

    func quarantineReasons(for chunks: [String]) throws -> [String?] {
        var reasons: [Set<String>] = Array(repeating: [], count: chunks.count)
        var before: Passage?
        for (position, chunk) in chunks.enumerated() {
            let passage = Passage(chunk, origin: .document)
            reasons[position].formUnion(try categories(in: passage))
            if let before {
                var verdict = Verdict()
                let context = GuardEngine.Context(policy: policy)
                let across = engine.inspectBorder(
                    after: before.suffix(atMost: GuardEngine.overlap).text, passage, in: context, verdict: &verdict)
                guard verdict.isComplete else { throw NotCleared() }
                let names = Set(across.filter { $0.action == .block }.map(DocumentGuard.name))
                reasons[position - 1].formUnion(names)
                reasons[position].formUnion(names)
            }
            before = passage
        }
        return reasons.map { $0.isEmpty ? nil : $0.sorted().joined(separator: ", ") }
    }

    private func categories(in passage: Passage) throws -> Set<String> {
        var context = GuardEngine.Context(policy: policy)
        // The second round has all readings that the first missed.
        for _ in 0..<3 {
            var verdict = Verdict()
            let found = engine.inspect(passage, in: context, verdict: &verdict)
            if verdict.unread.isEmpty {
                guard verdict.isComplete else { throw NotCleared() }
                return Set(found.findings.filter { $0.action == .block }.map(DocumentGuard.name))
            }
            guard let read else { throw NotCleared() }
            let requests = Array(Set(verdict.unread))
            let readings = try read(requests)
            guard case .success = readings else { throw NotCleared() }
            context.learned.merge(requests, readings)
        }
        throw NotCleared()
    }

    /// The kind of thing, never the thing.
    private static func name(_ decided: DecidedFinding) -> String {
        "\(decided.finding.category.group.rawValue): \(decided.finding.category.name)"
    }
}
