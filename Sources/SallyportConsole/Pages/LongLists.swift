import SallyportCore

/// Which part of a long list a page shows: `?page=2`.
struct ListPage: Sendable {
    static let size = 50
    private static let most = 1_000_000

    /// From 1 on; not beyond the last.
    let number: Int
    let total: Int
    var last: Int { max(1, (total + Self.size - 1) / Self.size) }
    var skip: Int { (number - 1) * Self.size }

    /// - Throws: ``Fault`` `.invalidRequest` for what is no number of a page.
    static func asked(_ call: ConsoleCall) throws -> Int { try asked(call.queryValue("page")) }

    static func asked(_ text: String?) throws -> Int {
        guard let text else { return 1 }
        guard let number = Int(text), (1...most).contains(number) else {
            throw Fault(.invalidRequest, "'page' is 1 to \(most).", param: "page")
        }
        return number
    }

    init(_ asked: Int, of total: Int) {
        self.total = total
        number = max(1, min(asked, (total + Self.size - 1) / Self.size))
    }

    func rows<Row>(of all: [Row]) -> [Row] { Array(all.dropFirst(skip).prefix(Self.size)) }

    /// Ways to the parts before and after; nothing where there is one part.
    /// - Parameter query: what else the page is asked for.
    func links(_ path: String, _ query: [(name: String, value: String)] = []) -> HTML? {
        guard last > 1 else { return nil }
        func link(_ number: Int, _ word: String, _ relation: String) -> HTML? {
            guard (1...last).contains(number) else { return nil }
            let items = (query + [(name: "page", value: "\(number)")]).map { "\(Page.segment($0.name))=\(Page.segment($0.value))" }
            return "<a rel=\"\(relation)\" href=\"\(path)?\(items.joined(separator: "&"))\">\(word)</a>"
        }
        return """
            <nav class="pages" aria-label="Pages of the list">\(link(number - 1, "Before", "prev"))
            <span>Page \(number) of \(last), \(total) in all</span>\(link(number + 1, "After", "next"))</nav>
            """
    }
}

extension ConsoleCall {
    /// What a list is searched for: `?find=…`.
    func sought() throws -> String? {
        guard let text = queryValue("find"), !text.isEmpty else { return nil }
        try Texts.check(text, "find", maximum: 256)
        return text
    }
}

extension Page {
    /// A field that shortens a list.
    static func finder(_ path: String, _ label: String, _ sought: String?) -> HTML {
        """
        <form class="find" method="get" action="\(path)" role="search"><label>\(label)<input name="find" value="\(sought ?? "")" maxlength="256" autocomplete="off"></label><button class="quiet">Find</button></form>
        """
    }

    /// JSON in lines, when it was written in one; nothing in it is changed but blanks between its parts.
    static func indented(_ json: String) -> String {
        guard !json.contains(where: \.isNewline) else { return json }
        var out = ""
        var depth = 0
        var isText = false
        var isEscaped = false
        let scalars = Array(json.unicodeScalars)
        func line() { out += "\n" + String(repeating: "  ", count: min(depth, 32)) }
        for (place, scalar) in scalars.enumerated() {
            if isText {
                out.unicodeScalars.append(scalar)
                if isEscaped { isEscaped = false } else if scalar == "\\" { isEscaped = true } else if scalar == "\"" { isText = false }
                continue
            }
            switch scalar {
            case "\"":
                isText = true
                out.unicodeScalars.append(scalar)
            case "{", "[":
                out.unicodeScalars.append(scalar)
                let next = scalars[(place + 1)...].first { $0 != " " && $0 != "\t" }
                depth += 1
                if next != "}", next != "]" { line() }
            case "}", "]":
                depth = max(0, depth - 1)
                if let last = out.unicodeScalars.last, last != "{", last != "[" { line() }
                out.unicodeScalars.append(scalar)
            case ",":
                out.unicodeScalars.append(scalar)
                line()
            case ":": out += ": "
            case " ", "\t": break
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out
    }
}
