/// What was found in a file that a model is customised with, or that holds a batch of calls. Row numbers and kinds, never text of the file.
package struct TrainingFileReport: Sendable, Hashable, Codable {
    package enum Format: String, Sendable, Hashable, Codable {
        /// `messages` (chat).
        case chat
        /// `prompt` and `completion`.
        case completion
        /// `input`, `preferred_output`, `non_preferred_output`.
        case preference
        /// Calls of a batch.
        case batch
        /// No rows of JSON: a document.
        case document
    }
    package enum Kind: String, Sendable, Hashable, Codable, CaseIterable {
        case invalidRow, duplicate, labelFlip, trigger, hiddenInstruction, invisibleText, sensitive, secret, harm, attack, blocklist,
            otherFinding
    }
    package struct Item: Sendable, Hashable, Codable {
        /// Counted from 1; 0: the file as a whole.
        package let row: Int
        package let kind: Kind
        /// A category's name or what is wrong with the row.
        package let detail: String
        package init(row: Int, kind: Kind, detail: String) {
            self.row = row
            self.kind = kind
            self.detail = detail
        }
    }

    package var format: Format
    package var rows = 0
    package var counts: [String: Int] = [:]
    /// The first of each kind.
    package var items: [Item] = []
    /// Share of rows that say what another row says.
    package var duplicateShare = 0.0
    package var licence: String?
    /// Whose data it is, or where their consent stands: as the uploader says.
    package var consent: String?
    /// The consent register has all of them for the purpose `customising`.
    package var isConsentProven = false
    /// The label that a model made of it inherits; nil: nothing speaks for one.
    package var label: String?
    /// Why it was refused; empty: it was not.
    package var refusals: [String] = []
    /// SHA-256 of the file, in hex.
    package var hash = ""

    package init(format: Format) { self.format = format }

    private static let mostItems = 50

    package mutating func note(_ kind: Kind, row: Int, _ detail: String) {
        counts[kind.rawValue, default: 0] += 1
        if counts[kind.rawValue, default: 0] <= TrainingFileReport.mostItems { items.append(Item(row: row, kind: kind, detail: detail)) }
    }

    package func count(_ kind: Kind) -> Int { counts[kind.rawValue, default: 0] }
}

/// Reports at rest. Every method blocks.
package protocol TrainingFileReportStore: Sendable {
    func put(_ report: TrainingFileReport, id: String, owner: PrincipalID, project: ProjectID, tenant: TenantID, at now: Int64) throws
    /// - Returns: also whose it is: a principal, and its project.
    func report(_ id: String, tenant: TenantID) throws -> (report: TrainingFileReport, owner: PrincipalID, project: ProjectID)?
}
