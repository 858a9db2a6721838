import NIOCore
import SallyportCore
import SallyportGuard
import SallyportWire

/// The texts of a file: row by row when its lines are JSON, else paragraph by paragraph.
enum FileReading {
    /// - Parameter start: where the file begins in the body that edits are made to.
    /// - Parameters:
    ///   - numbersRows: what is found is told apart by line, counted from 1, as choices of an answer are.
    ///   - opaque: takes what cannot be read: pictures in the rows, for example.
    static func slots(
        of file: ByteBuffer, at start: Int, origin: PassageOrigin, numbersRows: Bool = false, opaque: inout Set<GuardPolicy.Uninspectable>
    ) -> [TextSlot] {
        var slots: [TextSlot] = []
        var offset = 0
        var number = 0
        while offset < file.readableBytes {
            let end = lineEnd(in: file, from: offset)
            if let line = file.getSlice(at: file.readerIndex + offset, length: end - offset), line.readableBytes > 0 {
                slots += self.line(line, at: start + offset, origin: origin, row: numbersRows ? number + 1 : nil, &opaque)
            }
            number += 1
            offset = end + 1
        }
        return slots
    }

    private static func lineEnd(in file: ByteBuffer, from offset: Int) -> Int {
        file.withUnsafeReadableBytes { bytes in
            var end = offset
            while end < bytes.count && bytes[end] != 0x0A { end += 1 }
            return end
        }
    }

    private static func line(
        _ line: ByteBuffer, at start: Int, origin: PassageOrigin, row number: Int?, _ opaque: inout Set<GuardPolicy.Uninspectable>
    ) -> [TextSlot] {
        if line.hasPrefix("{", at: 0) || line.hasPrefix("[", at: 0), let row = try? JSONDocument(parsing: line) {
            // Rows to learn from are conversations; of other rows only what is a picture by itself is known.
            let shape = origin.direction == .prompt ? Shapes.chatRequest : Shapes.anyAnswer
            opaque.formUnion(BodyReading(of: row, as: shape, direction: origin.direction, keepsTexts: false).opaque)
            return row.nodes.indices.compactMap { node in
                let kind = row.nodes[node].kind
                guard kind == .string || kind == .key || kind == .number else { return nil }
                let text = row.text(node)
                // A long number can be a card's; a short one is a count.
                guard text.bytes.readableBytes >= (kind == .number ? 11 : 1) else { return nil }
                return TextSlot(
                    kind: kind == .key ? .key : kind == .number ? .number : .prose,
                    passage: Passage(text.bytes, origin: origin, isASCII: text.isASCII),
                    text: row.text(node), outer: DecodedText.plain(line, at: start), choice: number, channel: nil, isRow: true)
            }
        }
        let text = DecodedText.plain(line, at: start)
        return [
            TextSlot(
                kind: .prose, passage: Passage(line, origin: origin, isASCII: text.isASCII), text: text, outer: nil, choice: number,
                channel: nil,
                isPlain: true)
        ]
    }
}

/// The texts of a multipart body: form fields, and files that hold text. What holds something else cannot be read.
struct MultipartReading {
    private(set) var slots: [TextSlot] = []
    private(set) var opaque: Set<GuardPolicy.Uninspectable> = []

    private static let tokenFields: Set<String> = [
        "model", "purpose", "response_format", "language", "temperature", "n", "size", "quality", "timestamp_granularities[]", "stream",
        "background",
        "output_format", "input_fidelity", "expires_after[anchor]", "expires_after[seconds]",
    ]

    private static let knownFields = tokenFields.union(["file", "image", "image[]", "mask", "prompt", "user"])

    init(of multipart: MultipartBody, in body: ByteBuffer, operation: Operation.Name) {
        for part in multipart.parts {
            guard let bytes = body.getSlice(at: body.readerIndex + part.bodyRange.lowerBound, length: part.bodyRange.count) else {
                continue
            }
            if let filename = part.filename { slots.append(.query(filename)) }
            if let type = part.contentType { slots.append(.query(type)) }
            for remark in part.remarks { slots.append(.query(remark)) }
            if !MultipartReading.knownFields.contains(part.name) { slots.append(.query(part.name)) }
            let isText = bytes.withUnsafeReadableBytes {
                UTF8Text.isValid($0) && !MultipartReading.looksBinary($0) && !MultipartReading.describesPages($0)
            }
            if part.filename != nil || !isText {
                guard isText else {
                    opaque.insert(MultipartReading.kind(of: part, operation))
                    continue
                }
                slots += FileReading.slots(
                    of: bytes, at: part.bodyRange.lowerBound, origin: .file, numbersRows: operation == .filesUpload && part.name == "file",
                    opaque: &opaque)
            } else if bytes.readableBytes > 0 {
                let text = DecodedText.plain(bytes, at: part.bodyRange.lowerBound)
                let isToken =
                    MultipartReading.tokenFields.contains(part.name) && BodyReading.isSpelledLikeToken(bytes) && bytes.readableBytes <= 256
                slots.append(
                    TextSlot(
                        kind: isToken ? .token : .prose, passage: Passage(bytes, origin: .user, isASCII: text.isASCII), text: text,
                        outer: nil,
                        choice: nil, channel: nil, isPlain: true))
            }
        }
    }

    private static func looksBinary(_ bytes: UnsafeRawBufferPointer) -> Bool {
        bytes.prefix(4096).contains { $0 < 0x09 || ($0 > 0x0D && $0 < 0x20 && $0 != 0x1B) }
    }

    /// Documents that are spelled in letters, and whose texts nobody reads who reads the letters: their contents are packed or in a language of
    /// their own. Readers look for a PDF's mark in the first kilobyte.
    private static func describesPages(_ bytes: UnsafeRawBufferPointer) -> Bool {
        func holds(_ mark: StaticString, within length: Int) -> Bool {
            let mark = UnsafeRawBufferPointer(start: mark.utf8Start, count: mark.utf8CodeUnitCount)
            let last = min(length, bytes.count - mark.count)
            guard last >= 0 else { return false }
            return (0...last).contains { bytes[$0] == mark[0] && bytes[$0..<$0 + mark.count].elementsEqual(mark) }
        }
        return holds("%PDF-", within: 1024) || holds("{\\rtf", within: 16) || holds("%!PS", within: 16)
    }

    private static func kind(of part: MultipartBody.Part, _ operation: Operation.Name) -> GuardPolicy.Uninspectable {
        switch operation {
        case .transcriptions, .translations: .audio
        case .imagesEdits: .inlineImage
        default: .file
        }
    }
}
