import NIOCore
import NIOHTTP1

/// The caller's end of an exchange. Used on its event loop only.
protocol ExchangeResponder: AnyObject {
    func writeHead(status: Int, headers: HTTPHeaders)
    func writeBody(_ bytes: ByteBuffer)
    func flush()
    /// The answer is complete.
    func end()
    /// No answer can be given, or none that could be understood: the connection ends.
    func abort()
    /// The connection closes after this answer (the request's body was not read).
    func closeAfterAnswer()
}
