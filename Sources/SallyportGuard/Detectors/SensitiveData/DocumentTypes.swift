/// Passports, licences, records, vehicles and devices: what the words around a number make of it.
extension SensitiveDataTypes {
    static let documents: [SensitiveDataType] = [
        .init(
            "USUKPassportNumber", "US", ["999999999", "A99999999"], .contextual, near: [.passport], within: 80,
            check: { !$0.allSatisfy { $0 == 0x30 } }),
        .init(
            "PassportNumber", "*",
            [
                "AA9999999", "AA999999", "A9999999", "A999999", "99AA99999", "AAA999999", "9999 999999", "AXXXXXXX9", "99999999", "AA99999",
                "99 99 999999",
            ], .contextual,
            near: [.passport], within: 60),
        .init(
            "UKDriversLicenseNumber", "GB", ["AAAAA999999AAXAA", "AXXXX999999XXXAA", "AAAAA 999999 XXXAA"], .contextual,
            near: [.drivingLicence]),
        .init(
            "USDriversLicenseNumber", "US",
            [
                "A9999999", "A999999", "99999999", "9999999", "999999999", "A99999999", "A999999999999", "A999 9999 9999", "AA999999",
                "A9999 99999 99999",
                "A99999999999999", "AA999999A", "9999999999", "999 999 999", "A999 999 999 999", "AA9999999", "99AAA9999", "A99 99 9999",
            ], .contextual, near: [.drivingLicence], within: 60),
        .init(
            "IDNumber", "*", ["AA999999", "AAA999999", "A9999999", "AA9999999", "A99999999", "999999999", "99999999"], .contextual,
            near: [.identityCard], within: 40),
        .init(
            "MedicalRecordNumber", "*",
            [
                "AAA 999999", "AAA 9999999", "AAA 99999999", "999999", "9999999", "99999999", "999999999", "9999999999", "AA999999",
                "A9999999",
            ], .contextual,
            near: [.medicalRecord], within: 40),
        .init("VehicleIdentificationNumber", "*", ["XXXXXXXXXXXXX9999"], .weak, near: [.vin], check: Checksums.vin),
        .init("VehicleIdentificationNumber", "*", ["XXXXXXXXXXXXX9999"], .contextual, near: [.vin], within: 60, check: Checksums.vinShape),
        .init(
            "IMEI", "*", ["999999999999999", "99 999999 999999 9", "999999 99 999999 9"], .contextual, near: [.imei], check: Checksums.imei),
        .init(
            "DateOfBirth", "*",
            ["99 99 9999!", "9999 99 99!", "9 9 9999!", "99 9 9999!", "9 99 9999!", "99 99 99!", "9999 9 9!", "9999 99 9!", "9999 9 99!"],
            .contextual,
            near: [.dateOfBirth], within: 60, check: Checksums.birthDate),
    ]
}

extension Checksums {
    /// A VIN's alphabet with letters and digits mixed; the check digit is not used outside North America and China.
    static func vinShape(_ c: Characters) -> Bool {
        var letters = 0
        for byte in c {
            guard vinValue(byte) != nil else { return false }
            if isLetter(byte) { letters += 1 }
        }
        return letters >= 3
    }

    /// A day that could be somebody's birthday, in the usual orders.
    static func birthDate(_ c: Characters) -> Bool {
        guard let value = number(c, 0..<c.count), c.count >= 6 else { return false }
        if c.count == 8, let first = number(c, 0..<4), (1900...2099).contains(first), let month = number(c, 4..<6),
            let day = number(c, 6..<8)
        {
            if isDate(year: first, month: month, day: day) { return true }
        }
        if c.count == 8 || c.count == 6 {
            guard let a = number(c, 0..<2), let b = number(c, 2..<4), let year = number(c, 4..<c.count) else { return false }
            return (year < 100 || (1900...2099).contains(year))
                && (isDate(year: year, month: b, day: a) || isDate(year: year, month: a, day: b))
        }
        // One or two digits for day and month: the year at one of the ends.
        let tail = value % 10_000
        return (1900...2099).contains(tail) || (number(c, 0..<4).map { (1900...2099).contains($0) } ?? false)
    }
}
