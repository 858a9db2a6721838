import NIOCore
import NIOPosix
import SallyportCore
import SallyportOversight

/// What the calls have in common that are answered here, without an upstream.
extension Exchange {
    /// One call, no tokens: no model is asked.
    func reserveAnalysis(for principal: Principal) throws {
        try reserve(for: principal, tokens: 0, costMicros: 0, named: summary.operation)
    }

    /// Runs an analysis on the pool while the intent goes on record; nothing follows before both are done.
    func analyse<Result: Sendable>(
        _ work: @escaping @Sendable () throws -> Result, then proceed: @escaping (Result) throws -> Void
    ) {
        let intent = recordIntent()
        runtime.parts.pool.runIfActive(eventLoop: eventLoop, work).assumeIsolated().whenComplete { [self] outcome in
            intent.assumeIsolated().whenComplete { [self] receipt in
                guard case .success = receipt else { return refuse(Fault.auditUnavailable) }
                intentIsRecorded = true
                continuing {
                    let result: Result
                    do { result = try outcome.get() } catch let fault as Fault { throw fault } catch {
                        throw Fault(.guardUnavailable, "The analysis could not be completed. Please retry.", cause: error)
                    }
                    try proceed(result)
                }
            }
        }
    }

    /// What links in an answer begin with: what the operator says callers use, else the scheme and host that this caller used.
    var publicOrigin: String {
        snapshot.configuration.publicURL
            ?? "\(responder.isSecure ? "https" : "http")://\(head.headers.first(name: "host") ?? "localhost")"
    }
}
