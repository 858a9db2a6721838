import SallyportCore
import SallyportWire

/// The few things that must be right before a request is worth sending: told in OpenAI's words, with the parameter's name.
enum RequestChecks {
    /// Query parameters that are numbers, ids and enum values of the API itself.
    static let plainQuery: Set<String> = [
        "api-version", "limit", "after", "before", "order", "purpose", "stream", "include", "include[]", "starting_after", "filter",
        "deployment",
    ]

    static func check(_ document: JSONDocument, for operation: Operation.Name) throws {
        try type(of: "stream", is: [.true, .false, .null], "a boolean", document)
        try type(of: "n", is: [.number, .null], "an integer", document)
        try type(of: "model", is: [.string, .null], "a string", document)
        switch operation {
        case .chatCompletions:
            let messages = try required("messages", of: document)
            guard document.nodes[messages].kind == .array else { throw wrong("messages", "an array of messages") }
            guard document.nodes[messages].next > messages + 1 else {
                throw Fault(.invalidRequest, "'messages' is too short: at least one message is needed.", param: "messages")
            }
            try document.forEachElement(of: messages) { position, message in
                guard document.nodes[message].kind == .object else { throw wrong("messages[\(position)]", "an object") }
                guard let role = document.member("role", of: message), document.nodes[role].kind == .string else {
                    throw wrong("messages[\(position)].role", "a string")
                }
            }
            try type(of: "tools", is: [.array, .null], "an array", document)
            for name in ["max_tokens", "max_completion_tokens", "seed"] as [StaticString] {
                try type(of: name, is: [.number, .null], "an integer", document)
            }
        case .completions: _ = try required("prompt", of: document)
        case .embeddings:
            let input = try required("input", of: document)
            guard [.string, .array].contains(document.nodes[input].kind) else { throw wrong("input", "a string or an array") }
        case .responsesCreate: try type(of: "input", is: [.string, .array, .null], "a string or an array", document)
        case .imagesGenerations: _ = try required("prompt", of: document)
        case .speech: _ = try required("input", of: document)
        default: break
        }
    }

    private static func required(_ name: StaticString, of document: JSONDocument) throws -> Int {
        guard let value = document.member(name, of: 0) else {
            throw Fault(.invalidRequest, "Missing required parameter: '\(name)'.", param: "\(name)")
        }
        return value
    }

    private static func type(of name: StaticString, is kinds: [JSONNode.Kind], _ wanted: String, _ document: JSONDocument) throws {
        guard let value = document.member(name, of: 0) else { return }
        guard kinds.contains(document.nodes[value].kind) else { throw wrong("\(name)", wanted) }
    }

    private static func wrong(_ name: String, _ wanted: String) -> Fault {
        Fault(.invalidRequest, "Invalid type for '\(name)': expected \(wanted).", param: name)
    }
}

/// Tokens before the upstream has counted them: four UTF-8 bytes of the body to a token, plus what the caller allows for the answer.
///
/// The estimate errs on the high side for English (the JSON around the words counts too); it is replaced by the upstream's usage.
enum TokenEstimate {
    static func tokens(bytes: Int) -> Int { (bytes + 3) / 4 }

    /// - Parameter unstated: for an answer whose request names no maximum.
    static func of(
        _ bodyBytes: Int, _ document: JSONDocument?, _ operation: Operation.Name, unstated: Int
    ) -> (prompt: Int, completion: Int) {
        guard operation == .chatCompletions || operation == .completions || operation == .responsesCreate || operation == .embeddings else {
            return (0, 0)
        }
        let prompt = tokens(bytes: bodyBytes)
        guard let document, operation != .embeddings else { return (prompt, 0) }
        let allowed =
            document.member("max_completion_tokens", of: 0).flatMap(document.integer) ?? document.member("max_tokens", of: 0).flatMap(
                document.integer)
            ?? document.member("max_output_tokens", of: 0).flatMap(document.integer) ?? unstated
        let answers = max(
            document.member("n", of: 0).flatMap(document.integer) ?? 1, document.member("best_of", of: 0).flatMap(document.integer) ?? 1)
        return (prompt, max(0, min(allowed, 1_000_000)) * max(1, min(answers, 128)))
    }
}
