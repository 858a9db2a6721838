import NIOCore
import NIOHTTP1
import SallyportCore

/// The caller's end of an exchange. Used on its event loop only.
protocol ExchangeResponder: AnyObject {
    /// The caller speaks TLS with us.
    var isSecure: Bool { get }
    func writeHead(status: Int, headers: HeaderFields)
    func writeBody(_ bytes: ByteBuffer)
    func flush()
    /// Calls when all that was written so far was handed to the network, or never will be.
    func whenFlushed(_ done: @escaping () -> Void)
    /// A head that waited was accepted: the body is wanted now.
    func headIsAccepted()
    /// The answer is complete.
    /// - Parameter flushed: called when its last byte was handed to the network, or never will be.
    func end(flushed: (() -> Void)?)
    /// No answer can be given, or none that could be understood: the connection ends.
    func abort()
    /// The connection closes after this answer (the request's body was not read).
    func closeAfterAnswer()
}
