import Foundation
import SallyportCore
import SallyportGuard

/// All policies in force: the built-in ones, those of the policy directory, and those in the database, later ones in the place of earlier.
enum PolicyLibrary {
    /// A policy document that cannot be used, with its place.
    struct Mistake: Error, CustomStringConvertible {
        let file: String
        let reason: String
        var description: String { "\(file): \(reason)" }
    }

    static func load(directory: String?, store: any PolicyStore, tenant: TenantID = .default) throws -> [GuardPolicy] {
        var policies: [PolicyID: GuardPolicy] = [:]
        if let directory {
            let names: [String]
            do { names = try FileManager.default.contentsOfDirectory(atPath: directory) } catch {
                throw Mistake(file: directory, reason: "cannot be read")
            }
            for name in names.sorted() where name.hasSuffix(".json") {
                let path = "\(directory)/\(name)"
                guard let bytes = FileManager.default.contents(atPath: path) else { throw Mistake(file: path, reason: "cannot be read") }
                do {
                    let policy = try PolicyDocument.policy(from: Array(bytes), named: String(name.dropLast(5)))
                    guard policies.updateValue(policy, forKey: policy.id) == nil else {
                        throw Mistake(file: path, reason: "the policy '\(policy.id)' is defined twice")
                    }
                } catch let mistake as PolicyDocument.Mistake {
                    throw Mistake(file: path, reason: "\(mistake)")
                }
            }
        }
        for stored in try store.policies(of: tenant) {
            policies[stored.name] = try PolicyDocument.policy(from: stored.document, named: stored.name.rawValue, version: stored.version)
        }
        return policies.values.sorted { $0.id < $1.id }
    }
}
