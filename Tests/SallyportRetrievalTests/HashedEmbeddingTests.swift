import SallyportRetrieval
import Testing

@Suite struct HashedEmbeddingTests {
    private func cosine(_ a: String, _ b: String) -> Float {
        zip(HashedEmbedding.vector(of: a), HashedEmbedding.vector(of: b)).reduce(0) { $0 + $1.0 * $1.1 }
    }

    @Test(arguments: [
        "", "a", "the the the", "Annual leave", "漢字とかな", "🦊", "\u{0}\u{301}", "one two three four five six seven eight nine ten",
    ])
    func hasLengthOneAtEverySize(text: String) {
        for dimensions in [nil, 1, 2, 7, 256, 1536, 3072, 100_000, 0, -5] as [Int?] {
            let vector = HashedEmbedding.vector(of: text, dimensions: dimensions)
            #expect(vector.count == min(4096, max(1, dimensions ?? 256)))
            #expect(abs(vector.reduce(0) { $0 + $1 * $1 } - 1) < 1e-4)
            #expect(!vector.contains { !$0.isFinite })
        }
    }

    @Test func putsLikeTextsTogether() {
        let question = "How many days of annual leave do employees receive?"
        let near = "Employees receive 27 days of annual leave."
        let far = "The siren warns crane operators about strong wind."
        #expect(cosine(question, near) > 0.4)
        #expect(cosine(question, near) > cosine(question, far) + 0.3)
        #expect(cosine("invoice payments", "payment of invoices") > 0.4)
        #expect(cosine(question, question) > 0.999)
        #expect(cosine("Dog bites man", "dog BITES man!") > 0.999)
    }

    @Test func tellsWordOrderApart() { #expect(cosine("dog bites man", "man bites dog") < 0.99) }

    /// Stored vectors must mean the same after an update.
    @Test func isTheSameOnEveryRun() {
        let vector = HashedEmbedding.vector(of: "Harbour & Finch", dimensions: 8)
        #expect(vector.map { Int(($0 * 1000).rounded()) } == [0, 0, 0, 490, 400, 346, -600, 346])
    }
}
