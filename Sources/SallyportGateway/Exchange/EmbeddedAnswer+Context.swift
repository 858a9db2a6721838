import Foundation
import NIOCore
import SallyportRetrieval
import SallyportWire

/// Citations in the shapes that clients know: On Your Data's `context`, and the Responses API's annotations.
extension EmbeddedAnswer {
    /// `{"citations": […], "intent": "[\"…\"]"}`; nothing when nothing was searched for.
    func writeContext(_ json: inout JSONWriter) {
        guard !answer.intents.isEmpty else { return }
        json.key("context")
        context.write(&json)
    }

    /// A `file_citation` for each mark, at its place in code points.
    func writeAnnotations(_ json: inout JSONWriter) {
        json.beginArray()
        var place = 0
        for (number, sentence) in answer.said.enumerated() {
            place += (number == 0 ? 0 : 1) + sentence.unicodeScalars.count
            guard let mark = sentence.range(of: "[doc", options: .backwards), sentence.last == "]",
                let cited = Int(sentence[mark.upperBound...].dropLast()), answer.citations.indices.contains(cited - 1)
            else { continue }
            let citation = answer.citations[cited - 1]
            json.beginObject()
            json.key("type")
            json.string("file_citation")
            json.key("index")
            json.int(place - sentence[mark.lowerBound...].unicodeScalars.count)
            json.key("file_id")
            json.string(citation.chunk.description)
            json.key("filename")
            json.string(citation.source)
            json.endObject()
        }
        json.endArray()
    }
}
