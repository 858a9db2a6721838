import CProcess
import Foundation
import SallyportCore
import SallyportDocuments

#if canImport(Glibc)
    import Glibc
#endif

/// Reads one document from standard input and writes what it holds, as JSON, to standard output. Knows no secrets, no configuration and no
/// network; its limits are set before the first byte is read.
@main
enum SallyportWorker {
    static func main() {
        let arguments = CommandLine.arguments
        guard arguments.count == 5, let format = DocumentFormat(rawValue: arguments[1]), let memory = UInt(arguments[2]),
            let seconds = UInt(arguments[3]), let largest = Int(arguments[4])
        else {
            FileHandle.standardError.write(Data("usage: sallyport-worker FORMAT MEMORY CPU-SECONDS LARGEST <DOCUMENT\n".utf8))
            exit(64)
        }
        confine(memory: memory, seconds: seconds)
        let answer: ParserAnswer
        do throws(DocumentProblem) {
            answer = .document(try DocumentParsers.parse(try document(atMost: largest), as: format))
        } catch { answer = .problem(error) }
        guard let bytes = try? JSONEncoder().encode(answer), write(Array(bytes)) else { exit(70) }
    }

    private static func confine(memory: UInt, seconds: UInt) {
        func limit(_ resource: __rlimit_resource, _ value: UInt) {
            var limit = rlimit(rlim_cur: rlim_t(value), rlim_max: rlim_t(value))
            // Without its limits it reads nothing.
            guard setrlimit(Int32(resource.rawValue), &limit) == 0 else { exit(71) }
        }
        limit(RLIMIT_AS, memory)
        limit(RLIMIT_CPU, seconds)
        limit(RLIMIT_FSIZE, 0)
        limit(RLIMIT_CORE, 0)
        limit(RLIMIT_NOFILE, 32)
        // A network of its own, with nothing in it, where the kernel lets us: bubblewrap has done so already where it is used.
        _ = process_leave_network()
    }

    private static func document(atMost largest: Int) throws(DocumentProblem) -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(0, &buffer, buffer.count)
            if count == 0 { return bytes }
            if count < 0 {
                if errno == EINTR { continue }
                throw .unreadable
            }
            guard bytes.count + count <= largest else { throw .tooLarge }
            bytes += buffer[..<count]
        }
    }

    private static func write(_ bytes: [UInt8]) -> Bool {
        var done = 0
        while done < bytes.count {
            let count = bytes[done...].withUnsafeBytes { Glibc.write(1, $0.baseAddress, $0.count) }
            if count < 0 {
                if errno == EINTR { continue }
                return false
            }
            done += count
        }
        return true
    }
}
