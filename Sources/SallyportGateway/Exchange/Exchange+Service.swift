import Foundation
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

    private static let locations = ["operation-location", "location"]

    /// Where what was begun will be found: under the same path of this gateway, whichever of its hosts the service named.
    /// - Returns: by field; what leads out of the service's paths is left out.
    var resultLocations: [(name: String, target: String)] {
        guard case .service(let upstream)? = target else { return [] }
        return Exchange.locations.compactMap { name in
            guard let value = answerHeaders.first(name), let scheme = value.range(of: "://"),
                let start = value[scheme.upperBound...].firstIndex(of: "/")
            else { return nil }
            let target = String(value[start...])
            guard let path = try? CanonicalPath(parsing: target) else { return nil }
            let spelled = "/" + path.segments.joined(separator: "/")
            guard upstream.paths.contains(where: { spelled == $0 || spelled.hasPrefix($0 + "/") }) else { return nil }
            return (name, target)
        }
    }
}
