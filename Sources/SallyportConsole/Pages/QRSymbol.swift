/// A QR code as inline SVG: no image to fetch, no style that a content policy would refuse.
enum QRSymbol {
    /// Light modules around the symbol that readers need.
    private static let quietZone = 4

    /// - Parameter modules: row by row, true where dark.
    static func svg(_ modules: [[Bool]], label: String) -> HTML {
        let size = modules.count + 2 * quietZone
        var path = ""
        for (y, row) in modules.enumerated() {
            var x = 0
            while x < row.count {
                // Dark modules beside one another are one stroke: a gap between them would show as a hair line.
                let run = row[x...].prefix { $0 }.count
                if run > 0 { path += "M\(x + quietZone) \(y + quietZone)h\(run)v1h-\(run)z" }
                x += max(1, run)
            }
        }
        return """
            <svg class="qr" role="img" aria-label="\(label)" viewBox="0 0 \(size) \(size)" shape-rendering="crispEdges"><rect width="\(size)" height="\(size)" fill="#fff"/><path d="\(path)" fill="#000"/></svg>
            """
    }
}
