import Foundation
import SallyportCore
import SallyportOversight
import SallyportStorage

/// Reports as signed notes: JSON in a text that says whose it is.
package struct SignedReports: Sendable {
    private let signer: ReportSigner
    package init(database: any SQLDatabase, tenant: TenantID = .default) throws {
        signer = try ReportSigner(
            secret: SQLTenantSecretStore(database).secret("reports", of: tenant) { try ReportSigner(name: "sallyport/reports").secret })
    }

    /// - Throws: when it is no signed report, or not signed by this key.
    package static func text(of report: String, signedBy key: String) throws -> String {
        try ReportSigner.text(of: report, signedBy: key)
    }

    package var verifierKey: String { signer.verifierKey }

    package func report(_ content: some Encodable) throws -> (text: String, digest: String) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
        let text = try signer.sign(String(decoding: try encoder.encode(content), as: UTF8.self))
        return (text, ReportSigner.digest(of: text))
    }
}
