import SallyportCore

/// The searchable chunks of all documents with the same access list.
struct ChunkGroup: Sendable {
    struct Chunk: Sendable {
        let document: Int32
        let position: Int32
        let length: Float
        var isLive = true
    }

    /// What a term in the nearest heading counts like, and in those above and the title.
    private static let nearHeading = 2
    private static let farHeading = 1

    private(set) var chunks: [Chunk] = []
    private(set) var vocabulary: [String: Int32] = [:]
    private(set) var postings: [PostingList] = []
    private(set) var documents: [DocumentEntry?] = []
    private var numbers: [DocumentID: Int32] = [:]
    private var ranges: [DocumentID: Range<Int>] = [:]
    /// Documents by the words of their titles; some may be gone.
    private var titles: [String: [Int32]] = [:]
    private(set) var live = 0
    /// Of all live chunks, in terms.
    private(set) var length = 0.0
    /// nil: no chunk has a vector.
    private(set) var vectors: VectorRows?

    var isEmpty: Bool { numbers.isEmpty }
    /// No chunk was removed: counts need not be taken one by one.
    var isWhole: Bool { live == chunks.count }
    var entries: [DocumentEntry] { documents.compactMap { $0 } }

    mutating func add(_ document: DocumentRecord, _ records: [ChunkRecord]) {
        let number = Int32(documents.count)
        documents.append(DocumentEntry(document))
        numbers[document.id] = number
        let title = SearchTerms.of(document.title)
        for term in Set(title) { titles[term, default: []].append(number) }
        let start = chunks.count
        for record in records where chunks.count < 1 << 24 {
            var counts: [String: Int] = [:]
            for term in SearchTerms.of(record.text) { counts[term, default: 0] += 1 }
            for (distance, heading) in record.headings.reversed().enumerated() {
                for term in SearchTerms.of(heading) {
                    counts[term, default: 0] += distance == 0 ? ChunkGroup.nearHeading : ChunkGroup.farHeading
                }
            }
            if record.headings.first != document.title || record.headings.isEmpty {
                for term in title { counts[term, default: 0] += record.headings.isEmpty ? ChunkGroup.nearHeading : ChunkGroup.farHeading }
            }
            let place = UInt32(chunks.count)
            for (term, count) in counts {
                let frequency = UInt8(min(255, count))
                if let slot = vocabulary[term] {
                    postings[Int(slot)].append(chunk: place, frequency: frequency)
                } else {
                    vocabulary[term] = Int32(postings.count)
                    postings.append(PostingList(chunk: place, frequency: frequency))
                }
            }
            let size = counts.values.reduce(0, +)
            chunks.append(Chunk(document: number, position: Int32(record.position), length: Float(size)))
            live += 1
            length += Double(size)
            keep(record.vector)
        }
        ranges[document.id] = start..<chunks.count
    }

    private mutating func keep(_ vector: ChunkRecord.Vector?) {
        if vectors == nil, let vector, !vector.values.isEmpty {
            var rows = VectorRows(dimensions: vector.values.count)
            for _ in 0..<chunks.count - 1 { rows.append(nil) }
            vectors = rows
        }
        vectors?.append(vector)
    }

    mutating func remove(_ id: DocumentID) {
        guard let number = numbers.removeValue(forKey: id), let range = ranges.removeValue(forKey: id) else { return }
        documents[Int(number)] = nil
        for chunk in range where chunks[chunk].isLive {
            chunks[chunk].isLive = false
            live -= 1
            length -= Double(chunks[chunk].length)
        }
        if chunks.count > 64, live * 2 < chunks.count { compact() }
    }

    /// Forgets what is gone: its words must not stay in memory, and searching must not pass it.
    private mutating func compact() {
        var renumbered = [Int32](repeating: -1, count: chunks.count)
        var kept: [Chunk] = []
        var rows = vectors.map { VectorRows(dimensions: $0.dimensions) }
        for (index, chunk) in chunks.enumerated() where chunk.isLive {
            renumbered[index] = Int32(kept.count)
            kept.append(chunk)
            rows?.append(vectors?.vector(index))
        }
        var terms: [String: Int32] = [:]
        var lists: [PostingList] = []
        for (term, slot) in vocabulary {
            var list: PostingList?
            postings[Int(slot)].forEach { chunk, frequency in
                let number = renumbered[chunk]
                guard number >= 0 else { return }
                if list == nil {
                    list = PostingList(chunk: UInt32(number), frequency: UInt8(frequency))
                } else {
                    list?.append(chunk: UInt32(number), frequency: UInt8(frequency))
                }
            }
            guard let list else { continue }
            terms[term] = Int32(lists.count)
            lists.append(list)
        }
        for (id, range) in ranges {
            let start = range.isEmpty ? 0 : Int(renumbered[range.lowerBound])
            ranges[id] = start..<start + range.count
        }
        titles = titles.compactMapValues { list in
            let left = list.filter { documents[Int($0)] != nil }
            return left.isEmpty ? nil : left
        }
        chunks = kept
        vocabulary = terms
        postings = lists
        vectors = rows
    }

    func list(of term: String) -> PostingList? { vocabulary[term].map { postings[Int($0)] } }

    /// Live chunks that hold the term.
    func frequency(in list: PostingList?) -> Int {
        guard let list else { return 0 }
        if isWhole { return Int(list.count) }
        var count = 0
        list.forEach { chunk, _ in if chunks[chunk].isLive { count += 1 } }
        return count
    }

    func id(of chunk: Int) -> ChunkID {
        let chunk = chunks[chunk]
        // A live chunk's document is there; an empty name would find nothing.
        return ChunkID(documents[Int(chunk.document)]?.id ?? "", Int(chunk.position))
    }

    func entry(of document: DocumentID) -> DocumentEntry? { numbers[document].flatMap { documents[Int($0)] } }

    /// Documents whose titles have the word.
    func titled(_ term: String) -> [DocumentEntry] { (titles[term] ?? []).compactMap { documents[Int($0)] } }

    /// The known word that one typing error away leads to; of several the first in the alphabet.
    func nearest(to term: String) -> String? {
        let wrong = Array(term.utf8)
        guard (5...24).contains(wrong.count) else { return nil }
        var best: String?
        for (candidate, slot) in vocabulary {
            guard abs(candidate.utf8.count - wrong.count) <= 1, candidate.utf8.first == wrong[0], best.map({ candidate < $0 }) ?? true,
                SearchTerms.isOneEditAway(wrong, Array(candidate.utf8)), frequency(in: postings[Int(slot)]) > 0
            else { continue }
            best = candidate
        }
        return best
    }
}
