import SallyportCore
import SallyportOversight

extension ConsoleCall {
    /// Puts an act on record from within work that blocks, between its checks and what it changes. Durable when it returns; never on an
    /// event loop.
    package func recordWaiting(_ operation: String, target: String, details: [(name: String, value: String)] = []) throws {
        var record = AuditRecord(.adminAct, id: id)
        record.tenant = principal?.tenant ?? .default
        record.principal = principal?.id
        record.key = principal?.key
        record.sourceAddress = address.map { "\($0)" }
        record.userAgent = headers.first("user-agent")
        record.operation = operation
        record.details = [(name: "target", value: target)] + details
        if let action = row.action { record.details.append((name: "action", value: action)) }
        if let session { record.details.append((name: "session", value: session.id)) }
        do { _ = try services.audit.append(record.encoded(), on: services.eventLoop).wait() } catch {
            throw Fault(.auditUnavailable, "The act could not be put on record.", cause: error)
        }
        records.withLockedValue { $0 += 1 }
    }
}
