import Foundation
import Logging
import NIOConcurrencyHelpers
import SallyportCore
import SallyportGateway
import SallyportIdentity

/// Keeps the listener's certificate, and what is known of client authorities, as their files are.
final class ListenerKeeper: Sendable {
    private struct State {
        var tls: ListenerTLS?
        var stamp = ""
        var checkedAt: Int64 = 0
    }

    private let state = NIOLockedValueBox(State())
    private let certificates: CertificateDirectory
    private let logger: Logger
    let security: ListenerSecurity

    /// Reads everything. Blocks. - Throws: when a file cannot be used.
    init(_ tls: ListenerTLS?, expectsProxyHeader: Bool, certificates: CertificateDirectory, logger: Logger) throws {
        self.certificates = certificates
        self.logger = logger
        // Before the files are read: what changes meanwhile is found by the first look at them.
        let stamp = FileStamp.of(tls?.files ?? [])
        security = ListenerSecurity(tls: try tls?.makeContext(), expectsProxyHeader: expectsProxyHeader)
        if let tls {
            certificates.replace(try ClientAuthorities(tls.authorities))
            state.withLockedValue { $0 = State(tls: tls, stamp: stamp) }
        }
    }

    /// Takes changed files into use, once a second at most. What cannot be used is told of, and the former stays.
    func refresh(at now: Int64) {
        let due = state.withLockedValue { state -> ListenerTLS? in
            guard let tls = state.tls, state.checkedAt != now else { return nil }
            state.checkedAt = now
            let stamp = FileStamp.of(tls.files)
            guard stamp != state.stamp else { return nil }
            state.stamp = stamp
            return tls
        }
        guard let due else { return }
        do {
            try adopt(due)
            logger.notice("the listener's certificates were read anew")
        } catch {
            logger.error("the listener's certificates stay as they were", metadata: ["reason": "\(error)"])
        }
    }

    /// After a reload of the configuration. Whether TLS is spoken at all changes with the next start only.
    func replace(_ tls: ListenerTLS?) throws {
        guard let tls, state.withLockedValue({ $0.tls != nil }) else { return }
        let stamp = FileStamp.of(tls.files)
        try adopt(tls)
        state.withLockedValue {
            $0.tls = tls
            $0.stamp = stamp
        }
    }

    private func adopt(_ tls: ListenerTLS) throws {
        let context = try tls.makeContext()
        let authorities = try ClientAuthorities(tls.authorities)
        security.replace(context)
        certificates.replace(authorities)
    }
}
