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

    func inspections(of chunks: [String]) throws -> [ChunkInspection] {
        var reasons: [Set<String>] = Array(repeating: [], count: chunks.count)
        var found: [[String: Int]] = Array(repeating: [:], count: chunks.count)
        var before: Passage?
        for (position, chunk) in chunks.enumerated() {
            let passage = Passage(chunk, origin: .document)
            let findings = try findings(in: passage)
            reasons[position].formUnion(findings.filter { $0.action == .block }.map(DocumentGuard.name))
            for finding in findings {
                let category = finding.finding.category
                if category.group == .secret { found[position]["secret", default: 0] += 1 }
                if category.group == .sensitive { found[position][category.name, default: 0] += 1 }
            }
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
        return zip(reasons, found).map { reasons, found in
            ChunkInspection(quarantine: reasons.isEmpty ? nil : reasons.sorted().joined(separator: ", "), found: found)
        }
    }

    private func findings(in passage: Passage) throws -> [DecidedFinding] {
        var context = GuardEngine.Context(policy: policy)
        // The second round has all readings that the first missed.
        for _ in 0..<3 {
            var verdict = Verdict()
            let found = engine.inspect(passage, in: context, verdict: &verdict)
            if verdict.unread.isEmpty {
                guard verdict.isComplete else { throw NotCleared() }
                return found.findings.filter { $0.action > .allow }
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
