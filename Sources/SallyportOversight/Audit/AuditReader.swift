#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Which records a reader gives. Fields that are nil match everything.
package struct AuditFilter: Sendable {
    /// `exchange.intent`, `admin.act` and so on.
    package var types: Set<String>?
    package var tenant: String?
    package var principal: String?
    package var deployment: String?
    package var verdict: String?
    /// RFC 3339 in UTC, as records spell it (`2026-11-24T10:00:00.000Z`); records at this time are given.
    package var since: String?
    /// Records at this time are not given.
    package var until: String?

    package init(
        types: Set<String>? = nil, tenant: String? = nil, principal: String? = nil, deployment: String? = nil, verdict: String? = nil,
        since: String? = nil, until: String? = nil
    ) {
        self.types = types
        self.tenant = tenant
        self.principal = principal
        self.deployment = deployment
        self.verdict = verdict
        self.since = since
        self.until = until
    }

    package func matches(_ line: AuditLine) -> Bool {
        if let tenant, !line.field("tenant", is: tenant) { return false }
        if let principal, !line.field("principal", is: principal) { return false }
        if let deployment, !line.field("deployment", is: deployment) { return false }
        if let verdict, !line.field("verdict", is: verdict) { return false }
        if let types, !(line.string("type").map(types.contains) ?? false) { return false }
        if since != nil || until != nil {
            // One spelling, fixed width, UTC: times compare as text.
            guard let time = line.string("time") else { return false }
            if let since, time < since { return false }
            if let until, time >= until { return false }
        }
        return true
    }
}

/// Reads the records of a log in order, in constant memory, from a running log too. Blocks.
package struct AuditReader: Sendable {
    private let layout: AuditLayout
    private let maximumRecordBytes: Int

    package init(directory: String, maximumRecordBytes: Int = AuditLog.defaultMaximumRecordBytes) {
        layout = AuditLayout(root: directory)
        self.maximumRecordBytes = maximumRecordBytes
    }

    /// Where reading goes on: a record's number and its place. Kept by whoever follows a log.
    package struct Position: Sendable, Hashable, Codable {
        package let index: UInt64
        let segment: UInt64
        let offset: Int
        package static let start = Position(index: 0, segment: 0, offset: 0)
    }

    /// Gives each record at or after `index` with its number; `body` returns false to stop.
    /// - Returns: the number of the record after the last one given.
    @discardableResult
    package func forEach(from index: UInt64 = 0, where filter: AuditFilter? = nil, _ body: (UInt64, AuditLine) throws -> Bool) throws
        -> UInt64
    {
        let segment = try layout.listSegments().indices.last { $0 <= index } ?? 0
        return try read(after: Position(index: segment, segment: segment, offset: 0), filter) { number, line in
            try number < index || body(number, line)
        }.index
    }

    /// Gives the records after a position: called again with what it returned, it follows the log.
    package func read(
        after position: Position, where filter: AuditFilter? = nil, _ body: (UInt64, AuditLine) throws -> Bool
    ) throws -> Position {
        try read(after: position, filter, body)
    }

    private func read(
        after position: Position, _ filter: AuditFilter?, _ body: (UInt64, AuditLine) throws -> Bool
    ) throws -> Position {
        var index = position.index
        var place = position
        for segment in try layout.listSegments().indices where segment >= position.segment {
            guard segment == position.segment || segment == index else {
                // What comes is not what follows: the segment before is still being written, or records are missing.
                return place
            }
            var offset = segment == position.segment ? position.offset : 0
            if try offset > 0 && !isLineStart(offset, of: segment) {
                // Records that were read there were not acknowledged, and were cut off when the disk failed: the place is found by its number.
                offset = 0
                index = segment
            }
            var reader = try LineReader(layout.segment(segment), from: offset, limit: maximumRecordBytes)
            while let bytes = try reader.next() {
                let line = AuditLine(bytes)
                let goesOn = try index < position.index ? true : filter.map { $0.matches(line) } ?? true ? body(index, line) : true
                index += 1
                place = Position(index: index, segment: segment, offset: reader.offset)
                if !goesOn { return place }
            }
        }
        return place
    }

    private func isLineStart(_ offset: Int, of segment: UInt64) throws -> Bool {
        var byte: UInt8 = 0
        let file = try OpenFile(layout.segment(segment), O_RDONLY)
        return try withUnsafeMutableBytes(of: &byte) { try file.read(into: $0, at: offset - 1) } == 1 && byte == 0x0A
    }

    /// The numbers of the records whose top-level `id` is this one: an exchange's intent and outcome share it.
    package func indices(ofID id: String) throws -> [UInt64] {
        var found: [UInt64] = []
        // `id` stands near the front of a record, where the search for it ends.
        try forEach { index, line in
            if line.field("id", is: id) { found.append(index) }
            return true
        }
        return found
    }

    /// A record's bytes, without the newline.
    package func record(at index: UInt64) throws -> [UInt8] {
        var record: [UInt8]?
        try forEach(from: index) { _, line in
            record = Array(line.bytes)
            return false
        }
        guard let record else { throw AuditError.notFound("record \(index)") }
        return record
    }
}
