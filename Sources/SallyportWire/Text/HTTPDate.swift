/// Dates as HTTP writes them (RFC 9110 IMF-fixdate).
package enum HTTPDate {
    /// `Sun, 06 Nov 1994 08:49:37 GMT`, for the years 0 to 9999.
    package static func string(secondsSince1970 seconds: Int64) -> String {
        let days = Int(seconds >= 0 ? seconds / 86400 : (seconds - 86399) / 86400)
        let time = Int(seconds - Int64(days) * 86400)
        let (year, month, day) = civil(days)
        let weekday = ((days % 7) + 11) % 7
        return String(unsafeUninitializedCapacity: 29) { out in
            func put(_ text: StaticString, _ offset: Int, index: Int, width: Int) {
                text.withUTF8Buffer { for position in 0..<width { out[offset + position] = $0[index * width + position] } }
            }
            func put(_ value: Int, _ offset: Int, digits: Int) {
                var rest = value
                for position in stride(from: offset + digits - 1, through: offset, by: -1) {
                    out[position] = UInt8(0x30 + rest % 10)
                    rest /= 10
                }
            }
            put("Sun, 06 Nov 1994 08:49:37 GMT", 0, index: 0, width: 29)
            put("SunMonTueWedThuFriSat", 0, index: weekday, width: 3)
            put(day, 5, digits: 2)
            put("JanFebMarAprMayJunJulAugSepOctNovDec", 8, index: month - 1, width: 3)
            put(year, 12, digits: 4)
            put(time / 3600, 17, digits: 2)
            put(time / 60 % 60, 20, digits: 2)
            put(time % 60, 23, digits: 2)
            return 29
        }
    }

    /// Seconds since 1970 of an IMF-fixdate; nil for anything else, the obsolete forms included.
    package static func secondsSince1970(_ text: String) -> Int64? {
        let bytes = Array(text.utf8)
        guard bytes.count == 29 else { return nil }
        func number(_ range: Range<Int>) -> Int? {
            var value = 0
            for byte in bytes[range] {
                guard (0x30...0x39).contains(byte) else { return nil }
                value = value * 10 + Int(byte - 0x30)
            }
            return value
        }
        let names = Array("JanFebMarAprMayJunJulAugSepOctNovDec".utf8)
        guard let month = (0..<12).first(where: { names[$0 * 3..<$0 * 3 + 3] == bytes[8..<11] }),
            let day = number(5..<7), let year = number(12..<16), let hour = number(17..<19), let minute = number(20..<22),
            let second = number(23..<25), hour < 24, minute < 60, second < 60
        else { return nil }
        let era = year - (month < 2 ? 1 : 0)
        let yearOfEra = ((era % 400) + 400) % 400
        let dayOfYear = (153 * ((month + 10) % 12) + 2) / 5 + day - 1
        let days = ((era - yearOfEra) / 400) * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
        let seconds = Int64(days) * 86400 + Int64(hour * 3600 + minute * 60 + second)
        // Whatever the fields above did not check (weekday, separators, a 31st of June) differs from the one right spelling.
        return string(secondsSince1970: seconds) == text ? seconds : nil
    }

    /// The proleptic Gregorian date of a day counted from 1970-01-01.
    private static func civil(_ days: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let index = (5 * dayOfYear + 2) / 153
        let month = index < 10 ? index + 3 : index - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * index + 2) / 5 + 1)
    }
}
