import Foundation
import SallyportGuard

/// Personal data of all types: which of the labelled spans were found, exactly and by overlap, and what was found beside them.
package struct PersonalDataScore: Sendable {
    /// One type's figures.
    package struct Counts: Sendable {
        package var labelled = 0
        package var found = 0
        /// Found with the same borders.
        package var exact = 0
        /// Labelled spans that a span of their type touches, and found spans that touch one.
        package var touchedLabels = 0
        package var touchingFinds = 0

        static func + (a: Counts, b: Counts) -> Counts {
            Counts(
                labelled: a.labelled + b.labelled, found: a.found + b.found, exact: a.exact + b.exact,
                touchedLabels: a.touchedLabels + b.touchedLabels, touchingFinds: a.touchingFinds + b.touchingFinds)
        }

        package var exactF2: Double { PersonalDataScore.f2(precision: ratio(exact, found), recall: ratio(exact, labelled)) }
        package var overlapF2: Double {
            PersonalDataScore.f2(precision: ratio(touchingFinds, found), recall: ratio(touchedLabels, labelled))
        }
        private func ratio(_ part: Int, _ whole: Int) -> Double { whole == 0 ? .nan : Double(part) / Double(whole) }
    }

    package private(set) var byType: [String: Counts] = [:]
    /// Labelled spans that a span of any type touches: what masking would hide, if only in part.
    package private(set) var hidden = 0
    package private(set) var rows = 0
    /// Rows without personal data, and those among them in which something was found.
    package private(set) var emptyRows = 0
    package private(set) var alarmedRows = 0

    static func f2(precision: Double, recall: Double) -> Double {
        if recall.isNaN { return .nan }
        if precision.isNaN || precision + recall == 0 { return 0 }
        return 5 * precision * recall / (4 * precision + recall)
    }

    package var total: Counts { byType.values.reduce(Counts(), +) }
    /// The mean over the types that occur.
    package func mean(_ figure: (Counts) -> Double) -> Double {
        let figures = byType.values.filter { $0.labelled > 0 }.map(figure)
        return figures.isEmpty ? .nan : figures.reduce(0, +) / Double(figures.count)
    }

    /// - Parameter source: some natural sources are labelled with few types; what is found of others there says nothing.
    mutating func add(found: [EvaluationRow.Span], labelled: [EvaluationRow.Span], source: String) {
        let types = PersonalDataTypes.labelled(in: source)
        let found = types.map { types in found.filter { types.contains($0.type) } } ?? found
        rows += 1
        if labelled.isEmpty {
            emptyRows += 1
            if !found.isEmpty { alarmedRows += 1 }
        }
        for span in labelled {
            byType[span.type, default: Counts()].labelled += 1
            if found.contains(where: { $0.type == span.type && $0.range.overlaps(span.range) }) { byType[span.type]?.touchedLabels += 1 }
            if found.contains(where: { $0.range.overlaps(span.range) }) { hidden += 1 }
        }
        for span in found {
            byType[span.type, default: Counts()].found += 1
            if labelled.contains(span) { byType[span.type]?.exact += 1 }
            if labelled.contains(where: { $0.type == span.type && $0.range.overlaps(span.range) }) { byType[span.type]?.touchingFinds += 1 }
        }
    }

    package static func + (a: PersonalDataScore, b: PersonalDataScore) -> PersonalDataScore {
        var sum = a
        for (type, counts) in b.byType { sum.byType[type, default: Counts()] = sum.byType[type, default: Counts()] + counts }
        sum.hidden += b.hidden
        sum.rows += b.rows
        sum.emptyRows += b.emptyRows
        sum.alarmedRows += b.alarmedRows
        return sum
    }

    /// Lines of the report; with a table of all types for the whole.
    func lines(_ name: String, withTypes: Bool) -> [String] {
        let all = total
        var lines = [
            "\(name): rows \(rows), spans \(all.labelled), exact F2 \(show(all.exactF2)) (mean of types \(show(mean(\.exactF2)))), "
                + "overlap F2 \(show(all.overlapF2)) (mean of types \(show(mean(\.overlapF2)))), "
                + "hidden by any type \(hidden) of \(all.labelled), "
                + "rows without personal data \(emptyRows), of them reported \(alarmedRows)"
        ]
        guard withTypes else { return lines }
        for type in byType.keys.sorted() {
            guard let counts = byType[type] else { continue }
            let line =
                "    \(type): labelled \(counts.labelled), found \(counts.found), exact \(counts.exact), "
                + "overlapping \(counts.touchedLabels)"
            lines.append(line + "; exact F2 \(show(counts.exactF2)), overlap F2 \(show(counts.overlapF2))")
        }
        return lines
    }

    private func show(_ value: Double) -> String { value.isNaN ? "-" : String(format: "%.3f", value) }
}

/// The types of the labelled rows, and what the analysis calls them.
enum PersonalDataTypes {
    /// Types that a source is labelled with; nil: all.
    static func labelled(in source: String) -> Set<String>? {
        switch source {
        case "btc", "wikigold", "wnut17", "sec_filings": ["PERSON", "LOCATION", "ORGANIZATION"]
        case "re3d": ["PERSON", "LOCATION", "ORGANIZATION", "DATE_TIME"]
        default: nil
        }
    }

    /// The type of a category of the analysis; nil: identifiers that the rows know nothing of.
    static func type(of category: String, isSecret: Bool) -> String? {
        if isSecret { return "CREDENTIAL" }
        if let known = names[category] { return known }
        if category.hasSuffix("PassportNumber") { return "US_PASSPORT" }
        if category.hasSuffix("DriversLicenseNumber") { return "US_DRIVER_LICENSE" }
        if category.hasSuffix("BankAccountNumber") { return "BANK_ACCOUNT" }
        return nil
    }

    private static let names = [
        "Person": "PERSON", "Address": "ADDRESS", "Location": "LOCATION", "City": "LOCATION", "State": "LOCATION", "GPE": "LOCATION",
        "Organization": "ORGANIZATION", "Email": "EMAIL_ADDRESS", "PhoneNumber": "PHONE_NUMBER", "CreditCardNumber": "CREDIT_CARD",
        "InternationalBankingAccountNumber": "IBAN_CODE", "ABARoutingNumber": "BANK_ACCOUNT", "SortCode": "BANK_ACCOUNT",
        "USSocialSecurityNumber": "US_SSN", "USIndividualTaxpayerIdentification": "US_ITIN", "UKNationalHealthNumber": "UK_NHS",
        "MedicalRecordNumber": "MEDICAL_ID", "USMedicareBeneficiaryId": "MEDICAL_ID", "IPAddress": "IP_ADDRESS",
        "MACAddress": "MAC_ADDRESS",
        "URL": "URL", "Date": "DATE_TIME", "DateOfBirth": "DATE_TIME", "Age": "AGE", "CryptocurrencyAddress": "CRYPTO",
        "Password": "CREDENTIAL", "MachineReadableZone": "US_PASSPORT",
    ]
}
