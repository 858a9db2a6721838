import Foundation
import NIOCore

/// A listener that cannot be opened: which one, and why.
struct ListenerProblem: Error, CustomStringConvertible {
    let description: String

    /// Opens a listener; when it does not open, the error says which one that is.
    /// - Parameter key: the key of the configuration that says where it listens.
    static func naming<Listener>(
        _ key: String, _ address: ServerPlan.Address, _ open: () async throws -> Listener
    ) async throws -> Listener {
        do { return try await open() } catch { throw ListenerProblem(key, address, error) }
    }

    private init(_ key: String, _ address: ServerPlan.Address, _ error: any Error) {
        let reason =
            switch (error as? IOError)?.errnoCode {
            case EADDRINUSE: "the address is in use by another process"
            case EACCES: "this user may not listen there"
            case EADDRNOTAVAIL: "this machine has no such address"
            default: "\(error)"
            }
        description = "\(key) (\(address.host):\(address.port)): \(reason)"
    }
}
