import NIOCore
import SallyportCore

/// Azure AI Content Safety's Prompt Shields: attacks in the user's prompt, and in documents and tool results.
package struct PromptShieldGuard: RemoteGuard {
    package let id: DetectorID
    package let categories = [Finding.Category(.attack, "jailbreak"), Finding.Category(.attack, "indirect_attack")]
    /// The service's limit for a prompt, and for all documents of a call.
    package let maximumText = 10_000
    private let call: SideCall
    package var upstream: UpstreamID { call.upstream }

    package init(id: DetectorID, call: SideCall) {
        self.id = id
        self.call = call
    }

    package static func path(apiVersion: String) -> String { "/contentsafety/text:shieldPrompt?api-version=\(apiVersion)" }

    package func reads(_ origin: PassageOrigin) -> Bool {
        origin == .user || origin == .document || origin == .toolResult || origin == .file
    }

    package func findings(in passages: [Passage], on eventLoop: any EventLoop) -> EventLoopFuture<[[Finding]]> {
        EventLoopFuture.whenAllSucceed(passages.map { findings(in: $0, on: eventLoop) }, on: eventLoop)
    }

    private func findings(in passage: Passage, on eventLoop: any EventLoop) -> EventLoopFuture<[Finding]> {
        let isPrompt = passage.origin == .user
        let text = String(buffer: passage.text)
        let question: ByteBuffer
        do {
            question = try SideCall.body(["userPrompt": isPrompt ? text : "", "documents": isPrompt ? [] as [String] : [text]])
        } catch { return eventLoop.makeFailedFuture(error) }
        return call.post(question, on: eventLoop).flatMapThrowing { [id, categories] bytes in
            let answer = try SideCall.object(bytes)
            let analysis =
                isPrompt
                ? answer["userPromptAnalysis"] as? [String: Any] : (answer["documentsAnalysis"] as? [[String: Any]])?.first
            guard let isAttack = analysis?["attackDetected"] as? Bool else { throw SideCall.Unreadable() }
            return isAttack ? [Finding(id, categories[isPrompt ? 0 : 1], at: 0..<passage.count, falsePositiveRate: 0.01)] : []
        }
    }
}
