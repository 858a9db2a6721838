import Foundation
import Logging
import SallyportOversight
import Testing

@Suite struct JSONLogHandlerTests {
    /// Logs into a file and gives back its lines.
    private func lines(_ format: JSONLogHandler.Format = .json, _ body: (inout Logger) -> Void) throws -> [String] {
        let path = NSTemporaryDirectory() + "/sallyport-log-\(UUID().uuidString)"
        try Data().write(to: URL(fileURLWithPath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        let file = try #require(FileHandle(forWritingAtPath: path))
        let output = JSONLogHandler.output(descriptor: file.fileDescriptor, format: format)
        var logger = Logger(label: "sallyport.test") {
            JSONLogHandler(
                label: $0, format: format, output: output,
                clock: { AuditTime(millisecondsSince1970: 1_795_000_000_123) })
        }
        body(&logger)
        #expect(output.flush(within: .seconds(60)))
        try file.close()
        let text = String(decoding: try Data(contentsOf: URL(fileURLWithPath: path)), as: UTF8.self)
        #expect(text.isEmpty || text.hasSuffix("\n"))
        return text.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init)
    }

    private func object(_ line: String) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
    }

    private func entry(_ body: (inout Logger) -> Void) throws -> [String: Any] {
        let lines = try lines(body: body)
        #expect(lines.count == 1)
        return try object(lines[0])
    }

    private func lines(body: (inout Logger) -> Void) throws -> [String] { try lines(.json, body) }

    @Test func writesOneObjectPerLine() throws {
        let lines = try lines { logger in
            logger[metadataKey: "request.id"] = "r-1"
            logger.info("request refused", metadata: ["tenant.id": "default"], source: "SallyportGateway")
            logger.debug("not at this level")
        }
        #expect(
            lines == [
                #"{"time":"2026-11-18T11:06:40.123Z","level":"info","logger":"sallyport.test","source":"SallyportGateway","message":"request refused","#
                    + #""request.id":"r-1","tenant.id":"default"}"#
            ])
    }

    @Test func flattensMetadataUnderDottedKeys() throws {
        let entry = try entry { logger in
            logger.notice(
                "m",
                metadata: [
                    "upstream": ["id": "a", "pool": ["open": "\(3)"]], "list": ["x", "y"], "count": .stringConvertible(42),
                    "ratio": .stringConvertible(0.5), "on": .stringConvertible(true), "nan": .stringConvertible(Double.nan),
                ])
        }
        #expect(entry["upstream.id"] as? String == "a")
        #expect(entry["upstream.pool.open"] as? String == "3")
        #expect(entry["list.0"] as? String == "x")
        #expect(entry["list.1"] as? String == "y")
        #expect(entry["count"] as? Int == 42)
        #expect(entry["ratio"] as? Double == 0.5)
        #expect(entry["on"] as? Bool == true)
        #expect(entry["nan"] as? String == "nan")
    }

    @Test func prefersWhatIsNearer() throws {
        let entry = try entry { logger in
            logger[metadataKey: "a"] = "logger"
            logger[metadataKey: "b"] = "logger"
            logger.info("m", metadata: ["b": "entry"])
        }
        #expect(entry["a"] as? String == "logger")
        #expect(entry["b"] as? String == "entry")
    }

    private static let forgeries = [
        "x\n{\"level\":\"critical\",\"message\":\"forged\"}", "x\r\nforged", "\",\"level\":\"critical\",\"x\":\"", "tab\there",
        "nul\u{0}nul",
        "\u{1B}[2Jcleared", "\u{9B}31m", "\u{7F}", "\u{85}next", "\u{2028}\u{2029}", "\u{202E}txt.exe", "\u{2066}iso\u{2069}",
        "\u{FEFF}bom",
        "\\", "\\\"", "é漢🦊", "", "\u{200B}hidden",
    ]

    @Test(arguments: forgeries)
    func letsNoValueForgeALine(text: String) throws {
        let lines = try lines { logger in logger.warning("\(text)", metadata: ["k": "\(text)", "\(text)": "v"]) }
        #expect(lines.count == 1)
        let entry = try object(lines[0])
        #expect(entry["message"] as? String == text)
        #expect(entry["k"] as? String == text)
        #expect(entry[text] as? String == "v")
        #expect(entry["level"] as? String == "warning")
        #expect(!lines[0].unicodeScalars.contains { $0.properties.generalCategory == .control || $0.properties.generalCategory == .format })
    }

    @Test(arguments: forgeries + ["a=b level=critical", "two words"])
    func letsNoValueForgeATextField(text: String) throws {
        let lines = try lines(.text) { logger in logger.warning("\(text)", metadata: ["k": "\(text)"]) }
        #expect(lines.count == 1)
        #expect(!lines[0].unicodeScalars.contains { $0.properties.generalCategory == .control || $0.properties.generalCategory == .format })
        // Outside quotes there is exactly one equals sign: the one after "k".
        var isQuoted = false
        var isEscaped = false
        var equals = 0
        for character in lines[0] {
            if isEscaped {
                isEscaped = false
            } else if character == "\\" {
                isEscaped = true
            } else if character == "\"" {
                isQuoted.toggle()
            } else if character == "=" && !isQuoted {
                equals += 1
            }
        }
        #expect(equals == 1)
        #expect(!isQuoted)
    }

    @Test func writesTextForPeople() throws {
        let lines = try lines(.text) { logger in
            logger.error("request refused", metadata: ["tenant.id": "default", "reason": "too large", "size": .stringConvertible(7)])
        }
        #expect(lines == [#"2026-11-18T11:06:40.123Z ERROR request refused reason="too large" size=7 tenant.id=default"#])
    }

    @Test func keepsItsOwnFieldsFromMetadata() throws {
        let lines = try lines { logger in
            logger.info("true", metadata: ["level": "critical", "message": "false", "time": "never", "metadata.level": "second"])
        }
        let names = lines[0].split(separator: "\"").filter { $0 == "level" || $0 == "message" || $0 == "time" || $0 == "metadata.level" }
        #expect(names.count == 4)
        let entry = try object(lines[0])
        #expect(entry["level"] as? String == "info")
        #expect(entry["message"] as? String == "true")
        #expect(entry["metadata.time"] as? String == "never")
    }

    @Test func boundsALine() throws {
        var deep: Logger.Metadata.Value = "leaf"
        for _ in 0..<100 { deep = ["d": deep] }
        let long = String(repeating: "漢", count: 100_000)
        let lines = try lines { logger in
            var metadata: Logger.Metadata = ["deep": deep, "\(long)": "v"]
            for index in 0..<1000 { metadata["k\(index)"] = "\(long)" }
            logger.info("\(long)", metadata: metadata)
        }
        #expect(lines.count == 1)
        #expect(lines[0].utf8.count < 80_000)
        let entry = try object(lines[0])
        #expect(entry.count <= 70)
    }

    @Test func namesAnErrorsTypeOnly() throws {
        struct Leaky: Error, CustomStringConvertible { let description = "the secret prompt" }
        let lines = try lines { logger in logger.error("failed", error: Leaky()) }
        #expect(lines[0].contains(#""error.type":"Leaky""#))
        #expect(!lines[0].contains("secret"))
    }

    @Test func keepsLinesWholeAcrossThreads() throws {
        let lines = try lines { logger in
            let logger = logger
            DispatchQueue.concurrentPerform(iterations: 400) { index in
                logger.info("entry", metadata: ["index": .stringConvertible(index), "pad": "\(String(repeating: "x", count: 900))"])
            }
        }
        let indices = try lines.map { line in
            try #require(try object(line)["index"] as? Int)
        }
        #expect(Set(indices) == Set(0..<400))
        #expect(lines.count == 400)
    }
}
