import NIOCore
import SallyportWire
import Testing

/// Properties over generated and mutated documents. Short by default; `FUZZ_SECONDS` makes each run that long.
@Suite struct JSONFuzzTests {
    private static let interesting =
        Array("{}[]:,\"\\/bfnrtu0123456789+-.eE \t\n\r".utf8) + [0, 0x1F, 0x7F, 0x80, 0xBF, 0xC0, 0xC3, 0xE2, 0xED, 0xF0, 0xF4, 0xFF]

    @Test func readsWhatWasGenerated() throws {
        try Fuzz.run(rounds: 1500) { seed, random in
            var generator = JSONGenerator(random: random)
            let value = generator.value()
            let bytes = generator.spell(value)
            var buffer = ByteBuffer(bytes: [0xAA, 0xBB])
            buffer.moveReaderIndex(forwardBy: generator.random.below(3))
            let skipped = buffer.readableBytes
            buffer.writeBytes(bytes)
            buffer.moveReaderIndex(forwardBy: skipped)
            let document = try JSONDocument(parsing: buffer)
            Fuzz.check(ReferenceJSON(document) == value, seed)
            Fuzz.check(ReferenceReader.read(bytes) == value, seed)
            Fuzz.check(JSONEdits().apply(to: document.bytes).array == bytes, seed)
            checkTape(document, seed)
        }
    }

    @Test func acceptsWhatTheReferenceAcceptsAndNothingElse() throws {
        let corpus = try Fuzz.corpus("json")
        #expect(corpus.count >= 8)
        Fuzz.run(rounds: 4000) { seed, random in
            var generator = JSONGenerator(random: random)
            let source = generator.random.chance(2) ? generator.random.pick(corpus) : generator.spell(generator.value())
            let bytes = Fuzz.mutate(source, with: JSONFuzzTests.interesting, &generator.random)
            let expected = ReferenceReader.read(bytes)
            do throws(JSONFault) {
                let document = try JSONDocument(parsing: ByteBuffer(bytes: bytes))
                Fuzz.check(ReferenceJSON(document) == expected, seed)
                checkTape(document, seed)
            } catch {
                Fuzz.check(expected == nil, seed, "\(error)")
                Fuzz.check((0...bytes.count).contains(error.offset), seed)
            }
        }
    }

    @Test func findsEveryRepeatedKeyHoweverItIsSpelled() {
        let names = [
            "", "a", "b", "ab", "é", "😀", "abcdefg", "abcdefgh", "abcdefgi", "content_filter_results", "content_filter_offsets", "\n", "/",
        ]
        Fuzz.run(rounds: 3000) { seed, random in
            var generator = JSONGenerator(random: random)
            var bytes = Array("{".utf8)
            let isLarge = generator.random.chance(6)
            for index in 0..<generator.random.below(isLarge ? 60 : 7) {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                generator.spell(isLarge && !generator.random.chance(40) ? "key\(index)" : generator.random.pick(names), &bytes)
                bytes += Array(":".utf8) + Array(generator.random.pick(["0", "{}", "[[],{\"a\":0}]"]).utf8)
            }
            bytes.append(UInt8(ascii: "}"))
            let expected = ReferenceReader.read(bytes)
            let document = try? JSONDocument(parsing: ByteBuffer(bytes: bytes))
            Fuzz.check(document.map { ReferenceJSON($0) } == expected, seed, String(decoding: bytes, as: UTF8.self))
        }
    }

    @Test func editsTouchOnlyTheirRanges() throws {
        try Fuzz.run(rounds: 800) { seed, random in
            var generator = JSONGenerator(random: random)
            let bytes = generator.spell(generator.value())
            let document = try JSONDocument(parsing: ByteBuffer(bytes: bytes))
            var edits = JSONEdits()
            // Without overlaps: an independent way to say what must come out.
            var expected = bytes
            var pieces: [(Range<Int>, [UInt8])] = []
            for (index, node) in document.nodes.enumerated() where node.kind == .string && generator.random.chance(2) {
                let text = document.text(index)
                let count = text.bytes.readableBytes
                let lower = generator.random.below(count + 1)
                let range = text.rawRange(of: lower..<min(count, lower + generator.random.below(9)))
                let mask = Array(repeating: UInt8(ascii: "*"), count: generator.random.below(5))
                edits.replace(range, with: mask)
                pieces.append((range, mask))
            }
            for (range, mask) in pieces.reversed() { expected.replaceSubrange(range, with: mask) }
            let edited = edits.apply(to: document.bytes)
            Fuzz.check(edited.array == expected, seed)
            if !pieces.isEmpty {
                let again = try? JSONDocument(parsing: edited, limits: .standard)
                Fuzz.check(again?.nodes.count == document.nodes.count, seed)
            }
        }
    }

    @Test func overlappingEditsNeverShowAReplacedByte() {
        Fuzz.run(rounds: 3000) { seed, random in
            // Original bytes are their own offset; what is put in is 0xFF.
            let count = 1 + random.below(40)
            let bytes = (0..<count).map { UInt8($0) }
            var replaced = Set<UInt8>()
            var edits = JSONEdits()
            for _ in 0..<random.below(8) {
                let lower = random.below(count + 1)
                let upper = min(count, lower + random.below(12))
                edits.replace(lower..<upper, with: [UInt8](repeating: 0xFF, count: random.below(3)))
                replaced.formUnion(bytes[lower..<upper])
            }
            let out = edits.apply(to: ByteBuffer(bytes: bytes)).array.filter { $0 != 0xFF }
            Fuzz.check(out == bytes.filter { !replaced.contains($0) }, seed)
        }
    }

    @Test func mapsDecodedOffsetsBackToWholeUnits() throws {
        try Fuzz.run(rounds: 600) { seed, random in
            var generator = JSONGenerator(random: random)
            var text = ""
            for _ in 0..<generator.random.below(12) { text += generator.string() }
            var spelled: [UInt8] = []
            generator.spell(text, &spelled)
            let document = try JSONDocument(parsing: ByteBuffer(bytes: spelled))
            let decoded = document.text(0)
            Fuzz.check(decoded.bytes.array == Array(text.utf8), seed)
            Fuzz.check(decoded.isASCII == text.utf8.allSatisfy { $0 < 0x80 }, seed)
            // Scalar by scalar, the raw ranges follow one another without a gap and decode to that scalar.
            var offset = 0
            var raw = 1
            for scalar in text.unicodeScalars {
                let width = UTF8.width(scalar)
                let range = decoded.rawRange(of: offset..<offset + width)
                Fuzz.check(range.lowerBound == raw, seed)
                for inner in 0..<width { Fuzz.check(decoded.rawRange(of: offset + inner..<offset + inner + 1) == range, seed) }
                var back = ByteBuffer()
                spelled.withUnsafeBytes { JSONText.decode(UnsafeRawBufferPointer(rebasing: $0[range]), into: &back) }
                Fuzz.check(back.text.unicodeScalars.elementsEqual([scalar]), seed)
                Fuzz.check(decoded.rawRange(of: offset..<offset) == raw..<raw, seed)
                offset += width
                raw = range.upperBound
            }
            Fuzz.check(raw == spelled.count - 1, seed)
            Fuzz.check(decoded.rawRange(of: offset..<offset) == raw..<raw, seed)
        }
    }

    /// The tape is in document order, nests properly and lies within the document.
    private func checkTape(_ document: JSONDocument, _ seed: UInt64) {
        var ends = [document.nodes.count]
        var last = -1
        for (index, node) in document.nodes.enumerated() {
            while ends.count > 1, ends.last == index { ends.removeLast() }
            Fuzz.check(node.next > index && node.next <= ends[ends.count - 1], seed)
            Fuzz.check(node.start >= last && node.end >= node.start && node.end <= document.bytes.readableBytes, seed)
            let plain = document.raw(index).array
            if node.kind == .string || node.kind == .key {
                Fuzz.check(node.hasEscapes == plain.contains(UInt8(ascii: "\\")), seed)
            }
            Fuzz.check(document.text(index).bytes.array.allSatisfy { $0 < 0x80 } == node.isASCII, seed)
            last = node.start
            ends.append(node.next)
        }
    }
}
