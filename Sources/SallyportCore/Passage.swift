import NIOCore

/// Which way a text travels (Azure: a content filter's `source`).
package enum Direction: String, Sendable, CaseIterable, Codable {
    case prompt = "Prompt"
    case completion = "Completion"

    /// By the case: by the word that spells it would take ten times as long.
    package func hash(into hasher: inout Hasher) { withUnsafeBytes(of: self) { hasher.combine(bytes: $0) } }
}

/// Where in an exchange a text stands. Policies choose by it; taint rules trust it.
package enum PassageOrigin: String, Sendable, CaseIterable, Codable {
    case system, user, assistant, toolDefinition, toolCall, toolResult, document, file, metadata
    case completion, completionToolCall, reasoning, upstreamError

    /// By the case: by the word that spells it would take ten times as long.
    package func hash(into hasher: inout Hasher) { withUnsafeBytes(of: self) { hasher.combine(bytes: $0) } }

    package var direction: Direction {
        switch self {
        case .completion, .completionToolCall, .reasoning, .upstreamError: .completion
        default: .prompt
        }
    }
}

/// One text as the detectors see it: valid UTF-8 and where it came from. Offsets in findings are bytes of `text`.
package struct Passage: Sendable {
    package let text: ByteBuffer
    package let origin: PassageOrigin
    /// True when every byte is below 0x80, so that bytes and code points count alike.
    package let isASCII: Bool

    package init(_ text: ByteBuffer, origin: PassageOrigin, isASCII: Bool) {
        self.text = text
        self.origin = origin
        self.isASCII = isASCII
    }

    package init(_ text: String, origin: PassageOrigin) {
        self.init(ByteBuffer(string: text), origin: origin, isASCII: text.utf8.allSatisfy { $0 < 0x80 })
    }

    package var count: Int { text.readableBytes }

    /// The text's bytes from offset zero, without a copy.
    package func withBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try text.withUnsafeReadableBytes(body)
    }
}
