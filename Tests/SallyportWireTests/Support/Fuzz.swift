import FoundationEssentials
import NIOCore
import Testing

/// Runs a property over many seeds: a fixed number by default, for a time when `FUZZ_SECONDS` is set.
enum Fuzz {
    /// - Parameter body: gets a generator of its own seed; the seed is for the message of a failing expectation.
    static func run(rounds: Int, _ body: (_ seed: UInt64, _ random: inout SplitMix64) throws -> Void) rethrows {
        let seconds = ProcessInfo.processInfo.environment["FUZZ_SECONDS"].flatMap(Double.init)
        // A long run starts elsewhere each time; FUZZ_SEED repeats one.
        let first =
            ProcessInfo.processInfo.environment["FUZZ_SEED"].flatMap(UInt64.init)
            ?? (seconds == nil ? 1 : UInt64.random(in: 0...(.max / 2)))
        let clock = ContinuousClock()
        let deadline = clock.now.advanced(by: .seconds(seconds ?? 0))
        var round = 0
        while seconds == nil ? round < rounds : clock.now < deadline {
            let seed = first &+ UInt64(round)
            var random = SplitMix64(seed: seed)
            try body(seed, &random)
            round += 1
        }
    }

    /// An expectation that costs nothing while it holds.
    static func check(
        _ holds: Bool, _ seed: UInt64, _ what: @autoclosure () -> String = "", sourceLocation: SourceLocation = #_sourceLocation
    ) {
        if !holds { Issue.record("FUZZ_SEED=\(seed) \(what())", sourceLocation: sourceLocation) }
    }

    /// The files of one folder of the corpus.
    static func corpus(_ folder: String) throws -> [[UInt8]] {
        let tests = #filePath.split(separator: "/").dropLast(2).joined(separator: "/")
        let path = "/\(tests)/Corpus/\(folder)"
        let names = try FileManager.default.contentsOfDirectory(atPath: path).sorted()
        return names.compactMap { FileManager.default.contents(atPath: "\(path)/\($0)").map { [UInt8]($0) } }
    }

    /// One to four small changes: bytes flipped, put in, taken out, repeated, or the rest cut off.
    static func mutate(_ bytes: [UInt8], with interesting: [UInt8], _ random: inout SplitMix64) -> [UInt8] {
        var bytes = bytes
        for _ in 0...random.below(4) {
            let at = random.below(bytes.count + 1)
            switch random.below(7) {
            case 0 where at < bytes.count: bytes[at] ^= 1 << UInt8(random.below(8))
            case 1 where at < bytes.count: bytes[at] = random.pick(interesting)
            case 2: bytes.insert(random.pick(interesting), at: at)
            case 3 where at < bytes.count: bytes.remove(at: at)
            case 4: bytes.removeSubrange(at..<min(bytes.count, at + random.below(8)))
            case 5: bytes.insert(contentsOf: bytes[at..<min(bytes.count, at + random.below(24))], at: random.below(bytes.count + 1))
            case 6 where random.chance(4): bytes.removeSubrange(at...)
            default: bytes.insert(UInt8(random.below(256)), at: at)
            }
        }
        return bytes
    }

    /// The bytes cut into chunks at random places.
    static func chunks(_ bytes: [UInt8], _ random: inout SplitMix64) -> [ByteBuffer] {
        var chunks: [ByteBuffer] = []
        var start = 0
        let longest = random.pick([1, 3, 17, 400])
        while start < bytes.count {
            let end = min(bytes.count, start + 1 + random.below(longest))
            chunks.append(ByteBuffer(bytes: bytes[start..<end]))
            start = end
        }
        return chunks
    }
}

extension ByteBuffer {
    var array: [UInt8] { Array(readableBytesView) }
    var text: String { String(buffer: self) }
}
