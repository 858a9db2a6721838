import Foundation
import SallyportGuard
import Testing

/// Published samples, and synthetic numbers that an independent implementation (python-stdnum 2.2) accepts or refuses.
@Suite struct ChecksumTests {
    private struct Sample: Decodable {
        let rule: String
        let value: String
        let valid: Bool
    }

    @Test func agreesWithPublishedSamplesAndAnIndependentImplementation() throws {
        let samples = try JSONLines.read("sensitive-checksums.jsonl", as: Sample.self)
        #expect(samples.count > 700)
        for sample in samples {
            let rule = try #require(Self.rules[sample.rule], "no rule \(sample.rule)")
            #expect(accepts(sample.value, rule) == sample.valid, "\(sample.rule) \(sample.value)")
        }
        #expect(Set(samples.map(\.rule)).isSuperset(of: Self.rules.keys.filter { !Self.withoutCheckDigit.contains($0) }))
    }

    /// Rules that promise to find every single wrong digit, with where their digits stand.
    @Test(
        arguments: [
            ("luhn", "79927398713"), ("card", "4242424242424242"), ("verhoeff", "2363"), ("mod11_10", "86095742719"),
            ("iban", "DE89370400440532013000"),
            ("lei", "5493001KJTIIGC8Y1R12"), ("pesel", "44051401359"), ("nip", "1234563218"), ("nhs", "9434765919"),
            ("abaRouting", "021000021"),
            ("npi", "1234567893"), ("bsn", "111222333"), ("oib", "33392005961"), ("ahv", "7569217076985"), ("dni", "12345678Z"),
            ("nie", "X1234567L"),
            ("chineseIdentity", "11010519491231002X"), ("imei", "490154203237518"), ("sin", "046454286"), ("aadhaar", "234123412346"),
            ("siren", "732829320"), ("emso", "0101006500006"), ("tfn", "123456782"), ("abn", "51824753556"), ("germanVAT", "DE136695976"),
            ("hetu", "131052308T"), ("isin", "US0378331005"), ("belgianNational", "85073003328"), ("germanTaxID", "86095742719"),
        ])
    func findsEverySingleWrongDigit(name: String, value: String) throws {
        let rule = try #require(Self.rules[name])
        try #require(accepts(value, rule))
        let bytes = Array(value.utf8)
        for index in bytes.indices where bytes[index] >= 0x30 && bytes[index] <= 0x39 {
            for digit in UInt8(0x30)...0x39 where digit != bytes[index] {
                var changed = bytes
                changed[index] = digit
                #expect(!accepts(String(decoding: changed, as: UTF8.self), rule), "\(name) \(value) at \(index) as \(digit)")
            }
        }
    }

    @Test func verhoeffFindsEveryAdjacentSwap() {
        let value = Array("234123412346".utf8)
        for index in 0..<value.count - 1 where value[index] != value[index + 1] {
            var swapped = value
            swapped.swapAt(index, index + 1)
            #expect(!accepts(String(decoding: swapped, as: UTF8.self), Checksums.verhoeff))
        }
    }

    @Test(arguments: ["", "1", "12", "ABC", "é12345678", "12345678901234567890123456789012345678901234567890"])
    func refusesWhatIsNoIdentifierAtAll(value: String) {
        for (name, rule) in Self.rules where !(name == "luhn" || name == "verhoeff" || name == "mod11_10") {
            #expect(!accepts(value, rule), "\(name)")
        }
    }

    @Test func survivesRandomBytes() {
        var random = SplitMix(state: 7)
        var accepted = 0
        for _ in 0..<2_000 {
            let count = Int(random.next() % 36)
            let value = (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            for rule in Self.rules.values { if value.withUnsafeBufferPointer(rule) { accepted += 1 } }
        }
        #expect(accepted < 20)
    }

    @Test func readsTheCheckDigitOfATravelDocument() {
        Array("L898902C3".utf8).withUnsafeBufferPointer { #expect(Checksums.icaoDigit($0, 0..<9) == 6) }
        Array("740812".utf8).withUnsafeBufferPointer { #expect(Checksums.icaoDigit($0, 0..<6) == 2) }
        Array("a".utf8).withUnsafeBufferPointer { #expect(Checksums.icaoDigit($0, 0..<1) == nil) }
    }

    private func accepts(_ value: String, _ rule: (Characters) -> Bool) -> Bool { Array(value.utf8).withUnsafeBufferPointer(rule) }

    private static let withoutCheckDigit: Set<String> = ["nino", "cpr", "koreanResident"]

    static let rules: [String: @Sendable (Characters) -> Bool] = [
        "luhn": Checksums.luhn, "verhoeff": Checksums.verhoeff, "mod11_10": Checksums.mod11_10, "iban": Checksums.iban,
        "lei": Checksums.lei,
        "isin": Checksums.isin, "vin": Checksums.vin, "imei": Checksums.imei, "card": Checksums.card, "pesel": Checksums.pesel,
        "nip": Checksums.nip,
        "regon": Checksums.regon, "polishIdentityCard": Checksums.polishIdentityCard, "polishPassport": Checksums.polishPassport,
        "nhs": Checksums.nhs, "nino": Checksums.nino, "ukTaxpayer": Checksums.ukTaxpayer, "pps": Checksums.pps,
        "germanTaxID": Checksums.germanTaxID,
        "germanDocument": Checksums.germanDocument, "germanVAT": Checksums.germanVAT,
        "austrianSocialSecurity": Checksums.austrianSocialSecurity,
        "austrianVAT": Checksums.austrianVAT, "ahv": Checksums.ahv, "nir": Checksums.nir, "siren": Checksums.siren,
        "frenchVAT": Checksums.frenchVAT,
        "belgianNational": Checksums.belgianNational, "bsn": Checksums.bsn, "dni": Checksums.dni, "nie": Checksums.nie,
        "cif": Checksums.cif,
        "spanishSocialSecurity": Checksums.spanishSocialSecurity, "portugueseTaxID": Checksums.portugueseTaxID,
        "portugueseCitizenCard": Checksums.portugueseCitizenCard, "codiceFiscale": Checksums.codiceFiscale,
        "partitaIVA": Checksums.partitaIVA,
        "personnummer": Checksums.personnummer, "fodselsnummer": Checksums.fodselsnummer, "cpr": Checksums.cpr, "hetu": Checksums.hetu,
        "balticPersonal": Checksums.balticPersonal, "latvianPersonal": Checksums.latvianPersonal, "rodneCislo": Checksums.rodneCislo,
        "cnp": Checksums.cnp, "egn": Checksums.egn, "oib": Checksums.oib, "emso": Checksums.emso,
        "slovenianTaxID": Checksums.slovenianTaxID,
        "hungarianTaxID": Checksums.hungarianTaxID, "greekTaxID": Checksums.greekTaxID, "amka": Checksums.amka, "tckn": Checksums.tckn,
        "inn": Checksums.inn, "ssn": Checksums.ssn, "itin": Checksums.itin, "abaRouting": Checksums.abaRouting, "npi": Checksums.npi,
        "dea": Checksums.dea, "mbi": Checksums.mbi, "sin": Checksums.sin, "cpf": Checksums.cpf, "cnpj": Checksums.cnpj,
        "cuit": Checksums.cuit,
        "rut": Checksums.rut, "aadhaar": Checksums.aadhaar, "pan": Checksums.pan, "chineseIdentity": Checksums.chineseIdentity,
        "koreanResident": Checksums.koreanResident, "myNumber": Checksums.myNumber, "hongKongIdentity": Checksums.hongKongIdentity,
        "nric": Checksums.nric, "taiwaneseIdentity": Checksums.taiwaneseIdentity, "thaiIdentity": Checksums.thaiIdentity,
        "malaysianIdentity": Checksums.malaysianIdentity, "israeliIdentity": Checksums.israeliIdentity,
        "southAfricanIdentity": Checksums.southAfricanIdentity, "tfn": Checksums.tfn, "abn": Checksums.abn, "acn": Checksums.acn,
        "medicare": Checksums.medicare, "ird": Checksums.ird,
    ]
}

/// Seeded, so that a failure can be repeated.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// One JSON object per line in this target's fixtures.
enum JSONLines {
    static func read<Row: Decodable>(_ name: String, as type: Row.Type) throws -> [Row] {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent(
            "Fixtures/\(name)")
        let decoder = JSONDecoder()
        return try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map { try decoder.decode(type, from: Data($0.utf8)) }
    }
}
