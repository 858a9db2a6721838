import NIOCore
import SallyportWire
import Testing

/// Properties over generated and mutated documents. Short by default; `FUZZ_SECONDS` makes each run that long.
@Suite struct JSONFuzzTests {
    private static let interesting = Array("{}[]:,\"\\/bfnrtu0123456789+-.eE \t\n\r".utf8) + [0, 0x1F, 0x7F, 0x80, 0xBF, 0xC0, 0xC3, 0xE2, 0xED, 0xF0, 0xF4, 0xFF]

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
            #expect(ReferenceJSON(document) == value, "seed \(seed)")
            #expect(ReferenceReader.read(bytes) == value, "seed \(seed)")
            #expect(JSONEdits().apply(to: document.bytes).array == bytes, "seed \(seed)")
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
                #expect(ReferenceJSON(document) == expected, "seed \(seed)")
                checkTape(document, seed)
            } catch {
                #expect(expected == nil, "seed \(seed): \(error)")
                #expect((0...bytes.count).contains(error.offset), "seed \(seed)")
            }
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
            #expect(edited.array == expected, "seed \(seed)")
            if !pieces.isEmpty {
                let again = try? JSONDocument(parsing: edited, limits: .standard)
                #expect(again?.nodes.count == document.nodes.count, "seed \(seed)")
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
            #expect(out == bytes.filter { !replaced.contains($0) }, "seed \(seed)")
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
            #expect(decoded.bytes.array == Array(text.utf8), "seed \(seed)")
            #expect(decoded.isASCII == text.utf8.allSatisfy { $0 < 0x80 }, "seed \(seed)")
            // Scalar by scalar, the raw ranges follow one another without a gap and decode to that scalar.
            var offset = 0
            var raw = 1
            for scalar in text.unicodeScalars {
                let width = UTF8.width(scalar)
                let range = decoded.rawRange(of: offset..<offset + width)
                #expect(range.lowerBound == raw, "seed \(seed)")
                for inner in 0..<width { #expect(decoded.rawRange(of: offset + inner..<offset + inner + 1) == range, "seed \(seed)") }
                var back = ByteBuffer()
                spelled.withUnsafeBytes { JSONText.decode(UnsafeRawBufferPointer(rebasing: $0[range]), into: &back) }
                #expect(back.text.unicodeScalars.elementsEqual([scalar]), "seed \(seed)")
                #expect(decoded.rawRange(of: offset..<offset) == raw..<raw, "seed \(seed)")
                offset += width
                raw = range.upperBound
            }
            #expect(raw == spelled.count - 1, "seed \(seed)")
            #expect(decoded.rawRange(of: offset..<offset) == raw..<raw, "seed \(seed)")
        }
    }

    /// The tape is in document order, nests properly and lies within the document.
    private func checkTape(_ document: JSONDocument, _ seed: UInt64) {
        var ends = [document.nodes.count]
        var last = -1
        for (index, node) in document.nodes.enumerated() {
            while ends.count > 1, ends.last == index { ends.removeLast() }
            #expect(node.next > index && node.next <= ends[ends.count - 1], "seed \(seed)")
            #expect(node.start >= last && node.end >= node.start && node.end <= document.bytes.readableBytes, "seed \(seed)")
            let plain = document.raw(index).array
            if node.kind == .string || node.kind == .key {
                #expect(node.hasEscapes == plain.contains(UInt8(ascii: "\\")), "seed \(seed)")
            }
            #expect(document.text(index).bytes.array.allSatisfy { $0 < 0x80 } == node.isASCII, "seed \(seed)")
            last = node.start
            ends.append(node.next)
        }
    }
}
