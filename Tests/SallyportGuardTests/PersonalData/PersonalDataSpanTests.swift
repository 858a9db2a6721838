import NIOConcurrencyHelpers
import NIOCore
import SallyportCore
import SallyportGuard
import SallyportPatterns
import SallyportTesting
import Testing

/// What the analysis finds in ordinary sentences, names among it where a model has read them.
struct PersonalDataSpanTests {
    private static let analysis = Result {
        try PersonalDataAnalysis(compiler: HyperscanCompiler(), learned: ScriptedReader([:]).description)
    }

    private func found(_ text: String) throws -> [String] {
        try Self.analysis.get().spans(in: text, reading: nil).map { span in
            "\(span.category): " + String(decoding: Array(text.utf8)[span.range], as: UTF8.self)
        }
    }

    @Test(arguments: [
        ("Ship it to 0611 Kelly Vista Apt. 686, New Destiny, WI 68120.", "0611 Kelly Vista Apt. 686, New Destiny, WI 68120"),
        ("Our office moves to Roderich-Platz 24, 87675 Kronach next week.", "Roderich-Platz 24, 87675 Kronach"),
        ("Bill to:\nViale Udinese, 814\n73049, Ruffano (LE)\nThanks", "Viale Udinese, 814\n73049, Ruffano (LE)"),
        ("She lives at 7 Sharon Neck, New Aaronfort, WR69 3JJ now.", "7 Sharon Neck, New Aaronfort, WR69 3JJ"),
        ("Send it to Pietersingel 66\n6352 FG\nWoltersum, please.", "Pietersingel 66\n6352 FG\nWoltersum"),
        ("Write to 8, rue Jacqueline Boulay, 48226 Leblanc.", "8, rue Jacqueline Boulay, 48226 Leblanc"),
        ("Adres: pl. Partyzantów 83/70\n22-968 Zambrów", "pl. Partyzantów 83/70\n22-968 Zambrów"),
        ("He moved to Trädgårdsvägen 36, 96917 Eskilstuna.", "Trädgårdsvägen 36, 96917 Eskilstuna"),
        ("Bill to:\nSarah\n603 Donald Shoal, Toddmouth, TX 15380\nVAT 4594105", "603 Donald Shoal, Toddmouth, TX 15380"),
        ("Witness Kowal of plac Miłosza 85\n27-345 Kościerzyna states that", "plac Miłosza 85\n27-345 Kościerzyna"),
        ("Ship it to Liza Hak, Jeltelaan 2, 1112ON, Mill. Use", "Jeltelaan 2, 1112ON, Mill"),
        ("Bill to:\nLaurent Alves\n22, rue de Bertrand\n35503 Delmas\nThanks", "22, rue de Bertrand\n35503 Delmas"),
        ("I live at 59/193, Dyal Road, Bettiah 868514. My", "59/193, Dyal Road, Bettiah 868514"),
        (
            "Ship it to Ribeiro, Ladeira de da Rocha, 99, Vila Pilar, 38456805 Pereira / SP.",
            "Ladeira de da Rocha, 99, Vila Pilar, 38456805 Pereira / SP"
        ),
        ("please ship to al. 3 Maja 5, 00-391 Warszawa today", "al. 3 Maja 5, 00-391 Warszawa"),
        ("It goes to PO Box 2210, Nampa, ID 83651.", "PO Box 2210, Nampa, ID 83651"),
        ("Did you write to 5 Old Mill Road, Galway? We did", "5 Old Mill Road, Galway"),
    ])
    func findsAddressesByTheirPostalCode(_ text: String, _ address: String) throws {
        let found = try found(text)
        #expect(found.contains("Address: \(address)"), "\(found)")
    }

    @Test(arguments: [
        "login from there at 09 mar 2023 by somebody@example.net", "the total is 3416.50 usd for 8295 items.",
        "The model has 3459 million parameters.", "Error code 0xc28d597b at line 6869.", "Release 12345 Beta was built on four machines.",
    ])
    func findsNoAddressInOrdinaryNumbers(_ text: String) throws {
        #expect(try !found(text).contains { $0.hasPrefix("Address") })
    }

    @Test(arguments: [
        ("The meeting is on Sunday, 03 August in room 4.", "Sunday, 03 August"), ("Landed 1994-12-12T01:39:19Z.", "1994-12-12T01:39:19Z"),
        ("She joined in April 2015.", "April 2015"),
        ("am 27 Mar 2014", "27 Mar 2014"),
        ("signed 04-Feb-2016 in Bonn", "04-Feb-2016"), ("on 4/Sep/2017 at noon", "4/Sep/2017"),
    ])
    func findsDatesAsPeopleWriteThem(_ text: String, _ date: String) throws {
        let dates = try found(text).filter { $0.hasPrefix("Date") }.map { $0.split(separator: ": ", maxSplits: 1)[1] }
        #expect(dates.contains { $0 == date }, "\(dates)")
    }

    @Test(arguments: [
        ("User Mariane (92 years old) lives in Oslo.", "92"), ("the CV of Anna Schiavo, 41, from Rome", "41"),
        ("He was 42 when he joined.", "42"),
        ("Write a card for Diane who turns 82.", "82"), ("a 45-year-old man", "45"), ("age: 31", "31"),
    ])
    func findsAges(_ text: String, _ age: String) throws {
        let found = try found(text)
        #expect(found.contains("Age: \(age)"), "\(found)")
    }

    @Test func aPasswordInASentenceMayHoldAnAmpersand() throws {
        #expect(try found("The password is Tr0ub&dor3x, do not share it.") == ["Password: Tr0ub&dor3x"])
        #expect(try found("POST /login?user=ann&password=hunter22x&remember=1").contains("Password: hunter22x"))
    }

    @Test func findsASocialSecurityNumberThatIsCalledSocial() throws {
        #expect(try found("My social is 457 55 5462.") == ["USSocialSecurityNumber: 457 55 5462"])
    }

    @Test func findsAWalletByItsNameWhateverItsChecksum() throws {
        #expect(
            try found("My BTC wallet is 1djy5djvO6ZfrrIXRMlRmbZjlX93DkYYHv.") == [
                "CryptocurrencyAddress: 1djy5djvO6ZfrrIXRMlRmbZjlX93DkYYHv"
            ])
        #expect(try found("The commit 1djy5djvO6ZfrrIXRMlRmbZjlX93DkYYHv was reverted.").isEmpty)
    }

    @Test func readsADateBeforeAPlaceAsADate() throws {
        let dates = try found("Geboren am 12. März 1980 in Ulm.")
        #expect(dates.contains { $0.hasSuffix(": 12. März 1980") && $0.hasPrefix("Date") }, "\(dates)")
        #expect(!dates.contains { $0.hasPrefix("Address") })
    }

    @Test(arguments: [
        "We sold 10000 Tickets and 20000 Programmes.", "It grew from 12 March 1980 in Ulm to 1990 in Bonn.",
        "Between 2010 and 20000 Dollars went to Main Street.",
    ])
    func findsNoAddressWhereNumbersAndCapitalsMeet(_ text: String) throws {
        let found = try found(text)
        #expect(!found.contains { $0.hasPrefix("Address") }, "\(found)")
    }

    @Test(arguments: [
        "name,email,phone\nSil Bakker,sil@quay.example,0350-402972", "Sil Bakker;sil@quay.example;0350-402972",
        "sil@quay.example | 0350-402972",
    ])
    func findsANumberAfterAMailboxInARow(_ text: String) throws {
        let found = try found(text)
        #expect(found.contains("PhoneNumber: 0350-402972"), "\(found)")
    }

    @Test(arguments: [
        ("Emergency contact: Jo Hill (667 375 497)", "667 375 497"), ("Emergency contact: Jo (925-765-8699x63255)", "925-765-8699x63255"),
        ("Mobile: 708 9 786 and more", "708 9 786"), ("You can phone me at 0099162562118 today.", "0099162562118"),
        ("jo@quay.example,(444)678 8450", "(444)678 8450"), ("Call me on (020) 7946 0958 now", "(020) 7946 0958"),
    ])
    func findsNumbersAsTheyAreSetOff(_ text: String, _ number: String) throws {
        let found = try found(text)
        #expect(found.contains("PhoneNumber: \(number)"), "\(found)")
    }

    @Test func joinsWordsOfANameAndGivesWayToPatterns() throws {
        let reader = ScriptedReader([
            "Maria": [.token("B-PERSON")], "Lopez": [.token("I-PERSON")], "Smith": [.token("I-PERSON")], "maria": [.token("B-PERSON")],
        ])
        let text = "Maria Lopez-Smith writes from maria@quay.example today."
        let names = try #require(NamesDetector(reader.description))
        let passage = Passage(text, origin: .user)
        let answer = NIOLockedValueBox<TextReading?>(nil)
        reader.read([ReadingRequest(passage.text, wantsTokens: true)]) { result in
            if case .success(let readings) = result { answer.withLockedValue { $0 = readings.first } }
        }
        let reading = try #require(answer.withLockedValue { $0 })
        let found = names.findings(in: reading, of: passage).map { String(decoding: Array(text.utf8)[$0.range], as: UTF8.self) }
        #expect(found == ["Maria Lopez-Smith", "maria"])
        let spans = try Self.analysis.get().spans(in: text, reading: reading)
        #expect(spans.map(\.category) == ["Person", "Email"])
    }
}
