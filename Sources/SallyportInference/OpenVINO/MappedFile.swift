import Crypto
import Foundation
import SallyportCore

/// A file in memory by mapping: what was hashed is what is used, and pages can be given back to the system.
package final class MappedFile: @unchecked Sendable {
    // SAFETY: the mapping is private and only read, and it is unmapped in deinit, when nobody can read it any more.
    package let bytes: UnsafeRawBufferPointer
    package let path: String

    package init(path: String) throws(ModelError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .file(path: path, reason: String(cString: strerror(errno))) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw .file(path: path, reason: "not a regular file")
        }
        guard status.st_size > 0, status.st_size < 1 << 31 else { throw .file(path: path, reason: "empty, or larger than 2 GiB") }
        let size = Int(status.st_size)
        guard let address = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), address != MAP_FAILED else {
            throw .file(path: path, reason: String(cString: strerror(errno)))
        }
        bytes = UnsafeRawBufferPointer(start: address, count: size)
        self.path = path
    }

    deinit { munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count) }

    /// SHA-256, hexadecimal.
    var digest: String { Hex.encode(SHA256.hash(data: bytes)) }

    /// Lets the system take the pages back; what is read again comes from the file.
    func release() {
        madvise(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count, MADV_DONTNEED)
    }
}
