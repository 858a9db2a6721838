import Crypto

/// Addresses of crypto-currencies, each by its own checksum.
enum CryptoScanner {
    private static let order = 1_700
    private static let category = "CryptocurrencyAddress"

    static func scan(
        _ text: UnsafeRawBufferPointer, around hit: Int, context: inout KeywordIndex, into candidates: inout [SensitiveCandidate]
    ) {
        if let last = candidates.last, last.category == category, last.range.upperBound >= hit { return }
        // The word around the hit, or (after a coin's name) the words near it.
        for word in words(text, near: hit) {
            let bytes = Characters(rebasing: text[word].bindMemory(to: UInt8.self)[...])
            guard let confidence = confidence(of: bytes) else { continue }
            candidates.append(
                SensitiveCandidate(
                    range: word, category: category, confidence: confidence, evidence: confidence > 0.7 ? "check" : "pattern", order: order)
            )
        }
    }

    /// A word that looks like an address within a few words after a coin's or wallet's name, whatever its checksum: a slip of the pen is no
    /// reason to send it on.
    static func announced(_ text: UnsafeRawBufferPointer, after hit: Int, into candidates: inout [SensitiveCandidate]) {
        var index = hit
        let limit = min(text.count, hit + 40)
        while index < limit {
            let start = index
            while index < text.count, index - start < 100, IdentifierText.isAlphanumeric(text[index]) { index += 1 }
            let count = index - start
            if (26...64).contains(count), start == 0 || !IdentifierText.isAlphanumeric(text[start - 1]), isAddressLike(text, start..<index)
            {
                candidates.append(
                    SensitiveCandidate(range: start..<index, category: category, confidence: 0.75, evidence: "context", order: order))
                return
            }
            index = max(index, start + 1)
        }
    }

    private static func isAddressLike(_ text: UnsafeRawBufferPointer, _ word: Range<Int>) -> Bool {
        let first = text[word.lowerBound]
        let starts: Set<UInt8> = [0x31, 0x33, 0x62, 0x42, 0x30, 0x4C, 0x4D, 0x6C, 0x72, 0x44, 0x54, 0x74]
        guard starts.contains(first) else { return false }
        let digits = word.reduce(0) { IdentifierText.isDigit(text[$1]) ? $0 + 1 : $0 }
        return digits >= 2 && digits < word.count - 4
    }

    private static func words(_ text: UnsafeRawBufferPointer, near hit: Int) -> [Range<Int>] {
        var found: [Range<Int>] = []
        var index = max(0, hit - 64)
        while index > 0, IdentifierText.isAlphanumeric(text[index - 1]), hit - index < 128 { index -= 1 }
        let limit = min(text.count, hit + 48)
        while index < limit {
            let start = index
            while index < text.count, index - start < 120, IdentifierText.isAlphanumeric(text[index]) { index += 1 }
            if index - start >= 25, index - start <= 108, start == 0 || !IdentifierText.isAlphanumeric(text[start - 1]) {
                found.append(start..<index)
            }
            index = max(index, start + 1)
        }
        return found
    }

    private static func confidence(of word: Characters) -> Double? {
        if word.count == 42, word[0] == 0x30, word[1] | 0x20 == 0x78 { return ethereum(word) }
        if let separator = word.firstIndex(where: { $0 == 0x31 }), separator >= 2, separator <= 5, bech32(word) { return 0.85 }
        if word.count <= 60, base58(word, alphabet: bitcoinAlphabet) || word[0] == 0x72 && base58(word, alphabet: rippleAlphabet) {
            return 0.85
        }
        return nil
    }

    // MARK: Base58Check

    private static let bitcoinAlphabet = Array("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz".utf8)
    private static let rippleAlphabet = Array("rpshnaf39wBUDNEGHJKLM4PQRST7VWXYZ2bcdeCg65jkm8oFqi1tuvAxyz".utf8)

    /// 21 or 22 bytes of version and hash, four of double SHA-256 over them.
    static func base58(_ word: Characters, alphabet: [UInt8]) -> Bool {
        guard word.count >= 25, word.count <= 60 else { return false }
        var bytes = [UInt8](repeating: 0, count: 44)
        for character in word {
            guard let value = alphabet.firstIndex(of: character) else { return false }
            var carry = value
            for index in bytes.indices.reversed() {
                carry += Int(bytes[index]) * 58
                bytes[index] = UInt8(carry & 0xFF)
                carry >>= 8
            }
            if carry != 0 { return false }
        }
        // Leading zeros are leading first letters of the alphabet.
        let zeros = word.prefix { $0 == alphabet[0] }.count
        let payload = [UInt8](repeating: 0, count: zeros) + bytes.drop { $0 == 0 }
        guard payload.count == 25 || payload.count == 26 else { return false }
        let digest = SHA256.hash(data: Array(SHA256.hash(data: payload.dropLast(4))))
        return digest.prefix(4).elementsEqual(payload.suffix(4))
    }

    // MARK: Bech32

    private static let bech32Alphabet = Array("qpzry9x8gf2tvdw0s3jn54khce6mua7l".utf8)
    private static let prefixes: Set<[UInt8]> = [Array("bc".utf8), Array("tb".utf8), Array("ltc".utf8)]

    /// BIP 173 and BIP 350: one case throughout, polymod 1 or the constant of bech32m.
    static func bech32(_ word: Characters) -> Bool {
        var hasUpper = false
        var hasLower = false
        for byte in word {
            if byte >= 0x41 && byte <= 0x5A { hasUpper = true }
            if byte >= 0x61 && byte <= 0x7A { hasLower = true }
        }
        let lower = word.map { $0 >= 0x41 && $0 <= 0x5A ? $0 | 0x20 : $0 }
        guard !(hasUpper && hasLower), lower.count <= 90, let separator = lower.lastIndex(of: 0x31), separator >= 1,
            lower.count - separator > 6, prefixes.contains(Array(lower[..<separator]))
        else { return false }
        var check: UInt32 = 1
        func feed(_ value: UInt8) {
            let top = check >> 25
            check = (check & 0x1FF_FFFF) << 5 ^ UInt32(value)
            let generators: [UInt32] = [0x3B6A_57B2, 0x2650_8E6D, 0x1EA1_19FA, 0x3D42_33DD, 0x2A14_62B3]
            for bit in 0..<5 where top >> UInt32(bit) & 1 == 1 { check ^= generators[bit] }
        }
        for byte in lower[..<separator] { feed(byte >> 5) }
        feed(0)
        for byte in lower[..<separator] { feed(byte & 31) }
        for byte in lower[(separator + 1)...] {
            guard let value = bech32Alphabet.firstIndex(of: byte) else { return false }
            feed(UInt8(value))
        }
        return check == 1 || check == 0x2BC8_30A3
    }

    // MARK: Ethereum

    /// EIP-55: the case of each letter repeats a bit of the hash. In one case only there is nothing to check.
    private static func ethereum(_ word: Characters) -> Double? {
        let body = word[2...]
        guard body.allSatisfy(IdentifierText.isHex) else { return nil }
        let lower = body.map { $0 | 0x20 }
        let hasUpper = body.contains { $0 >= 0x41 && $0 <= 0x46 }
        let hasLower = body.contains { $0 >= 0x61 }
        guard hasUpper && hasLower else { return Set(lower).count < 6 ? nil : 0.65 }
        let hash = Keccak256.hash(lower)
        for (index, byte) in body.enumerated() where byte >= 0x41 {
            let nibble = index % 2 == 0 ? hash[index / 2] >> 4 : hash[index / 2] & 15
            if (nibble >= 8) != (byte <= 0x46) { return nil }
        }
        return 0.85
    }
}
