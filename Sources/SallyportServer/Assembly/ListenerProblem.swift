import Foundation
import NIOCore

/// A listener that cannot be opened: which one, and why.
struct ListenerProblem: Error, CustomStringConvertible {
    let description: String

    /// - Parameter key: the key of the configuration that says where it listens.
    init(_ key: String, _ address: ServerPlan.Address, _ error: any Error) {
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
