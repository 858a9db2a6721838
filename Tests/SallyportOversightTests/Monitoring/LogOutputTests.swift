import Foundation
import SallyportOversight
import Testing

#if canImport(Glibc)
    import Glibc
#endif

/// What a log does whose reader stalls: nothing to those who log.
@Suite struct LogOutputTests {
    private static let line = [UInt8](repeating: UInt8(ascii: "x"), count: 1023) + [UInt8(ascii: "\n")]

    private static func output(_ pipe: Pipe, maximumBytes: Int) -> LogOutput {
        LogOutput(descriptor: pipe.fileHandleForWriting.fileDescriptor, maximumBytes: maximumBytes) { Array("missing \($0)\n".utf8) }
    }

    /// Reads lines until what is asked for has come.
    private static func lines(_ pipe: Pipe, until isDone: ([Substring]) -> Bool) throws -> [Substring] {
        var text = ""
        var bytes = [UInt8](repeating: 0, count: 65_536)
        while true {
            let lines = text.split(separator: "\n")
            if text.hasSuffix("\n"), isDone(lines) { return lines }
            // What is there: the handle's own reading waits for as much as was asked for.
            let count = read(pipe.fileHandleForReading.fileDescriptor, &bytes, bytes.count)
            try #require(count > 0)
            text += String(decoding: bytes[..<count], as: UTF8.self)
        }
    }

    @Test func aReaderThatStallsHoldsNobodyUp() throws {
        let pipe = Pipe()
        let output = Self.output(pipe, maximumBytes: 64 * 1024)
        // A pipe holds 64 KiB: most of these have no place anywhere. Were they waited for, this would never end.
        for _ in 0..<1000 { output.write(Self.line) }
        let dropped = output.dropped
        #expect(dropped > 0 && dropped < 1000)
        #expect(!output.flush(within: .milliseconds(1)))

        // Told of once it flows, in one line or several.
        func missing(_ lines: [Substring]) -> [UInt64] { lines.compactMap { $0.hasPrefix("missing ") ? UInt64($0.dropFirst(8)) : nil } }
        let lines = try Self.lines(pipe) { missing($0).reduce(0, +) == dropped }
        #expect(lines.count == 1000 - Int(dropped) + missing(lines).count)
        #expect(lines.allSatisfy { $0.utf8.count == 1023 || $0.hasPrefix("missing ") })

        // It flows again.
        output.write(Array("after\n".utf8))
        #expect(try Self.lines(pipe) { !$0.isEmpty } == ["after"])
        #expect(output.flush(within: .seconds(60)))
        #expect(output.dropped == dropped)
    }

    @Test func linesKeepTheirOrderAndAreWholeAfterAFlush() throws {
        let path = NSTemporaryDirectory() + "/sallyport-log-\(UUID().uuidString)"
        try Data().write(to: URL(fileURLWithPath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        let file = try #require(FileHandle(forWritingAtPath: path))
        let output = LogOutput(descriptor: file.fileDescriptor) { _ in [] }
        for number in 0..<5000 { output.write(Array("\(number)\n".utf8)) }
        #expect(output.flush(within: .seconds(60)))
        #expect(try String(contentsOfFile: path, encoding: .utf8) == (0..<5000).map { "\($0)\n" }.joined())
        #expect(output.dropped == 0)
    }

    @Test func aDescriptorThatSomebodyMadeNonBlockingLosesNothing() throws {
        let pipe = Pipe()
        let descriptor = pipe.fileHandleForWriting.fileDescriptor
        #expect(fcntl(descriptor, F_SETFL, O_NONBLOCK) == 0)
        let output = Self.output(pipe, maximumBytes: 1 << 20)
        for _ in 0..<500 { output.write(Self.line) }
        #expect(try Self.lines(pipe) { $0.count == 500 }.allSatisfy { $0.utf8.count == 1023 })
        #expect(output.flush(within: .seconds(60)))
        #expect(output.dropped == 0)
    }
}
