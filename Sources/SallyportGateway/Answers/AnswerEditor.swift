import NIOCore
import SallyportCore
import SallyportGuard
import SallyportWire

/// Adds annotations to an answer and takes out what must not be shown, touching nothing else.
enum AnswerEditor {
    /// Inserts a member as the first of an object.
    static func insertMember(
        _ name: StaticString, _ value: ByteBuffer, into object: Int, of document: JSONDocument, _ edits: inout JSONEdits
    ) {
        let isEmpty = document.nodes[object].next == object + 1
        var bytes = ByteBuffer()
        bytes.writeStaticString("\"")
        bytes.writeStaticString(name)
        bytes.writeStaticString("\":")
        bytes.writeImmutableBuffer(value)
        if !isEmpty { bytes.writeStaticString(",") }
        edits.insert(bytes, at: document.rawRange(object).lowerBound + 1)
    }

    /// Adds our results to an object of results: beside the provider's own, or as a new member of `parent`.
    static func annotate(
        _ name: StaticString, _ results: ByteBuffer, in parent: Int, of document: JSONDocument, _ edits: inout JSONEdits
    ) {
        guard let existing = document.member(name, of: parent) else {
            return insertMember(name, results, into: parent, of: document, &edits)
        }
        guard document.nodes[existing].kind == .object else {
            return edits.replace(document.rawRange(existing), with: results)
        }
        merge(results, into: existing, of: document, &edits)
    }

    /// Our members go before the provider's; one that the provider has too is replaced, so that no key stands twice.
    private static func merge(_ results: ByteBuffer, into object: Int, of document: JSONDocument, _ edits: inout JSONEdits) {
        guard let ours = try? JSONDocument(parsing: results) else { return }
        var fresh = ByteBuffer()
        let isEmpty = document.nodes[object].next == object + 1
        ours.forEachMember(of: 0) { key, value in
            var existing: Int?
            document.forEachMember(of: object) { theirs, theirValue in
                if document.key(theirs, equals: key, of: ours) { existing = theirValue }
            }
            if let existing {
                edits.replace(document.rawRange(existing), with: ours.raw(value))
            } else {
                if fresh.readableBytes > 0 { fresh.writeStaticString(",") }
                fresh.writeImmutableBuffer(ours.raw(key))
                fresh.writeStaticString(":")
                fresh.writeImmutableBuffer(ours.raw(value))
            }
        }
        guard fresh.readableBytes > 0 else { return }
        if !isEmpty { fresh.writeStaticString(",") }
        edits.insert(fresh, at: document.rawRange(object).lowerBound + 1)
    }

    /// `prompt_filter_results`: our results join the entry of prompt 0, or become the array.
    static func annotatePrompt(_ results: ByteBuffer, of document: JSONDocument, _ edits: inout JSONEdits) {
        if let array = document.member("prompt_filter_results", of: 0), document.nodes[array].kind == .array,
            document.nodes[array].next > array + 1, document.nodes[array + 1].kind == .object
        {
            return annotate("content_filter_results", results, in: array + 1, of: document, &edits)
        }
        let entry = promptResults(results)
        if let existing = document.member("prompt_filter_results", of: 0) {
            edits.replace(document.rawRange(existing), with: entry)
        } else {
            insertMember("prompt_filter_results", entry, into: 0, of: document, &edits)
        }
    }

    static func promptResults(_ results: ByteBuffer) -> ByteBuffer {
        var entry = ByteBuffer(string: "[{\"prompt_index\":0,\"content_filter_results\":")
        entry.writeImmutableBuffer(results)
        entry.writeStaticString("}]")
        return entry
    }

    /// Tokens spell what was masked in a text of the Responses API.
    static func takeOutLogprobs(of document: JSONDocument, _ edits: inout JSONEdits) {
        for node in document.nodes.indices where document.nodes[node].kind == .key && document.equals(node, "logprobs") {
            if document.nodes[node + 1].kind == .array { edits.replace(document.rawRange(node + 1), with: "[]") }
        }
    }

    /// A choice of a chat or completions answer that must not be shown: no content, `finish_reason` `content_filter`.
    static func blockChoice(_ choice: Int, of document: JSONDocument, isChat: Bool, _ edits: inout JSONEdits) {
        if let reason = document.member("finish_reason", of: choice) {
            edits.replace(document.rawRange(reason), with: "\"content_filter\"")
        } else {
            insertMember("finish_reason", ByteBuffer(string: "\"content_filter\""), into: choice, of: document, &edits)
        }
        if isChat, let message = document.member("message", of: choice) {
            edits.replace(document.rawRange(message), with: "{\"role\":\"assistant\"}")
        }
        if !isChat, let text = document.member("text", of: choice) { edits.replace(document.rawRange(text), with: "\"\"") }
        if let logprobs = document.member("logprobs", of: choice) { edits.replace(document.rawRange(logprobs), with: "null") }
    }

    /// A response object (Responses API) whose output must not be shown.
    static func blockResponse(_ response: Int, of document: JSONDocument, _ edits: inout JSONEdits) {
        func set(_ name: StaticString, _ value: StaticString) {
            if let member = document.member(name, of: response) {
                edits.replace(document.rawRange(member), with: value)
            } else {
                insertMember(name, ByteBuffer(staticString: value), into: response, of: document, &edits)
            }
        }
        set("status", "\"incomplete\"")
        set("incomplete_details", "{\"reason\":\"content_filter\"}")
        set("output", "[]")
        if document.member("output_text", of: response) != nil { set("output_text", "\"\"") }
    }

    /// `content_filters` of the Responses API: one entry a source.
    static func contentFilters(prompt: ByteBuffer?, completion: ByteBuffer?, isBlocked: Bool) -> ByteBuffer {
        var json = JSONWriter(capacity: 256)
        json.beginArray()
        for (results, source, blocked) in [(prompt, "prompt", false), (completion, "completion", isBlocked)] {
            guard let results else { continue }
            json.beginObject()
            json.key("blocked")
            json.bool(blocked)
            json.key("source_type")
            json.string(source)
            json.key("content_filter_raw")
            json.raw("[]")
            json.key("content_filter_results")
            json.raw(results)
            json.key("content_filter_offsets")
            json.raw("{\"start_offset\":0,\"end_offset\":0,\"check_offset\":0}")
            json.endObject()
        }
        json.endArray()
        return json.buffer
    }

    static func annotateResponse(_ filters: ByteBuffer, in response: Int, of document: JSONDocument, _ edits: inout JSONEdits) {
        if let existing = document.member("content_filters", of: response), document.nodes[existing].kind == .array {
            let inner = filters.getSlice(at: filters.readerIndex + 1, length: filters.readableBytes - 2) ?? filters
            guard inner.readableBytes > 0 else { return }
            var bytes = inner
            if document.nodes[existing].next > existing + 1 { bytes.writeStaticString(",") }
            edits.insert(bytes, at: document.rawRange(existing).lowerBound + 1)
        } else {
            insertMember("content_filters", filters, into: response, of: document, &edits)
        }
    }

    /// Puts these elements in the place of a list's, and their ids where the list names its first and last.
    static func replaceList(
        _ document: JSONDocument, _ data: Int, with elements: [ByteBuffer], hasMore: Bool?, _ edits: inout JSONEdits
    ) {
        var array = ByteBuffer(string: "[")
        for (position, element) in elements.enumerated() {
            if position > 0 { array.writeStaticString(",") }
            array.writeImmutableBuffer(element)
        }
        array.writeStaticString("]")
        edits.replace(document.rawRange(data), with: array)
        for (name, element) in [("first_id", elements.first), ("last_id", elements.last)] as [(StaticString, ByteBuffer?)] {
            guard let member = document.member(name, of: 0) else { continue }
            if let own = element.flatMap({ try? JSONDocument(parsing: $0) }), let id = own.member("id", of: 0) {
                edits.replace(document.rawRange(member), with: own.raw(id))
            } else {
                edits.replace(document.rawRange(member), with: "null")
            }
        }
        if hasMore == true, let member = document.member("has_more", of: 0) { edits.replace(document.rawRange(member), with: "true") }
    }
}
