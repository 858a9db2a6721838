import Foundation
import SallyportCore
import SallyportGuard
import SallyportStorage

/// All policies in force: the built-in ones, those of the policy directory, and those in the database, later ones in the place of earlier.
enum PolicyLibrary {
    /// A policy document that cannot be used, with its place.
    struct Mistake: Error, CustomStringConvertible {
        let file: String
        let reason: String
        var description: String { "\(file): \(reason)" }
    }

    /// The names of all policies that there are: for checks before anything is started.
    static func names(directory: String?, database: String) throws -> Set<PolicyID> {
        struct Nothing: PolicyStore {
            func policies(of tenant: TenantID) throws -> [StoredPolicy] { [] }
            func put(_ name: PolicyID, document: [UInt8], of tenant: TenantID, at now: Int64) throws -> Int { 0 }
            func delete(_ name: PolicyID, of tenant: TenantID) throws -> Bool { false }
            func revision() throws -> Int64 { 0 }
        }
        let store: any PolicyStore =
            FileManager.default.fileExists(atPath: database)
            ? SQLPolicyStore(try SQLiteDatabase(.file(database), configuration: .init(isReadOnly: true))) : Nothing()
        return Set(try load(directory: directory, store: store).map(\.id) + GuardPolicy.builtIn(learned: true).map(\.id))
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
