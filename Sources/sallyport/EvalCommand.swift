import ArgumentParser
import Foundation
import SallyportServer

struct EvalCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "eval",
        abstract: "Score labelled texts with the learned detectors, as the gateway would, and say how good the scores are.",
        discussion: "FILE holds one JSON object a line, as docs/evaluation.md describes; - reads standard input.")

    @Argument(help: "The rows.") var file: String
    @Option(help: ArgumentHelp("What the rows are about: \(EvaluationHead.allCases.map(\.rawValue).joined(separator: ", ")).")) var head:
        String
    @Option(help: "Write each row's calibrated score, label and line number to this file, one JSON object a line.") var scores: String?
    @Flag(help: "Read texts only as they stand, not folded, joined or decoded.") var withoutNormaliser = false
    @OptionGroup var model: ModelOptions

    func run() async throws {
        guard let head = EvaluationHead(rawValue: head) else {
            let known = EvaluationHead.allCases.map(\.rawValue).joined(separator: ", ")
            throw ValidationError("There is no head '\(self.head)'; there are \(known).")
        }
        var options = Evaluation.Options()
        options.normalises = !withoutNormaliser
        let evaluation = try Evaluation(head, reader: try model.reader(), options: options)
        let lines = try LineFile.lines(of: file)
        guard lines.contains(where: { !$0.isEmpty }) else { throw ValidationError("there is no row in \(file).") }
        var rows: [Evaluation.Scored] = []
        for start in stride(from: 0, to: lines.count, by: 512) {
            rows += try await evaluation.scores(of: Array(lines[start..<min(start + 512, lines.count)]), first: start + 1)
        }
        if let scores {
            let text = rows.map { EvaluationReport.scoreLine($0, head: head) + "\n" }.joined()
            try text.write(toFile: scores, atomically: true, encoding: .utf8)
        }
        print(EvaluationReport(head, rows: rows, thresholds: evaluation.thresholds).text)
    }
}

/// A file of lines, or standard input.
enum LineFile {
    static func lines(of path: String) throws -> [Data] {
        let bytes = path == "-" ? FileHandle.standardInput.readDataToEndOfFile() : try bytes(of: path)
        return bytes.split(separator: 0x0A, omittingEmptySubsequences: false).map { Data($0) }
    }

    static func bytes(of path: String) throws -> Data {
        guard let contents = FileManager.default.contents(atPath: path) else {
            throw ValidationError("\(path): \(UnreadableFile.reason(path)).")
        }
        return contents
    }
}
