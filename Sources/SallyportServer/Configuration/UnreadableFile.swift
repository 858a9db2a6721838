import Foundation

/// Why a file that could not be read could not, as its owner needs to hear it.
package enum UnreadableFile {
    package static func reason(_ path: String) -> String { problem(path) ?? "the file cannot be read" }

    /// nil: nothing speaks against reading it.
    static func problem(_ path: String) -> String? {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else { return "there is no such file" }
        if isFolder.boolValue { return "is a folder, not a file" }
        return FileManager.default.isReadableFile(atPath: path) ? nil : "the file cannot be read: permission denied"
    }
}
