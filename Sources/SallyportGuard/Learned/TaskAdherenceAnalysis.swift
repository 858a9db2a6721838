import NIOCore
import SallyportCore

/// Whether an agent's tool calls serve what its user asked for.
package struct TaskAdherenceAnalysis: Sendable {
    /// What matters of a conversation with an agent.
    package struct Conversation: Sendable {
        package enum Step: Sendable {
            /// What the user said, valid UTF-8.
            case request(ByteBuffer)
            case call(name: String, arguments: ByteBuffer)
        }
        /// The names of the tools that the agent was given; empty: not known.
        package var tools: Set<String> = []
        package var steps: [Step] = []
        package init() {}

        package var calls: Int {
            steps.reduce(0) { if case .call = $1 { $0 + 1 } else { $0 } }
        }
    }

    /// What is to be read, and how the answers are put together.
    package struct Plan: Sendable {
        package let requests: [ReadingRequest]
        fileprivate let calls: [(name: String, isKnown: Bool, requests: Range<Int>)]
        /// What the words of call and request add to each reading.
        fileprivate let weights: [Double]
    }

    /// A call that does not serve the user's request.
    package struct Risk: Sendable {
        package let probability: Double
        /// Holds the tool's name and nothing else of the conversation.
        package let reason: String
    }

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

    /// How likely the call does not serve the request: that of the worst window of its arguments, and what its words add.
    package func probability(in reading: TextReading, request: ByteBuffer, call: ByteBuffer) -> Double {
        let request = ToolCallEvidence.Request(request.readableBytesView)
        return probability(in: reading, ToolCallEvidence.weight(request, ToolCallEvidence.Call(Array(call.readableBytesView))))
    }

    private func probability(in reading: TextReading, _ weight: Double) -> Double {
        let probability = reading.windows.map { head.probability(in: $0.scores) }.max() ?? 0
        guard weight > 0, probability > 0, probability < 1 else { return probability }
        let odds = probability / (1 - probability) * Exponential.of(weight)
        return odds / (1 + odds)
    }

    /// Above this a call is reported: the head's threshold for one benign call in a hundred.
    package var threshold: Double { head.thresholds.first { $0.rate >= 0.01 }?.probability ?? 0.5 }

    // MARK: A conversation

    /// Each call is held against what the user said last before it, and against all that was said before it: "yes, please" means
    /// nothing alone.
    package func plan(_ conversation: Conversation) -> Plan {
        var requests: [ReadingRequest] = []
        var weights: [Double] = []
        var calls: [(name: String, isKnown: Bool, requests: Range<Int>)] = []
        /// What was said last, and all that was said when that is more, with their words; read anew when more is said.
        var asked: [(text: ByteBuffer, words: ToolCallEvidence.Request)] = []
        var said: [ByteBuffer] = []
        for step in conversation.steps {
            switch step {
            case .request(let text):
                said.append(text)
                asked = []
            case .call(let name, let arguments):
                let first = requests.count
                let isKnown = conversation.tools.isEmpty || conversation.tools.contains(name)
                if isKnown {
                    var call = ByteBuffer(string: name)
                    call.writeStaticString("(")
                    call.writeImmutableBuffer(arguments)
                    call.writeStaticString(")")
                    if asked.isEmpty {
                        asked = Self.texts(of: said).map { ($0, ToolCallEvidence.Request($0.readableBytesView)) }
                    }
                    let deed = ToolCallEvidence.Call(Array(call.readableBytesView))
                    for (text, words) in asked {
                        requests.append(request(text, call: call))
                        weights.append(ToolCallEvidence.weight(words, deed))
                    }
                }
                calls.append((name, isKnown, first..<requests.count))
            }
        }
        return Plan(requests: requests, calls: calls, weights: weights)
    }

    /// What was said last, and, when there is more, all that was said.
    private static func texts(of said: [ByteBuffer]) -> [ByteBuffer] {
        guard let last = said.last else { return [] }
        guard said.count > 1 else { return [last] }
        var all = said[0]
        for text in said.dropFirst() {
            all.writeStaticString("\n")
            all.writeImmutableBuffer(text)
        }
        return [last, all]
    }

    /// - Parameter readings: one for each of the plan's requests, in order.
    package func risks(in plan: Plan, readings: [TextReading]) -> [Risk] {
        plan.calls.compactMap { call in
            let name = Self.shown(call.name)
            guard call.isKnown else {
                return Risk(probability: 1, reason: "The call of '\(name)' is of a tool that the agent was not given.")
            }
            guard !call.requests.isEmpty else {
                return Risk(probability: 1, reason: "The call of '\(name)' was planned before the user asked for anything.")
            }
            let probability = call.requests.map { self.probability(in: readings[$0], plan.weights[$0]) }.min() ?? 1
            guard probability >= threshold else { return nil }
            return Risk(probability: probability, reason: "The planned call of '\(name)' does not serve what the user asked for.")
        }
    }

    private static func shown(_ name: String) -> String {
        String(
            String.UnicodeScalarView(
                name.unicodeScalars.prefix(64).filter { !$0.properties.isDefaultIgnorableCodePoint && $0.value >= 0x20 }))
    }
}
