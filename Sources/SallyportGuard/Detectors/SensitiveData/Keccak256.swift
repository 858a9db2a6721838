/// The original Keccak with 256 bits, as Ethereum uses it (SHA-3 pads differently). For messages of one block, under 136 bytes.
enum Keccak256 {
    private static let rotations: [UInt64] = [1, 3, 6, 10, 15, 21, 28, 36, 45, 55, 2, 14, 27, 41, 56, 8, 25, 43, 62, 18, 39, 61, 20, 44]
    private static let lanes = [10, 7, 11, 17, 18, 3, 5, 16, 8, 21, 24, 4, 15, 23, 19, 13, 12, 2, 20, 14, 22, 9, 6, 1]
    private static let constants: [UInt64] = [
        0x0000_0000_0000_0001, 0x0000_0000_0000_8082, 0x8000_0000_0000_808A, 0x8000_0000_8000_8000, 0x0000_0000_0000_808B,
        0x0000_0000_8000_0001,
        0x8000_0000_8000_8081, 0x8000_0000_0000_8009, 0x0000_0000_0000_008A, 0x0000_0000_0000_0088, 0x0000_0000_8000_8009,
        0x0000_0000_8000_000A,
        0x0000_0000_8000_808B, 0x8000_0000_0000_008B, 0x8000_0000_0000_8089, 0x8000_0000_0000_8003, 0x8000_0000_0000_8002,
        0x8000_0000_0000_0080,
        0x0000_0000_0000_800A, 0x8000_0000_8000_000A, 0x8000_0000_8000_8081, 0x8000_0000_0000_8080, 0x0000_0000_8000_0001,
        0x8000_0000_8000_8008,
    ]

    static func hash(_ message: [UInt8]) -> [UInt8] {
        precondition(message.count < 136, "one block only")
        var block = message + [UInt8](repeating: 0, count: 136 - message.count)
        block[message.count] ^= 0x01
        block[135] ^= 0x80
        var state = [UInt64](repeating: 0, count: 25)
        for lane in 0..<17 {
            for byte in 0..<8 { state[lane] |= UInt64(block[lane * 8 + byte]) << UInt64(byte * 8) }
        }
        for round in 0..<24 { permute(&state, constants[round]) }
        return (0..<32).map { UInt8(truncatingIfNeeded: state[$0 / 8] >> UInt64($0 % 8 * 8)) }
    }

    private static func permute(_ a: inout [UInt64], _ constant: UInt64) {
        func rotate(_ value: UInt64, _ by: UInt64) -> UInt64 { value << by | value >> (64 - by) }
        var column = [UInt64](repeating: 0, count: 5)
        for x in 0..<5 { column[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20] }
        for x in 0..<5 {
            let mixed = column[(x + 4) % 5] ^ rotate(column[(x + 1) % 5], 1)
            for y in 0..<5 { a[y * 5 + x] ^= mixed }
        }
        var carried = a[1]
        for step in 0..<24 {
            let lane = lanes[step]
            let saved = a[lane]
            a[lane] = rotate(carried, rotations[step])
            carried = saved
        }
        for y in 0..<5 {
            let row = (0..<5).map { a[y * 5 + $0] }
            for x in 0..<5 { a[y * 5 + x] = row[x] ^ (~row[(x + 1) % 5] & row[(x + 2) % 5]) }
        }
        a[0] ^= constant
    }
}
