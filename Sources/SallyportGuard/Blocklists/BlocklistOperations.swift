import NIOConcurrencyHelpers
import SallyportCore

/// Content Safety's blocklist management, without HTTP: validation, limits, ids, paging. Every method blocks: call it on a thread pool.
///
/// All throw ``Fault``: `.invalidRequest` with the field in `param`, `.notFound`, `.quotaExceeded`.
package struct BlocklistOperations: Sendable {
    /// The service's own limits.
    package enum Limit {
        package static let itemsPerCall = 100
        package static let items = 10_000
        package static let lists = 1_000
        package static let nameLength = 64
        package static let descriptionLength = 1_024
        /// Code points.
        package static let textLength = 128
        package static let page = 100
        package static let largestPage = 1_000
    }

    /// A field of a merge patch: left out, set to null, or given.
    package enum Change<Value: Sendable>: Sendable {
        case keep, remove, set(Value)
    }

    /// An item as a caller sends it.
    package struct NewItem: Sendable, Hashable {
        package var text: String
        package var description: String?
        package var isRegex: Bool
        package init(text: String, description: String? = nil, isRegex: Bool = false) {
            self.text = text
            self.description = description
            self.isRegex = isRegex
        }
    }

    /// Which part of a list is wanted: `top`, `skip`, `maxpagesize`.
    package struct PageRequest: Sendable, Hashable {
        /// The most items over all pages; nil: all.
        package var top: Int?
        package var skip: Int
        /// The most items on this page; nil: the service's choice.
        package var maximumPageSize: Int?
        package init(top: Int? = nil, skip: Int = 0, maximumPageSize: Int? = nil) {
            self.top = top
            self.skip = skip
            self.maximumPageSize = maximumPageSize
        }

        /// Reads the query's values.
        package init(top: Substring?, skip: Substring?, maximumPageSize: Substring?) throws {
            func number(_ text: Substring?, _ name: String) throws -> Int? {
                guard let text else { return nil }
                guard let value = Int(text), value >= 0, value <= Int(Int32.max) else {
                    throw Fault(.invalidRequest, "The query parameter '\(name)' must be a number from 0.", param: name)
                }
                return value
            }
            self.top = try number(top, "top")
            self.skip = try number(skip, "skip") ?? 0
            self.maximumPageSize = try number(maximumPageSize, "maxpagesize")
        }

        /// The query of a `nextLink`; the caller puts scheme, host, path and `api-version` before it.
        package var query: String {
            var parts: [String] = []
            if let top { parts.append("top=\(top)") }
            parts.append("skip=\(skip)")
            if let maximumPageSize { parts.append("maxpagesize=\(maximumPageSize)") }
            return parts.joined(separator: "&")
        }
    }

    /// A page and, unless it is the last, what to ask for next.
    package struct Page<Element: Sendable>: Sendable {
        package let value: [Element]
        package let next: PageRequest?
    }

    private let store: any BlocklistStore
    private let compiler: any PatternCompiler
    private let makeID: @Sendable () -> String
    /// Looking for an item's text and writing it are one step.
    private let writing = NIOLock()

    /// - Parameter makeID: a fresh lower-case UUID on every call.
    package init(
        store: any BlocklistStore, compiler: any PatternCompiler, makeID: @escaping @Sendable () -> String = BlocklistOperations.randomID
    ) {
        self.store = store
        self.compiler = compiler
        self.makeID = makeID
    }

    // MARK: Lists

    /// Creates or updates a list.
    /// - Parameter bodyName: the body's `blocklistName`, which may be left out but not differ.
    /// - Returns: the list, and whether it is new (201) or not (200).
    package func upsert(
        _ name: String, bodyName: String? = nil, description: Change<String>, of tenant: TenantID
    ) throws -> (list: Blocklist, isNew: Bool) {
        try Self.validateName(name)
        if let bodyName, bodyName != name {
            throw Fault(.invalidRequest, "The blocklist name in the body differs from the one in the path.", param: "blocklistName")
        }
        if case .set(let text) = description { try Self.validateDescription(text) }
        return try writing.withLock {
            let old = try store.blocklist(name, of: tenant)
            if old == nil, try store.blocklists(of: tenant).count >= Limit.lists {
                throw Fault(.quotaExceeded, "A resource can hold at most \(Limit.lists) blocklists.")
            }
            let text: String? =
                switch description {
                case .keep: old?.description
                case .remove: nil
                case .set(let text): text
                }
            let list = Blocklist(name: name, description: text)
            return (list, try store.upsert(list, of: tenant))
        }
    }

    package func list(_ name: String, of tenant: TenantID) throws -> Blocklist {
        try Self.validateName(name)
        guard let list = try store.blocklist(name, of: tenant) else { throw Self.missing(name) }
        return list
    }

    /// Removes the list with its items.
    package func delete(_ name: String, of tenant: TenantID) throws {
        try Self.validateName(name)
        guard try writing.withLock({ try store.deleteBlocklist(name, of: tenant) }) else { throw Self.missing(name) }
    }

    package func lists(of tenant: TenantID, page: PageRequest = PageRequest()) throws -> Page<Blocklist> {
        Self.page(page, of: try store.blocklists(of: tenant))
    }

    // MARK: Items

    /// Adds items, or updates those whose text the list holds already; they keep their ids. All or nothing.
    /// - Returns: one item per entry, in the same order.
    package func addOrUpdate(_ entries: [NewItem], to name: String, of tenant: TenantID) throws -> [BlocklistItem] {
        try Self.validateName(name)
        guard !entries.isEmpty else {
            throw Fault(.invalidRequest, "The field 'blocklistItems' must hold at least one item.", param: "blocklistItems")
        }
        guard entries.count <= Limit.itemsPerCall else {
            throw Fault(.invalidRequest, "At most \(Limit.itemsPerCall) items can be added in one call.", param: "blocklistItems")
        }
        for (index, entry) in entries.enumerated() { try validate(entry, field: "blocklistItems[\(index)]") }
        return try writing.withLock {
            guard try store.blocklist(name, of: tenant) != nil else { throw Self.missing(name) }
            let held = try store.items(of: name, tenant: tenant)
            var known = Dictionary(held.map { (Key($0.text), $0) }, uniquingKeysWith: { first, _ in first })
            var changed: [BlocklistItem] = []
            var placeOf: [String: Int] = [:]
            for entry in entries {
                let old = known[Key(entry.text)]
                let item = BlocklistItem(
                    id: old?.id ?? makeID(), text: entry.text, description: entry.description, isRegex: entry.isRegex)
                known[Key(entry.text)] = item
                if let place = placeOf[item.id] {
                    changed[place] = item
                } else if item != old {
                    placeOf[item.id] = changed.count
                    changed.append(item)
                }
            }
            let added = known.count - Set(held.map { Key($0.text) }).count
            if added > 0 {
                let total = try store.blocklists(of: tenant).reduce(0) { $0 + (try store.items(of: $1.name, tenant: tenant).count) }
                guard total + added <= Limit.items else {
                    throw Fault(.quotaExceeded, "A resource can hold at most \(Limit.items) blocklist items.")
                }
            }
            if !changed.isEmpty { try store.add(changed, to: name, tenant: tenant) }
            return entries.compactMap { known[Key($0.text)] }
        }
    }

    /// Two spellings of a text are two texts: Swift's `==` would call canonically equal ones the same.
    private struct Key: Hashable {
        let bytes: [UInt8]
        init(_ text: String) { bytes = Array(text.utf8) }
    }

    package func remove(_ ids: [String], from name: String, of tenant: TenantID) throws {
        try Self.validateName(name)
        guard !ids.isEmpty, ids.count <= Limit.itemsPerCall else {
            throw Fault(
                .invalidRequest, "The field 'blocklistItemIds' must hold 1 to \(Limit.itemsPerCall) ids.", param: "blocklistItemIds")
        }
        try writing.withLock {
            guard try store.blocklist(name, of: tenant) != nil else { throw Self.missing(name) }
            try store.removeItems(ids, from: name, tenant: tenant)
        }
    }

    package func item(_ id: String, of name: String, tenant: TenantID) throws -> BlocklistItem {
        _ = try list(name, of: tenant)
        guard let item = try store.items(of: name, tenant: tenant).first(where: { $0.id == id }) else {
            throw Fault(.notFound, "The blocklist item does not exist.", param: "blocklistItemId")
        }
        return item
    }

    package func items(of name: String, tenant: TenantID, page: PageRequest = PageRequest()) throws -> Page<BlocklistItem> {
        _ = try list(name, of: tenant)
        return Self.page(page, of: try store.items(of: name, tenant: tenant))
    }

    // MARK: Validation

    /// - Throws: ``Fault`` `.invalidRequest` that says what is wrong with the item, without repeating its text.
    package func validate(_ item: NewItem, field: String = "blocklistItem") throws {
        guard item.text.unicodeScalars.contains(where: { !$0.properties.isWhitespace }) else {
            throw Fault(.invalidRequest, "The field 'text' must not be empty.", param: "\(field).text")
        }
        guard item.text.unicodeScalars.count <= Limit.textLength else {
            throw Fault(.invalidRequest, "The field 'text' is longer than \(Limit.textLength) characters.", param: "\(field).text")
        }
        guard !item.text.utf8.contains(0) else {
            throw Fault(.invalidRequest, "The field 'text' holds a NUL character.", param: "\(field).text")
        }
        if let description = item.description { try Self.validateDescription(description, field: "\(field).description") }
        guard item.isRegex else { return }
        do {
            _ = try compiler.compile([Pattern(item.text, ignoresCase: true)])
        } catch let error as PatternError {
            throw Fault(
                .invalidRequest, "The field 'text' is not a supported regular expression: \(error.reason)", param: "\(field).text",
                cause: error)
        }
    }

    package static func validateName(_ name: String) throws {
        let isAllowed = name.utf8.allSatisfy {
            switch $0 {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"): true
            case UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"), UInt8(ascii: "-"): true
            default: false
            }
        }
        guard isAllowed, !name.isEmpty, name.utf8.count <= Limit.nameLength else {
            throw Fault(
                .invalidRequest, "A blocklist name has 1 to \(Limit.nameLength) of the characters 0-9, A-Z, a-z, '.', '_', '~' and '-'.",
                param: "blocklistName", inner: "InvalidResourceName")
        }
    }

    private static func validateDescription(_ text: String, field: String = "description") throws {
        guard text.unicodeScalars.count <= Limit.descriptionLength else {
            throw Fault(
                .invalidRequest, "The field 'description' is longer than \(Limit.descriptionLength) characters.", param: field)
        }
    }

    private static func missing(_ name: String) -> Fault {
        Fault(.notFound, "Blocklist '\(name)' does not exist.", param: "blocklistName")
    }

    // MARK: Paging

    package static func page<Element: Sendable>(_ request: PageRequest, of all: [Element]) -> Page<Element> {
        let remaining = max(0, min(request.top ?? .max, all.count - request.skip))
        let asked = request.maximumPageSize.map { $0 == 0 ? Limit.page : min($0, Limit.largestPage) }
        let size = min(remaining, asked ?? Limit.page)
        let start = min(max(0, request.skip), all.count)
        let value = Array(all[start..<start + size])
        guard size < remaining else { return Page(value: value, next: nil) }
        return Page(
            value: value,
            next: PageRequest(
                top: request.top.map { $0 - size }, skip: request.skip + size, maximumPageSize: request.maximumPageSize))
    }

    /// A version 4 UUID.
    package static func randomID() -> String {
        var generator = SystemRandomNumberGenerator()
        let (high, low): (UInt64, UInt64) = (generator.next(), generator.next())
        let digits = hex(high & 0xFFFF_FFFF_FFFF_0FFF | 0x4000) + hex(low & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000)
        var text = ""
        for (index, digit) in digits.enumerated() {
            if [8, 12, 16, 20].contains(index) { text.append("-") }
            text.append(digit)
        }
        return text
    }

    private static func hex(_ value: UInt64) -> String {
        let text = String(value, radix: 16)
        return String(repeating: "0", count: 16 - text.count) + text
    }
}
