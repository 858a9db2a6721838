#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Tells whether a file has changed, without reading it.
package enum FileStamp {
    /// Time of the last change, length and number of the file.
    /// - Returns: nil when there is none that can be looked at.
    package static func of(_ file: String) -> String? {
        var status = stat()
        guard stat(file, &status) == 0 else { return nil }
        #if canImport(Darwin)
            let time = status.st_mtimespec
        #else
            let time = status.st_mtim
        #endif
        return "\(time.tv_sec).\(time.tv_nsec).\(status.st_size).\(status.st_ino)"
    }

    /// Of several, in their order; one that is missing counts as well.
    package static func of(_ files: [String]) -> String { files.map { of($0) ?? "missing" }.joined(separator: " ") }
}
