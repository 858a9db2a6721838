import SallyportCore

/// What the shared encoder has read so far for an inspection. An inspection that misses a reading says so and is run again when the
/// reading is there: guards stay synchronous and free of side effects, and the encoder works for all of them at once.
package struct LearnedReadings: Sendable {
    package enum Entry: Sendable {
        case read(TextReading)
        /// The encoder could not read it: not cleared.
        case failed
    }

    private var entries: [ReadingRequest: Entry] = [:]

    package init() {}

    package subscript(request: ReadingRequest) -> Entry? {
        get { entries[request] }
        set { entries[request] = newValue }
    }

    package mutating func merge(_ requests: [ReadingRequest], _ result: Result<[TextReading], TextReadingFault>) {
        switch result {
        case .success(let readings) where readings.count == requests.count:
            for (request, reading) in zip(requests, readings) { entries[request] = .read(reading) }
        default:
            for request in requests { entries[request] = .failed }
        }
    }

    /// What was read has been used; a growing text is never asked for in the same form again.
    package mutating func removeAll() { entries.removeAll(keepingCapacity: true) }
}
