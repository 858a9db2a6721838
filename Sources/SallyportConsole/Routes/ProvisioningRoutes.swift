import NIOCore
import SallyportCore
import SallyportIdentity

/// SCIM 2.0 for identity providers. Everything is answered by ``SCIMService``; each change is on record before it is done.
package struct ProvisioningRoutes: ConsoleRouteGroup {
    /// As the configuration is now.
    let service: @Sendable () -> SCIMService
    let publicURL: String

    package init(service: @escaping @Sendable () -> SCIMService, publicURL: String) {
        self.service = service
        self.publicURL = publicURL
    }

    private static let read = ConsoleRow.Access.action("Sallyport/scim/read")
    private static let write = ConsoleRow.Access.action("Sallyport/scim/write")
    private static let largest = 2 << 20

    package static let routes: [ConsoleRoute<Self>] = resources("Users") + resources("Groups") + descriptions + others + overview

    private static func resources(_ kind: String) -> [ConsoleRoute<Self>] {
        let all = "/scim/v2/\(kind)"
        let one = "\(all)/{id}"
        return [
            .init("SCIM_List\(kind)", "GET", all, read, answer),
            .init("SCIM_Create\(kind)", "POST", all, write, maximumBody: largest, change),
            .init("SCIM_Search\(kind)", "POST", "\(all)/.search", read, maximumBody: 64 << 10, answer),
            .init("SCIM_Get\(kind)", "GET", one, read, answer),
            .init("SCIM_Replace\(kind)", "PUT", one, write, maximumBody: largest, change),
            .init("SCIM_Patch\(kind)", "PATCH", one, write, maximumBody: largest, change),
            .init("SCIM_Delete\(kind)", "DELETE", one, write, maximumBody: 1024, change),
        ]
    }

    private static let descriptions: [ConsoleRoute<Self>] = [
        .init("SCIM_ListAll", "GET", "/scim/v2", read, answer),
        .init("SCIM_SearchAll", "POST", "/scim/v2/.search", read, maximumBody: 64 << 10, answer),
        .init("SCIM_Provider", "GET", "/scim/v2/ServiceProviderConfig", read, answer),
        .init("SCIM_ResourceTypes", "GET", "/scim/v2/ResourceTypes", read, answer),
        .init("SCIM_ResourceType", "GET", "/scim/v2/ResourceTypes/{id}", read, answer),
        .init("SCIM_Schemas", "GET", "/scim/v2/Schemas", read, answer),
        .init("SCIM_Schema", "GET", "/scim/v2/Schemas/{id}", read, answer),
    ]

    /// What is not served is refused in SCIM's own words.
    private static let others: [ConsoleRoute<Self>] = ["GET", "POST", "PUT", "PATCH", "DELETE"].map { method in
        ConsoleRoute<Self>("SCIM_Other\(method)", method, "/scim/v2/{resource}", read, maximumBody: 1024, answer)
    }

    /// For those who look after it, not for the identity provider.
    private static let overview: [ConsoleRoute<Self>] = [
        .init("Provisioning_Show", "GET", "/api/provisioning", read, summary),
        .init("Provisioning_Users", "GET", "/api/provisioning/users", read, users),
        .init("Provisioning_Groups", "GET", "/api/provisioning/groups", read, groups),
        .init("Provisioning_Group", "GET", "/api/provisioning/groups/{id}", read, group),
    ]

    // MARK: Overview

    private func summary(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (service, endpoint) = (service(), publicURL + "/scim/v2")
        return try .json(try await call.blocking { try service.summary(endpoint: endpoint) })
    }

    static let mostRows = 1000

    /// `find`, `skip`, `top`.
    private func part(_ call: ConsoleCall) throws -> (text: String?, skip: Int, top: Int) {
        func number(_ name: String, _ standard: Int, _ range: ClosedRange<Int>) throws -> Int {
            guard let text = call.queryValue(name) else { return standard }
            guard let number = Int(text), range.contains(number) else {
                throw Fault(.invalidRequest, "'\(name)' is \(range.lowerBound) to \(range.upperBound).", param: name)
            }
            return number
        }
        let text = call.queryValue("find")
        try Texts.check(text, "find", maximum: 256)
        return (text, try number("skip", 0, 0...1_000_000_000), try number("top", 100, 1...Self.mostRows))
    }

    private func users(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (service, part) = (service(), try part(call))
        return try .json(try await call.blocking { try service.users(containing: part.text, skip: part.skip, top: part.top) })
    }

    private func groups(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (service, part) = (service(), try part(call))
        return try .json(try await call.blocking { try service.groups(containing: part.text, skip: part.skip, top: part.top) })
    }

    private func group(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (service, id) = (service(), try call.parameter("id"))
        return try .json(try await call.blocking { try service.members(ofGroup: id) })
    }

    // MARK: SCIM

    private func request(_ call: ConsoleCall) throws -> SCIMRequest {
        var query: [String: String] = [:]
        for (name, value) in call.query {
            guard query.updateValue(value, forKey: name) == nil else {
                throw Fault(.invalidRequest, "'\(name.prefix(64))' stands twice in the query.")
            }
        }
        // HEAD is answered as GET; the responder leaves the body out.
        return SCIMRequest(
            method: call.row.method, path: Array(call.path.dropFirst(2)), query: query, ifMatch: call.headers.first("if-match"),
            ifNoneMatch: call.headers.first("if-none-match"), body: call.body, base: publicURL + "/scim/v2")
    }

    private func answer(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (service, request) = (service(), try request(call))
        return Self.shown(
            try await call.blocking { service.answer(request) { _, _, _ in throw Fault(.internal, "This route changes nothing.") } })
    }

    private func change(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (service, request) = (service(), try request(call))
        let answer = try await call.blocking {
            service.answer(request) { operation, target, details in try call.recordWaiting(operation, target: target, details: details) }
        }
        if answer.status < 300 { await call.services.didChange() }
        return Self.shown(answer)
    }

    private static func shown(_ answer: SCIMAnswer) -> ConsoleAnswer {
        ConsoleAnswer(status: answer.status, headers: answer.headers, body: ByteBuffer(bytes: answer.body))
    }
}
