import NIOConcurrencyHelpers

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Where log lines go: a file descriptor, one line at a time, never mixed.
package struct LogOutput: Sendable {
    private let descriptor: Int32
    private let lock: NIOLock

    /// Does not own the descriptor. Copies share one lock; two outputs over one descriptor do not.
    package init(descriptor: Int32) {
        self.descriptor = descriptor
        lock = NIOLock()
    }

    package static let standardError = LogOutput(descriptor: STDERR_FILENO)

    /// What cannot be written is lost: there is nowhere to say so.
    func write(_ line: [UInt8]) {
        lock.withLock {
            line.withUnsafeBytes { bytes in
                var rest = bytes[...]
                while !rest.isEmpty {
                    #if canImport(Glibc)
                        let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
                    #elseif canImport(Musl)
                        let count = Musl.write(descriptor, rest.baseAddress, rest.count)
                    #else
                        let count = Darwin.write(descriptor, rest.baseAddress, rest.count)
                    #endif
                    if count > 0 { rest = rest[(rest.startIndex + count)...] } else if errno != EINTR { return }
                }
            }
        }
    }
}

extension Slice where Base == UnsafeRawBufferPointer {
    fileprivate var baseAddress: UnsafeRawPointer? { UnsafeRawBufferPointer(rebasing: self).baseAddress }
}
