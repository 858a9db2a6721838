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
        case .inaccessible(let why):
            "\(path): the database cannot be opened (\(why))."
        }
    }
}
