import Foundation
import SallyportCore

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
}

extension ConsoleCall {
    /// Whether a row would let the caller in, as far as roles say.
    func mayAsk(_ row: ConsoleRow) -> Bool { row.action.map(may) ?? true }
}

extension ConsoleRouteGroup {
    /// What a route for programs tells, read by a page.
    func told<Value: Decodable>(_ operation: String, _ call: ConsoleCall, as type: Value.Type = Value.self) async throws -> Value {
        let answer = try await answer(operation, call)
        return try JSONDecoder().decode(Value.self, from: Data(answer.body.readableBytesView))
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

    static func choice(_ label: String, _ name: String, _ values: [String]) -> HTML {
        let options: [HTML] = values.map { "<option>\($0)</option>" }
        return "<label>\(label)<select name=\"\(name)\">\(options)</select></label>"
    }

    static func box(_ label: String, _ name: String) -> HTML {
        "<label class=\"box\"><input type=\"checkbox\" name=\"\(name)\" value=\"yes\"> \(label)</label>"
    }

    static func form(_ path: String, _ call: ConsoleCall, button: String, isQuiet: Bool = false, _ fields: HTML = "") -> HTML {
        let kind: HTML = isQuiet ? " class=\"quiet\"" : ""
        return """
            <form method="post" action="\(path)">\(token(call.session?.csrf ?? ""))\(fields)<button\(kind)>\(button)</button></form>
            """
    }

    /// What is not needed at first sight, and what cannot be undone: a second click.
    static func fold(_ summary: String, _ body: HTML) -> HTML { "<details><summary>\(summary)</summary>\(body)</details>" }

    static func table(_ columns: [String], _ rows: [[HTML]], empty: String) -> HTML {
        guard !rows.isEmpty else { return "<p>\(empty)</p>" }
        let heads: [HTML] = columns.map { "<th scope=\"col\">\($0)</th>" }
        let lines: [HTML] = rows.map { cells in
            let cells: [HTML] = cells.map { "<td>\($0)</td>" }
            return "<tr>\(cells)</tr>"
        }
        return "<div class=\"scroll\"><table><thead><tr>\(heads)</tr></thead><tbody>\(lines)</tbody></table></div>"
    }

    /// Pairs of a name and what it is.
    static func facts(_ pairs: [(String, String?)]) -> HTML {
        let rows: [HTML] = pairs.compactMap { name, value in value.map { "<dt>\(name)</dt><dd>\($0)</dd>" } }
        return "<dl>\(rows)</dl>"
    }

    static func code(_ text: String) -> HTML { "<code>\(text)</code>" }

    /// A path with what varies in it written so that it stays one segment.
    static func path(_ parts: String...) -> String {
        "/"
            + parts.map { part in
                part.utf8.map { byte in
                    switch byte {
                    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                        UInt8(ascii: "0")...UInt8(ascii: "9"),
                        UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "~"), UInt8(ascii: "@"):
                        String(UnicodeScalar(byte))
                    default: "%" + Hex.encode([byte]).uppercased()
                    }
                }.joined()
            }.joined(separator: "/")
    }
}
