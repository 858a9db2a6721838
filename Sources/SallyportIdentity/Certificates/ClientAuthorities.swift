import FoundationEssentials
import SallyportCore
import SwiftASN1
import X509

/// An authority whose client certificates are accepted, and how a certificate's name becomes a principal.
package struct ClientAuthority: Sendable, Hashable {
    /// Where in the certificate the name stands.
    package enum NameSource: String, Sendable, CaseIterable {
        /// A URI among the alternative names, such as a SPIFFE id.
        case uri
        case dns
        case subject
    }
    /// In the configuration; stands before the names of its principals.
    package var name: String
    /// A PEM file: the authority, and intermediates that issue client certificates.
    package var certificatesFile: String
    /// A PEM or DER file with revocation lists; nil: nothing is revoked.
    package var revocationsFile: String?
    package var nameSource: NameSource
    /// Names must begin so (`spiffe://corp.example/`); nil: every name.
    package var namePrefix: String?
    package var project: ProjectID
    package var team: String?
    /// Roles that every one of its principals holds.
    package var roles: Set<Role>

    package init(
        name: String, certificatesFile: String, revocationsFile: String? = nil, nameSource: NameSource = .uri, namePrefix: String? = nil,
        project: ProjectID = .default, team: String? = nil, roles: Set<Role> = []
    ) {
        self.name = name
        self.certificatesFile = certificatesFile
        self.revocationsFile = revocationsFile
        self.nameSource = nameSource
        self.namePrefix = namePrefix
        self.project = project
        self.team = team
        self.roles = roles
    }
}

/// Turns client certificates that TLS has verified into principals, and refuses those that their authority has revoked.
package struct ClientAuthorities: Sendable {
    package struct Mistake: Error, CustomStringConvertible {
        package let description: String
    }

    private struct Loaded: Sendable {
        let authority: ClientAuthority
        let certificates: [Certificate]
        let lists: [RevokedCertificates]
    }

    private let loaded: [Loaded]

    package init() { loaded = [] }

    /// Reads the files. Blocks.
    package init(_ authorities: [ClientAuthority]) throws {
        loaded = try authorities.map { authority in
            let certificates = try Self.documents(authority.certificatesFile, "CERTIFICATE").map { der in
                do { return try Certificate(derEncoded: der) } catch {
                    throw Mistake(description: "'\(authority.certificatesFile)' holds something that is no certificate")
                }
            }
            guard !certificates.isEmpty else { throw Mistake(description: "'\(authority.certificatesFile)' holds no certificate") }
            let lists = try authority.revocationsFile.map { file in
                try Self.documents(file, "X509 CRL").map { der in
                    do { return try RevokedCertificates(der: der, signedByOneOf: certificates) } catch {
                        throw Mistake(description: "the revocation list '\(file)' \(error)")
                    }
                }
            }
            return Loaded(authority: authority, certificates: certificates, lists: lists ?? [])
        }
    }

    package var isEmpty: Bool { loaded.isEmpty }

    /// - Parameter certificate: the client's own, in DER; its chain was verified already.
    /// - Throws: ``Fault`` `.unauthenticated`, with words for the client's operator.
    package func principal(presenting certificate: [UInt8], at now: Int64) throws -> Principal {
        guard let leaf = try? Certificate(derEncoded: certificate) else { throw Self.refused("cannot be read") }
        guard
            let found = loaded.first(where: { loaded in
                loaded.certificates.contains { $0.subject == leaf.issuer && $0.publicKey.isValidSignature(leaf.signature, for: leaf) }
            })
        else { throw Self.refused("is of an authority that is not accepted") }
        let end = Int64(leaf.notValidAfter.timeIntervalSince1970)
        guard now < end, now >= Int64(leaf.notValidBefore.timeIntervalSince1970) else { throw Self.refused("is not valid now") }
        if found.authority.revocationsFile != nil { try check(leaf, found, at: now) }
        guard let name = Self.name(of: leaf, found.authority), !name.isEmpty, name.utf8.count <= 200,
            name.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F })
        else { throw Self.refused("has no name that is accepted") }
        let authority = found.authority
        return Principal(
            project: authority.project, id: PrincipalID("\(authority.name):\(name)"), credential: .certificate, team: authority.team,
            roles: authority.roles, expiresAt: end)
    }

    private func check(_ leaf: Certificate, _ found: Loaded, at now: Int64) throws {
        var serializer = DER.Serializer()
        try serializer.serialize(leaf.issuer)
        let lists = found.lists.filter { $0.covers(issuer: serializer.serializedBytes) }
        // Where lists are kept, a certificate that no current one speaks of may be one that the missing one names.
        guard lists.contains(where: { now < $0.nextUpdate }) else {
            throw Self.refused("cannot be checked: its authority's revocation list is missing or too old")
        }
        guard !lists.contains(where: { $0.revokes(serial: leaf.serialNumber.bytes) }) else { throw Self.refused("was revoked") }
    }

    /// Exactly one: of two names nobody knows which is meant.
    private static func name(of leaf: Certificate, _ authority: ClientAuthority) -> String? {
        var names: [String] = []
        switch authority.nameSource {
        case .subject: names = [leaf.subject.description]
        case .uri, .dns:
            guard let alternatives = try? leaf.extensions.subjectAlternativeNames else { return nil }
            for alternative in alternatives {
                switch (alternative, authority.nameSource) {
                case (.uniformResourceIdentifier(let uri), .uri): names.append(uri)
                case (.dnsName(let name), .dns): names.append(name.lowercased())
                default: continue
                }
            }
        }
        let accepted = authority.namePrefix.map { prefix in names.filter { $0.hasPrefix(prefix) } } ?? names
        return accepted.count == 1 ? accepted[0] : nil
    }

    /// The parts of a PEM file that are of a kind, or the whole file when it is DER.
    private static func documents(_ file: String, _ kind: String) throws -> [[UInt8]] {
        guard let bytes = FileManager.default.contents(atPath: file), bytes.count <= 16 << 20 else {
            throw Mistake(description: "'\(file)' cannot be read")
        }
        if bytes.first == 0x30 { return [Array(bytes)] }
        let text = String(decoding: bytes, as: UTF8.self)
        let (begin, end) = ("-----BEGIN \(kind)-----", "-----END \(kind)-----")
        var found: [[UInt8]] = []
        var rest = text[...]
        while let start = rest.firstRange(of: begin), let stop = rest[start.upperBound...].firstRange(of: end) {
            guard let document = try? PEMDocument(pemString: String(rest[start.lowerBound..<stop.upperBound])) else {
                throw Mistake(description: "'\(file)' is not well-formed PEM")
            }
            found.append(document.derBytes)
            rest = rest[stop.upperBound...]
        }
        guard !found.isEmpty else { throw Mistake(description: "'\(file)' holds no \(kind)") }
        return found
    }

    private static func refused(_ what: String) -> Fault { Fault(.unauthenticated, "Access denied: the client certificate \(what).") }
}
