import CProcess
import Foundation
import NIOCore
import SallyportCore

#if canImport(Glibc)
    import Glibc
#endif

/// One program run to its end: nothing of ours is open in it but what it is given.
enum ChildProcess {
    struct Result {
        var output: [UInt8]
        /// 128 + signal when it was killed.
        var status: Int32
        /// We ended it: too long, or too much to say.
        var wasCutOff: Bool
    }

    /// - Parameter input: becomes its standard input, a file in memory that it cannot write.
    static func run(_ command: [String], input: ByteBuffer?, limit: Int, time: Duration) throws(DocumentProblem) -> Result {
        let source = try descriptor(of: input)
        defer { close(source) }
        var output: [Int32] = [0, 0]
        guard pipe(&output) == 0 else { throw .parserUnavailable }
        defer { close(output[0]) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, source, 0)
        posix_spawn_file_actions_adddup2(&actions, output[1], 1)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        // Databases, sockets, logs: nothing of ours goes along.
        process_close_from(&actions, 3)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // A group of its own, so that all of it can be ended; no signal masks or handlers of ours.
        posix_spawnattr_setpgroup(&attributes, 0)
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        var all = sigset_t()
        sigfillset(&all)
        posix_spawnattr_setsigdefault(&attributes, &all)
        let flags = POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF
        posix_spawnattr_setflags(&attributes, Int16(flags))
        var arguments = command.map { strdup($0) } + [nil]
        let settings: [String] = ["PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8"]
        var environment = settings.map { strdup($0) } + [nil]
        defer { for pointer in arguments + environment { free(pointer) } }
        var child: pid_t = 0
        let spawned = posix_spawn(&child, command[0], &actions, &attributes, &arguments, &environment)
        close(output[1])
        guard spawned == 0 else { throw .parserUnavailable }
        let deadline = NIODeadline.now() + .nanoseconds(time.components.seconds * 1_000_000_000)
        let (bytes, isWhole) = gather(output[0], limit: limit, until: deadline)
        // What has closed its output and stays is ended as well: there is nothing more to come from it.
        let hasEnded = isWhole && ends(child, before: min(deadline, .now() + grace))
        // Also what it leaves behind. While it is not waited for, its number is nobody else's.
        kill(-child, SIGKILL)
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0 && errno == EINTR {}
        let signal = status & 0x7F
        let code = signal != 0 ? 128 + signal : status >> 8 & 0xFF
        // Bubblewrap passes its child's signal on as 128 + signal.
        let isTime = code == 128 + SIGXCPU || code == 128 + SIGKILL
        return Result(output: bytes, status: hasEnded ? code : 128 + SIGKILL, wasCutOff: !hasEnded || isTime)
    }

    /// From the end of what a program says to its own end.
    private static let grace = TimeAmount.seconds(5)

    private static func ends(_ child: pid_t, before deadline: NIODeadline) -> Bool {
        while true {
            var ended = siginfo_t()
            let status = waitid(P_PID, id_t(child), &ended, WEXITED | WNOHANG | WNOWAIT)
            if status == 0, ended.si_signo == SIGCHLD { return true }
            if status < 0, errno != EINTR { return false }
            guard NIODeadline.now() < deadline else { return false }
            usleep(500)
        }
    }

    private static func gather(_ pipe: Int32, limit: Int, until deadline: NIODeadline) -> (bytes: [UInt8], isWhole: Bool) {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        var poller = pollfd(fd: pipe, events: Int16(POLLIN), revents: 0)
        while true {
            let left = (deadline - .now()).nanoseconds / 1_000_000
            guard left > 0 else { return (bytes, false) }
            let ready = poll(&poller, 1, Int32(clamping: left))
            if ready < 0, errno == EINTR { continue }
            guard ready > 0 else { return (bytes, false) }
            let count = read(pipe, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return (bytes, count == 0) }
            guard bytes.count + count <= limit else { return (bytes, false) }
            bytes += buffer[..<count]
        }
    }

    /// The content as a file in memory, opened for reading only.
    private static func descriptor(of input: ByteBuffer?) throws(DocumentProblem) -> Int32 {
        guard let input else {
            let null = open("/dev/null", O_RDONLY | O_CLOEXEC)
            guard null >= 0 else { throw .parserUnavailable }
            return null
        }
        let memory = process_memory_file()
        guard memory >= 0 else { throw .parserUnavailable }
        defer { close(memory) }
        let isWritten = input.withUnsafeReadableBytes { bytes in
            var done = 0
            while done < bytes.count {
                let count = write(memory, bytes.baseAddress.map { $0 + done }, bytes.count - done)
                if count < 0 {
                    if errno == EINTR { continue }
                    return false
                }
                done += count
            }
            return true
        }
        let reading = open("/proc/self/fd/\(memory)", O_RDONLY | O_CLOEXEC)
        guard isWritten, reading >= 0 else {
            if reading >= 0 { close(reading) }
            throw .parserUnavailable
        }
        return reading
    }
}
