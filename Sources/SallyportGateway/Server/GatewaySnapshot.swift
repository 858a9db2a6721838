import NIOCore
import SallyportCore
import SallyportGuard

/// Everything that a reload may change, as one immutable value: a request works with the snapshot that it began with.
package final class GatewaySnapshot: Sendable {
    package let configuration: GatewayConfiguration
    package let deployments: [DeploymentID: Deployment]
    package let upstreams: [UpstreamID: UpstreamDescriptor]
    package let policies: [PolicyID: GuardPolicy]
    package let engine: GuardEngine
    /// Limits by scope name (`user:…`, `team:…`, `key:…`), and those of a kind's every other member (`user:*`).
    package let limits: [String: LimitSet]
    /// Bytes that the body of a policy hash or a record may name; grows with every reload.
    package let generation: Int
    let services: [UpstreamDescriptor]
    private let inForce: [PolicyID: PolicyInForce]

    package init(
        configuration: GatewayConfiguration, deployments: [Deployment], upstreams: [UpstreamDescriptor], policies: [GuardPolicy],
        engine: GuardEngine, limits: [String: LimitSet] = [:], generation: Int = 1
    ) {
        self.configuration = configuration
        self.deployments = Dictionary(deployments.map { ($0.id, $0) }) { first, _ in first }
        self.upstreams = Dictionary(upstreams.map { ($0.id, $0) }) { first, _ in first }
        self.policies = Dictionary((GuardPolicy.builtIn(learned: engine.isLearned) + policies).map { ($0.id, $0) }) { _, last in last }
        inForce = self.policies.mapValues(PolicyInForce.init)
        self.engine = engine
        self.limits = limits
        self.generation = generation
        services = upstreams.filter { $0.kind == .azureAI }
    }

    /// Where resources without a deployment of their own are made.
    var resourceUpstream: UpstreamDescriptor? {
        if let chosen = configuration.resourceUpstream { return upstreams[chosen] }
        return upstreams.values.filter { $0.kind == .azureOpenAI || $0.kind == .openAI }.min { $0.id < $1.id }
    }

    /// The policy of calls without a deployment (files, batches, vector stores): what they make can be used with any deployment that the
    /// caller may use there, so it must satisfy the policies of all of them.
    func resourcePolicy(
        selected: String?, for principal: Principal, at upstream: UpstreamID?, using mayUse: (DeploymentID) -> Bool
    ) throws -> GuardPolicy {
        let floors = Set(
            deployments.values.filter { deployment in
                mayUse(deployment.id) && deployment.targets.contains { $0.upstream == upstream }
            }.map(\.policy)
        ).sorted()
        var combined = try policy(floor: floors.first ?? "Default", selected: selected, by: principal)
        for floor in floors.dropFirst() { combined = combined.tightened(by: try policy(floor: floor, selected: nil, by: principal)) }
        return combined
    }

    /// The policy in force: the deployment's floor, tightened by the one that the caller selected.
    /// - Throws: ``Fault`` `.invalidContentFilterPolicy` for one that does not exist or was not granted to the caller.
    func policyInForce(floor: PolicyID, selected: String?, by principal: Principal) throws -> PolicyInForce {
        guard let floorPolicy = inForce[floor] else { throw Fault.invalidPolicy }
        guard let selected, selected != floor.rawValue else { return floorPolicy }
        let id = PolicyID(selected)
        guard let chosen = inForce[id], principal.grantedPolicies.contains(id) else { throw Fault.invalidPolicy }
        return PolicyInForce(floorPolicy.value.tightened(by: chosen.value))
    }

    func policy(floor: PolicyID, selected: String?, by principal: Principal) throws -> GuardPolicy {
        try policyInForce(floor: floor, selected: selected, by: principal).value
    }
}
