#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The C library's exponential, under one name on every system.
enum Exponential {
    static func of(_ value: Double) -> Double { exp(value) }
}

/// The C library's natural logarithm.
enum Logarithm {
    static func of(_ value: Double) -> Double { log(value) }
    /// The log-odds of a probability, finite.
    static func odds(_ probability: Double) -> Double {
        let bounded = min(max(probability, 1e-6), 1 - 1e-6)
        return log(bounded / (1 - bounded))
    }
}
