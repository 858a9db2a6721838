// Entry points for libFuzzer: one for each parser that reads bytes from outside. `scripts/fuzz.sh` builds and runs them; they are no part of
// the product's build. A target ends the process when a property does not hold, so that the input is kept.

import Foundation

typealias Target = @Sendable (UnsafeRawBufferPointer) -> Void

nonisolated(unsafe) private var chosen: Target = { _ in }

@_cdecl("LLVMFuzzerInitialize")
public func initialize(
    _ count: UnsafeMutablePointer<CInt>, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>
) -> CInt {
    let name = ProcessInfo.processInfo.environment["FUZZ_TARGET"] ?? ""
    guard let target = targets[name] else {
        FileHandle.standardError.write(Data("FUZZ_TARGET must be one of: \(targets.keys.sorted().joined(separator: " "))\n".utf8))
        exit(2)
    }
    chosen = target
    return 0
}

@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
    chosen(UnsafeRawBufferPointer(start: data, count: data == nil ? 0 : size))
    return 0
}

func must(_ holds: Bool, _ what: @autoclosure () -> String) {
    if !holds { fatalError(what()) }
}
