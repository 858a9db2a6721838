import SallyportCore
import SallyportGuard

/// A gate is a value: a step that lacks a reading is thrown away, and done again on the gate as it was.
extension StreamGate {
    /// Texts that learned guards want read: nothing of this step may be sent before they were.
    var unread: [ReadingRequest] { verdict.unread }

    mutating func learn(_ requests: [ReadingRequest], _ result: Result<[TextReading], TextReadingFault>) {
        inspector.context.learned.merge(requests, result)
    }

    /// What was read for a step that is done is not asked for again.
    mutating func forgetReadings() { inspector.context.learned.removeAll() }
}
