import NIOConcurrencyHelpers
import SallyportIdentity

/// What was asked of an authenticator, until it answers: one question a session, for some minutes.
final class Challenges: Sendable {
    private struct Question {
        let challenge: [UInt8]
        let at: Int64
    }

    private let questions = NIOLockedValueBox<[String: Question]>([:])

    func put(_ challenge: [UInt8], for session: String, at now: Int64) {
        questions.withLockedValue { questions in
            questions = questions.filter { now - $0.value.at < PendingSignIns.lifetime }
            questions[session] = Question(challenge: challenge, at: now)
        }
    }

    func take(_ session: String, at now: Int64) -> [UInt8]? {
        questions.withLockedValue { questions in
            guard let question = questions.removeValue(forKey: session), now - question.at < PendingSignIns.lifetime else { return nil }
            return question.challenge
        }
    }
}
