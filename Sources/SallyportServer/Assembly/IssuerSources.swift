import FoundationEssentials
import Logging
import NIOCore
import SallyportCore
import SallyportEgress
import SallyportIdentity

/// Issuers and their keys: which upstreams they are for the egress client, and how their keys are fetched through it.
enum IssuerSources {
    private static let maximumAnswer = 1 << 20

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// An URL as the upstream that it leads to and the target that is asked for there.
    struct Place: Sendable, Hashable {
        let origin: String
        let target: String

        init(_ url: String) {
            guard let scheme = url.firstRange(of: "://"), let slash = url[scheme.upperBound...].firstIndex(of: "/") else {
                (origin, target) = (url, "/")
                return
            }
            (origin, target) = (String(url[..<slash]), String(url[slash...]))
        }
    }

    private static func description(of plan: ServerPlan.IssuerPlan) -> UpstreamID { UpstreamID("issuer:\(plan.issuer.name)") }
    private static func keysID(of plan: ServerPlan.IssuerPlan) -> UpstreamID { UpstreamID("issuer-keys:\(plan.issuer.name)") }

    static func upstreams(_ plans: [ServerPlan.IssuerPlan]) throws -> [UpstreamConfiguration] {
        try plans.flatMap { plan in
            var asked = plan.keys.map { [(keysID(of: plan), $0)] } ?? [(description(of: plan), plan.discovery)]
            if plan.signIn != nil, plan.keys != nil { asked.append((description(of: plan), plan.discovery)) }
            return try asked.map { id, url in
                UpstreamConfiguration(
                    id: id, kind: .openAI, endpoint: try EndpointURL(parsing: Place(url).origin),
                    timeouts: UpstreamTimeouts(connect: .seconds(3), firstByte: .seconds(5), idle: .seconds(5), total: .seconds(8)),
                    tls: UpstreamTLS(authoritiesFile: plan.authoritiesFile), egress: EgressPolicy(allowPrivate: true))
            }
        }
    }

    static func sources(_ plans: [ServerPlan.IssuerPlan], _ client: EgressClient, gate: TokenGate, logger: Logger) -> [TokenGate.Source] {
        plans.map { plan in
            TokenGate.Source(
                plan.issuer,
                keys: IssuerKeys(policy: plan.policy, didLose: { gate.forget() }) { eventLoop in
                    keys(of: plan, client, on: eventLoop).flatMapErrorThrowing { error in
                        logger.warning(
                            "an issuer's keys could not be fetched",
                            metadata: ["issuer.name": "\(plan.issuer.name)", "reason": "\(reason(error))"])
                        throw error
                    }
                })
        }
    }

    private static func reason(_ error: any Error) -> String {
        if let failure = error as? UpstreamFailure { return failure.message }
        if let mistake = error as? KeySet.Mistake { return mistake.description }
        return (error as? Failure)?.description ?? "\(type(of: error))"
    }

    /// The issuer's keys as they are now.
    static func keys(of plan: ServerPlan.IssuerPlan, _ client: EgressClient, on eventLoop: any EventLoop) -> EventLoopFuture<KeySet> {
        if let url = plan.keys {
            return get(Place(url).target, keysID(of: plan), client, on: eventLoop).flatMapThrowing { try KeySet(parsing: $0) }
        }
        let described = Place(plan.discovery)
        return get(described.target, description(of: plan), client, on: eventLoop).flatMap { json in
            do {
                let found = try keysPlace(json, of: plan, describedAt: described)
                return get(found.target, description(of: plan), client, on: eventLoop).flatMapThrowing { try KeySet(parsing: $0) }
            } catch {
                return eventLoop.makeFailedFuture(error)
            }
        }
    }

    private struct Description: Decodable {
        let issuer: String
        let jwks_uri: String
    }

    /// The description must speak of this very issuer (OpenID Connect Discovery, 4.3), and its keys must lie beside it: an address that came over the
    /// network is not connected to unless it was configured.
    private static func keysPlace(_ json: [UInt8], of plan: ServerPlan.IssuerPlan, describedAt place: Place) throws -> Place {
        guard let description = try? JSONDecoder().decode(Description.self, from: Data(json)) else {
            throw Failure(description: "its description is not that of an OpenID provider")
        }
        guard description.issuer == plan.issuer.issuer else { throw Failure(description: "its description is that of another issuer") }
        let keys = Place(description.jwks_uri)
        guard keys.origin == place.origin else {
            throw Failure(description: "its keys are on another host than its description: name them with 'jwksUri'")
        }
        return keys
    }

    // MARK: Signing in

    /// Where people sign in, as the issuer describes itself. The token endpoint must lie beside the description.
    static func endpoints(
        of plan: ServerPlan.IssuerPlan, _ client: EgressClient, on eventLoop: any EventLoop
    ) -> EventLoopFuture<OpenIDSignIn.Endpoints> {
        let place = Place(plan.discovery)
        return get(place.target, description(of: plan), client, on: eventLoop).flatMapThrowing { json in
            guard let endpoints = try? OpenIDSignIn.Endpoints(parsing: json) else {
                throw Failure(description: "its description is not that of an OpenID provider")
            }
            guard endpoints.issuer == plan.issuer.issuer else { throw Failure(description: "its description is that of another issuer") }
            guard Place(endpoints.token).origin == place.origin else {
                throw Failure(description: "its token endpoint is on another host than its description")
            }
            return endpoints
        }
    }

    /// Exchanges a code.
    static func token(
        _ endpoint: String, form: String, of plan: ServerPlan.IssuerPlan, _ client: EgressClient, on eventLoop: any EventLoop
    ) -> EventLoopFuture<[UInt8]> {
        let promise = eventLoop.makePromise(of: [UInt8].self)
        let gatherer = AnswerGatherer(limit: maximumAnswer, promise)
        gatherer.call = client.send(
            UpstreamRequest(
                upstream: description(of: plan), method: "POST", path: Place(endpoint).target,
                headers: ["accept": "application/json", "content-type": "application/x-www-form-urlencoded"],
                body: [ByteBuffer(string: form)],
                retrySafety: .never),
            on: eventLoop, delegate: gatherer)
        return promise.futureResult
    }

    private static func get(
        _ target: String, _ upstream: UpstreamID, _ client: EgressClient, on eventLoop: any EventLoop
    ) -> EventLoopFuture<[UInt8]> {
        let promise = eventLoop.makePromise(of: [UInt8].self)
        let gatherer = AnswerGatherer(limit: maximumAnswer, promise)
        gatherer.call = client.send(
            UpstreamRequest(
                upstream: upstream, method: "GET", path: target, headers: ["accept": "application/json"], retrySafety: .beforeFirstByte),
            on: eventLoop, delegate: gatherer)
        return promise.futureResult
    }
}

/// A whole answer of status 200, up to a limit.
private final class AnswerGatherer: UpstreamResponseDelegate {
    var call: (any UpstreamCall)?
    private let limit: Int
    private let promise: EventLoopPromise<[UInt8]>
    private var status = 0
    private var body: [UInt8] = []

    init(limit: Int, _ promise: EventLoopPromise<[UInt8]>) {
        self.limit = limit
        self.promise = promise
    }

    func upstreamDidReceiveHead(status: Int, headers: HeaderFields) { self.status = status }

    func upstreamDidReceiveBody(_ chunk: ByteBuffer) {
        guard body.count + chunk.readableBytes <= limit else {
            promise.fail(IssuerSources.Failure(description: "its answer is too long"))
            call?.cancel()
            return
        }
        body.append(contentsOf: chunk.readableBytesView)
    }

    func upstreamDidFinish(trailers: HeaderFields) {
        call = nil
        if status == 200 { promise.succeed(body) } else { promise.fail(IssuerSources.Failure(description: "it answered \(status)")) }
    }

    func upstreamDidFail(_ failure: UpstreamFailure) {
        call = nil
        promise.fail(failure)
    }
}
