import NIOCore
import SallyportWire
import Testing

@Suite struct SSEParserTests {
    @Test func readsTheCorpusTheSameSplitAtEveryByte() throws {
        for bytes in try Fuzz.corpus("sse") {
            let whole = SSEReading.meanings(try SSEReading.events([ByteBuffer(bytes: bytes)]))
            #expect(whole == SSEReading.reference(bytes))
            for cut in 0...bytes.count {
                let events = try SSEReading.events([ByteBuffer(bytes: bytes[..<cut]), ByteBuffer(bytes: bytes[cut...])])
                #expect(SSEReading.meanings(events) == whole, "cut at \(cut)")
                #expect(events.flatMap { $0.raw.array } == bytes, "cut at \(cut)")
            }
            let single = try SSEReading.events(bytes.map { ByteBuffer(bytes: [$0]) })
            #expect(SSEReading.meanings(single) == whole)
        }
    }

    @Test func givesEachEventWithItsBytes() throws {
        let events = try SSEReading.events([ByteBuffer(string: ": hi\n\nevent: a\ndata: x\n\ndata: y\r\n\r\n")])
        #expect(events.map(\.raw.text) == [": hi\n\n", "event: a\ndata: x\n\n", "data: y\r\n\r\n"])
        #expect(events.map { $0.data?.text } == [nil, "x", "y"])
        #expect(events.map { $0.dataOffset } == [nil, 15, 6])
        #expect(events.map { $0.name?.text } == [nil, "a", nil])
    }

    @Test func joinsSeveralDataLines() throws {
        let events = try SSEReading.events([ByteBuffer(string: "data: a\ndata:b\ndata\ndata:  c\n\n")])
        #expect(events.map { $0.data?.text } == ["a\nb\n\n c"])
        #expect(events[0].dataOffset == nil)
    }

    @Test func tellsAnEmptyDataLineFromNone() throws {
        let events = try SSEReading.events([ByteBuffer(string: "data:\n\nid: 4\n\n\n")])
        #expect(events.map { $0.data?.text } == ["", nil, nil])
    }

    @Test func readsNoFieldThatOnlyBeginsLikeData() throws {
        let events = try SSEReading.events([ByteBuffer(string: "database: x\ndat: y\n data: z\nDATA: q\n\n")])
        #expect(events.count == 1)
        #expect(events[0].data == nil)
    }

    @Test func skipsAByteOrderMarkAtTheStartOnly() throws {
        let events = try SSEReading.events([ByteBuffer(string: "\u{FEFF}data: a\n\n\u{FEFF}data: b\n\n")])
        #expect(events.map { $0.data?.text } == ["a", nil])
        #expect(events[0].dataOffset == 9)
    }

    @Test func deliversAtTheBlankLineWithoutWaiting() throws {
        var parser = SSEParser(maximumEventBytes: 100)
        parser.append(ByteBuffer(string: "data: a\n\n"))
        #expect(try parser.next()?.data?.text == "a")
        parser.append(ByteBuffer(string: "data: b\r\r"))
        #expect(try parser.next()?.data?.text == "b")
        #expect(try parser.next() == nil)
    }

    @Test func waitsForTheLineFeedWhereTheStreamUsesBoth() throws {
        var parser = SSEParser(maximumEventBytes: 100)
        parser.append(ByteBuffer(string: "data: a\r\n\r"))
        #expect(try parser.next() == nil)
        parser.append(ByteBuffer(string: "\ndata: b"))
        #expect(try parser.next()?.raw.text == "data: a\r\n\r\n")
        #expect(try parser.next() == nil)
        #expect(try parser.finish()?.data?.text == "b")
        #expect(try parser.finish() == nil)
    }

    @Test func refusesAnEventOverTheLimitBeforeItsEnd() throws {
        var parser = SSEParser(maximumEventBytes: 10)
        parser.append(ByteBuffer(string: "data: 7\n\n"))
        #expect(try parser.next()?.data?.text == "7")
        parser.append(ByteBuffer(string: "data: 12345"))
        #expect(throws: SSEFault.eventTooLarge(limit: 10)) { try parser.next() }
        var whole = SSEParser(maximumEventBytes: 10)
        whole.append(ByteBuffer(string: "data: 12345\n\n"))
        #expect(throws: SSEFault.eventTooLarge(limit: 10)) { try whole.next() }
        #expect(throws: SSEFault.eventTooLarge(limit: 10)) { try whole.finish() }
    }

    @Test func sharesTheChunksStorageWhenAnEventLiesInOne() throws {
        let chunk = ByteBuffer(string: "data: a\n\ndata: b\n\n")
        var parser = SSEParser(maximumEventBytes: 100)
        parser.append(chunk)
        _ = try parser.next()
        let event = try #require(try parser.next())
        let inside = chunk.withUnsafeReadableBytes { whole in
            event.raw.withUnsafeReadableBytes { $0.baseAddress == whole.baseAddress.map { $0 + 9 } }
        }
        #expect(inside)
    }
}
