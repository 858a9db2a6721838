import Crypto
import NIOConcurrencyHelpers

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Pages for keys: never swapped out where the system allows it, left out of core dumps, cleared when a key ends.
package final class LockedMemory: Sendable {
    static let slot = 32
    private static let pageSize = 16 << 10

    private struct State {
        var pages: [UnsafeMutableRawPointer] = []
        var free: [UnsafeMutableRawPointer] = []
        var unlocked = 0
    }
    // SAFETY: pointers are handed out one slot to one owner, and the list of them is used under the lock only.
    private struct Box: @unchecked Sendable { var state = State() }
    private let box = NIOLockedValueBox(Box())

    package init() {}

    deinit {
        box.withLockedValue { box in
            for page in box.state.pages {
                page.initializeMemory(as: UInt8.self, repeating: 0, count: Self.pageSize)
                munmap(page, Self.pageSize)
            }
        }
    }

    /// Pages that the system would not lock (RLIMIT_MEMLOCK): keys there could be swapped out.
    package var unlockedPages: Int { box.withLockedValue { $0.state.unlocked } }

    fileprivate func take() -> UnsafeMutableRawPointer {
        box.withLockedValue { box in
            if box.state.free.isEmpty {
                guard let page = mmap(nil, Self.pageSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), page != MAP_FAILED
                else { preconditionFailure("the system has no memory left for keys") }
                if mlock(page, Self.pageSize) != 0 { box.state.unlocked += 1 }
                #if canImport(Glibc)
                    // MADV_DONTDUMP
                    _ = madvise(page, Self.pageSize, 16)
                #endif
                box.state.pages.append(page)
                for offset in stride(from: 0, to: Self.pageSize, by: Self.slot) { box.state.free.append(page + offset) }
            }
            return box.state.free.removeLast()
        }
    }

    fileprivate func giveBack(_ slot: UnsafeMutableRawPointer) {
        slot.withMemoryRebound(to: UInt8.self, capacity: Self.slot) { bytes in for index in 0..<Self.slot { bytes[index] = 0 } }
        // Read again under the lock, so that the clearing cannot be optimised away.
        box.withLockedValue { box in
            precondition(slot.load(as: UInt64.self) == 0, "a key was not cleared")
            box.state.free.append(slot)
        }
    }
}

/// 32 bytes of key in locked memory. What leaves it are copies that the cryptographic library clears itself.
package final class LockedKey: Sendable {
    private let memory: LockedMemory
    // SAFETY: the slot is written in `init` alone and belongs to this object until `deinit`.
    nonisolated(unsafe) private let slot: UnsafeMutableRawPointer

    init(_ memory: LockedMemory, _ fill: (UnsafeMutableRawBufferPointer) -> Void) {
        self.memory = memory
        slot = memory.take()
        fill(UnsafeMutableRawBufferPointer(start: slot, count: LockedMemory.slot))
    }

    /// A new random key.
    convenience init(random memory: LockedMemory) {
        let key = SymmetricKey(size: .bits256)
        self.init(memory) { target in key.withUnsafeBytes { target.copyMemory(from: $0) } }
    }

    convenience init?(_ bytes: [UInt8], _ memory: LockedMemory) {
        guard bytes.count == LockedMemory.slot else { return nil }
        self.init(memory) { target in bytes.withUnsafeBytes { target.copyMemory(from: $0) } }
    }

    convenience init(_ key: SymmetricKey, _ memory: LockedMemory) {
        precondition(key.bitCount == 256, "a key of the vault has 256 bits")
        self.init(memory) { target in key.withUnsafeBytes { target.copyMemory(from: $0) } }
    }

    deinit { memory.giveBack(slot) }

    var symmetric: SymmetricKey { SymmetricKey(data: UnsafeRawBufferPointer(start: slot, count: LockedMemory.slot)) }

    /// A copy outside the locked memory: for what wraps it.
    func copy() -> [UInt8] { Array(UnsafeRawBufferPointer(start: slot, count: LockedMemory.slot)) }

    func derived(_ purpose: String, _ memory: LockedMemory) -> LockedKey {
        LockedKey(
            HKDF<SHA256>.deriveKey(inputKeyMaterial: symmetric, info: Array("sallyport/1/\(purpose)".utf8), outputByteCount: 32), memory)
    }
}

/// Clears bytes that held a key. Copies that were made of them before are not reached.
func clear(_ bytes: inout [UInt8]) { for index in bytes.indices { bytes[index] = 0 } }
