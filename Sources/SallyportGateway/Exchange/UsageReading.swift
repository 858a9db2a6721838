import SallyportWire

/// Reads `usage` in both spellings.
enum UsageReading {
    static func usage(of document: JSONDocument, in holder: Int = 0) -> StreamGate.Usage? {
        guard let usage = document.member("usage", of: holder), document.nodes[usage].kind == .object else { return nil }
        let prompt = document.member("prompt_tokens", of: usage) ?? document.member("input_tokens", of: usage)
        let completion = document.member("completion_tokens", of: usage) ?? document.member("output_tokens", of: usage)
        guard prompt != nil || completion != nil else { return nil }
        // An upstream's numbers are input like any other: bounded, so that sums of them cannot overflow.
        func bounded(_ node: Int?) -> Int { min(1_000_000_000, max(0, node.flatMap(document.integer) ?? 0)) }
        return StreamGate.Usage(prompt: bounded(prompt), completion: bounded(completion))
    }
}
