/// How much a call of the Content Safety API may hold, counted in code points where it is text. The standard values are Azure's.
package struct SafetyLimits: Sendable, Hashable {
    package var text = 10_000
    package var prompt = 10_000
    package var documents = 5
    /// All documents together.
    package var documentText = 10_000
    /// The text and the query of a groundedness request, each.
    package var groundedText = 7_500
    /// All grounding sources together.
    package var groundingSources = 55_000
    package var protectedText = 1_000
    package var protectedCode = 10_000
    package var categoryText = 1_000
    package var incidentText = 1_000
    /// All messages of a task adherence request together.
    package var agentText = 100_000
    package var imageBytes = 4 * 1_048_576
    /// Without an upstream that judges images, the words in them are enough.
    package var readsImageText = false

    package init() {}
}
