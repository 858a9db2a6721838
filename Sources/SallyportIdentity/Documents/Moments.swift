import Foundation
import SallyportCore

/// Moments and spans as people write them.
package enum Moments {
    /// `30d`, `12h`, `15m`, `45s` in seconds; nil for anything else.
    package static func span(_ text: some StringProtocol) -> Int64? {
        let units: [Character: Int64] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
        guard let unit = text.last.flatMap({ units[$0] }), let count = Int64(text.dropLast()), count >= 0, count < 1_000_000 else {
            return nil
        }
        return count * unit
    }

    /// The other way round: `8h`.
    package static func text(span seconds: Int64) -> String {
        let unit = [(86_400, "d"), (3600, "h"), (60, "m")].first { seconds >= $0.0 && seconds % $0.0 == 0 } ?? (1, "s")
        return "\(seconds / unit.0)\(unit.1)"
    }

    /// An ISO 8601 date, or date and time, in seconds since 1970.
    package static func moment(_ text: String) -> Int64? {
        let formatter = ISO8601DateFormatter()
        if let date = formatter.date(from: text) { return Int64(date.timeIntervalSince1970) }
        formatter.formatOptions = [.withFullDate]
        return formatter.date(from: text).map { Int64($0.timeIntervalSince1970) }
    }

    /// Either.
    package static func end(_ text: String, from now: Int64) -> Int64? { moment(text) ?? span(text).map { now + $0 } }

    package static func date(_ seconds: Int64) -> String {
        CivilDate(secondsSince1970: seconds).timestamp
    }
}
