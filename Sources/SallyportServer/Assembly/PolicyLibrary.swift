import Foundation
import SallyportCore
import SallyportGuard
import SallyportStorage

/// All policies in force: the built-in ones, those of the policy directory, and those in the database, later ones in the place of earlier.
package enum PolicyLibrary {
    /// A policy document that cannot be used, with its place.
    package struct Mistake: Error, CustomStringConvertible {
        package let file: String
        package let reason: String
        package var description: String { "\(file): \(reason)" }
    }

    /// The names of all policies that there are: for checks before anything is started.
    package static func names(directory: String?, database: String) throws -> Set<PolicyID> {
        let store =
            FileManager.default.fileExists(atPath: database)
            ? SQLPolicyStore(try SQLiteDatabase(.file(database), configuration: .init(isReadOnly: true))) : nil
        return Set(try load(directory: directory, store: store).map(\.id) + GuardPolicy.builtIn(learned: true).map(\.id))
    }

    /// - Parameter learned: what documents inherit from the built-in policies is what those are without learned guards, too.
    static func load(
        directory: String?, store: (any PolicyStore)?, tenant: TenantID = .default, learned: Bool = true
    ) throws -> [GuardPolicy] {
        var family = try family(directory: directory, store: store, tenant: tenant, learned: learned)
        return try family.policies().sorted { $0.id < $1.id }
    }

    /// All documents that there are.
    package static func family(
        directory: String?, store: (any PolicyStore)?, tenant: TenantID = .default, learned: Bool
    ) throws -> PolicyFamily {
        var family = PolicyFamily(learned: learned)
        if let directory { try family.add(directory: directory) }
        for stored in try store?.policies(of: tenant) ?? [] { family.add(stored) }
        return family
    }
}

/// Policy documents that may be based on one another, read in the order in which they need each other.
package struct PolicyFamily {
    private struct Document {
        let bytes: [UInt8]
        let version: Int
        /// For messages: the file, or the policy's name.
        let place: String
        /// In the database, not the directory.
        let isStored: Bool
    }

    private var documents: [PolicyID: Document] = [:]
    /// Documents of the directory that one in the database stands before.
    private var hidden: [PolicyID: Document] = [:]
    private var read: [PolicyID: GuardPolicy] = [:]
    private let builtIn: [PolicyID: GuardPolicy]
    /// How many documents may stand behind one another.
    private static let maximumDepth = 16

    package init(learned: Bool) {
        builtIn = Dictionary(GuardPolicy.builtIn(learned: learned).map { ($0.id, $0) }) { first, _ in first }
    }

    package mutating func add(directory: String) throws {
        let names: [String]
        do { names = try FileManager.default.contentsOfDirectory(atPath: directory) } catch {
            throw PolicyLibrary.Mistake(file: directory, reason: "cannot be read")
        }
        for name in names.sorted() where name.hasSuffix(".json") {
            let path = "\(directory)/\(name)"
            guard let bytes = FileManager.default.contents(atPath: path) else {
                throw PolicyLibrary.Mistake(file: path, reason: "cannot be read")
            }
            let id: PolicyID
            do { id = try PolicyDocument.name(of: Array(bytes), named: String(name.dropLast(5))) } catch {
                throw PolicyLibrary.Mistake(file: path, reason: "\(error)")
            }
            guard documents.updateValue(Document(bytes: Array(bytes), version: 1, place: path, isStored: false), forKey: id) == nil else {
                throw PolicyLibrary.Mistake(file: path, reason: "the policy '\(id)' is defined twice")
            }
        }
    }

    package mutating func add(_ stored: StoredPolicy) {
        // What is based on it is read anew.
        read = [:]
        let former = documents.updateValue(
            Document(bytes: stored.document, version: stored.version, place: "policy \(stored.name)", isStored: true), forKey: stored.name)
        if let former, !former.isStored { hidden[stored.name] = former }
    }

    /// As if this one were not in the database: the directory's of its name comes forth, when there is one.
    package func removingStored(_ name: PolicyID) -> PolicyFamily {
        var family = self
        guard documents[name]?.isStored == true else { return family }
        family.read = [:]
        family.documents[name] = hidden[name]
        return family
    }

    package var names: Set<PolicyID> { Set(documents.keys) }

    /// A document as it would be in force in the place of the one with its name, beside all others.
    /// - Throws: ``PolicyLibrary/Mistake``, also for another document that is based on it and would make no sense any more.
    package func policy(putting document: StoredPolicy) throws -> GuardPolicy {
        var family = self
        family.add(document)
        let policy = try family.policy(document.name)
        if let broken = broken(by: family).first { throw broken }
        return policy
    }

    /// What makes sense here, and in a changed family does not. What made none before does not stand in the way of putting it right piece by piece.
    package func broken(by family: PolicyFamily) -> [PolicyLibrary.Mistake] {
        var before = self
        var after = family
        return family.names.intersection(names).sorted().compactMap { name in
            guard (try? before.policy(name)) != nil else { return nil }
            do { _ = try after.policy(name) } catch { return error as? PolicyLibrary.Mistake }
            return nil
        }
    }

    /// Documents that cannot be used: while there is one, nothing new is taken into use.
    package var mistakes: [PolicyLibrary.Mistake] {
        var family = self
        return names.sorted().compactMap { name in
            do { _ = try family.policy(name) } catch { return error as? PolicyLibrary.Mistake }
            return nil
        }
    }

    /// - Throws: ``PolicyLibrary/Mistake`` for the first document that cannot be used.
    package mutating func policies() throws -> [GuardPolicy] {
        try documents.keys.sorted().map { try policy($0, behind: []) }
    }

    /// One document, with all that it is based on.
    package mutating func policy(_ id: PolicyID) throws -> GuardPolicy { try policy(id, behind: []) }

    private mutating func policy(_ id: PolicyID, behind path: [PolicyID]) throws -> GuardPolicy {
        if let known = read[id] { return known }
        guard let document = documents[id] else { throw PolicyLibrary.Mistake(file: id.rawValue, reason: "does not exist") }
        func mistake(_ reason: String) -> PolicyLibrary.Mistake { PolicyLibrary.Mistake(file: document.place, reason: reason) }
        guard path.count < PolicyFamily.maximumDepth else { throw mistake("is based on more than \(PolicyFamily.maximumDepth) others") }
        var family = self
        defer { read = family.read }
        do {
            let policy = try PolicyDocument.policy(from: document.bytes, named: id.rawValue, version: document.version) { name in
                let base = PolicyID(name)
                // A document in the place of a built-in policy may be based on that one.
                if base == id, let own = builtIn[base] { return own }
                guard base != id, !path.contains(base) else {
                    throw mistake("properties.basePolicyName: is based on itself, through '\(name)'")
                }
                if family.documents[base] != nil { return try family.policy(base, behind: path + [id]) }
                return builtIn[base]
            }
            family.read[id] = policy
            return policy
        } catch let error as PolicyDocument.Mistake {
            throw mistake("\(error)")
        }
    }
}
