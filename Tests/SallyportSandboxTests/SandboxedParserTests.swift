import Foundation
import NIOCore
import SallyportCore
import Testing

@testable import SallyportSandbox

@Suite(.serialized) struct SandboxedParserTests {
    /// Beside the tests, whatever the configuration.
    static let worker: String = {
        var folder = URL(fileURLWithPath: (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? "")
        folder.deleteLastPathComponent()
        return folder.appendingPathComponent("sallyport-worker").path
    }()

    @Test(arguments: [true, false])
    func parsesInAProcessOfItsOwn(shutIn: Bool) throws {
        let parser = try SandboxedParser(worker: Self.worker, mayUseBubblewrap: shutIn)
        if !shutIn { #expect(parser.isolation == .limitsOnly) }
        let document = try parser.parse(ByteBuffer(string: "# Title\n\nSome words.\n"), as: .markdown)
        #expect(document.title == "Title")
        #expect(document.blocks.map(\.text) == ["Title", "Some words."])
    }

    @Test(arguments: [true, false])
    func readsPDFPages(shutIn: Bool) throws {
        let parser = try SandboxedParser(worker: Self.worker, mayUseBubblewrap: shutIn)
        let whole = pdf(["The crane lifts 40 tonnes.", "Night work needs two signatures."])
        let document = try parser.parse(ByteBuffer(bytes: whole), as: .pdf)
        #expect(document.blocks.map(\.text) == ["The crane lifts 40 tonnes.", "Night work needs two signatures."])
        #expect(document.blocks.map(\.page) == [1, 2])
        #expect(throws: DocumentProblem.malformed) { try parser.parse(ByteBuffer(bytes: whole[..<60]), as: .pdf) }
    }

    @Test(arguments: [true, false])
    func saysWhatIsWrong(shutIn: Bool) throws {
        let parser = try SandboxedParser(worker: Self.worker, mayUseBubblewrap: shutIn)
        #expect(throws: DocumentProblem.mismatch) { try parser.parse(ByteBuffer(string: "no pdf"), as: .pdf) }
        #expect(throws: DocumentProblem.malformed) { try parser.parse(ByteBuffer(string: "%PDF-1.4 rubbish"), as: .pdf) }
        #expect(throws: DocumentProblem.notText) { try parser.parse(ByteBuffer(bytes: [0, 1, 2]), as: .text) }
        #expect(throws: DocumentProblem.empty) { try parser.parse(ByteBuffer(), as: .text) }
    }

    @Test func endsWhatTakesTooMuchMemory() throws {
        var limits = SandboxedParser.Limits()
        limits.memory = 420 << 20
        let parser = try SandboxedParser(worker: Self.worker, limits: limits)
        // Enough to start and for a small document, not for what this one becomes.
        let large = ByteBuffer(string: String(repeating: "<p><b><i>word</i></b>\n", count: 1_200_000))
        do {
            _ = try parser.parse(large, as: .html)
            Issue.record("it had the memory")
        } catch { #expect([.crashed, .malformed, .tooLarge].contains(error), "\(error)") }
        #expect(try parser.parse(ByteBuffer(string: "Some words."), as: .text).blocks.count == 1)
    }

    @Test func endsWhatTakesTooLong() throws {
        let result = try ChildProcess.run(["/bin/sleep", "60"], input: nil, limit: 1024, time: .seconds(1))
        #expect(result.wasCutOff)
        #expect(result.status != 0)
        let talkative = try ChildProcess.run(["/usr/bin/yes"], input: nil, limit: 4096, time: .seconds(60))
        #expect(talkative.wasCutOff)
    }

    /// A parser that a document has taken over says it is done and stays.
    @Test func endsWhatStaysAfterItsLastWord() throws {
        let result = try ChildProcess.run(
            ["/bin/sh", "-c", "echo done; exec >&-; exec /bin/sleep 3600"], input: nil, limit: 1024, time: .seconds(1))
        #expect(result.wasCutOff)
        #expect(result.status != 0)
        // What it leaves behind goes with it.
        let left = try ChildProcess.run(
            ["/bin/sh", "-c", "/bin/sleep 3600 >&- 2>&- & echo $!"], input: nil, limit: 1024, time: .seconds(20))
        #expect(left.status == 0)
        let child = String(decoding: left.output, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        #expect(Int32(child) != nil)
        func isRunning() -> Bool {
            let status = (try? String(contentsOfFile: "/proc/\(child)/stat", encoding: .utf8)) ?? ""
            return !status.isEmpty && !status.contains(") Z ")
        }
        while isRunning() {}
    }

    @Test func givesItsInputReadOnly() throws {
        let script = "cat; echo more 2>/dev/null >&0 || echo refused; ls /proc/self/fd | wc -l"
        let result = try ChildProcess.run(["/bin/sh", "-c", script], input: ByteBuffer(string: "input\n"), limit: 4096, time: .seconds(20))
        let lines = String(decoding: result.output, as: UTF8.self).split(separator: "\n").map(String.init)
        #expect(lines.first == "input")
        #expect(lines.contains("refused"))
        // In, out, errors, and the folder that is listed.
        #expect(lines.last == "4")
    }

    @Test func needsItsWorker() {
        #expect(throws: DocumentProblem.parserUnavailable) { try SandboxedParser(worker: "/nonexistent/worker") }
    }
}
