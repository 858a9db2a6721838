import SallyportCore
import SallyportGuard
import SallyportIdentity

/// Where changes under four eyes are kept and let happen.
package struct ChangeDesk: Sendable {
    /// As the configuration is now; nil: nothing is under four eyes.
    let fourEyes: @Sendable () -> FourEyes?
    /// - Throws: when an approved change could not be done now. Blocks.
    let check: @Sendable (PendingChange, _ content: [UInt8]) throws -> Void
    /// What an approved change does, by its act. Blocks.
    let apply: @Sendable (PendingChange, _ content: [UInt8], _ now: Int64) throws -> Void

    package init(
        fourEyes: @escaping @Sendable () -> FourEyes?,
        check: @escaping @Sendable (PendingChange, _ content: [UInt8]) throws -> Void,
        apply: @escaping @Sendable (PendingChange, _ content: [UInt8], _ now: Int64) throws -> Void
    ) {
        self.fourEyes = fourEyes
        self.check = check
        self.apply = apply
    }

    /// - Returns: 202 when the change waits for a second person now; nil when it needs none.
    func ask(_ area: FourEyes.Area, _ act: String, target: String, content: [UInt8], _ call: ConsoleCall) async throws -> ConsoleAnswer? {
        guard let fourEyes = fourEyes(), fourEyes.covers(area) else { return nil }
        let who = try call.caller().id
        let change = try await call.act(on: "\(act) \(target)", as: "changes.ask", made: { $0.id }) {
            try fourEyes.ask(act, target: target, content: content, by: who, at: call.now)
        }
        return try .json(ConditionalDocuments.Change(change), status: 202)
    }
}

/// Changes that wait for a second person.
package struct ChangeRoutes: ConsoleRouteGroup {
    let desk: ChangeDesk

    package init(_ desk: ChangeDesk) { self.desk = desk }

    package static let routes: [ConsoleRoute<Self>] = [
        .init("Changes_List", "GET", "/api/changes", .action("Sallyport/changes/read"), list),
        .init("Changes_Show", "GET", "/api/changes/{id}/content", .action("Sallyport/changes/read"), show),
        .init(
            "Changes_Approve", "POST", "/api/changes/{id}/approve", .action("Sallyport/changes/approve/action"), act: "changes.approve",
            approve),
        .init(
            "Changes_Reject", "POST", "/api/changes/{id}/reject", .action("Sallyport/changes/approve/action"), act: "changes.reject", reject
        ),
    ]

    private func eyes() throws -> FourEyes {
        guard let eyes = desk.fourEyes() else { throw Fault(.notFound, "Nothing is under four eyes here.") }
        return eyes
    }

    private func list(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        guard let eyes = desk.fourEyes() else { return try .list([ConditionalDocuments.Change]()) }
        return try .list(try await call.blocking { try eyes.list() }.map(ConditionalDocuments.Change.init))
    }

    /// What one lets happen, one must be able to read.
    private func show(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let eyes = try eyes()
        let id = try call.parameter("id")
        let content = try await call.blocking { try eyes.content(of: try eyes.change(id, at: call.now)) }
        return .json(bytes: content.isEmpty ? Array("null".utf8) : content)
    }

    private func approve(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (eyes, desk) = (try eyes(), desk)
        let id = try call.parameter("id")
        let who = try call.caller().id
        let change = try await call.blocking { try eyes.change(id, at: call.now) }
        let done = try await call.act(on: "\(change.act) \(change.target)", details: [(name: "change", value: id)]) {
            let content = try eyes.content(of: change)
            // What cannot be done any more stays undecided: it can be rejected, or done when what it needs is there again.
            try desk.check(change, content)
            let decided = try eyes.decide(id, apply: true, by: who, at: call.now)
            try desk.apply(change, content, call.now)
            return decided
        }
        return try .json(ConditionalDocuments.Change(done))
    }

    private func reject(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let eyes = try eyes()
        let id = try call.parameter("id")
        let who = try call.caller().id
        let change = try await call.act(on: id) { try eyes.decide(id, apply: false, by: who, at: call.now) }
        return try .json(ConditionalDocuments.Change(change))
    }
}
