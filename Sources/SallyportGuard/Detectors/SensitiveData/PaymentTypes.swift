/// Cards, accounts, securities.
extension SensitiveDataTypes {
    static let payment: [SensitiveDataType] = [
        .init(
            "CreditCardNumber", "*",
            [
                "9999 9999 9999 9999", "9999 999999 99999", "9999 999999 9999", "9999 9999 9999 9999 999", "999999999999", "9999999999999",
                "99999999999999", "999999999999999", "99999999999999999", "999999999999999999", "9999999999999999999", "99999999 99999999",
                "999999 9999999999", "9999 9999 9999", "9999 9999 9999 99", "9999 9999 9999 999", "9999 9999 99999",
            ], .distinctive, near: [.card], check: Checksums.likelyCard),
        .init(
            "CreditCardNumber", "*",
            [
                "999999999999", "9999999999999", "99999999999999", "999999999999999", "9999999999999999", "99999999999999999",
                "999999999999999999",
                "9999999999999999999", "9999 9999 9999 9999", "9999 999999 99999", "9999 9999 9999",
            ], .contextual, near: [.card], acceptsAnnounced: true, check: Checksums.luhn),
        .init(
            "InternationalBankingAccountNumber", "*", ibanShapes, .distinctive, near: [.iban], acceptsAnnounced: true, check: Checksums.iban
        ),
        .init("InternationalBankingAccountNumber", "*", ibanShapes, .contextual, near: [.iban], check: Checksums.looseIBAN),
        .init(
            "LegalEntityIdentifier", "*", ["XXXXXXXXXXXXXXXXXX99", "XXXX XXXX XXXX XXXX XX99"], .contextual, near: [.lei],
            check: Checksums.lei),
        .init("ISIN", "*", ["AAXXXXXXXXX9", "AA XXXXXXXXX 9"], .contextual, near: [.securities], check: Checksums.isin),
        .init(
            "ABARoutingNumber", "US", ["999999999", "9999 9999 9"], .contextual, near: [.usRouting], within: 100, acceptsAnnounced: true,
            check: Checksums.abaRouting),
        .init(
            "USBankAccountNumber", "US",
            ["99999999", "999999999", "9999999999", "99999999999", "999999999999", "9999 9999", "9999 9999 9999"],
            .contextual, near: [.bankAccount], within: 40),
        .init("SortCode", "GB", ["99 99 99", "999999"], .contextual, near: [.sortCode], within: 60),
        .init(
            "DEValueAddedNumber", "DE", ["AA999999999", "AA 999999999", "AA 999 999 999"], .distinctive, near: [.vat],
            check: Checksums.germanVAT),
        .init(
            "FRValueAddedTaxNumber", "FR", ["AA99999999999", "AA 99 999999999", "AA 99 999 999 999"], .distinctive, near: [.vat],
            check: Checksums.frenchVAT),
        .init("ATValueAddedTaxNumber", "AT", ["AAA99999999", "AAA 99999999"], .distinctive, near: [.vat], check: Checksums.austrianVAT),
        .init(
            "NLValueAddedTaxNumber", "NL", ["AA999999999A99", "AA 999999999A99", "AA 9999 99 999 A99", "AA999999999 A99"], .contextual,
            near: [.vat],
            check: { $0[0] == 0x4E && $0[1] == 0x4C && $0[11] == 0x42 }),
        .init(
            "ITValueAddedTaxNumber", "IT", ["99999999999", "AA99999999999", "AA 99999999999"], .contextual, near: [.itPIVA],
            check: {
                $0.count == 11
                    ? Checksums.partitaIVA($0)
                    : $0[0] == 0x49 && $0[1] == 0x54 && Checksums.partitaIVA(Characters(rebasing: $0[2...]))
            }),
    ]

    /// Groups of four, the last one shorter, for each registered length; the country's own length is checked later.
    private static let ibanShapes: [IdentifierShape] = (15...33).map { count in
        let body = String(repeating: "X", count: count - 4)
        var grouped = "AA99"
        for (index, character) in body.enumerated() {
            if index % 4 == 0 { grouped.append(" ") }
            grouped.append(character)
        }
        return IdentifierShape(stringLiteral: grouped)
    }
}

extension Checksums {
    /// The remainder alone, whatever the country's length: with "IBAN" beside it that is enough.
    static func looseIBAN(_ c: Characters) -> Bool {
        guard isDigits(c, 2..<4), let front = mod97(c, 4..<c.count) else { return false }
        return mod97(c, 0..<4, from: front) == 1
    }

    /// A card of a usual length: 12, 13, 17 and 18 digits are left to context.
    static func likelyCard(_ c: Characters) -> Bool {
        c.count != 12 && c.count != 13 && c.count != 17 && c.count != 18 && card(c)
    }
}
