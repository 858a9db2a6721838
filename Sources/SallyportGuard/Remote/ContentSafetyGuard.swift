import NIOCore
import SallyportCore

/// Azure AI Content Safety's `text:analyze`: the severities of the four kinds of harm.
package struct ContentSafetyGuard: RemoteGuard {
    package let id: DetectorID
    package let maximumText = 10_000
    private let call: SideCall
    package var upstream: UpstreamID { call.upstream }
    private static let names = ["Hate": "hate", "Sexual": "sexual", "Violence": "violence", "SelfHarm": "self_harm"]

    package var categories: [Finding.Category] { Self.names.values.sorted().map { Finding.Category(.harm, $0) } }

    package init(id: DetectorID, call: SideCall) {
        self.id = id
        self.call = call
    }

    package static func path(apiVersion: String) -> String { "/contentsafety/text:analyze?api-version=\(apiVersion)" }

    package func reads(_ origin: PassageOrigin) -> Bool { origin != .system && origin != .toolDefinition }

    package func findings(in passages: [Passage], on eventLoop: any EventLoop) -> EventLoopFuture<[[Finding]]> {
        EventLoopFuture.whenAllSucceed(passages.map { findings(in: $0, on: eventLoop) }, on: eventLoop)
    }

    private func findings(in passage: Passage, on eventLoop: any EventLoop) -> EventLoopFuture<[Finding]> {
        let question: ByteBuffer
        do {
            question = try SideCall.body([
                "text": String(buffer: passage.text), "categories": Self.names.keys.sorted(), "outputType": "EightSeverityLevels",
            ])
        } catch { return eventLoop.makeFailedFuture(error) }
        return call.post(question, on: eventLoop).flatMapThrowing { [id] bytes in
            guard let list = try SideCall.object(bytes)["categoriesAnalysis"] as? [[String: Any]] else { throw SideCall.Unreadable() }
            var severities: [String: Int] = [:]
            for entry in list {
                guard let name = (entry["category"] as? String).flatMap({ Self.names[$0] }), let severity = entry["severity"] as? Int else {
                    throw SideCall.Unreadable()
                }
                severities[name] = max(0, min(7, severity))
            }
            // One that is not there was not judged.
            guard severities.count == Self.names.count else { throw SideCall.Unreadable() }
            return severities.sorted { $0.key < $1.key }.filter { $0.value > 0 }.map {
                Finding(id, .init(.harm, $0.key), at: 0..<passage.count, confidence: Double($0.value) / 7)
            }
        }
    }
}
