import NIOCore
import SallyportWire
import Testing

/// Properties over streams cut anywhere. Short by default; `FUZZ_SECONDS` makes each run that long.
@Suite struct SSEFuzzTests {
    @Test func losesNothingAndReadsTheSameHoweverItIsCut() throws {
        let corpus = try Fuzz.corpus("sse")
        #expect(corpus.count >= 3)
        try Fuzz.run(rounds: 3000) { seed, random in
            var bytes = random.pick(corpus)
            if !random.chance(4) { bytes = Fuzz.mutate(bytes, with: Array("\r\n\r\n: data:event".utf8) + [0xEF, 0xBB, 0xBF], &random) }
            let whole = try SSEReading.events([ByteBuffer(bytes: bytes)])
            let cut = try SSEReading.events(Fuzz.chunks(bytes, &random), draining: random.chance(2))
            Fuzz.check(whole.flatMap { $0.raw.array } == bytes, seed)
            Fuzz.check(cut.flatMap { $0.raw.array } == bytes, seed)
            Fuzz.check(SSEReading.meanings(whole) == SSEReading.meanings(cut), seed)
            Fuzz.check(SSEReading.meanings(whole) == SSEReading.reference(bytes), seed)
            for event in cut {
                guard let data = event.data, let offset = event.dataOffset else { continue }
                Fuzz.check(event.raw.getSlice(at: event.raw.readerIndex + offset, length: data.readableBytes) == data, seed)
            }
        }
    }
}

enum SSEReading {
    struct Meaning: Equatable {
        var data: [UInt8]
        var name: [UInt8]?
    }

    static func events(_ chunks: [ByteBuffer], draining: Bool = true, limit: Int = 1 << 20) throws -> [SSEEvent] {
        var parser = SSEParser(maximumEventBytes: limit)
        var events: [SSEEvent] = []
        for chunk in chunks {
            parser.append(chunk)
            if draining { while let event = try parser.next() { events.append(event) } }
        }
        while let event = try parser.next() { events.append(event) }
        if let last = try parser.finish() { events.append(last) }
        return events
    }

    static func meanings(_ events: [SSEEvent]) -> [Meaning] {
        events.compactMap { event in event.data.map { Meaning(data: $0.array, name: event.name?.array) } }
    }

    /// The field rules of the HTML standard, slowly; what is left at the end counts as an event.
    static func reference(_ bytes: [UInt8]) -> [Meaning] {
        var bytes = bytes[...]
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes = bytes.dropFirst(3) }
        var lines: [[UInt8]] = [[]]
        var index = bytes.startIndex
        while index < bytes.endIndex {
            if bytes[index] == 0x0D {
                if index + 1 < bytes.endIndex, bytes[index + 1] == 0x0A { index += 1 }
                lines.append([])
            } else if bytes[index] == 0x0A {
                lines.append([])
            } else {
                lines[lines.count - 1].append(bytes[index])
            }
            index += 1
        }
        var meanings: [Meaning] = []
        var data: [UInt8]?
        var name: [UInt8]?
        for line in lines + [[]] {
            if line.isEmpty {
                if let data { meanings.append(Meaning(data: data, name: name)) }
                data = nil
                name = nil
                continue
            }
            let parts = line.split(separator: 0x3A, maxSplits: 1, omittingEmptySubsequences: false)
            var value = parts.count > 1 ? parts[1] : []
            if value.first == 0x20 { value = value.dropFirst() }
            if parts[0].elementsEqual("data".utf8) { data = data.map { $0 + [0x0A] + value } ?? Array(value) }
            if parts[0].elementsEqual("event".utf8) { name = Array(value) }
        }
        return meanings
    }
}
