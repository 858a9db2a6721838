import NIOCore
import SallyportCore

/// A guard that asks over a network: another classifier's opinion, with a budget of its own. Runs beside the local guards.
package protocol RemoteGuard: Sendable {
    var id: DetectorID { get }
    /// Findings for each passage, in the same order. A failed future is "not cleared".
    func findings(in passages: [Passage], on eventLoop: any EventLoop) -> EventLoopFuture<[[Finding]]>
}
