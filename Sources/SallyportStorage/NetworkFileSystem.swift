import Foundation

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Whether a file lies where several processes cannot share a SQLite database: the memory beside its log does not reach across a network.
enum NetworkFileSystem {
    private static let types: Set<Substring> = [
        "nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "9p", "afs", "lustre", "glusterfs", "fuse.glusterfs", "fuse.sshfs", "fuse.ceph",
        "fuse.s3fs", "fuse.rclone",
    ]

    /// False where the system does not say.
    static func holds(_ path: String) -> Bool {
        var status = stat()
        guard stat(path, &status) == 0, let mounts = FileManager.default.contents(atPath: "/proc/self/mountinfo") else { return false }
        return holds(device: UInt64(status.st_dev), mounts: String(decoding: mounts, as: UTF8.self))
    }

    /// - Parameter mounts: as `/proc/self/mountinfo` has them: `36 35 98:0 /root /at rw,noatime master:1 - ext3 /dev/root rw`.
    static func holds(device: UInt64, mounts: String) -> Bool {
        let major = (device >> 8 & 0xFFF) | (device >> 32 & ~0xFFF)
        let minor = (device & 0xFF) | (device >> 12 & ~0xFF)
        return mounts.split(separator: "\n").contains { line in
            let fields = line.split(separator: " ")
            guard fields.count > 2, fields[2] == "\(major):\(minor)", let dash = fields.firstIndex(of: "-"), dash + 1 < fields.count else {
                return false
            }
            return types.contains(fields[dash + 1])
        }
    }
}
