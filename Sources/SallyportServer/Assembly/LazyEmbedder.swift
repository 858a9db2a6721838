import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import SallyportCore

/// The model that makes vectors of texts, loaded when it is first needed: who has no custom categories and no incidents does without its
/// memory. A model that cannot be loaded is tried again with the next request.
final class LazyEmbedder: TextEmbedder {
    private let plan: ServerPlan.Learned
    private let pool: NIOThreadPool
    private let loaded = NIOLockedValueBox<(any TextEmbedder)?>(nil)
    /// Held while the model is loaded: never by an event loop.
    private let loading = NIOLock()

    init(_ plan: ServerPlan.Learned, pool: NIOThreadPool) {
        self.plan = plan
        self.pool = pool
    }

    /// Loads the model where that has not been done. Blocks, for less than a second.
    private func model() throws -> any TextEmbedder {
        try loading.withLock {
            if let ready = loaded.withLockedValue({ $0 }) { return ready }
            let model = try LearnedParts.embedder(plan)
            loaded.withLockedValue { $0 = model }
            return model
        }
    }

    /// For what runs on a pool; who has vectors need not wait. A model that cannot be loaded has no digest and no dimensions: nothing was
    /// ever made with it, and who needs vectors is told why there are none.
    private var current: (any TextEmbedder)? { loaded.withLockedValue { $0 } ?? (try? model()) }

    var dimensions: Int { current?.dimensions ?? 0 }
    var digest: String { current?.digest ?? "" }
    func tokenCount(of text: [UInt8]) -> Int? { current?.tokenCount(of: text) }

    func embed(_ texts: [ByteBuffer], completion: @escaping @Sendable (Result<[[Float]], TextReadingFault>) -> Void) {
        withModel(completion) { $0.embed(texts, completion: completion) }
    }

    func words(of texts: [ByteBuffer], completion: @escaping @Sendable (Result<[WordVectors?], TextReadingFault>) -> Void) {
        withModel(completion) { $0.words(of: texts, completion: completion) }
    }

    private func withModel<R>(
        _ completion: @escaping @Sendable (Result<R, TextReadingFault>) -> Void, _ work: @escaping @Sendable (any TextEmbedder) -> Void
    ) {
        if let ready = loaded.withLockedValue({ $0 }) { return work(ready) }
        pool.submit { [self] state in
            guard case .active = state else { return completion(.failure(.cancelled)) }
            let model: any TextEmbedder
            do { model = try self.model() } catch { return completion(.failure(.failed("\(error)"))) }
            work(model)
        }
    }
}
