import CProcess
import Foundation
import SallyportCore

#if canImport(Glibc)
    import Glibc
#endif

/// Runs a program within the worker's own limits and sandbox.
enum ChildProgram {
    /// - Parameters:
    ///   - content: what it reads from its standard input, through a pipe.
    ///   - limit: more output than this is a fault.
    /// - Returns: what it wrote, the beginning of what it complained about, and its exit status (128 + signal when it was killed).
    static func run(_ path: String, _ arguments: [String], content: [UInt8], limit: Int) throws(DocumentProblem) -> (
        output: [UInt8], complaint: String, status: Int32
    ) {
        var output: [Int32] = [0, 0]
        var errors: [Int32] = [0, 0]
        var input: [Int32] = [0, 0]
        // A program that stops reading early is no reason for us to end.
        signal(SIGPIPE, SIG_IGN)
        guard pipe(&output) == 0 else { throw .parserUnavailable }
        guard pipe(&errors) == 0 else { throw .parserUnavailable }
        guard pipe(&input) == 0 else { throw .parserUnavailable }
        defer {
            close(output[0])
            close(errors[0])
        }
        _ = fcntl(input[1], F_SETFL, O_NONBLOCK)
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, input[0], 0)
        posix_spawn_file_actions_adddup2(&actions, output[1], 1)
        posix_spawn_file_actions_adddup2(&actions, errors[1], 2)
        process_close_from(&actions, 3)
        var argv = ([path] + arguments).map { strdup($0) } + [nil]
        let settings: [String] = ["PATH=/usr/bin:/bin", "LC_ALL=C", "OMP_THREAD_LIMIT=1"]
        var environment = settings.map { strdup($0) } + [nil]
        defer { for pointer in argv + environment { free(pointer) } }
        var child: pid_t = 0
        let spawned = posix_spawn(&child, path, &actions, nil, &argv, &environment)
        close(output[1])
        close(errors[1])
        close(input[0])
        guard spawned == 0 else {
            close(input[1])
            throw .parserUnavailable
        }
        var collected: [UInt8] = []
        var complaint: [UInt8] = []
        var isTooMuch = false
        var open: [pollfd] = [
            pollfd(fd: output[0], events: Int16(POLLIN), revents: 0), pollfd(fd: errors[0], events: Int16(POLLIN), revents: 0),
            pollfd(fd: input[1], events: Int16(POLLOUT), revents: 0),
        ]
        var written = 0
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while open.contains(where: { $0.fd >= 0 }) {
            guard poll(&open, nfds_t(open.count), -1) > 0 else { continue }
            if open[2].fd >= 0, open[2].revents != 0 {
                let count = content[written...].withUnsafeBytes { write(input[1], $0.baseAddress, $0.count) }
                if count > 0 { written += count }
                if written == content.count || count < 0 && errno != EAGAIN && errno != EINTR {
                    close(input[1])
                    open[2].fd = -1
                }
            }
            // It has closed what it says: nothing more is asked of it.
            if open[0].fd < 0, open[1].fd < 0, open[2].fd >= 0 {
                close(input[1])
                open[2].fd = -1
            }
            for index in 0..<2 where open[index].fd >= 0 && open[index].revents != 0 {
                let count = read(open[index].fd, &buffer, buffer.count)
                if count <= 0 {
                    open[index].fd = -1
                } else if index == 1 {
                    if complaint.count < 4096 { complaint += buffer[..<count] }
                } else if collected.count + count > limit {
                    isTooMuch = true
                    kill(child, SIGKILL)
                    open[index].fd = -1
                } else {
                    collected += buffer[..<count]
                }
            }
        }
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0 && errno == EINTR {}
        if isTooMuch { throw .tooLarge }
        let signal = status & 0x7F
        if signal == SIGXCPU || signal == SIGKILL { throw .timedOut }
        if signal != 0 { throw .crashed }
        return (collected, String(decoding: complaint, as: UTF8.self), status >> 8 & 0xFF)
    }
}
