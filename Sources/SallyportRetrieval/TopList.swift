/// The best of many, best first.
struct TopList<Element> {
    private let capacity: Int
    private let isBefore: (Element, Element) -> Bool
    private(set) var elements: [(score: Float, element: Element)] = []

    /// - Parameter isBefore: decides between equal scores.
    init(_ capacity: Int, isBefore: @escaping (Element, Element) -> Bool) {
        self.capacity = capacity
        self.isBefore = isBefore
    }

    /// Whether an element with this score could get in.
    @inline(__always)
    func admits(_ score: Float) -> Bool { elements.count < capacity || score >= elements[elements.count - 1].score }

    mutating func insert(_ element: Element, score: Float) {
        guard capacity > 0 else { return }
        func precedes(_ other: (score: Float, element: Element)) -> Bool {
            score != other.score ? score > other.score : isBefore(element, other.element)
        }
        if elements.count == capacity {
            guard let last = elements.last, precedes(last) else { return }
            elements.removeLast()
        }
        var (low, high) = (0, elements.count)
        while low < high {
            let middle = (low + high) / 2
            if precedes(elements[middle]) { high = middle } else { low = middle + 1 }
        }
        elements.insert((score, element), at: low)
    }
}
