import NIOCore
import SallyportCore
import SallyportWire

/// The models that a caller may use are the deployments it was given: no upstream is asked.
extension Exchange {
    func answerModels(_ wanted: String?, _ principal: Principal) throws {
        let visible = snapshot.deployments.values.filter { maySee($0) }.sorted { $0.id < $1.id }
        var json = JSONWriter(capacity: 512)
        if let wanted {
            guard let deployment = visible.first(where: { $0.id.rawValue == wanted }) else { throw Fault.resourceNotFound }
            write(deployment, &json)
        } else {
            json.beginObject()
            json.key("object")
            json.string("list")
            json.key("data")
            json.beginArray()
            for deployment in visible { write(deployment, &json) }
            json.endArray()
            json.endObject()
        }
        answerStatus = 200
        summary.status = 200
        finish(json.buffer, type: "application/json")
    }

    /// The union of Azure's and OpenAI's fields, so that both clients find theirs.
    private func write(_ deployment: Deployment, _ json: inout JSONWriter) {
        json.beginObject()
        json.key("id")
        json.string(deployment.id.rawValue)
        json.key("object")
        json.string("model")
        json.key("status")
        json.string("succeeded")
        json.key("created")
        json.int(0)
        json.key("created_at")
        json.int(0)
        json.key("owned_by")
        json.string(deployment.project.rawValue)
        json.key("lifecycle_status")
        json.string("generally-available")
        json.key("capabilities")
        json.raw("{\"fine_tune\":false,\"inference\":true,\"completion\":true,\"chat_completion\":true,\"embeddings\":true}")
        json.key("deprecation")
        json.raw("{\"inference\":0}")
        json.endObject()
    }
}

extension Exchange {
    /// The same figures as on the metrics listener, for who has the role.
    func answerMetrics() throws {
        try authorise()
        answerStatus = 200
        summary.status = 200
        finish(runtime.parts.exposition(), type: "text/plain; version=0.0.4; charset=utf-8")
    }
}
