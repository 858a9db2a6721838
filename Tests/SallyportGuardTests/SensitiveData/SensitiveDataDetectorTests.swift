import SallyportCore
import SallyportGuard
import Testing

@Suite struct SensitiveDataDetectorTests {
    private struct Case: Decodable {
        let text: String
        /// Category and text of every finding at 0.75 or above, in order.
        let expect: [[String]]
        let source: String
    }

    private let runner: DetectorRunner

    init() throws { runner = try DetectorRunner(SensitiveDataDetector()) }

    @Test func findsExactlyWhatTheFixturesSay() throws {
        let cases = try JSONLines.read("sensitive-data.jsonl", as: Case.self)
        #expect(cases.count >= 250)
        for row in cases {
            let found = try runner.findings(in: row.text).filter { $0.confidence >= 0.75 }
                .sorted { $0.range.lowerBound < $1.range.lowerBound }.map { [$0.category.name, row.text.text(at: $0.range)] }
            #expect(found == row.expect, "\(row.text)")
        }
    }

    @Test func raisesConfidenceWithTheWordsAround() throws {
        #expect(try confidence("4242424242424242") == 0.75)
        #expect(try confidence("card 4242424242424242") == 0.85)
        #expect(try confidence("44051401359") == 0.65)
        #expect(try confidence("PESEL 44051401359") == 0.85)
        #expect(try confidence("123456785") == nil)
    }

    @Test func saysWhatSpokeForAFinding() throws {
        #expect(try runner.findings(in: "card 4242424242424242").first?.evidence == "test")
        #expect(try runner.findings(in: "pay 4539578763621486").first?.evidence == "check")
        #expect(try runner.findings(in: "card 4539578763621486").first?.evidence == "check+context")
        #expect(try runner.findings(in: "account number 13882147").first?.evidence == "context")
    }

    @Test func reportsAnAnnouncedNumberWithASlipBelowTheUsualThreshold() throws {
        let found = try runner.findings(in: "NHS number 9434765918")
        #expect(found.map(\.confidence) == [0.65])
        #expect(try runner.findings(in: "number 9434765918").isEmpty)
    }

    @Test func givesOffsetsInBytes() throws {
        let text = "Größe: ü, Karte 4242 4242 4242 4242 – danke"
        let found = try #require(try runner.findings(in: text).first)
        #expect(text.text(at: found.range) == "4242 4242 4242 4242")
        #expect(found.detector == "sensitive-data" && found.category.group == .sensitive)
    }

    @Test func keepsOneFindingForEachStretch() throws {
        // A routing number that is also a valid BSN, SIN … the word decides.
        let found = try runner.findings(in: "Routing 021000021 account 13882147, SSN 536-90-4399")
        #expect(found.map(\.category.name) == ["ABARoutingNumber", "USBankAccountNumber", "USSocialSecurityNumber"])
        for (a, b) in zip(found, found.dropFirst()) { #expect(!a.range.overlaps(b.range)) }
    }

    @Test func findsANumberAsSoonAsItIsComplete() throws {
        // A stream shows the text bit by bit: a finding must appear with its last character, and stay where it is.
        let text = "Her card is 4539 5787 6362 1486 and her IBAN is DE89 3704 0044 0532 0130 00, thanks."
        let whole = try runner.findings(in: text)
        #expect(whole.count == 2)
        for finding in whole {
            for end in [finding.range.upperBound, finding.range.upperBound + 1, text.utf8.count] {
                let prefix = String(decoding: Array(text.utf8.prefix(end)), as: UTF8.self)
                #expect(try runner.findings(in: prefix).contains { $0.range == finding.range && $0.category == finding.category })
            }
        }
    }

    @Test func readsLongDigitTextsInReasonableTime() throws {
        // Each of these once could make a scanner start over at every byte.
        for unit in ["1 ", "12-", "4111 ", "4111111111111111 ", "a1", "@a", ":a:", "1.1.1.1", "<<<<<<<<", "123 Main Street, ", "(1)"] {
            let text = String(repeating: unit, count: 20_000 / unit.utf8.count)
            let found = try runner.findings(in: text)
            #expect(found.allSatisfy { $0.range.upperBound <= text.utf8.count })
        }
    }

    @Test func survivesMutatedTexts() throws {
        let cases = try JSONLines.read("sensitive-data.jsonl", as: Case.self)
        var random = SplitMix(state: 3)
        for row in cases {
            for _ in 0..<4 {
                var bytes = Array(row.text.utf8)
                for _ in 0..<3 where !bytes.isEmpty {
                    let place = Int(random.next() % UInt64(bytes.count))
                    switch random.next() % 3 {
                    case 0: bytes.remove(at: place)
                    case 1: bytes.insert(Array("0 -.<@:/é\n".utf8)[Int(random.next() % 11)], at: place)
                    default: bytes.removeSubrange(place...)
                    }
                }
                let text = String(decoding: bytes, as: UTF8.self)
                for finding in try runner.findings(in: text) {
                    #expect(finding.range.lowerBound >= 0 && finding.range.upperBound <= text.utf8.count && !finding.range.isEmpty)
                }
            }
        }
    }

    @Test func believesTheWordsWhenNotToldToValidate() throws {
        let trusting = try DetectorRunner(SensitiveDataDetector(validates: false))
        #expect(try trusting.findings(in: "NHS number 9434765918").map(\.confidence) == [0.75])
        #expect(try trusting.findings(in: "number 9434765918").isEmpty)
        #expect(
            try trusting.findings(in: "PESEL 44051401358, card 4242424242424242").map(\.category.name) == [
                "PLNationalID", "CreditCardNumber",
            ])
    }

    @Test func takesACallersOwnWordsAsContext() throws {
        let own = try DetectorRunner(SensitiveDataDetector(synonyms: [(.plREGON, ["zork"])]))
        #expect(try own.findings(in: "Our Zork is 123456785.").map(\.category.name) == ["PLREGONNumber"])
        #expect(try runner.findings(in: "Our Zork is 123456785.").isEmpty)
    }

    @Test func staysWithinItsBoundsWhateverTheCallersWords() throws {
        var random = SplitMix(state: 11)
        let words = (0..<1_100).map { _ in String((0..<64).map { _ in Character(UnicodeScalar(UInt8(97 + random.next() % 26))) }) }
        let own = try DetectorRunner(SensitiveDataDetector(synonyms: [(.plREGON, words), (.plREGON, ["", "|", "é"])]))
        #expect(try own.findings(in: "card 4242424242424242").count == 1)
    }

    @Test func reportsWhatIsSeldomSensitiveOnlyWhenAsked() throws {
        let text = "On May 5, 2021 she was 34 years old; see https://example.com/a."
        #expect(try runner.findings(in: text).isEmpty)
        let everything = try DetectorRunner(SensitiveDataDetector(includesEverything: true))
        #expect(try everything.findings(in: text).map { text.text(at: $0.range) } == ["May 5, 2021", "34", "https://example.com/a"])
    }

    private func confidence(_ text: String) throws -> Double? { try runner.findings(in: text).first?.confidence }
}
