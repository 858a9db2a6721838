/// A UTC calendar day (proleptic Gregorian): the one place that knows how days become dates.
package struct CivilDate: Sendable, Hashable {
    /// Of the moment that it was made from, since 1970.
    package let seconds: Int64
    package let year: Int
    package let monthNumber: Int
    package let dayOfMonth: Int

    package init(secondsSince1970 seconds: Int64) {
        self.seconds = seconds
        // Days to a date, counted from 1 March of the year 0 in eras of 400 years (H. Hinnant's civil_from_days).
        let shifted = Int((seconds - CivilDate.secondOfDay(seconds)) / 86_400) + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthIndex = (5 * dayOfYear + 2) / 153
        dayOfMonth = dayOfYear - (153 * monthIndex + 2) / 5 + 1
        monthNumber = monthIndex < 10 ? monthIndex + 3 : monthIndex - 9
        year = yearOfEra + era * 400 + (monthNumber <= 2 ? 1 : 0)
    }

    /// Midnight at the beginning of a day, in seconds since 1970 (H. Hinnant's days_from_civil).
    package static func seconds(year: Int, month: Int, day: Int) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return Int64(era * 146_097 + dayOfEra - 719_468) * 86_400
    }

    /// The same time of day so many months later; where that month is shorter, its last day.
    package func adding(months: Int) -> Int64 {
        let index = year * 12 + monthNumber - 1 + months
        let (newYear, newMonth) = (index / 12, index % 12 + 1)
        let isLeap = (newYear % 4 == 0 && newYear % 100 != 0) || newYear % 400 == 0
        let length = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][newMonth - 1]
        return Self.seconds(year: newYear, month: newMonth, day: min(dayOfMonth, length)) + Int64(secondOfDay)
    }

    /// `2026-11`
    package var month: String { "\(year)-\(monthNumber < 10 ? "0" : "")\(monthNumber)" }
    /// `2026-11-24`
    package var day: String { "\(month)-\(dayOfMonth < 10 ? "0" : "")\(dayOfMonth)" }

    /// `2026-11-24T10:00:00Z`
    package var timestamp: String {
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return "\(day)T\(two(secondOfDay / 3600)):\(two(secondOfDay / 60 % 60)):\(two(secondOfDay % 60))Z"
    }

    /// Seconds since the day began.
    package var secondOfDay: Int { Int(CivilDate.secondOfDay(seconds)) }

    package var secondsToNextMonth: Int64 {
        let isLeap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
        let lengths = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        return Int64(lengths[monthNumber - 1] - dayOfMonth + 1) * 86_400 - Int64(secondOfDay)
    }

    private static func secondOfDay(_ seconds: Int64) -> Int64 { (seconds % 86_400 + 86_400) % 86_400 }
}
