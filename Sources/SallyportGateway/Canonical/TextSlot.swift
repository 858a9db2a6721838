import NIOCore
import SallyportCore
import SallyportGuard
import SallyportWire

/// One string of a body, as a guard sees it, and the way back to its bytes.
struct TextSlot {
    enum Kind { case prose, token, key, number }
    let kind: Kind
    let passage: Passage
    /// Offsets in the document (or, for a nested one, in the outer string's text).
    let text: DecodedText
    /// Set when the string stands in a JSON text that is itself a string.
    let outer: DecodedText?
    /// The choice (or other outermost element) that the string stands in; nil outside of any.
    let choice: Int?
    /// The growing text that this piece belongs to; nil for a text that stands alone.
    let channel: ChannelKey?

    /// `outer` is a row of a file: its JSON stands there as it is, not inside another string.
    var isRow = false
    /// The text stands in a body that is not JSON: nothing is escaped.
    var isPlain = false

    /// The text stands outside of the body: it can be blocked, not rewritten.
    var isOutside = false

    /// A pseudonym in it is put back: in what people read, never in what a tool is called with.
    var takesValues: Bool {
        kind == .prose && outer == nil && passage.origin != .completionToolCall
    }

    /// Writes edits of the passage into the document.
    func apply(_ edits: [TextEdit], to document: inout JSONEdits) {
        guard !isOutside else { return }
        for edit in edits {
            var replacement = ByteBuffer()
            if kind == .number { replacement.writeInteger(UInt8(ascii: "\"")) }
            if isPlain {
                replacement.writeBytes(edit.replacement)
            } else {
                edit.replacement.withUnsafeBytes { JSONText.escape($0, into: &replacement) }
            }
            if kind == .number { replacement.writeInteger(UInt8(ascii: "\"")) }
            let range = kind == .number ? 0..<passage.count : edit.range
            var raw = text.rawRange(of: range)
            if let outer {
                if !isRow {
                    var escaped = ByteBuffer()
                    replacement.withUnsafeReadableBytes { JSONText.escape($0, into: &escaped) }
                    replacement = escaped
                }
                raw = outer.rawRange(of: raw)
            }
            document.replace(raw, with: replacement)
            if kind == .number { return }
        }
    }
}

/// Tells the growing texts of one stream apart.
struct ChannelKey: Hashable {
    /// The choice's or output item's index.
    let index: Int
    /// A tool call's or content part's index within it.
    let part: Int
    let field: String
    let origin: PassageOrigin

    static let arguments = "arguments"
    static let name = "name"

    /// The text means nothing before it is whole: arguments are JSON, and half a name is another name.
    var isWhole: Bool { field == ChannelKey.arguments || field == ChannelKey.name }
}

/// A place where a body refers to something.
struct BodyReference {
    enum Certainty {
        /// It stands where only such an id may stand.
        case certain
        /// What nobody made here may be meant too: a base model.
        case mayBeCommon
        /// It is spelled like such an id, wherever it stands: refused when it is known to be another's, and else no reference at all.
        case mention
    }
    let kind: OwnedResource
    let node: Int
    let id: String
    var certainty = Certainty.certain
}
