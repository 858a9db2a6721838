import SallyportCore

/// A call of Azure AI Search's data plane, in either spelling: `/indexes('i')/docs/search.post.search` or `/indexes/i/docs/search`.
struct SearchCall {
    enum Act: Equatable { case search, count, lookup(String) }
    let index: String
    let act: Act

    static let dataAction = "Microsoft.Search/searchServices/indexes/documents/read"

    /// - Returns: nil for a path of another kind.
    init?(method: String, _ segments: [String]) {
        guard let first = segments.first else { return nil }
        var rest: ArraySlice<String>
        if first == "indexes", segments.count >= 3 {
            index = segments[1]
            rest = segments[2...]
        } else if let name = Self.quoted(first, after: "indexes"), segments.count >= 2 {
            index = name
            rest = segments[1...]
        } else {
            return nil
        }
        guard let docs = rest.popFirst() else { return nil }
        if let key = Self.quoted(docs, after: "docs"), rest.isEmpty, method == "GET" {
            act = .lookup(key)
            return
        }
        guard docs == "docs" else { return nil }
        switch (method, rest.first, rest.count) {
        case ("POST", "search", 1), ("POST", "search.post.search", 1), ("GET", nil, 0): act = .search
        case ("GET", "$count", 1): act = .count
        case ("GET", .some(let key), 1): act = .lookup(key)
        default: return nil
        }
    }

    /// `indexes('i''s')` → `i's`.
    private static func quoted(_ segment: String, after name: String) -> String? {
        guard segment.hasPrefix("\(name)('"), segment.hasSuffix("')"), segment.utf8.count > name.utf8.count + 4 else { return nil }
        let inner = segment.dropFirst(name.count + 2).dropLast(2)
        return inner.split(separator: "''", omittingEmptySubsequences: false).joined(separator: "'")
    }

    var operation: String {
        switch act {
        case .search: "Documents_Search"
        case .count: "Documents_Count"
        case .lookup: "Documents_Get"
        }
    }
}
