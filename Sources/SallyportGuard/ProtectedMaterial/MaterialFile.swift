import Glibc

/// What is wrong with an index of protected material.
package struct MaterialError: Error, Sendable, CustomStringConvertible {
    package let path: String
    package let reason: String
    package var description: String { "\(path): \(reason)" }
}

/// A file that is read through the kernel's page cache: what nobody looks up takes no memory.
final class MappedFile: Sendable {
    nonisolated(unsafe) let bytes: UnsafeRawBufferPointer  // SAFETY: a private read-only mapping that lives as long as this object.

    init(_ path: String) throws {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw MaterialError(path: path, reason: "cannot be opened (errno \(errno))") }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_size > 0 else { throw MaterialError(path: path, reason: "cannot be read") }
        let size = Int(status.st_size)
        guard let base = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), base != MAP_FAILED else {
            throw MaterialError(path: path, reason: "cannot be mapped (errno \(errno))")
        }
        madvise(base, size, MADV_RANDOM)
        bytes = UnsafeRawBufferPointer(start: base, count: size)
    }

    deinit { munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count) }
}

/// The layout of an index, all numbers little-endian:
///
///     0    "SPMATER1"
///     8    how many fingerprints (8), how many sources (8), where the sources' table begins (8), the next source's id (4)
///     64   directory: for each value of a hash's highest 16 bits where its fingerprints begin (65,537 numbers of 4 bytes)
///     …    fingerprints by hash and source: hash (8), source (4)
///     …    the sources by id: id (4), place of the entry (8); then the entries: kind (1), name, licence, URL (2 + n bytes each)
enum MaterialLayout {
    static let magic: [UInt8] = Array("SPMATER1".utf8)
    static let directory = 64
    static let buckets = 65_536
    static let fingerprints = directory + (buckets + 1) * 4
    static let fingerprintSize = 12
    static let sourceSize = 12
    /// A run that so many works share is nobody's.
    static let mostOwners = 32
}

extension UnsafeRawBufferPointer {
    func number<T: FixedWidthInteger>(_ type: T.Type, at offset: Int) -> T {
        T(littleEndian: loadUnaligned(fromByteOffset: offset, as: type))
    }
}
