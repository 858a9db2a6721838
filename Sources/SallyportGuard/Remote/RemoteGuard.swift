import NIOCore
import SallyportCore

/// A guard that asks over a network: another classifier's opinion. A policy asks for it by naming it under `guards`; what it says counts
/// as any other finding does, by the policy's rules.
package protocol RemoteGuard: Sendable {
    var id: DetectorID { get }
    /// Whom it asks: texts go where this lies.
    var upstream: UpstreamID { get }
    /// All that it can report: a policy without a rule for any of them has no use for it.
    var categories: [Finding.Category] { get }
    /// The most code points of one question; longer texts are asked about in parts.
    var maximumText: Int { get }
    func reads(_ origin: PassageOrigin) -> Bool
    /// Findings for each passage, in the same order. A failed future is "not cleared".
    func findings(in passages: [Passage], on eventLoop: any EventLoop) -> EventLoopFuture<[[Finding]]>
}

/// What a policy wants to hear about one text from a remote guard.
package struct OpinionRequest: Sendable, Hashable {
    package let asked: DetectorID
    package let text: ByteBuffer
    package let origin: PassageOrigin
    package let isASCII: Bool
}

/// What remote guards have said so far in an inspection; works as ``LearnedReadings`` do: an inspection that misses an opinion says so and
/// is run again when it is there.
package struct RemoteOpinions: Sendable {
    package enum Entry: Sendable {
        /// Ranges are of the text asked about.
        case said([Finding], nanoseconds: UInt64)
        /// Not cleared.
        case failed(isLate: Bool)
    }

    private var entries: [OpinionRequest: Entry] = [:]

    package init() {}

    package subscript(request: OpinionRequest) -> Entry? {
        get { entries[request] }
        set { entries[request] = newValue }
    }

    package mutating func removeAll() { entries.removeAll(keepingCapacity: true) }
}
