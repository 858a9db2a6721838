/// Why a log cannot be opened, read or proved from: for the operator, never for a caller.
package enum AuditError: Error, Sendable, CustomStringConvertible {
    /// Another process holds the directory.
    case inUse(String)
    /// The log does not hold what its own checkpoint says; it must be examined before anything is added.
    case damaged(String)
    /// A key, note, checkpoint or proof that cannot be read.
    case malformed(String)
    case notFound(String)
    /// A signature or a proof does not hold.
    case unproven(String)

    package var description: String {
        switch self {
        case .inUse(let directory): "the audit log in \(directory) is in use by another process"
        case .damaged(let what): "the audit log is damaged: \(what)"
        case .malformed(let what): "cannot be read: \(what)"
        case .notFound(let what): "not found: \(what)"
        case .unproven(let what): "not proven: \(what)"
        }
    }
}
