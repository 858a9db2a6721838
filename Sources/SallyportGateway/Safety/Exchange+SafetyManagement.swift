import NIOCore
import NIOPosix
import SallyportCore
import SallyportOversight

/// What a management call of the Content Safety API answers with.
struct SafetyAnswer: Sendable {
    var status = 200
    var body = ByteBuffer()
    var headers: [(name: String, value: String)] = []
    /// What was done, for the record of an administrative act; nil for reading.
    var act: String?
}

/// Management: an act is on record before it is done, and its result before its caller hears of it.
extension Exchange {
    /// - Parameter work: runs on the pool.
    func manage(_ resource: SafetyResource, work: @escaping @Sendable () throws -> SafetyAnswer) {
        guard head.method != .GET else {
            return runtime.parts.pool.runIfActive(eventLoop: eventLoop, work).assumeIsolated().whenComplete { [self] result in
                continuing { try respondToManagement(try result.get()) }
            }
        }
        // Whether its caller waits for the answer or not.
        var record = administrativeRecord("\(resource.rawValue).\(head.method.rawValue.lowercased())")
        record.details.append((name: "phase", value: "begun"))
        runtime.parts.audit.append(record.encoded(), on: eventLoop).assumeIsolated().whenComplete { [self] result in
            guard case .success = result else { return refuse(Fault.auditUnavailable) }
            runtime.parts.pool.runIfActive(eventLoop: eventLoop, work).assumeIsolated().whenComplete { [self] result in
                if phase == .ended, case .success(let answer) = result, let act = answer.act {
                    var record = administrativeRecord(act)
                    record.status = answer.status
                    _ = runtime.parts.audit.append(record.encoded(), on: eventLoop)
                }
                continuing { try respondToManagement(try result.get()) }
            }
        }
    }

    private func respondToManagement(_ answer: SafetyAnswer) throws {
        // What was done is done: only what was read can still be refused.
        if answer.act == nil { try holdAnswer(answer.body.readableBytes) }
        answerStatus = answer.status
        summary.status = answer.status
        phase = .answering
        let reply = { [self] (isRecorded: Bool) in
            guard phase != .ended else { return }
            guard isRecorded else { return refuse(Fault.auditUnavailable) }
            var headers = baseHeaders()
            for field in answer.headers { headers.append(field.name, field.value) }
            if answer.body.readableBytes > 0 { headers.append("content-type", "application/json") }
            respond(status: answer.status, headers: headers, body: answer.body)
            conclude()
        }
        guard let act = answer.act else { return recordOutcome(verdict: .allowed, then: reply) }
        var record = administrativeRecord(act)
        record.status = answer.status
        runtime.parts.audit.append(record.encoded(), on: eventLoop).assumeIsolated().whenComplete { result in
            if case .success = result { reply(true) } else { reply(false) }
        }
    }

    private func administrativeRecord(_ act: String) -> AuditRecord {
        var record = AuditRecord(.adminAct, id: id)
        record.tenant = principal?.tenant
        record.principal = principal?.id
        record.key = principal?.key
        record.sourceAddress = source.text
        record.operation = act
        record.details = [(name: "path", value: path.map { $0.segments.joined(separator: "/") } ?? "")]
        return record
    }
}
