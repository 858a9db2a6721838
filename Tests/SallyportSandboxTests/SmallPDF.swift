/// A PDF with one line of text a page.
func pdf(_ pages: [String]) -> [UInt8] { pdf(contents: pages.map { "BT /F1 12 Tf 72 720 Td (\($0)) Tj ET" }) }

/// A PDF with these drawing instructions, a page each; `/F1` is a font, `/T` makes what is drawn transparent.
func pdf(contents: [String]) -> [UInt8] {
    var objects = ["<< /Type /Catalog /Pages 2 0 R >>"]
    let kids = contents.indices.map { "\(3 + 2 * $0) 0 R" }.joined(separator: " ")
    objects.append("<< /Type /Pages /Kids [\(kids)] /Count \(contents.count) >>")
    let font = 3 + 2 * contents.count
    for (index, content) in contents.enumerated() {
        objects.append(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents \(4 + 2 * index) 0 R /Resources << /Font << /F1 \(font) 0 R >> /ExtGState << /T << /ca 0 /CA 0 >> >> >> >>"
        )
        objects.append("<< /Length \(content.utf8.count) >>\nstream\n\(content)\nendstream")
    }
    objects.append("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
    return pdf(objects: objects.map { Array($0.utf8) })
}

/// A PDF of one page that is a JPEG.
func pdf(picture: [UInt8], width: Int, height: Int) -> [UInt8] {
    let draw = "q 612 0 0 792 0 0 cm /I Do Q"
    let start =
        "<< /Type /XObject /Subtype /Image /Width \(width) /Height \(height) /ColorSpace /DeviceRGB /BitsPerComponent 8 /Filter /DCTDecode /Length \(picture.count) >>\nstream\n"
    return pdf(objects: [
        Array("<< /Type /Catalog /Pages 2 0 R >>".utf8), Array("<< /Type /Pages /Kids [3 0 R] /Count 1 >>".utf8),
        Array(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /XObject << /I 5 0 R >> >> >>".utf8),
        Array("<< /Length \(draw.utf8.count) >>\nstream\n\(draw)\nendstream".utf8), Array(start.utf8) + picture + Array("\nendstream".utf8),
    ])
}

private func pdf(objects: [[UInt8]]) -> [UInt8] {
    var out = Array("%PDF-1.4\n".utf8)
    var offsets: [Int] = []
    for (index, object) in objects.enumerated() {
        offsets.append(out.count)
        out += Array("\(index + 1) 0 obj\n".utf8) + object + Array("\nendobj\n".utf8)
    }
    let start = out.count
    var table = "xref\n0 \(objects.count + 1)\n0000000000 65535 f \n"
    for offset in offsets { table += String(repeating: "0", count: 10 - "\(offset)".count) + "\(offset) 00000 n \n" }
    table += "trailer << /Size \(objects.count + 1) /Root 1 0 R >>\nstartxref\n\(start)\n%%EOF\n"
    return out + Array(table.utf8)
}
