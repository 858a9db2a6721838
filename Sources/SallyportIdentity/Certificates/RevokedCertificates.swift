import FoundationEssentials
import SwiftASN1
import X509

/// A certificate revocation list (RFC 5280, section 5), as far as it is needed: which serial numbers, signed by whom, until when.
///
/// swift-certificates has no type for it; the structure is read with swift-asn1, the signature verified with swift-certificates.
struct RevokedCertificates: Sendable {
    private let serials: Set<[UInt8]>
    private let issuer: [UInt8]
    /// Seconds since 1970. A list past this moment says nothing about what happened since.
    let nextUpdate: Int64

    struct Mistake: Error, CustomStringConvertible {
        let description: String
    }

    /// - Parameter authorities: one of them must have signed the list.
    init(der: [UInt8], signedByOneOf authorities: [Certificate]) throws {
        let outer: (list: ASN1Node, algorithm: ASN1ObjectIdentifier, signature: ASN1BitString)
        do {
            outer = try DER.sequence(try DER.parse(der), identifier: .sequence) { nodes in
                guard let list = nodes.next(), let algorithm = nodes.next() else { throw Mistake(description: "is no revocation list") }
                return (list, try Self.algorithm(algorithm), try ASN1BitString(derEncoded: &nodes))
            }
        } catch { throw Mistake(description: "is no revocation list") }
        guard let algorithm = Self.algorithms[outer.algorithm] else {
            throw Mistake(description: "is signed with an algorithm that is not accepted")
        }
        guard
            let authority = authorities.first(where: {
                $0.publicKey.isValidSignature(outer.signature.bytes, for: outer.list.encodedBytes, signatureAlgorithm: algorithm)
            })
        else { throw Mistake(description: "is not signed by the authority") }
        let content: (serials: Set<[UInt8]>, nextUpdate: Int64, issuer: [UInt8])
        do { content = try Self.content(outer.list) } catch let mistake as Mistake { throw mistake } catch {
            throw Mistake(description: "is no revocation list")
        }
        var serializer = DER.Serializer()
        try serializer.serialize(authority.subject)
        guard serializer.serializedBytes == content.issuer else {
            throw Mistake(description: "is of another issuer than the one who signed it")
        }
        (serials, nextUpdate, issuer) = (content.serials, content.nextUpdate, content.issuer)
    }

    /// - Parameter issuer: the issuer's name as it is encoded: serial numbers are unique per issuer only.
    func covers(issuer: [UInt8]) -> Bool { self.issuer == issuer }
    func revokes(serial: some Collection<UInt8>) -> Bool { serials.contains(Self.canonical(serial)) }

    private static let algorithms: [ASN1ObjectIdentifier: Certificate.SignatureAlgorithm] = [
        [1, 2, 840, 113549, 1, 1, 11]: .sha256WithRSAEncryption, [1, 2, 840, 113549, 1, 1, 12]: .sha384WithRSAEncryption,
        [1, 2, 840, 113549, 1, 1, 13]: .sha512WithRSAEncryption, [1, 2, 840, 10045, 4, 3, 2]: .ecdsaWithSHA256,
        [1, 2, 840, 10045, 4, 3, 3]: .ecdsaWithSHA384, [1, 2, 840, 10045, 4, 3, 4]: .ecdsaWithSHA512, [1, 3, 101, 112]: .ed25519,
    ]

    private static func algorithm(_ node: ASN1Node) throws -> ASN1ObjectIdentifier {
        try DER.sequence(node, identifier: .sequence) { nodes in
            let name = try ASN1ObjectIdentifier(derEncoded: &nodes)
            _ = nodes.next()
            return name
        }
    }

    private static func content(_ node: ASN1Node) throws -> (Set<[UInt8]>, Int64, [UInt8]) {
        try DER.sequence(node, identifier: .sequence) { nodes in
            var node = nodes.next()
            if node?.identifier == .integer { node = nodes.next() }
            _ = node  // the algorithm again
            guard let issuer = nodes.next(), nodes.next() != nil else { throw Mistake(description: "is no revocation list") }
            // Without an end it would be believed for ever.
            guard let next = nodes.next(), let nextUpdate = try moment(next) else {
                throw Mistake(description: "does not say until when it holds")
            }
            var serials: Set<[UInt8]> = []
            while let rest = nodes.next() {
                guard rest.identifier == .sequence else { continue }
                try DER.sequence(rest, identifier: .sequence) { entries in
                    while let entry = entries.next() {
                        try DER.sequence(entry, identifier: .sequence) { fields in
                            serials.insert(canonical(try ArraySlice<UInt8>(derEncoded: &fields)))
                            while fields.next() != nil {}
                        }
                    }
                }
            }
            return (serials, nextUpdate, Array(issuer.encodedBytes))
        }
    }

    private static func canonical(_ serial: some Collection<UInt8>) -> [UInt8] { Array(serial.drop { $0 == 0 }) }

    private static func moment(_ node: ASN1Node) throws -> Int64? {
        if node.identifier == .utcTime {
            let time = try UTCTime(derEncoded: node)
            return seconds(time.year, time.month, time.day, time.hours, time.minutes, time.seconds)
        }
        guard node.identifier == .generalizedTime else { return nil }
        let time = try GeneralizedTime(derEncoded: node)
        return seconds(time.year, time.month, time.day, time.hours, time.minutes, time.seconds)
    }

    private static func seconds(_ year: Int, _ month: Int, _ day: Int, _ hours: Int, _ minutes: Int, _ seconds: Int) -> Int64? {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = .gmt
        return calendar.date(
            from: DateComponents(year: year, month: month, day: day, hour: hours, minute: minutes, second: seconds)
        ).map { Int64($0.timeIntervalSince1970) }
    }
}
