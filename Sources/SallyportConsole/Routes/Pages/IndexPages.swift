import Foundation
import SallyportCore
import SallyportIdentity
import SallyportRetrieval

/// Indexes, their documents, and what waits in quarantine, for people.
///
/// The index stands in the path of each page, never in a form: rights at one index are judged by the path.
package struct IndexPages: ConsoleRouteGroup {
    let data: DataRoutes

    package init(_ data: DataRoutes) { self.data = data }

    package static let routes: [ConsoleRoute<Self>] = [
        .page("GET", "/indexes", as: DataRoutes.row("Indexes_List"), page),
        .page("GET", "/indexes/{index}", as: DataRoutes.row("Documents_List"), show),
        .page(
            "POST", "/indexes/{index}/documents", as: DataRoutes.row("Documents_Put"), maximumBody: DataRoutes.largest + 64 << 10, bring),
        .page("POST", "/indexes/{index}/label", as: DataRoutes.row("Documents_Label"), label),
        .page("POST", "/indexes/{index}/remove", as: DataRoutes.row("Documents_Delete"), remove),
        .page("GET", "/indexes/{index}/quarantine", as: DataRoutes.row("Quarantine_List"), quarantine),
        .page("GET", "/indexes/{index}/quarantine/{piece}", as: DataRoutes.row("Quarantine_Show"), piece),
        .page("POST", "/indexes/{index}/quarantine/{piece}/release", as: DataRoutes.row("Quarantine_Release"), release),
        .page("GET", "/my/quarantine", as: DataRoutes.row("Quarantine_Own"), own),
    ]

    private static let howToFill: HTML = """
        Bring documents on the page <code>/indexes/INDEX</code> of an index, which need not be there yet, with
        <code>sallyport data add INDEX FOLDER --allow everyone</code>, or with
        <code>PUT /api/indexes/INDEX/documents?source=NAME&amp;allow=everyone</code>.
        """

    // MARK: Indexes

    private func page(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let all: [DataRoutes.Index] = try await data.list("Indexes_List", call)
        let part = ListPage(try ListPage.asked(call), of: all.count)
        let maySeeWaiting = call.mayAsk(DataRoutes.row("Quarantine_List"))
        let rows: [[HTML]] = part.rows(of: all).map { index in
            let waiting: HTML =
                index.quarantined > 0 && maySeeWaiting
                ? "<a href=\"\(Page.path("indexes", index.name, "quarantine"))\">\(index.quarantined)</a>" : "\(index.quarantined)"
            return [
                "<a href=\"\(Page.path("indexes", index.name))\">\(index.name)</a>", "\(index.documents)", "\(index.chunks)", waiting,
                "\(index.addedAt)",
            ]
        }
        return Administration.page(
            "Indexes", call,
            """
            \(Page.table(
                ["Index", "Documents", "Pieces", "Waiting for a reviewer", "Last brought"], rows, caption: "Indexes",
                empty: "There are no documents yet, and so no indexes. \(Self.howToFill)"))
            \(part.links("/indexes"))
            """)
    }

    // MARK: Documents

    private func show(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (index, sought) = (try call.parameter("index"), try call.sought())
        let all: [DocumentShown] = try await data.list("Documents_List", call)
        let wanted = sought?.lowercased()
        let found = all.filter { one in
            wanted.map { one.source.lowercased().contains($0) || one.title.lowercased().contains($0) } ?? true
        }
        let part = ListPage(try ListPage.asked(call), of: found.count)
        let path = Page.path("indexes", index)
        let waiting = all.reduce(0) { $0 + $1.quarantined }
        let review: HTML? =
            call.mayAsk(DataRoutes.row("Quarantine_List"))
            ? "<p>Pieces that wait for a reviewer: \(waiting). <a href=\"\(path)/quarantine\">Quarantine</a></p>" : nil
        let rows = part.rows(of: found).map { row($0, path, call) }
        return Administration.page(
            "Index \(index)", call,
            """
            \(review)
            \(call.mayAsk(DataRoutes.row("Documents_Put")) ? Page.fold("Bring a document", Self.form(path, call)) : nil)
            \(all.isEmpty ? nil : Page.finder(path, "Find a document by its name or title", sought))
            \(Page.table(
                ["Document", "Label", "Owner", "Read by", "Pieces", "Waiting", "Brought", ""], rows, caption: "Documents: \(all.count)",
                empty: all.isEmpty ? "There are no documents in this index. \(Self.howToFill)" : "No document's name or title has that in it."))
            \(part.links(path, sought.map { [(name: "find", value: $0)] } ?? []))
            """)
    }

    private func row(_ document: DocumentShown, _ path: String, _ call: ConsoleCall) -> [HTML] {
        let source = Page.hidden("source", document.source)
        let labels = SensitivityLabel.allCases.map(\.description)
        let label: HTML? =
            call.mayAsk(DataRoutes.row("Documents_Label"))
            ? Page.fold(
                "Label",
                Page.form(
                    "\(path)/label", call, button: "Set the label", isQuiet: true,
                    """
                    \(source)\(Page.choice("Label", "label", labels, chosen: document.label))
                    \(Page.input("Why; needed for a lower one, which somebody else than the owner sets", "reason", maximum: 500))
                    """)) : nil
        let remove: HTML? =
            call.mayAsk(DataRoutes.row("Documents_Delete"))
            ? Page.fold("Remove", Page.form("\(path)/remove", call, button: "Remove it for good", isQuiet: true, source)) : nil
        let origin = document.labelOrigin == LabelOrigin.declared.description ? "" : " (\(document.labelOrigin))"
        let notes: [HTML] = document.notes.map { "<br><span class=\"hint\">\($0)</span>" }
        let title: HTML? = document.title.isEmpty || document.title == document.source ? nil : "<br>\(document.title)"
        return [
            "\(Page.code(document.source))\(title)\(notes)", "\(document.label)\(origin)", Page.code(document.owner),
            "\(document.access.joined(separator: ", "))", "\(document.chunks)", "\(document.quarantined)", "\(document.addedAt ?? "")",
            "\(label)\(remove)",
        ]
    }

    private static let unlabelled = "as the rules and the detectors say"

    private static func form(_ path: String, _ call: ConsoleCall) -> HTML {
        Page.upload(
            "\(path)/documents", call, file: "document", button: "Take it in",
            """
            \(Page.input("Name in the index, where it is not the file's", "source", hint: "rules/leave.pdf"))
            \(Page.input("Who may read it", "allow", isRequired: true, hint: "everyone, or user:NAME, group:NAME with commas between"))
            \(Page.choice("Label", "label", [unlabelled] + SensitivityLabel.allCases.map(\.description), chosen: unlabelled))
            """)
    }

    /// What of a document is not as it was wanted is told; else its index is shown.
    private func bring(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let path = Page.path("indexes", try call.parameter("index"))
        return try await Self.leadingBack(to: path) {
            let fields = try Fields(call)
            guard let file = try call.file("document") else { throw Fault(.invalidRequest, "Choose the file of the document.") }
            var asked = [(name: "source", value: fields["source"] ?? file.name)]
            for name in (fields["allow"] ?? "").split(separator: ",") { asked.append((name: "allow", value: String(name.trimmed))) }
            if let label = fields["label"], label != Self.unlabelled { asked.append((name: "label", value: label)) }
            let answer = try await data.answer("Documents_Put", call.asking(asked).sending(bytes: file.content))
            let shown = try JSONDecoder().decode(OperationShown.self, from: Data(answer.body.readableBytesView))
            guard let documents = shown.documents else {
                return Administration.page(
                    "Being taken in", call,
                    """
                    <p role="status">It takes longer than a moment. The document stands in <a href="\(path)">its index</a> once it is read.</p>
                    """)
            }
            if documents.allSatisfy({ $0.problem == nil && $0.quarantined == 0 && $0.raisedLabel == nil }) { return .redirect(to: path) }
            let rows: [[HTML]] = documents.map { one in
                [
                    Page.code(one.source), "\(one.problem ?? one.outcome)", "\(one.quarantined)", "\(one.raisedLabel ?? "")",
                ]
            }
            var page = Administration.page(
                "What became of it", call,
                """
                \(Page.table(
                    ["Document", "What became of it", "Pieces that wait for a reviewer", "Label raised to"], rows, caption: "Taken in",
                    empty: "Nothing was taken in."))
                <p><a href="\(path)">Documents of the index</a></p>
                """)
            page.status = answer.status
            return page
        }
    }

    /// The document's name, from the form into the query.
    private func naming(_ fields: Fields, _ call: ConsoleCall) throws -> ConsoleCall {
        guard let source = fields["source"] else { throw Fault(.invalidRequest, "The form does not say which document.") }
        return call.asking([(name: "source", value: source)])
    }

    private func label(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let path = Page.path("indexes", try call.parameter("index"))
        return try await Self.leadingBack(to: path) {
            let fields = try Fields(call)
            _ = try await data.answer("Documents_Label", naming(fields, call).sending(fields.members(["label", "reason"])))
            return .redirect(to: path)
        }
    }

    private func remove(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let path = Page.path("indexes", try call.parameter("index"))
        return try await Self.leadingBack(to: path) {
            _ = try await data.answer("Documents_Delete", naming(Fields(call), call))
            return .redirect(to: path)
        }
    }

    // MARK: Quarantine

    private func quarantine(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let index = try call.parameter("index")
        let all: [PieceShown] = try await data.list("Quarantine_List", call)
        let part = ListPage(try ListPage.asked(call), of: all.count)
        let path = Page.path("indexes", index, "quarantine")
        let mayLook = call.mayAsk(DataRoutes.row("Quarantine_Show"))
        let rows: [[HTML]] = part.rows(of: all).map { piece in
            let look: HTML? = mayLook ? "<a href=\"\(path)/\(Page.segment(piece.piece))\">Look</a>" : nil
            return [
                Page.code(piece.source), "\(piece.page.map { "\($0)" } ?? "")", "\(piece.reason)", Page.code(piece.owner),
                "\(look ?? release(piece, call))",
            ]
        }
        return Administration.page(
            "Quarantine of \(index)", call,
            """
            <p class="hint">What guards find in a document, and what is hidden in it, is not searched before somebody has looked at it. Pieces of
            one's own documents are released by somebody else. To look at a piece is on record.</p>
            \(Page.table(
                ["Document", "Page", "Why it waits", "Owner", ""], rows, caption: "Pieces that wait: \(all.count)",
                empty: "Nothing waits: every piece of this index can be found."))
            \(part.links(path))
            <p><a href="\(Page.path("indexes", index))">Documents of the index</a></p>
            """)
    }

    /// For who may let it through, unless it is his own.
    private func release(_ piece: PieceShown, _ call: ConsoleCall) -> HTML? {
        guard call.mayAsk(DataRoutes.row("Quarantine_Release")) else { return nil }
        guard piece.owner != call.principal?.id.rawValue else { return "<p>It is your own: somebody else decides.</p>" }
        return Page.fold(
            "Release it",
            Page.form(
                Page.path("indexes", piece.index, "quarantine", piece.piece, "release"), call, button: "Let it be found",
                Page.input("Why it may be found; goes on record", "reason", isRequired: true, maximum: 500)))
    }

    private func piece(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let piece: PieceShown = try await data.told("Quarantine_Show", call)
        return Administration.page(
            "A piece of \(piece.source)", call,
            """
            \(Page.facts([
                ("Index", piece.index), ("Page", piece.page.map { "\($0)" }), ("Why it waits", piece.reason), ("Owner", piece.owner),
            ]))
            <pre>\(piece.text ?? "")</pre>
            \(release(piece, call))
            <p><a href="\(Page.path("indexes", piece.index, "quarantine"))">All that waits</a></p>
            """)
    }

    private func release(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let path = Page.path("indexes", try call.parameter("index"), "quarantine")
        return try await Self.leadingBack(to: path) {
            _ = try await data.answer("Quarantine_Release", call.sending(Fields(call).members(["reason"])))
            return .redirect(to: path)
        }
    }

    /// What waits of one's own documents: where and why, so that it can be put right.
    private func own(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let all: [PieceShown] = try await data.list("Quarantine_Own", call)
        let part = ListPage(try ListPage.asked(call), of: all.count)
        let rows: [[HTML]] = part.rows(of: all).map { piece in
            ["\(piece.index)", Page.code(piece.source), "\(piece.page.map { "\($0)" } ?? "")", "\(piece.reason)"]
        }
        return Administration.page(
            "Your documents", call,
            """
            \(Page.table(
                ["Index", "Document", "Page", "Why it waits"], rows, caption: "What of your documents waits for a reviewer",
                empty: "Nothing of your documents waits: all that you brought can be found."))
            \(part.links("/my/quarantine"))
            """)
    }
}
