import NIOCore
import NIOPosix
import SallyportCore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Turns a name into addresses.
package protocol HostResolver: Sendable {
    func addresses(of name: String, on eventLoop: any EventLoop) -> EventLoopFuture<[IPAddress]>
}

/// Asks the system (`getaddrinfo`), which blocks, on a thread pool.
package struct SystemResolver: HostResolver {
    package struct Failure: Error, Sendable, CustomStringConvertible {
        package let description: String
    }
    private let threads: NIOThreadPool
    package init(threads: NIOThreadPool = .singleton) { self.threads = threads }

    package func addresses(of name: String, on eventLoop: any EventLoop) -> EventLoopFuture<[IPAddress]> {
        threads.runIfActive(eventLoop: eventLoop) { try SystemResolver.resolve(name) }
    }

    private static func resolve(_ name: String) throws -> [IPAddress] {
        var hints = addrinfo()
        #if canImport(Glibc)
            hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        #else
            hints.ai_socktype = Int32(SOCK_STREAM)
        #endif
        var list: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(name, nil, &hints, &list)
        guard status == 0 else { throw Failure(description: String(cString: gai_strerror(status))) }
        defer { freeaddrinfo(list) }
        var found: [IPAddress] = []
        var next = list
        while let entry = next?.pointee {
            next = entry.ai_next
            guard let raw = UnsafeRawPointer(entry.ai_addr), let address = address(raw, family: entry.ai_family), !found.contains(address)
            else { continue }
            found.append(address)
        }
        return found
    }

    private static func address(_ raw: UnsafeRawPointer, family: Int32) -> IPAddress? {
        switch family {
        case AF_INET:
            withUnsafeBytes(of: raw.loadUnaligned(as: sockaddr_in.self).sin_addr) { IPAddress(networkOrder: $0) }
        case AF_INET6:
            withUnsafeBytes(of: raw.loadUnaligned(as: sockaddr_in6.self).sin6_addr) { IPAddress(networkOrder: $0) }
        default: nil
        }
    }
}
