import SallyportCore
import Testing

@testable import SallyportGateway

struct BackgroundResponsesTests {
    private func key(_ id: String) -> BackgroundResponse.Key { .init(tenant: .default, id: id) }

    @Test func tellsWhatHasChangedOnce() {
        let responses = BackgroundResponses()
        responses.note("a", of: .default, counted: .init(prompt: 1, completion: 2))
        responses.note("b", of: .default, counted: .init())
        #expect(responses.take("b", of: .default) == .init())
        #expect(responses.take("b", of: .default) == nil)
        let changes = responses.takeChanges()
        #expect(changes.noted == [.init(key: key("a"), prompt: 1, completion: 2)] && changes.taken == [key("b")])
        #expect(responses.takeChanges().isEmpty)
    }

    @Test func givesOutAgainWhatCouldNotBeWritten() {
        let responses = BackgroundResponses()
        responses.note("a", of: .default, counted: .init())
        let changes = responses.takeChanges()
        _ = responses.take("a", of: .default)
        responses.giveBack(changes)
        let again = responses.takeChanges()
        #expect(again.noted.isEmpty && again.taken == [key("a")])
    }

    @Test func takesUpWhatWasWritten() {
        let responses = BackgroundResponses()
        responses.restore([.init(key: key("a"), prompt: 5, completion: 6)])
        #expect(responses.takeChanges().isEmpty)
        #expect(responses.take("a", of: .default) == .init(prompt: 5, completion: 6))
        #expect(responses.takeChanges().taken == [key("a")])
    }

    @Test func forgetsTheOldestOfTooMany() {
        let responses = BackgroundResponses()
        for number in 0...10_000 { responses.note("r\(number)", of: .default, counted: .init()) }
        #expect(responses.take("r0", of: .default) == nil)
        #expect(responses.take("r10000", of: .default) != nil)
        // What was never written need not be taken away, but may be.
        #expect(responses.takeChanges().noted.count < 10_000)
    }
}
