import CQRencode

/// A text as a QR code (ISO/IEC 18004), by libqrencode: what a telephone's camera reads off a screen.
package enum QRCode {
    /// The modules row by row, true where dark, without the quiet zone around them; nil for a text that fits into no symbol.
    package static func modules(of text: String) -> [[Bool]]? {
        let bytes = Array(text.utf8)
        // Level M: a seventh of the symbol may be unreadable.
        guard !bytes.isEmpty, let symbol = QRcode_encodeData(Int32(bytes.count), bytes, 0, QR_ECLEVEL_M) else { return nil }
        defer { QRcode_free(symbol) }
        let width = Int(symbol.pointee.width)
        return (0..<width).map { row in (0..<width).map { symbol.pointee.data[row * width + $0] & 1 == 1 } }
    }
}
