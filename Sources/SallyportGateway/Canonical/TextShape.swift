import SallyportCore
import SallyportGuard
import SallyportWire

/// What the strings at a place of a JSON body are: whose words, or one of the few things that are no words.
///
/// The rule is that every string is text. A shape only says whose, and names the exceptions; a member that no shape mentions is text too,
/// its key included. So a field that a provider adds tomorrow is guarded today.
indirect enum TextShape: Sendable {
    /// Words, with everything below.
    case text(PassageOrigin)
    /// An id, an enum value, a model's name: looked at by lists only, as long as it is spelled like one; else it is text.
    case token
    /// The name of a tool or function: words like any other, but one that a guard would change is refused, since a changed name names
    /// something else.
    case name(PassageOrigin)
    /// A string that holds JSON of its own (tool arguments); its strings are text.
    case json(PassageOrigin)
    case fields(Members)
    case array(TextShape)
    /// An id that the upstream handed out: must belong to the caller.
    case reference(OwnedResource)
    /// Content that no guard can read.
    case opaque(GuardPolicy.Uninspectable)
    /// A link to an image: a `data:` URL is an inline image, anything else a remote one.
    case imageLink
    /// Text, or (for embeddings and completions) arrays of token numbers that no guard can read.
    case textOrTokens(PassageOrigin)
    /// A growing text: `choices[i].delta.content` and its like. The key tells the channels of one choice apart.
    case growing(PassageOrigin, StaticString)
    /// For members that are not listed: each is a growing text of its own, named by its key.
    case growingMember(PassageOrigin)
    /// The id of an input item; of an `item_reference` it stands for content that is not in the request.
    case itemID
    /// A hosted tool's `type`: `function` is the caller's own, any other runs where no guard sees it.
    case toolType
    /// Numbers and binary encodings made by the upstream (embeddings, log-probability bytes): nothing to read.
    case numbers
    /// A model's name; a fine-tuned one may be somebody's.
    case modelName
    /// What an answer shall hold besides: encrypted reasoning is nothing that a guard could read.
    case included
    /// One shape for a string, another for anything else.
    case either(string: TextShape, TextShape)

    /// How an object tells whose words its own strings are, where its shape says `.assistant`.
    enum Speaker: Sendable {
        case nobody
        /// By its `role`.
        case role
        /// An item of an answer: the arguments of a call when its `type` says that it is one.
        case item
    }

    /// The members of an object, in the order in which they are looked for.
    final class Members: Sendable {
        let known: [(name: StaticString, shape: TextShape)]
        let names: JSONNames
        /// For members that are not listed.
        let others: TextShape
        let speaker: Speaker

        init(_ known: [(StaticString, TextShape)], others: TextShape = .text(.metadata), speaker: Speaker = .nobody) {
            self.known = known.map { (name: $0.0, shape: $0.1) }
            names = JSONNames(known.map(\.0))
            self.others = others
            self.speaker = speaker
        }
    }

    static func object(
        _ known: [(StaticString, TextShape)], others: TextShape = .text(.metadata), speaker: Speaker = .nobody
    ) -> TextShape {
        .fields(Members(known, others: others, speaker: speaker))
    }

    static func object(
        _ known: [(StaticString, TextShape)], and more: [(StaticString, TextShape)], others: TextShape = .text(.metadata),
        speaker: Speaker = .nobody
    ) -> TextShape {
        .fields(Members(known + more, others: others, speaker: speaker))
    }
}
