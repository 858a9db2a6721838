import NIOCore

/// Tells identifiers from texts that are spelled like one.
package enum EncodedWord {
    /// What a text of a few letters takes up; the same as the normaliser looks at.
    private static let least = Normaliser.Configuration.standard.leastEncodedLength

    private static let shortestNumber = 32

    /// Whether a word, or a part of it, turns out to be a text in base64, base32, hexadecimal or binary digits. Identifiers are random, or
    /// numbers: what they decode to is none.
    package static func holdsText(_ word: ByteBuffer) -> Bool {
        guard word.readableBytes >= least else { return false }
        return word.withUnsafeReadableBytes { bytes in
            // Of short numbers one in a hundred is text in hexadecimal digits, by chance.
            guard bytes.count >= shortestNumber || !bytes.allSatisfy(ASCII.isDigit) else { return false }
            let survey = Survey(bytes)
            guard !survey.longRuns.isEmpty else { return false }
            var regions = EncodedRegions(bytes, least: least, limit: bytes.count, stopsAtFirst: true)
            regions.find(survey)
            return regions.first != nil
        }
    }
}
