import CLibArchive
import SallyportCore

/// Chosen files of a ZIP archive in memory, within limits on what they inflate to.
struct ZipArchive {
    struct Limits {
        var entries = 10_000
        var bytesPerFile = 64 << 20
        var bytes = 128 << 20
        /// Inflated to packed, where more than a megabyte comes out.
        var ratio = 200
    }

    private(set) var files: [String: [UInt8]] = [:]
    private(set) var names: Set<String> = []

    /// - Parameter isWanted: which files to inflate; of the others only the names are kept.
    init(_ bytes: [UInt8], limits: Limits = Limits(), isWanted: (String) -> Bool) throws(DocumentProblem) {
        guard bytes.starts(with: [0x50, 0x4B, 0x03, 0x04]) else { throw .mismatch }
        // Whole archives only: a directory of all files is the very end of them, so nothing is cut off and nothing comes after.
        guard ZipArchive.endsWithDirectory(bytes) else { throw .malformed }
        guard let archive = archive_read_new() else { throw .parserUnavailable }
        defer { archive_read_free(archive) }
        archive_read_support_format_zip(archive)
        var total = 0
        var problem: DocumentProblem?
        bytes.withUnsafeBytes { raw in
            guard archive_read_open_memory(archive, raw.baseAddress, raw.count) == ARCHIVE_OK else {
                problem = .malformed
                return
            }
            var entry: OpaquePointer?
            while problem == nil {
                let status = archive_read_next_header(archive, &entry)
                if status == ARCHIVE_EOF { break }
                guard status == ARCHIVE_OK || status == ARCHIVE_WARN, let entry else {
                    problem = .malformed
                    break
                }
                guard names.count < limits.entries else {
                    problem = .inflates
                    break
                }
                guard let path = archive_entry_pathname_utf8(entry) ?? archive_entry_pathname(entry) else {
                    problem = .malformed
                    break
                }
                let name = String(cString: path)
                if ZipArchive.leadsOut(name) {
                    problem = .pathTraversal
                } else if !names.insert(name).inserted {
                    // Two files of one name: two programs would read two documents.
                    problem = .malformed
                } else if archive_entry_is_encrypted(entry) != 0 {
                    problem = .encrypted
                } else if isWanted(name) {
                    problem = inflate(archive, name, bytes.count, limits, &total)
                }
            }
        }
        if let problem { throw problem }
    }

    private static func endsWithDirectory(_ bytes: [UInt8]) -> Bool {
        guard bytes.count >= 22 else { return false }
        for start in stride(from: bytes.count - 22, through: max(0, bytes.count - 22 - 65_535), by: -1)
        where bytes[start] == 0x50 && bytes[start + 1] == 0x4B && bytes[start + 2] == 5 && bytes[start + 3] == 6 {
            if start + 22 + Int(bytes[start + 20]) + Int(bytes[start + 21]) << 8 == bytes.count { return true }
        }
        return false
    }

    private mutating func inflate(
        _ archive: OpaquePointer, _ name: String, _ packed: Int, _ limits: Limits, _ total: inout Int
    ) -> DocumentProblem? {
        var content: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = archive_read_data(archive, &buffer, buffer.count)
            if count < 0 { return archive_read_has_encrypted_entries(archive) > 0 ? .encrypted : .malformed }
            if count == 0 { break }
            total += count
            guard content.count + count <= limits.bytesPerFile, total <= limits.bytes,
                total < 1 << 20 || total / max(1, packed) <= limits.ratio
            else { return .inflates }
            content += buffer[..<count]
        }
        files[name] = content
        return nil
    }

    private static func leadsOut(_ name: String) -> Bool {
        name.hasPrefix("/") || name.hasPrefix("\\") || name.contains(":") || name.unicodeScalars.contains { $0.value < 0x20 }
            || name.split(whereSeparator: { $0 == "/" || $0 == "\\" }).contains("..")
    }
}
