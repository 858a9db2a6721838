import SallyportCore
import SallyportGuard
import SallyportWire

/// Other Azure AI services by path prefix: the same identity, limits, guards and record; their bodies are read as text throughout.
extension Exchange {
    func decideService(_ upstream: UpstreamDescriptor) throws {
        guard let principal else { throw Fault.invalidKey }
        try authorise()
        let isText = body.readableBytes == 0 || (head.headers.first(name: "content-type")?.mentions("json") ?? true)
        let operation = Operation(.service, "*", "", body: body.readableBytes == 0 ? .none : .any, answer: .json(Shapes.anyAnswer))
        policy = try snapshot.policy(floor: upstream.policy, selected: head.headers.first(name: "x-policy-id"), by: principal)
        guard isText || policy.action(onUninspectable: .binary) == .record else {
            throw Fault(
                .uninspectable, "The request holds content that cannot be inspected (binary), which the policy '\(policy.id)' refuses.")
        }
        targets = [DeploymentTarget(upstream: upstream.id, model: "")]
        try decideUnnamed(operation, for: principal, isText: isText)
    }
}
