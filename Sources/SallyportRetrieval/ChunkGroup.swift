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
    /// For each term: chunk in the upper 24 bits, frequency in the lower 8.
    private var postings: [[UInt32]] = []
    private var documents: [DocumentEntry?] = []
    private var numbers: [DocumentID: Int32] = [:]
    private var ranges: [DocumentID: Range<Int>] = [:]
    private(set) var live = 0
    /// Of all live chunks, in terms.
    private(set) var length = 0.0
    private var dimensions = 0
    private var vectors: [Int8] = []
    /// Zero: the chunk has none.
    private var scales: [Float] = []

    var isEmpty: Bool { numbers.isEmpty }
    var entries: [DocumentEntry] { documents.compactMap { $0 } }

    mutating func add(_ document: DocumentRecord, _ records: [ChunkRecord]) {
        let number = Int32(documents.count)
        documents.append(DocumentEntry(document))
        numbers[document.id] = number
        let title = SearchTerms.of(document.title)
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
            let place = UInt32(chunks.count) << 8
            for (term, count) in counts {
                let known = vocabulary[term]
                let slot = known ?? Int32(postings.count)
                if known == nil {
                    vocabulary[term] = slot
                    postings.append([])
                }
                postings[Int(slot)].append(place | UInt32(min(255, count)))
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
        if let vector, dimensions == 0 {
            dimensions = vector.values.count
            vectors = [Int8](repeating: 0, count: dimensions * (chunks.count - 1))
        }
        guard dimensions > 0 else { return scales.append(0) }
        if let vector, vector.values.count == dimensions {
            vectors += vector.values
            scales.append(vector.scale)
        } else {
            vectors += repeatElement(0, count: dimensions)
            scales.append(0)
        }
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
        var keptVectors: [Int8] = []
        var keptScales: [Float] = []
        for (index, chunk) in chunks.enumerated() where chunk.isLive {
            renumbered[index] = Int32(kept.count)
            kept.append(chunk)
            keptScales.append(scales[index])
            if dimensions > 0 { keptVectors += vectors[index * dimensions..<(index + 1) * dimensions] }
        }
        var terms: [String: Int32] = [:]
        var lists: [[UInt32]] = []
        for (term, slot) in vocabulary {
            let list = postings[Int(slot)].compactMap { posting -> UInt32? in
                let number = renumbered[Int(posting >> 8)]
                return number < 0 ? nil : UInt32(number) << 8 | posting & 0xFF
            }
            guard !list.isEmpty else { continue }
            terms[term] = Int32(lists.count)
            lists.append(list)
        }
        for (id, range) in ranges {
            let start = range.isEmpty ? 0 : Int(renumbered[range.lowerBound])
            ranges[id] = start..<start + range.count
        }
        chunks = kept
        vocabulary = terms
        postings = lists
        vectors = keptVectors
        scales = keptScales
    }

    func livePostings(of term: String) -> [UInt32] {
        guard let slot = vocabulary[term] else { return [] }
        let list = postings[Int(slot)]
        return live == chunks.count ? list : list.filter { chunks[Int($0 >> 8)].isLive }
    }

    func id(of chunk: Int) -> ChunkID {
        let chunk = chunks[chunk]
        // A live chunk's document is there; an empty name would find nothing.
        return ChunkID(documents[Int(chunk.document)]?.id ?? "", Int(chunk.position))
    }

    func entry(of document: DocumentID) -> DocumentEntry? { numbers[document].flatMap { documents[Int($0)] } }

    /// The known word that one typing error away leads to; of several the first in the alphabet.
    func nearest(to term: String) -> String? {
        let wrong = Array(term.utf8)
        guard (5...24).contains(wrong.count) else { return nil }
        var best: String?
        for (candidate, slot) in vocabulary {
            guard abs(candidate.utf8.count - wrong.count) <= 1, candidate.utf8.first == wrong[0], best.map({ candidate < $0 }) ?? true,
                SearchTerms.isOneEditAway(wrong, Array(candidate.utf8)),
                postings[Int(slot)].contains(where: { chunks[Int($0 >> 8)].isLive })
            else { continue }
            best = candidate
        }
        return best
    }

    /// Exact: every live chunk is compared.
    func nearest(to query: ChunkRecord.Vector, limit: Int) -> [(id: ChunkID, likeness: Float)] {
        guard dimensions > 0, query.values.count == dimensions else { return [] }
        var found: [(chunk: Int, likeness: Float)] = []
        vectors.withUnsafeBufferPointer { all in
            query.values.withUnsafeBufferPointer { wanted in
                for chunk in chunks.indices where chunks[chunk].isLive && scales[chunk] > 0 {
                    var sum: Int32 = 0
                    let start = chunk * dimensions
                    for index in 0..<dimensions { sum &+= Int32(all[start + index]) &* Int32(wanted[index]) }
                    found.append((chunk, Float(sum) * scales[chunk] * query.scale))
                }
            }
        }
        found.sort { $0.likeness > $1.likeness }
        return found.prefix(limit).map { (id(of: $0.chunk), $0.likeness) }
    }
}

/// Vectors in a byte per dimension.
package enum QuantisedVector {
    package static func quantise(_ vector: [Float]) -> ChunkRecord.Vector {
        let largest = vector.reduce(0) { max($0, abs($1)) }
        guard largest > 0, largest.isFinite else { return ChunkRecord.Vector(scale: 0, values: [Int8](repeating: 0, count: vector.count)) }
        let scale = largest / 127
        return ChunkRecord.Vector(scale: scale, values: vector.map { Int8(max(-127, min(127, ($0 / scale).rounded()))) })
    }
}
