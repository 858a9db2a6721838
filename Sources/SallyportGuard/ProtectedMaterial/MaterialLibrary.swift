import NIOConcurrencyHelpers
import SallyportCore

/// Every tenant's protected works, and those that came with the product.
package final class MaterialLibrary: Sendable {
    private struct Loaded {
        var index: MaterialIndex
        var stamp: String
    }

    private let seed: MaterialIndex?
    private let directory: String
    private let tenants = NIOLockedValueBox<[TenantID: Loaded]>([:])

    /// - Parameters:
    ///   - seed: an index that every tenant has; nil: none.
    ///   - directory: where the tenants' own indexes lie.
    package init(seed: String?, directory: String) throws {
        self.seed = try seed.map { try MaterialIndex(path: $0) }
        self.directory = directory
    }

    /// Where a tenant's index lies. What is no letter, digit, '-' or '_' of the name is written as its code.
    package static func path(of tenant: TenantID, in directory: String) -> String {
        let name = tenant.rawValue.utf8.map { byte -> String in
            let isPlain = (byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7A) || (byte >= 0x30 && byte <= 0x39) || byte == 0x2D || byte == 0x5F
            return isPlain ? String(UnicodeScalar(byte)) : "%" + String(byte, radix: 16)
        }
        return "\(directory)/\(name.joined()).material"
    }

    /// Takes changed indexes into use. Blocks.
    /// - Throws: for an index that cannot be read; then the one before stays.
    package func refresh(tenants wanted: [TenantID]) throws {
        for tenant in wanted {
            let path = Self.path(of: tenant, in: directory)
            guard let stamp = FileStamp.of(path) else {
                tenants.withLockedValue { $0[tenant] = nil }
                continue
            }
            if tenants.withLockedValue({ $0[tenant]?.stamp == stamp }) { continue }
            let index = try MaterialIndex(path: path)
            tenants.withLockedValue { $0[tenant] = Loaded(index: index, stamp: stamp) }
        }
    }

    /// What a tenant's answers are compared with.
    package func material(of tenant: TenantID) -> ProtectedMaterial {
        ProtectedMaterial(indexes: (seed.map { [$0] } ?? []) + (tenants.withLockedValue { $0[tenant].map { [$0.index] } } ?? []))
    }

    /// Whether there is anything to compare with.
    package var isEmpty: Bool {
        (seed?.fingerprintCount ?? 0) == 0 && tenants.withLockedValue { $0.values.allSatisfy { $0.index.fingerprintCount == 0 } }
    }
}

/// The protected works that a text is compared with.
package struct ProtectedMaterial: Sendable {
    let indexes: [MaterialIndex]
    package init(indexes: [MaterialIndex]) { self.indexes = indexes }

    package var isEmpty: Bool { indexes.allSatisfy { $0.fingerprintCount == 0 } }

    /// - Parameter bytes: valid UTF-8.
    /// - Returns: the longest copy of each work, longest first.
    package func matches(in bytes: UnsafeRawBufferPointer, as kind: MaterialKind) -> [MaterialIndex.Match] {
        let found = indexes.flatMap { $0.matches(in: bytes, as: kind) }
        return indexes.count == 1 ? found : found.sorted { $0.tokens > $1.tokens }
    }
}
