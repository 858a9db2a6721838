import NIOCore
import SallyportCore
import SallyportGuard
import SallyportWire

/// Lists of an upstream that others share: cut down to what is the caller's. Where a page holds too little of that, the next ones are fetched,
/// so that what others made neither shows nor hides what is behind it.
extension Exchange {
    struct Listing {
        let owned: Set<String>
        /// As many as the caller asked for.
        let wanted: Int
        var elements: [ByteBuffer] = []
        var pages = 0
        /// Where the next page begins: the last id of the one before, whoever's it is.
        var after: String?
    }

    private static let mostPages = 50
    private static let usualPage = 20
    static let largestPage = 100

    func cutDown(
        _ document: JSONDocument, to kind: OwnedResource, _ operation: Operation, _ context: GuardEngine.Context, _ type: String,
        for principal: Principal
    ) throws {
        guard let data = document.member("data", of: 0), document.nodes[data].kind == .array else {
            throw Fault(.upstreamInvalid, "The upstream's list is not a list.")
        }
        if let listing { return try add(document, data, to: listing, operation, context, type, for: principal) }
        runtime.parts.ownership.ids(of: kind, for: principal, on: eventLoop).assumeIsolated().whenComplete { [self] result in
            continuing {
                let owned: Set<String>
                do { owned = try result.get() } catch {
                    throw Fault(.storeUnavailable, "The ownership ledger cannot be read. Please retry.", cause: error)
                }
                let asked = path?.queryValue("limit").flatMap(Int.init) ?? Exchange.usualPage
                let listing = Listing(owned: owned, wanted: max(1, asked))
                try add(document, data, to: listing, operation, context, type, for: principal)
            }
        }
    }

    private func add(
        _ document: JSONDocument, _ data: Int, to before: Listing, _ operation: Operation, _ context: GuardEngine.Context, _ type: String,
        for principal: Principal
    ) throws {
        var listing = before
        listing.pages += 1
        var last: String?
        var isCut = listing.pages > 1
        document.forEachElement(of: data) { _, element in
            last = document.member("id", of: element).flatMap(document.string)
            if let id = last, listing.owned.contains(id) {
                listing.elements.append(ByteBuffer(buffer: document.raw(element)))
            } else {
                isCut = true
            }
        }
        let hasMore = document.member("has_more", of: 0).flatMap(document.bool) ?? false
        if hasMore, isCut, listing.elements.count < listing.wanted, listing.pages < Exchange.mostPages, let last, last != listing.after,
            path?.queryValue("before") == nil, let current
        {
            listing.after = last
            self.listing = listing
            (phase, tried) = (.upstream, [])
            return try attempt(current.operation, form: current.form, ids: current.ids)
        }
        guard isCut else { return try claimListed(document, data, operation, context, type, for: principal) }
        let surplus = listing.elements.count > listing.wanted
        if surplus { listing.elements.removeLast(listing.elements.count - listing.wanted) }
        var edits = JSONEdits()
        AnswerEditor.replaceList(document, data, with: listing.elements, hasMore: surplus ? true : nil, &edits)
        answerBody = edits.apply(to: answerBody)
        let own = try parse(answerBody)
        try claimListed(own, own.member("data", of: 0) ?? 0, operation, context, type, for: principal)
    }

    /// What jobs in the list have made is the caller's, as when he asks for each of them.
    private func claimListed(
        _ document: JSONDocument, _ data: Int, _ operation: Operation, _ context: GuardEngine.Context, _ type: String,
        for principal: Principal
    ) throws {
        var made: [Made] = []
        if operation.lists == .batch || operation.lists == .fineTuningJob {
            document.forEachElement(of: data) { _, job in made += Exchange.derived(in: document, job) }
        }
        guard !made.isEmpty else { return try inspect(document, operation, isError: false, context, type) }
        runtime.parts.ownership.owner(of: made.map(\.id), for: principal, on: eventLoop).assumeIsolated().whenComplete { [self] result in
            continuing {
                let known: [Ownership?]
                do { known = try result.get() } catch {
                    throw Fault(.storeUnavailable, "The ownership ledger cannot be read. Please retry.", cause: error)
                }
                claim(zip(made, known).filter { $0.1 == nil }.map(\.0), for: principal) { [self] in
                    try inspect(document, operation, isError: false, context, type)
                }
            }
        }
    }

    // MARK: What an answer costs

    /// Asking again for what was made before costs nothing; but a response that was made in the background is counted when it is first seen done.
    func count(_ usage: StreamGate.Usage, of id: String?) {
        guard let operation = current?.operation else { return }
        var usage = usage
        if !operation.makesTokens {
            guard let id, let principal, let counted = runtime.background.take(id, of: principal.tenant) else { return }
            usage.prompt = max(0, usage.prompt - counted.prompt)
            usage.completion = max(0, usage.completion - counted.completion)
        }
        summary.promptTokens = usage.prompt
        summary.completionTokens = usage.completion
    }

    /// A new response that is not done yet: what it uses will be known later.
    func noteBackground(_ id: String, _ document: JSONDocument) {
        guard UsageReading.usage(of: document) == nil, let principal,
            ["queued", "in_progress"].contains(document.member("status", of: 0).flatMap(document.string) ?? "")
        else { return }
        (summary.promptTokens, summary.completionTokens) = (0, 0)
        runtime.background.note(id, of: principal.tenant, counted: StreamGate.Usage())
    }
}

extension Operation {
    /// Each call of it is work of a model, and the usage in its answer that of this call.
    var makesTokens: Bool { isDeploymentScoped || name == .responsesCreate || name == .service || name == .vectorStoresSearch }
}
