import SallyportCore
import SallyportGuard

/// A gate is a value: a step that lacks a reading is thrown away, and done again on the gate as it was.
extension StreamGate {
    mutating func learn(_ understanding: Understanding) { understanding.add(to: &inspector.context) }

    /// What was read for a step that is done is not asked for again.
    mutating func forgetReadings() {
        inspector.context.learned.removeAll()
        inspector.context.opinions.removeAll()
    }
}
