import COpenVINO
import Foundation

/// The inference library, opened at run time. One per engine; the code itself is in memory once.
package final class OpenVINOLibrary: @unchecked Sendable {
    // SAFETY: the handle does not change after init; OpenVINO's core may be used from several threads; deinit runs when nobody uses it.
    let handle: OpaquePointer
    package let version: String
    /// The file that was opened.
    package let path: String

    /// The interface that the shim declares; enumerations differ between years.
    static let supportedYear = "2026."
    private static let name = "libopenvino_c.so"

    /// - Parameter directory: the only place that is looked at, when given.
    package init(directory: String?) throws(ModelError) {
        var reasons: [String] = []
        for candidate in Self.candidates(directory) {
            var message = sov_message()
            guard let handle = sov_library_open(candidate, &message) else {
                reasons.append(message.string)
                continue
            }
            let version = String(cString: sov_library_version(handle))
            guard version.hasPrefix(Self.supportedYear) else {
                sov_library_close(handle)
                reasons.append("\(candidate) is version \(version), \(Self.supportedYear)x is needed")
                continue
            }
            guard sov_library_start(handle, &message) == 0 else {
                sov_library_close(handle)
                throw .library("\(candidate): \(message.string)")
            }
            self.handle = handle
            self.version = version
            path = candidate
            return
        }
        let places = directory.map { "in \($0)" } ?? "beside the binary, in .deps/openvino or where the loader looks"
        let detail = reasons.isEmpty ? "" : " (\(reasons.joined(separator: "; ")))"
        throw .library("no usable \(Self.name) \(places); `make setup-openvino` fetches it\(detail)")
    }

    deinit { sov_library_close(handle) }

    /// Files that exist, best first; at the end the bare name, for the loader's own search.
    private static func candidates(_ directory: String?) -> [String] {
        var directories: [String] = []
        if let directory {
            directories = [directory]
        } else {
            let binary = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")).map {
                URL(filePath: $0).deletingLastPathComponent()
            }
            if var place = binary {
                directories += [place.path, place.appending(path: "openvino").path, place.appending(path: "../lib/openvino").path]
                // A build folder lies some steps below the project.
                for _ in 0..<5 {
                    directories.append(place.appending(path: ".deps/openvino/openvino/libs").path)
                    place = place.deletingLastPathComponent()
                }
            }
            directories.append(".deps/openvino/openvino/libs")
        }
        var found: [String] = []
        for directory in directories {
            // A folder that is not there or cannot be read holds no library.
            let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
            found += names.filter { $0 == name || $0.hasPrefix(name + ".") }.sorted(by: >).map { directory + "/" + $0 }
        }
        return directory == nil ? found + [name] : found
    }

    /// Whether the processor multiplies bf16 in hardware, by the engine's own account.
    func supportsBF16() throws(ModelError) -> Bool {
        var message = sov_message()
        var value = [CChar](repeating: 0, count: 256)
        guard sov_library_property(handle, "OPTIMIZATION_CAPABILITIES", &value, value.count, &message) == 0 else {
            throw .engine(message.string)
        }
        return String(decoding: value.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self).split(separator: " ").contains("BF16")
    }
}

extension sov_message {
    /// Without line breaks: it goes into one line of a log.
    var string: String {
        withUnsafeBytes(of: text) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }.map { $0 < 32 ? 32 : $0 }, as: UTF8.self)
        }
    }
}
