import Foundation
import SallyportCore

/// A document that somebody has written in a form, or is about to.
struct DocumentDraft {
    var name = ""
    var text: String
    /// The version that it is to take the place of; nil: a new document.
    var version: Int?

    static let withoutVersion = Fault(.invalidRequest, "The form does not say which version it changes.")

    init(name: String = "", text: String, version: Int? = nil) {
        self.name = name
        self.text = text
        self.version = version
    }

    init(_ call: ConsoleCall) throws {
        let fields = try Fields(call)
        guard let text = fields["document"] else { throw Fault(.invalidRequest, "There is no document.") }
        // As it was before a browser sent it.
        self.text = text.replacing("\r\n", with: "\n")
        name = call.parameters["name"] ?? fields["name"] ?? ""
        version = try fields["version"].map {
            guard let number = Int($0), number > 0 else { throw Fault(.invalidRequest, "A version is a number from 1 on.") }
            return number
        }
    }

    /// The same in the place of nothing.
    var asNew: DocumentDraft { DocumentDraft(name: name, text: text) }

    /// The version that it is to take the place of.
    func replaced() throws -> Int {
        guard let version else { throw Self.withoutVersion }
        return version
    }

    /// - Parameters:
    ///   - label: of the name, which a new document is given.
    ///   - more: buttons beside the one that saves.
    func form(_ call: ConsoleCall, to path: String, name label: String, rows: Int = 24, also more: HTML? = nil) -> HTML {
        let naming: HTML =
            version.map { "\(Page.hidden("name", name))\(Page.hidden("version", "\($0)"))" }
            ?? Page.input(label, "name", isRequired: true, value: name, maximum: 64)
        return """
            <form class="document" method="post" action="\(path)">\(Page.token(call.session?.csrf ?? ""))
            \(naming)
            \(Page.text("Document", "document", text, rows: rows))
            <button>Save</button>\(more)</form>
            """
    }
}
