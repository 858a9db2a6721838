import Crypto
import SallyportCore

/// A sealed value: `SLP`, a format byte, the key's id (8 bytes) and version (4), both big-endian, then AES-256-GCM's nonce (12),
/// ciphertext and tag (16). Header, tenant, subject, place and row are associated data.
struct Envelope {
    static let headerLength = 16
    static let overhead = headerLength + 12 + 16
    private static let magic: [UInt8] = Array("SLP".utf8)
    private static let tenantFormat: UInt8 = 1
    private static let subjectFormat: UInt8 = 2

    let isSubjects: Bool
    let keyID: UInt64
    let version: Int

    init(isSubjects: Bool, keyID: UInt64, version: Int) {
        self.isSubjects = isSubjects
        self.keyID = keyID
        self.version = version
    }

    /// nil: these bytes are not sealed.
    init?(_ sealed: [UInt8]) {
        guard sealed.count >= Self.overhead, sealed.starts(with: Self.magic) else { return nil }
        switch sealed[3] {
        case Self.tenantFormat: isSubjects = false
        case Self.subjectFormat: isSubjects = true
        default: return nil
        }
        keyID = sealed[4..<12].reduce(0) { $0 << 8 | UInt64($1) }
        version = Int(sealed[12..<16].reduce(UInt32(0)) { $0 << 8 | UInt32($1) })
    }

    private var header: [UInt8] {
        Self.magic + [isSubjects ? Self.subjectFormat : Self.tenantFormat] + Self.bytes(keyID) + Self.bytes(UInt32(version))
    }

    private static func bytes(_ value: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: value.bigEndian, Array.init) }

    private func associated(_ context: SealContext) -> [UInt8] {
        var data = header
        for part in [context.tenant.rawValue, context.subject ?? "", context.place] + context.row {
            data += Self.bytes(UInt32(part.utf8.count))
            data += part.utf8
        }
        return data
    }

    func seal(_ plain: [UInt8], under key: SymmetricKey, for context: SealContext) throws -> [UInt8] {
        let box = try AES.GCM.seal(plain, using: key, nonce: AES.GCM.Nonce(), authenticating: associated(context))
        var sealed = header
        sealed.reserveCapacity(plain.count + Self.overhead)
        sealed += box.nonce
        sealed += box.ciphertext
        sealed += box.tag
        return sealed
    }

    /// - Throws: CryptoKit's error when it does not open.
    func open(_ sealed: [UInt8], under key: SymmetricKey, for context: SealContext) throws -> [UInt8] {
        let box = try AES.GCM.SealedBox(combined: sealed[Self.headerLength...])
        return Array(try AES.GCM.open(box, using: key, authenticating: associated(context)))
    }
}
