import NIOCore
import SallyportCore

/// Whether a tool call serves what the user asked for.
package struct TaskAdherenceAnalysis: Sendable {
    private let head: EncoderDescription.Head

    /// nil when the model has no head for it.
    package init?(_ description: EncoderDescription) {
        guard let head = description.heads["off_task"] else { return nil }
        self.head = head
    }

    /// - Parameters:
    ///   - request: what the user asked for.
    ///   - call: the tool call as `name({arguments})`.
    package func request(_ request: ByteBuffer, call: ByteBuffer) -> ReadingRequest { ReadingRequest(request, pair: call) }

    /// How likely the call does not serve the request: that of the worst window of its arguments.
    package func probability(in reading: TextReading) -> Double {
        reading.windows.map { head.probability(in: $0.scores) }.max() ?? 0
    }

    /// Above this a call is reported: the head's threshold for one benign call in a hundred.
    package var threshold: Double { head.thresholds.first { $0.rate >= 0.01 }?.probability ?? 0.5 }
}
