import SallyportCore
import SallyportIdentity

/// What conditional access asks about people's devices and their risk, for people.
///
/// Ids stand in forms: some have slashes, which no segment of a path may hold.
package struct StandingPages: ConsoleRouteGroup {
    let conditional: ConditionalRoutes

    package init(_ conditional: ConditionalRoutes) { self.conditional = conditional }

    package static let routes: [ConsoleRoute<Self>] = [
        .page("GET", "/devices", as: ConditionalRoutes.row("Devices_List"), devices),
        .page("POST", "/devices", as: ConditionalRoutes.row("Devices_Put"), putDevice),
        .page("POST", "/devices/remove", as: ConditionalRoutes.row("Devices_Delete"), removeDevice),
        .page("GET", "/risks", as: ConditionalRoutes.row("Risks_List"), risks),
        .page("POST", "/risks", as: ConditionalRoutes.row("Risks_Put"), putRisk),
        .page("POST", "/risks/clear", as: ConditionalRoutes.row("Risks_Delete"), clearRisk),
    ]

    // MARK: Devices

    private func devices(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let all: [ConditionalDocuments.Device] = try await conditional.list("Devices_List", call)
        let part = ListPage(try ListPage.asked(call), of: all.count)
        let mayWrite = call.mayAsk(ConditionalRoutes.row("Devices_Put"))
        let rows: [[HTML]] = part.rows(of: all).map { device in
            let remove: HTML? =
                mayWrite
                ? Page.fold(
                    "Forget",
                    Page.form("/devices/remove", call, button: "Forget it", isQuiet: true, Page.hidden("id", device.id))) : nil
            return [
                Page.code(device.id), "\(device.platform ?? "")", device.compliant ? "compliant" : "not compliant",
                "\(device.owner ?? "anybody's")", "\(device.reportedAt)", "\(device.validUntil ?? "until it is reported anew")",
                "\(remove)",
            ]
        }
        let platforms = [(value: "", word: "not known")] + DevicePosture.Platform.allCases.map { (value: $0.rawValue, word: $0.rawValue) }
        let form: HTML? =
            mayWrite
            ? """
            <h2>A device</h2>
            \(Page.form(
                "/devices", call, button: "Note it",
                """
                \(Page.input("Id, as tokens name it in deviceid", "id", isRequired: true, maximum: 200))
                \(Page.choice("Platform", "platform", platforms))
                \(Page.input("Whose; empty: anybody's", "owner", hint: "idp:alice", maximum: 256))
                \(Page.input("Counts for, or until", "expires", hint: "24h", maximum: 32))
                \(Page.box("It is compliant", "compliant"))
                """))
            """ : nil
        return Administration.page(
            "Devices", call,
            """
            \(Page.table(
                ["Device", "Platform", "State", "Whose", "Reported", "Counts until", ""], rows, caption: "Devices: \(all.count)",
                empty: "No device was reported: to conditional access all are unknown."))
            \(part.links("/devices"))
            \(form)
            """)
    }

    private func putDevice(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        try await Self.leadingBack(to: "/devices") {
            let fields = try Fields(call)
            var members = try fields.members(["platform", "owner", "expires"])
            members["compliant"] = .flag(fields["compliant"] != nil)
            _ = try await conditional.answer("Devices_Put", call.sending(members).naming(["id": Self.name("id", fields)]))
            return .redirect(to: "/devices")
        }
    }

    private func removeDevice(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        try await Self.leadingBack(to: "/devices") {
            _ = try await conditional.answer("Devices_Delete", call.naming(["id": Self.name("id", Fields(call))]))
            return .redirect(to: "/devices")
        }
    }

    private static func name(_ field: String, _ fields: Fields) throws -> String {
        guard let name = fields[field] else { throw Fault(.invalidRequest, "'\(field)' is needed.", param: field) }
        return name
    }

    // MARK: Risks

    private func risks(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let all: [ConditionalDocuments.Risk] = try await conditional.list("Risks_List", call)
        let part = ListPage(try ListPage.asked(call), of: all.count)
        let mayWrite = call.mayAsk(ConditionalRoutes.row("Risks_Put"))
        let rows: [[HTML]] = part.rows(of: all).map { risk in
            let clear: HTML? =
                mayWrite
                ? Page.fold(
                    "Clear",
                    Page.form("/risks/clear", call, button: "Clear it", isQuiet: true, Page.hidden("principal", risk.principal))) : nil
            return [
                Page.code(risk.principal), "\(risk.level)", "\(risk.reason ?? "")", "\(risk.setAt)", "\(risk.expiresAt ?? "never")",
                "\(clear)",
            ]
        }
        let form: HTML? =
            mayWrite
            ? """
            <h2>A risk</h2>
            \(Page.form(
                "/risks", call, button: "Note it",
                """
                \(Page.input("Principal", "principal", isRequired: true, hint: "idp:alice", maximum: 256))
                \(Page.choice("Level", "level", ["none", "low", "medium", "high"]))
                \(Page.input("Why", "reason"))
                \(Page.input("Ends after, or at", "expires", hint: "7d", maximum: 32))
                """))
            """ : nil
        return Administration.page(
            "Risks", call,
            """
            \(Page.table(
                ["Who", "Level", "Why", "Since", "Ends", ""], rows, caption: "Principals: \(all.count)",
                empty: "Nothing is noted against anybody."))
            \(part.links("/risks"))
            \(form)
            """)
    }

    private func putRisk(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        try await Self.leadingBack(to: "/risks") {
            let fields = try Fields(call)
            let members = try fields.members(["level", "reason", "expires"])
            _ = try await conditional.answer("Risks_Put", call.sending(members).naming(["principal": Self.name("principal", fields)]))
            return .redirect(to: "/risks")
        }
    }

    private func clearRisk(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        try await Self.leadingBack(to: "/risks") {
            _ = try await conditional.answer("Risks_Delete", call.naming(["principal": Self.name("principal", Fields(call))]))
            return .redirect(to: "/risks")
        }
    }
}
