import NIOConcurrencyHelpers
import NIOSSL
import SallyportCore
import SallyportIdentity

/// TLS on the data plane's listener.
package struct ListenerTLS: Sendable, Hashable {
    package enum ClientCertificates: String, Sendable, CaseIterable { case none, optional, required }
    package enum MinimumVersion: String, Sendable, CaseIterable {
        case tls12 = "1.2"
        case tls13 = "1.3"
    }

    /// PEM files: the chain, the server's own certificate first, and its private key.
    package var certificateFile: String
    package var privateKeyFile: String
    package var minimumVersion: MinimumVersion = .tls12
    package var clientCertificates: ClientCertificates = .none
    package var authorities: [ClientAuthority] = []

    package init(certificateFile: String, privateKeyFile: String) {
        self.certificateFile = certificateFile
        self.privateKeyFile = privateKeyFile
    }

    package struct Failure: Error, CustomStringConvertible {
        package let description: String
    }

    /// For TLS 1.2: forward secrecy and authenticated encryption only. TLS 1.3 knows nothing else.
    private static let suites = [
        "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305",
    ].joined(separator: ":")

    /// All files that are read; a change of one makes a new context.
    package var files: [String] {
        [certificateFile, privateKeyFile] + authorities.flatMap { [$0.certificatesFile] + ($0.revocationsFile.map { [$0] } ?? []) }
    }

    /// Reads the files. Blocks.
    package func makeContext() throws -> NIOSSLContext {
        guard let chain = try? NIOSSLCertificate.fromPEMFile(certificateFile), let own = chain.first else {
            throw Failure(description: "the certificate '\(certificateFile)' cannot be read")
        }
        guard let key = try? NIOSSLPrivateKey(file: privateKeyFile, format: .pem) else {
            throw Failure(description: "the private key '\(privateKeyFile)' cannot be read")
        }
        _ = own
        var tls = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
        tls.minimumTLSVersion = minimumVersion == .tls13 ? .tlsv13 : .tlsv12
        tls.cipherSuites = Self.suites
        tls.applicationProtocols = ["http/1.1"]
        tls.shutdownTimeout = .milliseconds(500)
        switch clientCertificates {
        case .none: tls.certificateVerification = .none
        case .optional: tls.certificateVerification = .optionalVerification
        case .required: tls.certificateVerification = .noHostnameVerification
        }
        if clientCertificates != .none {
            let roots = try authorities.flatMap { authority in
                guard let certificates = try? NIOSSLCertificate.fromPEMFile(authority.certificatesFile), !certificates.isEmpty else {
                    throw Failure(description: "the client authority's file '\(authority.certificatesFile)' cannot be read")
                }
                return certificates
            }
            tls.trustRoots = .certificates(roots)
            tls.sendCANameList = true
        }
        do { return try NIOSSLContext(configuration: tls) } catch {
            throw Failure(description: "the certificate '\(certificateFile)' and its private key do not belong together, or cannot be used")
        }
    }
}

/// How connections to the data plane begin. The context can be replaced: connections that are open keep theirs.
package final class ListenerSecurity: Sendable {
    private let context: NIOLockedValueBox<NIOSSLContext?>
    /// Whether trusted proxies begin each connection with a PROXY header.
    let expectsProxyHeader: Bool

    package init(tls: NIOSSLContext? = nil, expectsProxyHeader: Bool = false) {
        context = NIOLockedValueBox(tls)
        self.expectsProxyHeader = expectsProxyHeader
    }

    package func replace(_ tls: NIOSSLContext) { context.withLockedValue { $0 = tls } }
    package var tls: NIOSSLContext? { context.withLockedValue { $0 } }
}
