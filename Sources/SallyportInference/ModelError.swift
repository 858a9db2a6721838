/// Why a model cannot be used. Messages name files and reasons, never texts.
package enum ModelError: Error, Sendable, CustomStringConvertible {
    /// The inference library is missing, or of another version.
    case library(String)
    /// A file is missing or cannot be read.
    case file(path: String, reason: String)
    /// A file is not the one that the manifest was written for.
    case digest(path: String, expected: String, found: String)
    case manifest(path: String, reason: String)
    case vocabulary(String)
    /// The engine refused the model or failed to run it.
    case engine(String)
    /// The model does not answer as recorded.
    case selfTest(String)

    package var description: String {
        switch self {
        case .library(let reason): "inference library: \(reason)"
        case .file(let path, let reason): "\(path): \(reason)"
        case .digest(let path, let expected, let found): "\(path): SHA-256 is \(found), the manifest says \(expected)"
        case .manifest(let path, let reason): "\(path): \(reason)"
        case .vocabulary(let reason): "vocabulary: \(reason)"
        case .engine(let reason): "inference engine: \(reason)"
        case .selfTest(let reason): "self-test of the model: \(reason)"
        }
    }
}
