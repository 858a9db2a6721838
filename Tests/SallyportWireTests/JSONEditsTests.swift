import NIOCore
import SallyportWire
import Testing

@Suite struct JSONEditsTests {
    private let document = ByteBuffer(string: "0123456789")

    private func apply(_ change: (inout JSONEdits) -> Void) -> String {
        var edits = JSONEdits()
        change(&edits)
        return edits.apply(to: document).text
    }

    @Test func changesNothingWithoutEdits() {
        #expect(JSONEdits().isEmpty)
        #expect(apply { _ in } == "0123456789")
    }

    @Test func replacesInAnyOrder() {
        #expect(
            apply {
                $0.replace(7..<9, with: "B"); $0.replace(1..<3, with: "A")
            } == "0A3456B9")
        #expect(apply { $0.replace(0..<10, with: "") } == "")
        #expect(
            apply {
                $0.replace(2..<4, with: [0x78]); $0.replace(4..<6, with: ByteBuffer(string: "y"))
            } == "01xy6789")
    }

    @Test func keepsTheOrderOfInsertionsAtOneOffset() {
        #expect(
            apply {
                $0.insert("a", at: 5); $0.insert("b", at: 5); $0.insert("c", at: 0); $0.insert("d", at: 10)
            } == "c01234ab56789d")
    }

    @Test func insertsBeforeAReplacementThatStartsThereAndBehindOneThatEnds() {
        #expect(
            apply {
                $0.replace(3..<5, with: "X"); $0.insert("a", at: 3); $0.insert("b", at: 5)
            } == "012aXb56789")
    }

    @Test func givesWayToTheLargerOfTwoReplacements() {
        #expect(
            apply {
                $0.replace(4..<5, with: "small"); $0.replace(2..<8, with: "L")
            } == "01L89")
        #expect(
            apply {
                $0.replace(2..<8, with: "L"); $0.replace(4..<5, with: "small")
            } == "01L89")
        #expect(
            apply {
                $0.replace(2..<8, with: "L"); $0.insert("i", at: 4)
            } == "01L89")
    }

    @Test func keepsTheFirstOfTwoEqualReplacements() {
        #expect(
            apply {
                $0.replace(2..<4, with: "A"); $0.replace(2..<4, with: "B")
            } == "01A456789")
    }

    @Test func putsPartlyOverlappingReplacementsSideBySide() {
        #expect(
            apply {
                $0.replace(4..<8, with: "B"); $0.replace(2..<5, with: "A")
            } == "01AB89")
    }

    @Test func takesOffsetsBeyondTheDocumentAsItsEnd() {
        #expect(
            apply {
                $0.replace(8..<99, with: "X"); $0.insert("!", at: 99)
            } == "01234567X!")
    }

    @Test func countsOffsetsFromTheReaderIndex() {
        var buffer = ByteBuffer(string: "..abc")
        buffer.moveReaderIndex(forwardBy: 2)
        var edits = JSONEdits()
        edits.replace(1..<2, with: "-")
        #expect(edits.apply(to: buffer).text == "a-c")
    }
}
