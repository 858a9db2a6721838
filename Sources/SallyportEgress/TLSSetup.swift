import NIOCore
import NIOSSL

/// What is needed to speak TLS to one upstream, made once per configuration.
struct TLSSetup: Sendable {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    let context: NIOSSLContext
    /// nil: the endpoint is an address, and the certificate must name it.
    let serverName: String?
    let pins: Set<String>

    /// Reads files; call it off the event loops. - Throws: a text for the operator.
    init(_ options: UpstreamTLS, endpoint: EndpointURL, http: UpstreamHTTPVersion) throws(Failure) {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = options.minimumVersion == .tls13 ? .tlsv13 : .tlsv12
        tls.certificateVerification = .fullVerification
        tls.shutdownTimeout = .milliseconds(250)
        tls.applicationProtocols =
            switch http {
            case .automatic: ["h2", "http/1.1"]
            case .http1: ["http/1.1"]
            case .http2: ["h2"]
            }
        if let file = options.authoritiesFile {
            guard let authorities = try? NIOSSLCertificate.fromPEMFile(file), !authorities.isEmpty else {
                throw Failure(description: "the file of certificate authorities cannot be read")
            }
            tls.trustRoots = .certificates(authorities)
        }
        switch (options.certificateFile, options.privateKeyFile) {
        case (nil, nil): break
        case (let certificate?, let key?):
            guard let chain = try? NIOSSLCertificate.fromPEMFile(certificate), !chain.isEmpty else {
                throw Failure(description: "the client certificate cannot be read")
            }
            guard let privateKey = try? NIOSSLPrivateKey(file: key, format: .pem) else {
                throw Failure(description: "the client certificate's private key cannot be read")
            }
            tls.certificateChain = chain.map { .certificate($0) }
            tls.privateKey = .privateKey(privateKey)
        default: throw Failure(description: "a client certificate needs both its certificate and its private key")
        }
        let pins = Set(options.pins.map { $0.lowercasedASCII.filter { $0 != ":" } })
        guard pins.allSatisfy({ $0.utf8.count == 64 && $0.allSatisfy(\.isHexDigit) }) else {
            throw Failure(description: "a certificate pin must be 64 hexadecimal digits")
        }
        self.pins = pins
        do { context = try NIOSSLContext(configuration: tls) } catch {
            throw Failure(description: "TLS cannot be set up (\(type(of: error)))")
        }
        if let name = options.serverName {
            serverName = name
        } else if case .name(let name) = endpoint.host {
            serverName = name
        } else {
            serverName = nil
        }
    }

    func makeHandler() throws -> NIOSSLClientHandler { try NIOSSLClientHandler(context: context, serverHostname: serverName) }

    /// Compares the verified peer's certificate with the name that was asked for and with the pins. Call it after the handshake, before
    /// anything is sent.
    func checkPeer(of channel: any Channel) throws(Failure) {
        guard serverName != nil || !pins.isEmpty else { return }
        guard let handler = try? channel.pipeline.syncOperations.handler(type: NIOSSLClientHandler.self),
            let certificate = handler.peerCertificate
        else { throw Failure(description: "the peer showed no certificate") }
        // NIOSSL also accepts a certificate that only names the address connected to, and those can be had from public authorities:
        // whoever forges the name's resolution would pass. A name that was asked for must itself be in the certificate.
        if let serverName, !TLSSetup.names(in: certificate).contains(where: { TLSSetup.matches(serverName, pattern: $0) }) {
            throw Failure(description: "the peer's certificate is for another name")
        }
        guard !pins.isEmpty else { return }
        guard let whole = try? certificate.toDERBytes(), let key = try? certificate.extractPublicKey().toSPKIBytes(),
            pins.contains(SHA256Digest.hex(of: key)) || pins.contains(SHA256Digest.hex(of: whole))
        else { throw Failure(description: "the peer's certificate matches none of the pins") }
    }

    private static func names(in certificate: NIOSSLCertificate) -> [String] {
        certificate._subjectAlternativeNames().compactMap { name in
            name.nameType == .dnsName ? String(decoding: name.contents, as: UTF8.self) : nil
        }
    }

    /// RFC 6125: a wildcard stands for the whole leftmost label, of a name with at least three.
    static func matches(_ name: String, pattern: String) -> Bool {
        let name = name.lowercasedASCII, pattern = pattern.lowercasedASCII
        guard pattern.hasPrefix("*.") else { return name == pattern }
        guard let dot = name.firstIndex(of: "."), dot != name.startIndex else { return false }
        let rest = pattern.dropFirst(2)
        return rest.contains(".") && !rest.contains("*") && name[name.index(after: dot)...] == rest
    }
}
