import Foundation
import SallyportConsole
import SallyportCore
import SallyportGuard

/// What administrators may do with policies, judged with all policies, deployments and blocklists that there are: the same on the command line,
/// on the administrative surface, and when a second person lets a change happen. Every method blocks.
package struct PolicyAdministration: PolicyDesk {
    private let plan: ServerPlan?
    private let policies: (any PolicyStore)?
    private let blocklists: (any BlocklistStore)?

    /// - Parameters:
    ///   - plan: nil: neither deployments nor a policy directory are known.
    ///   - policies: nil: there are none but the built-in ones.
    ///   - blocklists: nil: nobody knows which there are.
    package init(plan: ServerPlan? = nil, policies: (any PolicyStore)? = nil, blocklists: (any BlocklistStore)? = nil) {
        self.plan = plan
        self.policies = policies
        self.blocklists = blocklists
    }

    private func family() throws -> PolicyFamily {
        do {
            return try PolicyLibrary.family(directory: plan?.policiesDirectory, store: policies, learned: plan?.learned.isEnabled ?? true)
        } catch let mistake as PolicyLibrary.Mistake {
            throw Fault(.conflict, "The policies that there are cannot be read: \(mistake).")
        }
    }

    package func files() throws -> [PolicyID] {
        guard let directory = plan?.policiesDirectory,
            let files = try? FileManager.default.contentsOfDirectory(atPath: directory)
        else { return [] }
        return files.filter { $0.hasSuffix(".json") }.map { file in
            let name = String(file.dropLast(5))
            let bytes = FileManager.default.contents(atPath: "\(directory)/\(file)").map { Array($0) } ?? []
            return (try? PolicyDocument.name(of: bytes, named: name)) ?? PolicyID(name)
        }.sorted()
    }

    package func check(_ name: String, _ document: [UInt8]) throws -> PolicyFindings { try check(name, document, needingLists: false) }

    /// - Parameter needsLists: whether a blocklist that is not there is a mistake; else it may be made later.
    package func check(_ name: String, _ document: [UInt8], needingLists needsLists: Bool) throws -> PolicyFindings {
        let policy: GuardPolicy
        var family = try family()
        do {
            let named = try PolicyDocument.name(of: document, named: name)
            guard named.rawValue == name else { throw Fault(.invalidRequest, "The document's name is '\(named)', not '\(name)'.") }
            let stored = StoredPolicy(name: named, version: 1, document: document, createdAt: 0)
            policy = try family.policy(putting: stored)
            family.add(stored)
        } catch let mistake as PolicyDocument.Mistake {
            throw Fault(.invalidRequest, "\(mistake)")
        } catch let mistake as PolicyLibrary.Mistake {
            throw Fault(.invalidRequest, "\(mistake)")
        }
        let lists = try blocklists.map { Set(try $0.blocklists(of: .default).map(\.name)) }
        // A list may be made later; a word that nothing knows never means anything.
        let mistakes = PolicyVocabulary.mistakes(in: policy, blocklists: needsLists ? lists : nil)
        guard mistakes.isEmpty else { throw Fault(.invalidRequest, mistakes.joined(separator: "; ")) }
        let absent = policy.unavailableFilters.sorted().map {
            "no detector here for '\($0)': it must run at the upstream (azure-openai), or requests are refused"
        }
        return PolicyFindings(
            name: name, rules: policy.rules.count, blocklists: policy.blocklists.count, basedOn: policy.lineage,
            notes: PolicyVocabulary.mistakes(in: policy, blocklists: lists) + absent + switchedOff(policy)
                + family.mistakes.map { "nothing new is taken into use while this cannot be read: \($0)" })
    }

    /// What the policy wants of the learned detectors of an installation that has none. The built-in policies do without there, copies
    /// of them do not.
    private func switchedOff(_ policy: GuardPolicy) -> [String] {
        guard plan?.learned.isEnabled == false else { return [] }
        let rules = policy.rules.filter { [.harm, .attack].contains($0.group) && $0.action > .allow }
        let wanted = Set(rules.flatMap { $0.names ?? [$0.group.rawValue] })
        guard !wanted.isEmpty else { return [] }
        return [
            "the learned detectors are switched off (guards.learned): \(wanted.sorted().joined(separator: ", ")) must run at the upstream "
                + "(azure-openai) or at a remote guard, or requests are refused"
        ]
    }

    package func checkRemoval(_ name: String) throws {
        let id = PolicyID(name)
        let family = try family()
        let rest = family.removingStored(id)
        if let broken = family.broken(by: rest).first { throw Fault(.conflict, "'\(name)' is needed: \(broken).") }
        // One of the same name may come forth from under it.
        guard !rest.names.contains(id), !GuardPolicy.builtIn(learned: true).contains(where: { $0.id == id }) else { return }
        let users =
            (plan?.deployments ?? []).filter { $0.policy == id }.map { "the deployment \($0.id)" }
            + (plan?.upstreams ?? []).filter { $0.policy == id }.map { "the upstream \($0.id)" }
        guard users.isEmpty else { throw Fault(.conflict, "'\(name)' is needed: \(users.joined(separator: ", ")).") }
    }
}
