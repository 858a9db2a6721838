import Foundation
import NIOCore
import SallyportCore

/// Any classifier that takes a text in JSON and answers with a score, or a label and a score.
package struct ClassifierGuard: RemoteGuard {
    /// Where things stand in its messages.
    package struct Shape: Sendable, Hashable {
        /// The request's member that takes the text.
        package var textField = "text"
        /// JSON pointer (RFC 6901) to the score, a number from 0 to 1.
        package var score = "/score"
        /// JSON pointer to a label; nil: the score is the finding's.
        package var label: String?
        /// The labels for which the score speaks; for another label nothing is found.
        package var labels: Set<String> = []
        package init() {}
    }

    package let id: DetectorID
    package let categories: [Finding.Category]
    package let maximumText: Int
    private let call: SideCall
    package var upstream: UpstreamID { call.upstream }
    private let shape: Shape

    package init(id: DetectorID, call: SideCall, category: Finding.Category, shape: Shape, maximumText: Int = 10_000) {
        self.id = id
        self.call = call
        categories = [category]
        self.shape = shape
        self.maximumText = maximumText
    }

    package func reads(_ origin: PassageOrigin) -> Bool {
        switch categories[0] {
        case .init(.attack, "jailbreak"): origin == .user
        case .init(.attack, "indirect_attack"): origin == .document || origin == .toolResult || origin == .file
        default: origin != .system && origin != .toolDefinition
        }
    }

    package func findings(in passages: [Passage], on eventLoop: any EventLoop) -> EventLoopFuture<[[Finding]]> {
        EventLoopFuture.whenAllSucceed(passages.map { findings(in: $0, on: eventLoop) }, on: eventLoop)
    }

    private func findings(in passage: Passage, on eventLoop: any EventLoop) -> EventLoopFuture<[Finding]> {
        let question: ByteBuffer
        do { question = try SideCall.body([shape.textField: String(buffer: passage.text)]) } catch {
            return eventLoop.makeFailedFuture(error)
        }
        return call.post(question, on: eventLoop).flatMapThrowing { [id, categories, shape] bytes in
            let answer = try SideCall.json(bytes)
            guard let number = Self.value(at: shape.score, in: answer) as? NSNumber, (0...1).contains(number.doubleValue) else {
                throw SideCall.Unreadable()
            }
            if let pointer = shape.label {
                guard let label = Self.value(at: pointer, in: answer) as? String else { throw SideCall.Unreadable() }
                guard shape.labels.contains(label) else { return [] }
            }
            let score = number.doubleValue
            return score > 0 ? [Finding(id, categories[0], at: 0..<passage.count, confidence: score)] : []
        }
    }

    /// What a JSON pointer points to.
    static func value(at pointer: String, in root: Any) -> Any? {
        var value = root
        for part in pointer.split(separator: "/", omittingEmptySubsequences: false).dropFirst() {
            let name = String(part).replacing("~1", with: "/").replacing("~0", with: "~")
            if let object = value as? [String: Any], let next = object[name] {
                value = next
            } else if let array = value as? [Any], let index = Int(name), array.indices.contains(index) {
                value = array[index]
            } else {
                return nil
            }
        }
        return value
    }
}
