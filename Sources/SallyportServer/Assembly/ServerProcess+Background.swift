import SallyportCore
import SallyportGateway
import SallyportStorage

/// Responses that are made in the background are counted when they are first seen done: before or after a restart.
extension ServerProcess {
    /// As long as providers keep responses.
    private static let longestWait: Int64 = 30 * 86_400

    static func takeUp(_ responses: BackgroundResponses, from store: SQLBackgroundResponseStore, at now: Int64) throws {
        try store.remove(before: now - longestWait)
        responses.restore(try store.all())
    }

    static func keep(_ responses: BackgroundResponses, in store: SQLBackgroundResponseStore, at now: Int64) throws {
        let changes = responses.takeChanges()
        guard !changes.isEmpty else { return }
        do {
            try store.update(noted: changes.noted, taken: changes.taken, at: now)
        } catch {
            responses.giveBack(changes)
            throw error
        }
    }
}
