/// A name as the encoder read it, in bytes of the text.
struct NameSpan {
    enum Kind: Int { case person, location, organization }

    var range: Range<Int>
    var kind: Kind
    var confidence: Double
    /// The model says that another name begins here.
    var begins = false
}
