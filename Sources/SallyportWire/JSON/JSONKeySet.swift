import NIOCore

/// Finds a repeated key among many in linear time, hashed with a seed of this document, so that no sender can choose keys that collide.
struct JSONKeySet {
    private let seed: (UInt64, UInt64)
    private var decoded = ByteBuffer()

    init() {
        var random = SystemRandomNumberGenerator()
        seed = (random.next(), random.next())
    }

    /// The tape index of the first key that repeats an earlier one of the same object, which ends with `nodes`.
    mutating func firstDuplicate(from first: Int, nodes: UnsafeBufferPointer<JSONNode>, in raw: UnsafeRawBufferPointer) -> Int? {
        var members = 0
        var key = first
        while key < nodes.count {
            members += 1
            key = nodes[key].next
        }
        var size = 16
        while size < members * 2 { size *= 2 }
        // High half: of the hash; low half: the key's tape index (never 0, since a key stands in an object).
        return withUnsafeTemporaryAllocation(of: UInt64.self, capacity: size) { table in
            table.initialize(repeating: 0)
            var key = first
            while key < nodes.count {
                let hash = hash(of: nodes[key], in: raw)
                var slot = Int(truncatingIfNeeded: hash) & (size - 1)
                while table[slot] != 0 {
                    let other = Int(table[slot] & 0xFFFF_FFFF)
                    if table[slot] >> 32 == hash >> 32, areEqual(nodes[other], nodes[key], in: raw) { return key }
                    slot = (slot + 1) & (size - 1)
                }
                table[slot] = (hash & 0xFFFF_FFFF_0000_0000) | UInt64(key)
                key = nodes[key].next
            }
            return nil
        }
    }

    private mutating func hash(of key: JSONNode, in raw: UnsafeRawBufferPointer) -> UInt64 {
        var hasher = Hasher()
        hasher.combine(seed.0)
        hasher.combine(seed.1)
        let content = UnsafeRawBufferPointer(rebasing: raw[key.start..<key.end])
        if key.hasEscapes {
            decoded.clear()
            JSONText.decode(content, into: &decoded)
            decoded.withUnsafeReadableBytes { hasher.combine(bytes: $0) }
        } else {
            hasher.combine(bytes: content)
        }
        return UInt64(bitPattern: Int64(hasher.finalize()))
    }

    private func areEqual(_ a: JSONNode, _ b: JSONNode, in raw: UnsafeRawBufferPointer) -> Bool {
        let left = UnsafeRawBufferPointer(rebasing: raw[a.start..<a.end])
        let right = UnsafeRawBufferPointer(rebasing: raw[b.start..<b.end])
        switch (a.hasEscapes, b.hasEscapes) {
        case (false, false): return Bytes.areEqual(left, right)
        case (true, false): return JSONText.decodes(left, to: right)
        case (false, true): return JSONText.decodes(right, to: left)
        case (true, true):
            var text = ByteBuffer()
            JSONText.decode(left, into: &text)
            return text.withUnsafeReadableBytes { JSONText.decodes(right, to: $0) }
        }
    }
}
