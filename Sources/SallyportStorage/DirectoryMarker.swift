import Foundation

/// Says in a data directory that its identities are another gateway's, to whoever looks there without the configuration.
package enum IdentityMarker {
    private static let marker = DirectoryMarker("identity-directory")

    /// The other gateway's data directory; nil: it has identities of its own.
    package static func source(in directory: String) -> String? { marker.text(in: directory) }

    /// - Parameter source: nil: from now on its own.
    package static func set(_ source: String?, in directory: String) throws { try marker.set(source, in: directory) }
}

/// Says in a data directory what takes a second person there, to whoever comes without the configuration, or with another one.
package enum FourEyesMarker {
    private static let marker = DirectoryMarker("four-eyes")

    package static func areas(in directory: String) -> Set<String> {
        Set((marker.text(in: directory) ?? "").split(separator: " ").map(String.init))
    }

    package static func set(_ areas: Set<String>, in directory: String) throws {
        try marker.set(areas.isEmpty ? nil : areas.sorted().joined(separator: " "), in: directory)
    }
}

/// A line of text in a data directory, written by the gateway that serves it.
private struct DirectoryMarker {
    let name: String
    init(_ name: String) { self.name = name }

    func text(in directory: String) -> String? {
        guard let data = FileManager.default.contents(atPath: "\(directory)/\(name)") else { return nil }
        return String(decoding: data, as: UTF8.self).trimmingCharacters(in: .newlines)
    }

    /// - Parameter text: nil: none.
    func set(_ text: String?, in directory: String) throws {
        let path = "\(directory)/\(name)"
        guard let text else {
            if unlink(path) != 0, errno != ENOENT { throw failure(path) }
            return
        }
        guard self.text(in: directory) != text else { return }
        guard
            FileManager.default.createFile(
                atPath: path + ".new", contents: Data((text + "\n").utf8), attributes: [.posixPermissions: 0o600]),
            rename(path + ".new", path) == 0
        else { throw failure(path) }
    }

    private func failure(_ path: String) -> DatabaseOpenError {
        DatabaseOpenError(path: path, reason: .inaccessible(String(cString: strerror(errno))))
    }
}
