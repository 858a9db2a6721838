/// Why the engine could not do its work. None of these carries scanned text.
package enum HyperscanError: Error, Sendable, Hashable {
    /// The processor lacks SSSE3, which the engine needs.
    case unsupportedPlatform
    case outOfMemory
    /// The engine's own code (`hs_error_t`).
    case engine(Int32)
    /// Above 4 GiB.
    case textTooLong
    /// The engine works but gives wrong answers: a broken build or a wrong library.
    case selfTestFailed(String)
}

extension HyperscanError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unsupportedPlatform: "the pattern engine needs a processor with SSSE3 (x86-64-v2)"
        case .outOfMemory: "the pattern engine could not get memory"
        case .engine(let code): "the pattern engine failed with code \(code)"
        case .textTooLong: "the text is longer than the pattern engine can scan"
        case .selfTestFailed(let check): "the pattern engine's self-test failed: \(check)"
        }
    }
}
