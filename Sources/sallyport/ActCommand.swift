import ArgumentParser
import Foundation

/// A command that does one act to one thing, on record before it is done, and says what came of it.
protocol ActCommand: AsyncParsableCommand {
    /// What the act is called in the audit log.
    static var act: String { get }
    var store: StoreOptions { get }
    /// What it is done to, as the record names it.
    var target: String { get }

    /// - Returns: what is printed.
    func perform(at now: Int64) throws -> String
}

extension ActCommand {
    func run() async throws {
        print(try store.recorded(Self.act, target: target) { try perform(at: Int64(Date().timeIntervalSince1970)) })
    }

    /// Who is at the command line.
    var operatorName: String { "os-user:\(NSUserName())" }
}
