#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The system's random numbers, fetched a few requests ahead: asking the kernel for each word took five system calls a request.
struct RandomWords: RandomNumberGenerator {
    private var words: [UInt64] = []
    private static let fetched = 40

    mutating func next() -> UInt64 {
        if words.isEmpty { fetch() }
        return words.removeLast()
    }

    private mutating func fetch() {
        #if canImport(Glibc) || canImport(Darwin)
            words.append(contentsOf: repeatElement(0, count: Self.fetched))
            words.withUnsafeMutableBytes { if let base = $0.baseAddress { arc4random_buf(base, $0.count) } }
        #else
            var system = SystemRandomNumberGenerator()
            for _ in 0..<Self.fetched { words.append(system.next()) }
        #endif
    }
}
