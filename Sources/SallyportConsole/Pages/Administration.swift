import Foundation
import SallyportCore
import SallyportIdentity

/// Pages for people who administer: the same work as the routes under `/api`, asked for with forms.
///
/// A page holds no rule of its own. It asks the route for programs whose work it shows or does (``ConsoleRoute/page(_:_:as:_:)``,
/// ``ConsoleRouteGroup/answer(_:_:)``) and writes its answer as HTML; no script is needed.
enum Administration {
    struct Entry: Sendable {
        let path: String
        let title: String
        let row: ConsoleRow
    }

    /// The pages that people begin at, in the order of the navigation.
    static let entries: [Entry] = [
        Entry(path: "/keys", title: "Keys", row: KeyRoutes.row("Keys_List")),
        Entry(path: "/access", title: "Access", row: AccessRoutes.row("RoleAssignments_List")),
        Entry(path: "/accounts", title: "Accounts", row: AccountRoutes.row("Accounts_List")),
        Entry(path: "/sessions", title: "Sessions", row: AccountRoutes.row("Sessions_List")),
        Entry(path: "/provisioning", title: "Provisioning", row: ProvisioningRoutes.row("Provisioning_Show")),
        Entry(path: "/policies", title: "Policies", row: PolicyRoutes.row("Policies_List")),
        Entry(path: "/conditional-access", title: "Conditional access", row: ConditionalRoutes.row("ConditionalAccess_List")),
        Entry(path: "/devices", title: "Devices", row: ConditionalRoutes.row("Devices_List")),
        Entry(path: "/risks", title: "Risks", row: ConditionalRoutes.row("Risks_List")),
        Entry(path: "/indexes", title: "Indexes", row: DataRoutes.row("Indexes_List")),
        Entry(path: "/my/quarantine", title: "Your documents", row: DataRoutes.row("Quarantine_Own")),
        Entry(path: "/elevations", title: "Elevation", row: ElevationRoutes.row("Elevations_List")),
        Entry(path: "/reviews", title: "Access reviews", row: ReviewRoutes.row("Reviews_List")),
        Entry(path: "/my/reviews", title: "Your reviews", row: ReviewRoutes.row("Reviews_Mine")),
        Entry(path: "/changes", title: "Changes", row: ChangeRoutes.row("Changes_List")),
        Entry(path: "/privacy", title: "Privacy requests", row: PrivacyRoutes.row("Privacy_Requests")),
        Entry(path: "/my/privacy", title: "Your data", row: PrivacyRoutes.row("My_Consents")),
    ]

    /// Links to the pages that the caller may open.
    static func navigation(_ call: ConsoleCall) -> HTML {
        let links: [HTML] = entries.filter { call.mayAsk($0.row) }.map { "<a href=\"\($0.path)\">\($0.title)</a>" }
        return "<nav aria-label=\"Administration\"><a href=\"/\">Start</a>\(links)</nav>"
    }

    static func page(_ title: String, _ call: ConsoleCall, status: Int = 200, _ body: HTML) -> ConsoleAnswer {
        .page(Page.make(title, isWide: true, navigation: navigation(call), body), status: status)
    }

    /// What a change came to: it is done, and a page shows it; or it waits for a second person.
    static func settled(_ answer: ConsoleAnswer, to next: String, _ call: ConsoleCall) throws -> ConsoleAnswer {
        guard answer.status == 202 else { return .redirect(to: next) }
        let change = try JSONDecoder().decode(ConditionalDocuments.Change.self, from: Data(answer.body.readableBytesView))
        let look: HTML? =
            call.mayAsk(ChangeRoutes.row("Changes_Show"))
            ? "<a class=\"button\" href=\"\(Page.path("changes", change.id))\">Look at the change</a>" : nil
        return page(
            "It waits for a second person", call, status: 202,
            """
            <p role="status">Nothing has changed yet: somebody else must look at \(Page.code("\(change.act) \(change.target)")) and let it
            happen.</p>
            \(look)<a class="button" href="\(next)">Go on</a>
            """)
    }
}

extension ConsoleCall {
    /// Whether a row would let the caller in, as far as roles say; at the index of this call, where the row is about one.
    func mayAsk(_ row: ConsoleRow) -> Bool {
        guard let action = row.action else { return true }
        guard let principal, let rights, !services.settings.lacksFactor(session) else { return false }
        let context = services.context(
            of: principal, operation: row.operation, parameters: row.path.contains("{index}") ? parameters : [:], address: address, now: now
        )
        return rights.decision(on: action, .management, in: context).isAllowed
    }

    /// A path of this surface, with what this call's own path names in the places for it.
    func filling(_ path: String) throws -> String {
        "/"
            + (try path.split(separator: "/").map { part in
                part.hasPrefix("{") ? Page.segment(try parameter(String(part.dropFirst().dropLast()))) : String(part)
            }).joined(separator: "/")
    }
}

extension ConsoleRouteGroup {
    /// What a route for programs tells, read by a page.
    func told<Value: Decodable>(_ operation: String, _ call: ConsoleCall, as type: Value.Type = Value.self) async throws -> Value {
        let answer = try await answer(operation, call)
        return try JSONDecoder().decode(Value.self, from: Data(answer.body.readableBytesView))
    }

    /// Does what an operation of a group for programs does, and leads on to a page.
    /// - Parameters:
    ///   - fields: of the form, sent on as JSON; nil: the form says nothing but that it is to be done.
    ///   - next: a path, with `{name}` for what this call's own path names.
    static func done<Programs: ConsoleRouteGroup>(
        _ operation: String, by programs: any KeyPath<Self, Programs> & Sendable, sending fields: [String]? = nil, to next: String
    ) -> ConsoleRoute<Self>.Handler {
        { pages in
            { call in
                let next = try call.filling(next)
                return try await leadingBack(to: next) {
                    let asked = try fields.map { try call.sending(Fields(call).members($0)) } ?? call
                    _ = try await pages[keyPath: programs].answer(operation, asked)
                    return .redirect(to: next)
                }
            }
        }
    }

    /// What goes wrong is told with a way back to the page where it was asked for.
    static func leadingBack(to path: String, _ work: () async throws -> ConsoleAnswer) async throws -> ConsoleAnswer {
        do { return try await work() } catch let refusal as ConsoleRefusal {
            var refusal = refusal
            refusal.back = path
            throw refusal
        } catch let fault as Fault where fault.cause == nil && fault.code != .internal {
            var refusal = ConsoleRefusal(fault)
            refusal.back = path
            throw refusal
        }
    }

    /// What people got wrong is told on the page where they were, with what they had written; all else as ever.
    static func telling(
        _ work: () async throws -> ConsoleAnswer, again: (ConsoleRefusal) async throws -> ConsoleAnswer
    ) async throws -> ConsoleAnswer {
        let mistakes = [400, 404, 409, 412]
        do { return try await work() } catch let refusal as ConsoleRefusal where mistakes.contains(refusal.status) {
            return try await again(refusal)
        } catch let fault as Fault where fault.cause == nil && mistakes.contains(ConsoleRefusal(fault).status) {
            return try await again(ConsoleRefusal(fault))
        }
    }

    /// The same for a list.
    func list<Row: Decodable>(_ operation: String, _ call: ConsoleCall, of type: Row.Type = Row.self) async throws -> [Row] {
        try await told(operation, call, as: Listed<Row>.self).value
    }
}

private struct Listed<Row: Decodable>: Decodable { let value: [Row] }

/// The fields of a form, as the members of a JSON body: empty ones are not sent.
struct Fields {
    enum Member: Encodable {
        case text(String)
        case list([String])
        case flag(Bool)
        case number(Int)

        func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            switch self {
            case .text(let text): try container.encode(text)
            case .list(let texts): try container.encode(texts)
            case .flag(let flag): try container.encode(flag)
            case .number(let number): try container.encode(number)
            }
        }
    }

    private let values: [String: String]

    init(_ call: ConsoleCall) throws { values = try call.form() }

    subscript(name: String) -> String? {
        guard let value = values[name] else { return nil }
        let text = Substring(value).trimmed
        return text.isEmpty ? nil : String(text)
    }

    /// - Parameters:
    ///   - lists: several texts, with commas or lines between them.
    ///   - flags: boxes to tick.
    func members(_ texts: [String], lists: [String] = [], flags: [String] = [], numbers: [String] = []) throws -> [String: Member] {
        var members: [String: Member] = [:]
        for name in texts { members[name] = self[name].map { .text($0) } }
        for name in lists {
            let found = (self[name] ?? "").split { $0 == "," || $0 == "\n" || $0 == "\r\n" || $0 == "\r" }.map { String($0.trimmed) }
            let texts = found.filter { !$0.isEmpty }
            if !texts.isEmpty { members[name] = .list(texts) }
        }
        for name in flags where values[name] != nil { members[name] = .flag(true) }
        for name in numbers {
            guard let text = self[name] else { continue }
            guard let number = Int(text) else { throw Fault(.invalidRequest, "'\(name)' is a number.") }
            members[name] = .number(number)
        }
        return members
    }
}

// MARK: Building blocks

extension Page {
    static func input(
        _ label: String, _ name: String, isRequired: Bool = false, hint: String = "", value: String = "", maximum: Int = 512
    ) -> HTML {
        let required: HTML = isRequired ? " required" : ""
        return
            "<label>\(label)<input name=\"\(name)\" value=\"\(value)\" placeholder=\"\(hint)\" maxlength=\"\(maximum)\" autocomplete=\"off\"\(required)></label>"
    }

    /// - Parameter values: each with the word that people read, where that is another.
    static func choice(_ label: String, _ name: String, _ values: [(value: String, word: String)], chosen: String? = nil) -> HTML {
        let options: [HTML] = values.map { value, word in
            let selected: HTML = value == chosen ? " selected" : ""
            return "<option value=\"\(value)\"\(selected)>\(word)</option>"
        }
        return "<label>\(label)<select name=\"\(name)\">\(options)</select></label>"
    }

    static func choice(_ label: String, _ name: String, _ values: [String], chosen: String? = nil) -> HTML {
        choice(label, name, values.map { (value: $0, word: $0) }, chosen: chosen)
    }

    /// A document to be written.
    static func text(_ label: String, _ name: String, _ text: String, isRequired: Bool = true, rows: Int = 24) -> HTML {
        let required: HTML = isRequired ? " required" : ""
        // The first line break in it is not the text's: browsers leave it out.
        return
            "<label>\(label)<textarea name=\"\(name)\" rows=\"\(rows)\" spellcheck=\"false\" autocomplete=\"off\"\(required)>\n\(text)</textarea></label>"
    }

    static func hidden(_ name: String, _ value: String) -> HTML { "<input type=\"hidden\" name=\"\(name)\" value=\"\(value)\">" }

    static func box(_ label: String, _ name: String) -> HTML {
        "<label class=\"box\"><input type=\"checkbox\" name=\"\(name)\" value=\"yes\"> \(label)</label>"
    }

    static func form(_ path: String, _ call: ConsoleCall, button: String, isQuiet: Bool = false, _ fields: HTML = "") -> HTML {
        let kind: HTML = isQuiet ? " class=\"quiet\"" : ""
        return """
            <form method="post" action="\(path)">\(token(call.session?.csrf ?? ""))\(fields)<button\(kind)>\(button)</button></form>
            """
    }

    /// A form with a file in it.
    static func upload(_ path: String, _ call: ConsoleCall, file: String, button: String, _ fields: HTML) -> HTML {
        """
        <form method="post" enctype="multipart/form-data" action="\(path)">\(token(call.session?.csrf ?? ""))\
        <label>File<input type="file" name="\(file)" required></label>\(fields)<button>\(button)</button></form>
        """
    }

    /// What is not needed at first sight, and what cannot be undone: a second click.
    static func fold(_ summary: String, _ body: HTML) -> HTML { "<details><summary>\(summary)</summary>\(body)</details>" }

    /// - Parameter empty: what stands in its place when there are no rows: how to come by some.
    static func table(_ columns: [String], _ rows: [[HTML]], caption: String? = nil, empty: HTML) -> HTML {
        guard !rows.isEmpty else { return "<p>\(empty)</p>" }
        let caption: HTML? = caption.map { "<caption>\($0)</caption>" }
        let heads: [HTML] = columns.map { "<th scope=\"col\">\($0)</th>" }
        let lines: [HTML] = rows.map { cells in
            let cells: [HTML] = cells.map { "<td>\($0)</td>" }
            return "<tr>\(cells)</tr>"
        }
        return "<div class=\"scroll\"><table>\(caption)<thead><tr>\(heads)</tr></thead><tbody>\(lines)</tbody></table></div>"
    }

    /// Pairs of a name and what it is.
    static func facts(_ pairs: [(String, String?)]) -> HTML {
        let rows: [HTML] = pairs.compactMap { name, value in value.map { "<dt>\(name)</dt><dd>\($0)</dd>" } }
        return "<dl>\(rows)</dl>"
    }

    static func code(_ text: String) -> HTML { "<code>\(text)</code>" }

    /// A path with what varies in it written so that it stays one segment.
    static func path(_ parts: String...) -> String { "/" + parts.map(segment).joined(separator: "/") }

    static func segment(_ text: String) -> String {
        text.utf8.map { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "~"), UInt8(ascii: "@"):
                String(UnicodeScalar(byte))
            default: "%" + Hex.encode([byte]).uppercased()
            }
        }.joined()
    }
}
