import NIOConcurrencyHelpers
import SallyportCore

/// The compiled blocklists of all tenants. Reading is a short lock and a look-up; compiling is done by whoever changes the lists, off
/// the event
/// loops, and swapped in whole: a text is judged by the lists before a change or after it, never by a mixture.
package final class BlocklistLibrary: Sendable {
    private struct Shelf: Sendable {
        var lists: [String: (list: Blocklist, items: [BlocklistItem])] = [:]
        /// Indexes for the sets of lists that somebody asked for, newest use last.
        var indexes: [(names: Set<String>, index: BlocklistIndex)] = []
    }

    private struct State: Sendable {
        var shelves: [TenantID: Shelf] = [:]
        var revision: Int64?
    }

    private let compiler: any PatternCompiler
    private let state = NIOLockedValueBox(State())
    /// One build at a time, so that a slow build cannot undo a newer one.
    private let building = NIOLock()
    /// Sets of lists kept compiled per tenant; the one not used for longest goes first.
    private static let keptIndexes = 64

    package init(compiler: any PatternCompiler) { self.compiler = compiler }

    /// Reads the tenants' lists anew when the store has changed since the last time. Blocks: call it on a thread pool.
    /// - Returns: whether anything was read.
    /// - Throws: and then everything stays as it was.
    @discardableResult
    package func refresh(from store: any BlocklistStore, tenants: [TenantID]) throws -> Bool {
        try building.withLock {
            // Read before the lists, so that a change in between is read again next time.
            let revision = try store.revision()
            let (known, shelved) = state.withLockedValue { ($0.revision, Set($0.shelves.keys)) }
            guard known != revision || !shelved.isSuperset(of: tenants) else { return false }
            var rebuilt: [TenantID: Shelf] = [:]
            // A new revision may be any tenant's; without one only those are read that are not here yet.
            for tenant in known == revision ? Set(tenants).subtracting(shelved) : shelved.union(tenants) {
                let lists = try store.blocklists(of: tenant).map { (list: $0, items: try store.items(of: $0.name, tenant: tenant)) }
                rebuilt[tenant] = try shelf(lists, replacing: tenant)
            }
            state.withLockedValue {
                $0.shelves.merge(rebuilt) { $1 }
                $0.revision = revision
            }
            return true
        }
    }

    /// Puts these lists in the place of all that the tenant had. Blocks.
    package func replace(_ lists: [(list: Blocklist, items: [BlocklistItem])], of tenant: TenantID) throws {
        try building.withLock {
            let shelf = try shelf(lists, replacing: tenant)
            state.withLockedValue { $0.shelves[tenant] = shelf }
        }
    }

    /// A shelf with the lists, on which every set of lists that was in use is compiled again. Sets that name a list which is gone are
    /// dropped.
    private func shelf(_ lists: [(list: Blocklist, items: [BlocklistItem])], replacing tenant: TenantID) throws -> Shelf {
        var shelf = Shelf()
        for entry in lists { shelf.lists[entry.list.name] = entry }
        let old = state.withLockedValue { $0.shelves[tenant] }
        for (names, index) in old?.indexes ?? [] where names.allSatisfy({ shelf.lists[$0] != nil }) {
            let isSame = names.allSatisfy { old?.lists[$0]?.items == shelf.lists[$0]?.items }
            shelf.indexes.append((names, isSame ? index : try compiled(names, on: shelf)))
        }
        return shelf
    }

    private func compiled(_ names: Set<String>, on shelf: Shelf) throws -> BlocklistIndex {
        try BlocklistIndex(
            names.sorted().map { name in
                guard let entry = shelf.lists[name] else { throw Fault(.notFound, "Blocklist '\(name)' does not exist.") }
                return entry
            }, compiler: compiler)
    }

    /// The index of exactly these lists when it is compiled already. Never blocks for long.
    package func preparedIndex(of names: Set<String>, tenant: TenantID) -> BlocklistIndex? {
        state.withLockedValue { $0.shelves[tenant]?.indexes.first { $0.names == names }?.index }
    }

    /// The index of exactly these lists, compiled now when nobody asked for it before. Blocks then: call it on a thread pool, and when a
    /// policy is loaded, so that requests find it prepared.
    /// - Throws: ``Fault`` `.notFound` for a list that does not exist.
    package func index(of names: Set<String>, tenant: TenantID) throws -> BlocklistIndex {
        if let prepared = preparedIndex(of: names, tenant: tenant) { return prepared }
        return try building.withLock {
            let shelf = state.withLockedValue { $0.shelves[tenant] } ?? Shelf()
            if let index = shelf.indexes.first(where: { $0.names == names })?.index { return index }
            let index = try compiled(names, on: shelf)
            state.withLockedValue {
                var shelf = $0.shelves[tenant] ?? Shelf()
                shelf.indexes.append((names, index))
                if shelf.indexes.count > Self.keptIndexes { shelf.indexes.removeFirst() }
                $0.shelves[tenant] = shelf
            }
            return index
        }
    }
}
