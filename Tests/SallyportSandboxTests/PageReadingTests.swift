import Foundation
import NIOCore
import SallyportCore
import Testing

@testable import SallyportSandbox

/// What stands on pages, and what only seems to: through the real worker, in its cage.
@Suite(.serialized) struct PageReadingTests {
    private static let hasOCR = access("/usr/bin/tesseract", X_OK) == 0

    private func parse(_ bytes: [UInt8], _ format: DocumentFormat = .pdf) throws -> ParsedDocument {
        try SandboxedParser(worker: SandboxedParserTests.worker).parse(ByteBuffer(bytes: bytes), as: format)
    }

    private func text(_ words: String, at height: Int, size: Double = 12, before: String = "0 g", mode: Int = 0) -> String {
        "BT \(before) \(mode) Tr /F1 \(size) Tf 72 \(height) Td (\(words)) Tj ET\n"
    }

    @Test func marksWhatADrawingDoesNotShow() throws {
        let content =
            text("Visible line of text.", at: 720) + text("White secret words", at: 690, before: "1 1 1 rg")
            + text("Tiny secret words", at: 660, size: 0.5) + text("Inkless words", at: 630, mode: 3)
            + "q /T gs " + text("Transparent words", at: 600) + "Q " + text("Covered words", at: 560)
            + "0 0.5 0 rg 60 550 300 30 re f 0 0 0.6 rg 60 450 300 30 re f " + text("White on blue words", at: 460, before: "1 1 1 rg")
            + text("Words below the page", at: -300)
        let document = try parse(pdf(contents: [content]))
        #expect(document.blocks.filter { $0.hiding == nil }.map(\.text) == ["Visible line of text.", "White on blue words"])
        let hidden = document.blocks.filter { $0.hiding != nil }
        #expect(hidden.filter { $0.hiding == .zeroSize }.map(\.text) == ["Tiny secret words"])
        let unseen = hidden.filter { $0.hiding == .sameColour }.map(\.text).joined(separator: " ")
        for words in ["White secret words", "Inkless words", "Transparent words", "Covered words"] {
            #expect(unseen.contains(words), "\(words)")
        }
        #expect(!document.blocks.contains { $0.text.contains("below the page") })
    }

    @Test func marksTextsInOnePlace() throws {
        let document = try parse(
            pdf(contents: [
                text("Pay the harbour ten crowns.", at: 700) + text("Pay the pirates all crowns", at: 700) + text("Elsewhere.", at: 600)
            ]))
        #expect(document.blocks.filter { $0.hiding == nil }.map(\.text) == ["Elsewhere."])
    }

    @Test func readsHeadingsByTheirSize() throws {
        let lines = (0..<8).map { text("Body line number \($0) with several words in it", at: 660 - 14 * $0) }.joined()
        let document = try parse(pdf(contents: [text("Crane rules", at: 720, size: 20) + lines]))
        #expect(document.title == "Crane rules")
        #expect(document.blocks.first?.kind == .heading)
        #expect(document.blocks.dropFirst().allSatisfy { $0.kind == .paragraph })
    }

    @Test(.enabled(if: hasOCR)) func readsPicturesOfText() throws {
        let page = pdf(contents: [text("The crane lifts forty tonnes.", at: 700, size: 24)])
        let png = try ChildProcess.run(
            ["/usr/bin/pdftoppm", "-png", "-r", "100", "-"], input: ByteBuffer(bytes: page), limit: 8 << 20, time: .seconds(60))
        #expect(try parse(png.output, .image).blocks.map(\.text) == ["The crane lifts forty tonnes."])
        #expect(throws: DocumentProblem.mismatch) { try parse(Array(png.output.dropLast(20)), .image) }
        #expect(throws: DocumentProblem.mismatch) { try parse(png.output + Array("PK".utf8), .image) }
        #expect(throws: DocumentProblem.mismatch) { try parse(Array("no picture".utf8), .image) }
        // A scanned page: a picture and no text.
        let jpeg = try ChildProcess.run(
            ["/usr/bin/pdftoppm", "-jpeg", "-r", "150", "-"], input: ByteBuffer(bytes: page), limit: 8 << 20, time: .seconds(60))
        let scanned = try parse(pdf(picture: jpeg.output, width: 1275, height: 1650))
        #expect(scanned.blocks.map(\.text) == ["The crane lifts forty tonnes."])
        #expect(scanned.blocks.map(\.page) == [1])
        #expect(scanned.notes == ["1 scanned pages read by OCR"])
    }

    @Test(.enabled(if: hasOCR)) func endsPicturesThatAreBombs() throws {
        // 60,000 by 60,000 white points in a few kilobytes of nothing.
        var png: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0, 0, 0, 13] + Array("IHDR".utf8)
        png += [0, 0, 0xEA, 0x60, 0, 0, 0xEA, 0x60, 8, 0, 0, 0, 0, 0, 0, 0, 0]
        png += [0, 0, 0, 0] + Array("IEND".utf8) + [0xAE, 0x42, 0x60, 0x82]
        do {
            _ = try parse(png, .image)
            Issue.record("it was read")
        } catch { #expect([.malformed, .crashed, .timedOut, .empty, .tooLarge].contains(error as? DocumentProblem)) }
    }
}
