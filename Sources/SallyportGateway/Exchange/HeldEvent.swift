import NIOCore
import SallyportWire

/// An event that waits in the gate until every text in it was read.
struct HeldEvent {
    /// A part of a growing text.
    struct Piece {
        let channel: ChannelKey
        let range: Range<Int>
        let slot: TextSlot
    }

    var event: SSEEvent
    var document: JSONDocument?
    var edits = JSONEdits()
    var pieces: [Piece] = []
    var isDropped = false
    /// A guard changed a text that stands alone in it.
    var isRewritten = false
    /// `content_filter_results` by choice, written when the event goes.
    var annotations: [Int: ByteBuffer] = [:]
    /// A synthetic event, written by us.
    var own: ByteBuffer?
    var isLast = false
    /// Choices whose part is taken out; the others' goes on.
    private(set) var removed: Set<Int> = []

    /// Takes one choice's part out. An event that holds no other choice goes altogether, and so does one that is not made of choices.
    mutating func remove(_ choice: Int) {
        guard let document, let choices = document.member("choices", of: 0), document.nodes[choices].kind == .array else {
            if pieces.contains(where: { $0.channel.index == choice }) { isDropped = true }
            return
        }
        var isThere = false
        var othersRemain = false
        document.forEachElement(of: choices) { position, value in
            let index = HeldEvent.index(of: value, at: position, in: document)
            if index == choice { isThere = true } else if !removed.contains(index) { othersRemain = true }
        }
        guard isThere, removed.insert(choice).inserted else { return }
        if !othersRemain { isDropped = true }
    }

    /// The changes of this event, with the annotations, and without the choices that were taken out.
    func allEdits() -> JSONEdits {
        guard let document, !annotations.isEmpty || !removed.isEmpty else { return edits }
        var edits = edits
        guard let choices = document.member("choices", of: 0), document.nodes[choices].kind == .array else { return edits }
        var elements: [(index: Int, node: Int)] = []
        document.forEachElement(of: choices) { position, value in
            elements.append((HeldEvent.index(of: value, at: position, in: document), value))
        }
        var hasKept = false
        for (position, element) in elements.enumerated() {
            guard removed.contains(element.index) else {
                hasKept = true
                if let results = annotations[element.index] {
                    AnswerEditor.annotate("content_filter_results", results, in: element.node, of: document, &edits)
                }
                continue
            }
            // With the comma before it, or, where nothing is left before it, the one behind it.
            let own = document.rawRange(element.node)
            let lower = hasKept ? document.rawRange(elements[position - 1].node).upperBound : own.lowerBound
            let upper =
                hasKept || position + 1 == elements.count ? own.upperBound : document.rawRange(elements[position + 1].node).lowerBound
            edits.replace(lower..<upper, with: "")
        }
        return edits
    }

    static func index(of choice: Int, at position: Int, in document: JSONDocument) -> Int {
        document.member("index", of: choice).flatMap(document.integer) ?? position
    }
}
