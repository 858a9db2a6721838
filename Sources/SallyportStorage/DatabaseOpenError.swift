import GRDB

/// Why a database file cannot be used, in words for the operator. Fatal at start.
package struct DatabaseOpenError: Error, CustomStringConvertible {
    package enum Reason: Sendable, Hashable {
        /// The file is not sound; with SQLite's first complaint.
        case damaged(String)
        /// The file belongs to another program.
        case foreign
        /// A later version of Sallyport has changed the tables.
        case newer
        /// Others may write to the folder, so that the file could be exchanged.
        case exposed(String)
        /// An earlier version's tables, in a database that is not ours to bring up to date.
        case older
        /// A copy: no gateway has it in use.
        case unused
        /// The file or its folder belongs to another user.
        case othersOwn(String)
        /// The gateway that it belongs to has no identities of its own, but those in this folder.
        case borrowing(String)
        /// The file lies on a network file system.
        case remote
        /// The file or its folder cannot be read or made.
        case inaccessible(String)
    }

    package let path: String
    package let reason: Reason

    init(path: String, reason: Reason) {
        self.path = path
        self.reason = reason
    }

    init(path: String, _ error: DatabaseError) {
        let text = error.message ?? "SQLite error \(error.resultCode.rawValue)"
        switch error.resultCode {
        case .SQLITE_NOTADB: self.init(path: path, reason: .damaged("it is not a database"))
        case .SQLITE_CORRUPT: self.init(path: path, reason: .damaged(text))
        default: self.init(path: path, reason: .inaccessible(text))
        }
    }

    package var description: String {
        switch reason {
        case .damaged(let what):
            "\(path): the database is damaged (\(what)). Restore it from a backup, or move it away to start with an empty one."
        case .foreign:
            "\(path): this database belongs to another program. Choose another folder in data.directory."
        case .newer:
            "\(path): this database was written by a newer version of Sallyport. Run that version, or restore a backup."
        case .exposed(let folder):
            "\(path): everybody on this machine may write to \(folder). Run: chmod 700 \(folder)"
        case .older:
            "\(path): this database was written by an older version of Sallyport. Start the gateway that it belongs to with this version first."
        case .unused:
            "\(path): no gateway has this database in use: it is a copy. Name the data directory of a gateway in data.identity."
        case .othersOwn(let place):
            "\(path): \(place) belongs to another user. Gateways that share identities run as one user."
        case .borrowing(let source):
            "\(path): that gateway takes its identities from \(source) itself. Name \(source) in data.identity."
        case .remote:
            "\(path): this is a network file system, where processes cannot share a database. Gateways that share identities run on one host."
        case .inaccessible(let why):
            "\(path): the database cannot be opened (\(why))."
        }
    }
}
