import NIOConcurrencyHelpers
import NIOCore
import SallyportCore

/// Sends each upstream's health probe at its interval, on one event loop.
final class ProbeSchedule: Sendable {
    private let eventLoop: any EventLoop
    private let tasks = NIOLockedValueBox<[(endpoint: UpstreamEndpoint, task: RepeatedTask)]>([])

    init(eventLoop: any EventLoop) { self.eventLoop = eventLoop }

    func replace(with endpoints: [UpstreamEndpoint], client: EgressClient) {
        tasks.withLockedValue { tasks in
            let kept = tasks.filter { entry in endpoints.contains { $0 === entry.endpoint } }
            for entry in tasks where !kept.contains(where: { $0.endpoint === entry.endpoint }) { entry.task.cancel() }
            tasks = kept
            for endpoint in endpoints where !kept.contains(where: { $0.endpoint === endpoint }) {
                guard let probe = endpoint.configuration.probe else { continue }
                let interval = max(.milliseconds(10), TimeAmount(probe.interval))
                let task = eventLoop.scheduleRepeatedAsyncTask(initialDelay: .zero, delay: interval) { [weak client, eventLoop] _ in
                    client.map { ProbeSchedule.ask(endpoint, probe, through: $0, on: eventLoop) } ?? eventLoop.makeSucceededVoidFuture()
                }
                tasks.append((endpoint, task))
            }
        }
    }

    private static func ask(
        _ endpoint: UpstreamEndpoint, _ probe: UpstreamProbe, through client: EgressClient, on eventLoop: any EventLoop
    ) -> EventLoopFuture<Void> {
        let request = UpstreamRequest(
            upstream: endpoint.id, method: "GET", path: probe.path, attemptTimeout: probe.timeout, totalTimeout: probe.timeout,
            retrySafety: .beforeFirstByte)
        let promise = eventLoop.makePromise(of: CollectedAnswer.self)
        let collector = AnswerCollector(limit: 1024 * 1024, promise: promise)
        collector.call = client.send(request, on: eventLoop, delegate: collector, isProbe: true)
        return promise.futureResult.map { answer in
            endpoint.recordProbe(failure: answer.status < 500 ? nil : "the probe was answered \(answer.status)")
        }.flatMapErrorThrowing { error in
            endpoint.recordProbe(failure: "the probe failed: \((error as? UpstreamFailure)?.message ?? "\(type(of: error))")")
        }
    }
}
