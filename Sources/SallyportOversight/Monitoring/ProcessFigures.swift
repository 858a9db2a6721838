#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// What the kernel says of this process, read from `/proc` at each scrape. What cannot be read is left out.
struct ProcessFigures {
    var cpuSeconds: Double?
    var residentBytes: Double?
    var virtualBytes: Double?
    var threads: Double?
    var openDescriptors: Double?
    var maximumDescriptors: Double?
    /// Seconds since 1970.
    var startTime: Double?

    static func now() -> ProcessFigures {
        var figures = ProcessFigures()
        // The second field may hold spaces and parentheses, so counting begins after the last ")": field 3, the state.
        if let text = contents(of: "/proc/self/stat"), let end = text.lastIndex(of: ")") {
            let fields = text[text.index(after: end)...].split(whereSeparator: \.isWhitespace)
            let ticks = Double(max(1, sysconf(Int32(_SC_CLK_TCK))))
            func field(_ number: Int) -> Double? { number - 3 < fields.count ? Double(fields[number - 3]) : nil }
            if let user = field(14), let system = field(15) { figures.cpuSeconds = (user + system) / ticks }
            figures.threads = field(20)
            if let started = field(22), let boot = bootTime() { figures.startTime = boot + started / ticks }
            figures.virtualBytes = field(23)
            figures.residentBytes = field(24).map { $0 * Double(sysconf(Int32(_SC_PAGESIZE))) }
        }
        figures.openDescriptors = openDescriptors()
        var limit = rlimit()
        if getrlimit(noFile, &limit) == 0 { figures.maximumDescriptors = Double(limit.rlim_cur) }
        return figures
    }

    func write(to exposition: inout Exposition) {
        if let cpuSeconds { exposition.counter("process_cpu_seconds_total", help: "User and system time spent, in seconds.", cpuSeconds) }
        for (name, help, value) in [
            ("process_resident_memory_bytes", "Resident memory.", residentBytes),
            ("process_virtual_memory_bytes", "Virtual memory.", virtualBytes),
            ("process_threads", "Threads.", threads), ("process_open_fds", "Open file descriptors.", openDescriptors),
            ("process_max_fds", "Largest number of open file descriptors.", maximumDescriptors),
            ("process_start_time_seconds", "Start of the process, in seconds since 1970.", startTime),
        ] {
            if let value { exposition.gauge(name, help: help, value) }
        }
    }

    #if canImport(Glibc)
        private static let noFile = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    #else
        private static let noFile = RLIMIT_NOFILE
    #endif

    private static func bootTime() -> Double? {
        guard let text = contents(of: "/proc/stat") else { return nil }
        for line in text.split(separator: "\n") where line.hasPrefix("btime ") { return Double(line.dropFirst(6)) }
        return nil
    }

    private static func openDescriptors() -> Double? {
        guard let directory = opendir("/proc/self/fd") else { return nil }
        defer { closedir(directory) }
        var count = 0
        while let entry = readdir(directory) {
            if entry.pointee.d_name.0 != CChar(bitPattern: UInt8(ascii: ".")) { count += 1 }
        }
        // Less the one that this reading opened.
        return Double(max(0, count - 1))
    }

    /// At most 64 KiB of a file.
    private static func contents(of path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 65_536)
        var count = 0
        while count < bytes.count {
            let got = bytes.withUnsafeMutableBytes { read(descriptor, $0.baseAddress.map { $0 + count }, $0.count - count) }
            if got <= 0 { break }
            count += got
        }
        return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
    }
}
