import Logging

/// Writes each log entry as one line, JSON or text, that no value can break or imitate: see ``EscapedText``.
package struct JSONLogHandler: LogHandler {
    package enum Format: String, Sendable, CaseIterable {
        case json, text
    }

    package var logLevel: Logger.Level
    package var metadata: Logger.Metadata = [:]
    package var metadataProvider: Logger.MetadataProvider?
    private let label: String
    private let format: Format
    private let sink: @Sendable ([UInt8]) -> Void
    private let clock: @Sendable () -> AuditTime

    // What one entry may hold; the rest is cut off and marked with `…`.
    private static let messageBytes = 4096
    private static let valueBytes = 1024
    private static let nameBytes = 128
    private static let entries = 64
    private static let depth = 4
    private static let reserved: Set<String> = ["time", "level", "logger", "source", "message", "error.type"]

    package init(
        label: String, format: Format = .json, level: Logger.Level = .info, output: LogOutput,
        metadataProvider: Logger.MetadataProvider? = nil, clock: @escaping @Sendable () -> AuditTime = { AuditTime.now() }
    ) {
        self.init(label, format, level, metadataProvider, clock) { output.write($0) }
    }

    private init(
        _ label: String, _ format: Format, _ level: Logger.Level, _ provider: Logger.MetadataProvider?,
        _ clock: @escaping @Sendable () -> AuditTime, sink: @escaping @Sendable ([UInt8]) -> Void
    ) {
        self.label = label
        self.format = format
        logLevel = level
        metadataProvider = provider
        self.clock = clock
        self.sink = sink
    }

    /// An output that tells in the same format how many lines are missing from it.
    package static func output(
        descriptor: Int32, format: Format = .json, maximumBytes: Int = LogOutput.defaultMaximumBytes,
        clock: @escaping @Sendable () -> AuditTime = { AuditTime.now() }
    ) -> LogOutput {
        let handler = JSONLogHandler("sallyport.log", format, .warning, nil, clock) { _ in }
        return LogOutput(descriptor: descriptor, maximumBytes: maximumBytes) { missing in
            handler.line(
                of: LogEvent(
                    level: .warning, message: "log lines were left out: nobody took them",
                    metadata: ["log.lines": .stringConvertible(missing)],
                    source: "SallyportOversight", file: #fileID, function: #function, line: #line))
        }
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) { sink(line(of: event)) }

    private func line(of event: LogEvent) -> [UInt8] {
        var fields: [String: Value] = [:]
        for part in [metadata, metadataProvider?.get() ?? [:], event.metadata ?? [:]] {
            for (key, value) in part { JSONLogHandler.flatten(value, under: key, depth: 0, into: &fields) }
        }
        var line: [UInt8] = []
        line.reserveCapacity(512)
        // Of an error only its type: descriptions may carry a caller's text.
        let error = event.error.map { "\(type(of: $0))" }
        switch format {
        case .json: writeJSON(event, fields, error, to: &line)
        case .text: writeText(event, fields, error, to: &line)
        }
        line.append(UInt8(ascii: "\n"))
        return line
    }

    // MARK: Metadata

    private enum Value {
        case string(String)
        /// Spelled as JSON spells it.
        case literal(String)
    }

    private static func flatten(_ value: Logger.Metadata.Value, under key: String, depth: Int, into fields: inout [String: Value]) {
        // Dictionaries come in no order: room is made for whatever comes first, entries past the limit are left out when written.
        guard fields.count < entries * 4 else { return }
        switch value {
        case .string(let text): fields[key] = .string(text)
        case .stringConvertible(let convertible):
            switch convertible {
            case let flag as Bool: fields[key] = .literal(flag ? "true" : "false")
            case let number as any BinaryInteger: fields[key] = .literal("\(number)")
            case let number as Double where number.isFinite: fields[key] = .literal("\(number)")
            default: fields[key] = .string("\(convertible)")
            }
        case .dictionary(let nested):
            guard depth < JSONLogHandler.depth else { return fields[key] = .string("…") }
            for (name, value) in nested { flatten(value, under: "\(key).\(name)", depth: depth + 1, into: &fields) }
        case .array(let values):
            guard depth < JSONLogHandler.depth else { return fields[key] = .string("…") }
            for (index, value) in values.enumerated() { flatten(value, under: "\(key).\(index)", depth: depth + 1, into: &fields) }
        }
    }

    /// Sorted, at most ``entries``. Names that would be taken for an entry's own get a prefix, and none stands twice.
    private static func written(_ fields: [String: Value]) -> [(name: String, value: Value)] {
        var names = reserved
        var written: [(name: String, value: Value)] = []
        for (key, value) in fields.sorted(by: { $0.key < $1.key }) where written.count < entries {
            let name = reserved.contains(key) ? "metadata.\(key)" : key.utf8.count <= nameBytes ? key : String(key.prefix(nameBytes / 4))
            if names.insert(name).inserted { written.append((name, value)) }
        }
        return written
    }

    // MARK: Lines

    private func writeJSON(_ event: LogEvent, _ fields: [String: Value], _ error: String?, to line: inout [UInt8]) {
        line.append(contentsOf: #"{"time":""#.utf8)
        line.append(contentsOf: clock().description.utf8)
        line.append(contentsOf: #"","level":""#.utf8)
        line.append(contentsOf: event.level.rawValue.utf8)
        line.append(contentsOf: #"","logger":"#.utf8)
        EscapedText.appendQuoted(label, limit: JSONLogHandler.nameBytes, to: &line)
        line.append(contentsOf: #","source":"#.utf8)
        EscapedText.appendQuoted(event.source, limit: JSONLogHandler.nameBytes, to: &line)
        line.append(contentsOf: #","message":"#.utf8)
        EscapedText.appendQuoted(event.message.description, limit: JSONLogHandler.messageBytes, to: &line)
        if let error {
            line.append(contentsOf: #","error.type":"#.utf8)
            EscapedText.appendQuoted(error, limit: JSONLogHandler.nameBytes, to: &line)
        }
        for (name, value) in JSONLogHandler.written(fields) {
            line.append(UInt8(ascii: ","))
            EscapedText.appendQuoted(name, limit: JSONLogHandler.nameBytes, to: &line)
            line.append(UInt8(ascii: ":"))
            switch value {
            case .literal(let text): line.append(contentsOf: text.utf8)
            case .string(let text): EscapedText.appendQuoted(text, limit: JSONLogHandler.valueBytes, to: &line)
            }
        }
        line.append(UInt8(ascii: "}"))
    }

    private func writeText(_ event: LogEvent, _ fields: [String: Value], _ error: String?, to line: inout [UInt8]) {
        line.append(contentsOf: clock().description.utf8)
        line.append(UInt8(ascii: " "))
        line.append(contentsOf: event.level.rawValue.uppercased().utf8)
        line.append(contentsOf: " ".utf8)
        JSONLogHandler.appendPlain(event.message.description, limit: JSONLogHandler.messageBytes, allowingSpaces: true, to: &line)
        if let error {
            line.append(contentsOf: " error.type=".utf8)
            JSONLogHandler.appendPlain(error, limit: JSONLogHandler.nameBytes, to: &line)
        }
        for (name, value) in JSONLogHandler.written(fields) {
            line.append(UInt8(ascii: " "))
            JSONLogHandler.appendPlain(name, limit: JSONLogHandler.nameBytes, to: &line)
            line.append(UInt8(ascii: "="))
            switch value {
            case .literal(let text): line.append(contentsOf: text.utf8)
            case .string(let text): JSONLogHandler.appendPlain(text, limit: JSONLogHandler.valueBytes, to: &line)
            }
        }
    }

    /// In quotes, unless nothing in it could be taken for another field.
    private static func appendPlain(_ text: String, limit: Int, allowingSpaces: Bool = false, to line: inout [UInt8]) {
        let isPlain =
            !text.isEmpty && text.utf8.count <= limit
            && text.utf8.allSatisfy { byte in
                byte > 0x20 && byte < 0x7F && byte != UInt8(ascii: "=") && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
                    || allowingSpaces && byte == 0x20
            }
        if isPlain { line.append(contentsOf: text.utf8) } else { EscapedText.appendQuoted(text, limit: limit, to: &line) }
    }
}
