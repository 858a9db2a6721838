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

    package static let routes: [ConsoleRoute<Self>] = resources("Users") + resources("Groups") + descriptions + others

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
