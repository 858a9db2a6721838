import Testing

@testable import SallyportInference

@Suite struct RowLayoutTests {
    let layout = RowLayout(maximumTokens: 128, window: 126, stride: 96)

    @Test func cutsLongTextsIntoOverlappingWindows() {
        #expect(layout.rows(text: 0, count: 126, pair: nil).map(\.first) == [0..<126])
        #expect(layout.rows(text: 0, count: 127, pair: nil).map(\.first) == [0..<126, 96..<127])
        #expect(layout.rows(text: 0, count: 300, pair: nil).map(\.first) == [0..<126, 96..<222, 192..<300])
    }

    @Test func givesAnEmptyTextOneEmptyWindow() {
        #expect(layout.rows(text: 3, count: 0, pair: nil) == [Row(text: 3, first: 0..<0, second: nil)])
        #expect(layout.rows(text: 3, count: 0, pair: nil)[0].length == 2)
    }

    @Test func capsTheFirstTextOfAPairAtHalf() {
        let rows = layout.rows(text: 0, count: 500, pair: 100)
        #expect(rows.allSatisfy { $0.first == 0..<62 && $0.length <= 128 })
        #expect(rows.compactMap(\.second) == [0..<63, 33..<96, 66..<100])
    }

    @Test func givesAShortFirstTextsRoomToTheSecond() {
        #expect(layout.rows(text: 0, count: 5, pair: 120).compactMap(\.second) == [0..<120])
        #expect(layout.rows(text: 0, count: 5, pair: 121).compactMap(\.second) == [0..<120, 90..<121])
        #expect(layout.rows(text: 0, count: 5, pair: 0).compactMap(\.second) == [0..<0])
    }
}
