import CProcess
import Foundation
import NIOCore
import SallyportCore

#if canImport(Glibc)
    import Glibc
#endif

/// Parses each document in a process of its own, without a network, without files but the document, within limits on memory and time.
///
/// Where bubblewrap works, the process sees the system's libraries, read-only, and nothing else. Elsewhere it has the limits only, and
/// ``isolation`` says so.
package struct SandboxedParser: DocumentParser {
    package struct Limits: Sendable {
        /// Of the file.
        package var bytes = 64 << 20
        /// Address space of the worker.
        package var memory = 2 << 30
        package var cpu = Duration.seconds(30)
        /// Pages that are pictures take seconds each.
        package var time = Duration.seconds(240)
        /// What the worker may answer.
        package var answer = 96 << 20
        package init() {}
    }
    package enum Isolation: String, Sendable { case bubblewrap, limitsOnly = "limits only" }

    private static let bubblewrap = "/usr/bin/bwrap"
    private let worker: String
    private let limits: Limits
    private let libraries: [String]
    package let isolation: Isolation

    /// - Parameters:
    ///   - worker: the worker's path.
    ///   - mayUseBubblewrap: false: limits only.
    /// - Throws: ``DocumentProblem/parserUnavailable`` when there is no worker.
    package init(worker: String, limits: Limits = Limits(), mayUseBubblewrap: Bool = true) throws(DocumentProblem) {
        guard access(worker, X_OK) == 0, let path = realpath(worker, nil) else { throw .parserUnavailable }
        self.worker = String(cString: path)
        free(path)
        self.limits = limits
        libraries = SandboxedParser.runtimeFolders(besides: URL(fileURLWithPath: self.worker).deletingLastPathComponent().path)
        var isolation = Isolation.limitsOnly
        if mayUseBubblewrap, access(SandboxedParser.bubblewrap, X_OK) == 0 {
            let trial = SandboxedParser.cage(worker: self.worker, libraries: libraries) + ["/usr/bin/true"]
            if let done = try? ChildProcess.run(trial, input: nil, limit: 1024, time: .seconds(20)), done.status == 0 {
                isolation = .bubblewrap
            }
        }
        self.isolation = isolation
    }

    /// The worker that was built with this program.
    package static func workerBesideThisProgram() -> String {
        let program = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
        return URL(fileURLWithPath: program).deletingLastPathComponent().appendingPathComponent("sallyport-worker").path
    }

    package func parse(_ content: ByteBuffer, as format: DocumentFormat) throws(DocumentProblem) -> ParsedDocument {
        guard content.readableBytes > 0 else { throw .empty }
        guard content.readableBytes <= limits.bytes else { throw .tooLarge }
        let arguments = [worker, format.rawValue, "\(limits.memory)", "\(limits.cpu.components.seconds)", "\(limits.bytes)"]
        let command = isolation == .bubblewrap ? SandboxedParser.cage(worker: worker, libraries: libraries) + arguments : arguments
        let done = try ChildProcess.run(command, input: content, limit: limits.answer, time: limits.time)
        guard done.status == 0 else { throw done.wasCutOff ? .timedOut : .crashed }
        // What comes back was made from a hostile document: it is read as data and checked like any input.
        guard let answer = try? JSONDecoder().decode(ParserAnswer.self, from: Data(done.output)) else { throw .crashed }
        switch answer {
        case .document(let document): return document
        case .problem(let problem): throw problem
        }
    }

    private static func cage(worker: String, libraries: [String]) -> [String] {
        var arguments = [
            bubblewrap, "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv", "--setenv", "PATH",
            "/usr/bin:/bin", "--ro-bind", "/usr", "/usr", "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64", "--symlink",
            "usr/bin", "/bin", "--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache", "--ro-bind-try", "/etc/alternatives",
            "/etc/alternatives", "--ro-bind-try", "/etc/fonts", "/etc/fonts", "--proc", "/proc", "--dev", "/dev", "--dir", "/tmp",
            "--chdir", "/",
        ]
        for folder in libraries { arguments += ["--ro-bind-try", folder, folder] }
        arguments += ["--ro-bind", worker, worker, "--remount-ro", "/"]
        return arguments
    }

    /// Where this program's own Swift libraries lie, when that is not below `/usr`; the worker needs the same ones.
    private static func runtimeFolders(besides folder: String) -> [String] {
        guard let maps = try? String(contentsOfFile: "/proc/self/maps", encoding: .utf8) else { return [] }
        var folders: Set<String> = []
        for line in maps.split(separator: "\n") {
            guard let slash = line.firstIndex(of: "/"), line.contains(".so") else { continue }
            let file = URL(fileURLWithPath: String(line[slash...])).deletingLastPathComponent().path
            if !file.hasPrefix("/usr/"), !file.hasPrefix("/lib"),
                line.contains("/libswift") || line.contains("/libFoundation")
                    || line.contains("/lib_Foundation")
            {
                folders.insert(file)
            }
        }
        return folders.sorted()
    }
}
