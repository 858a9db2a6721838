import SallyportCore

/// A request to a key service.
package struct KeyServiceRequest: Sendable {
    package var method: String
    /// With its query.
    package var target: String
    package var headers: [(name: String, value: String)]
    /// Headers that are credentials: of this request alone.
    package var credential: [(name: String, value: String)]
    package var body: [UInt8]
    package init(
        method: String, target: String, headers: [(name: String, value: String)] = [], credential: [(name: String, value: String)] = [],
        body: [UInt8] = []
    ) {
        self.method = method
        self.target = target
        self.headers = headers
        self.credential = credential
        self.body = body
    }
}

package struct KeyServiceAnswer: Sendable {
    package var status: Int
    /// As the service asks for: seconds until the next try.
    package var retryAfter: Int?
    package var body: [UInt8]
    package init(status: Int, retryAfter: Int? = nil, body: [UInt8]) {
        self.status = status
        self.retryAfter = retryAfter
        self.body = body
    }
}

/// The way to one key service. Blocks; never called on an event loop.
package protocol KeyServiceTransport: Sendable {
    /// The host as the service sees it, with the port where it is not the scheme's own.
    var host: String { get }
    /// - Throws: ``SealError`` `.unavailable` when there is no answer.
    func send(_ request: KeyServiceRequest) throws -> KeyServiceAnswer
    /// Waits before another try.
    func pause(seconds: Double)
}

extension KeyServiceTransport {
    /// Tries again what was throttled or failed on the other side, as long as the service asks for, ten seconds at most, twice.
    func sendPatiently(_ request: () throws -> KeyServiceRequest) throws -> KeyServiceAnswer {
        var attempt = 0
        while true {
            let answer: KeyServiceAnswer
            do { answer = try send(try request()) } catch let error as SealError {
                attempt += 1
                if attempt >= 3 { throw error }
                pause(seconds: 0.2 * Double(attempt))
                continue
            }
            attempt += 1
            guard answer.status == 429 || answer.status >= 500, attempt < 3 else { return answer }
            let wish = answer.retryAfter.map(Double.init) ?? 0.5 * Double(attempt)
            // What asks for more patience than this is out of reach for now.
            guard wish <= 10 else { return answer }
            pause(seconds: wish)
        }
    }
}
