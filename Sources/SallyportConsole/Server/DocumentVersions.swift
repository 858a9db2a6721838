import SallyportCore

/// What was put in the place of what: the answer to a document that was taken.
struct DocumentVersion: Encodable, Sendable {
    let name: String
    let version: Int
}

extension ConsoleAnswer {
    /// With the version that it shows, as RFC 9110 tags it: `ETag: "3"`.
    func tagged(_ version: Int) -> ConsoleAnswer { adding("etag", "\"\(version)\"") }

    /// The version that it shows; 0: none is said.
    var taggedVersion: Int { headers.first { $0.name == "etag" }.flatMap { Int($0.value.filter(\.isNumber)) } ?? 0 }
}

extension ConsoleRefusal {
    /// A version that somebody has in mind is not the one in force.
    static let changed = ConsoleRefusal(
        412, "PreconditionFailed", "It was changed meanwhile, or is there already: look at what is in force, and bring your change into it."
    )
}

extension ConsoleCall {
    /// The version that is to be replaced: `If-Match: "3"`; 0 with `If-None-Match: *`; nil: whichever.
    func expectedVersion() throws -> Int? {
        switch (headers.first("if-match"), headers.first("if-none-match")) {
        case (nil, nil), ("*", nil): return nil
        case (nil, "*"): return 0
        case (let tag?, nil):
            guard tag.first == "\"", tag.last == "\"", let version = Int(tag.dropFirst().dropLast()), version > 0 else {
                throw Fault(.invalidRequest, "'If-Match' is a version as it was told: \"3\".")
            }
            return version
        default: throw Fault(.invalidRequest, "'If-Match' names one version, 'If-None-Match' is *; not both.")
        }
    }
}
