/// Fills a model's inputs from rows and reads its outputs. Belongs to one thread.
final class ModelRunner {
    /// What differs between models.
    struct Shape: Sendable {
        /// In the order of ``Input``.
        let inputs: [Input]
        /// Output with one row of numbers for each row, and how many.
        let output: String
        let columns: Int
        /// Output with one row of numbers for each token; nil: there is none.
        let tokenOutput: String?
        let tokenColumns: Int
    }
    enum Input: String, Sendable, CaseIterable {
        case identifiers = "input_ids"
        case mask = "attention_mask"
        case types = "token_type_ids"
        case cases = "case_ids"
    }

    private let request: ModelRequest
    private let shape: Shape
    private let markers: WordPieceTokenizer.Markers
    private let room: Int
    private let identifiers: UnsafeMutablePointer<Int32>
    private let mask: UnsafeMutablePointer<Int32>
    private let types: UnsafeMutablePointer<Int32>
    private let cases: UnsafeMutablePointer<Int32>

    /// - Parameter room: the most tokens that one run can have.
    init(model: CompiledModel, shape: Shape, markers: WordPieceTokenizer.Markers, room: Int) throws(ModelError) {
        request = try ModelRequest(model)
        self.shape = shape
        self.markers = markers
        self.room = room
        identifiers = .allocate(capacity: room * 4)
        identifiers.initialize(repeating: 0, count: room * 4)
        mask = identifiers + room
        types = identifiers + room * 2
        cases = identifiers + room * 3
    }

    deinit { identifiers.deallocate() }

    func run(_ batch: Batch) throws(ModelError) -> [RowResult] {
        precondition(batch.length * batch.rows.count <= room, "a batch is larger than the buffers made for it")
        for (position, entry) in batch.rows.enumerated() {
            fill(entry.call.rows[entry.index], entry.call, at: position * batch.length, batch.length)
        }
        try run(rows: batch.rows.count, length: batch.length)
        let scores = try request.output(shape.output, count: batch.rows.count * shape.columns)
        let tokenScores: UnsafeBufferPointer<Float>? =
            if let output = shape.tokenOutput, batch.rows.contains(where: { $0.call.texts[$0.call.rows[$0.index].text].wantsTokens }) {
                try request.output(output, count: batch.rows.count * batch.length * shape.tokenColumns)
            } else {
                nil
            }
        var results: [RowResult] = []
        results.reserveCapacity(batch.rows.count)
        for (position, entry) in batch.rows.enumerated() {
            let row = entry.call.rows[entry.index]
            var result = RowResult(scores: Array(scores[position * shape.columns..<(position + 1) * shape.columns]))
            if let tokenScores, entry.call.texts[row.text].wantsTokens {
                // The first text's tokens stand behind [CLS].
                let start = (position * batch.length + 1) * shape.tokenColumns
                result.tokenScores = Array(tokenScores[start..<start + row.first.count * shape.tokenColumns])
            }
            guard result.scores.allSatisfy(\.isFinite), result.tokenScores?.allSatisfy(\.isFinite) ?? true else {
                throw .engine("the model's scores are not finite")
            }
            results.append(result)
        }
        return results
    }

    /// Runs each shape once, so that no request waits for code to be generated.
    func warm(_ shapes: [(rows: Int, length: Int)]) throws(ModelError) {
        for (rows, length) in shapes {
            for index in 0..<rows * length {
                identifiers[index] = index % length == 0 ? markers.start : markers.separator
                mask[index] = 1
                types[index] = 0
                cases[index] = CaseClass.special.rawValue
            }
            try run(rows: rows, length: length)
        }
    }

    private func run(rows: Int, length: Int) throws(ModelError) {
        try request.run(
            shape.inputs.map { input in
                let values =
                    switch input {
                    case .identifiers: identifiers
                    case .mask: mask
                    case .types: types
                    case .cases: cases
                    }
                return (input.rawValue, UnsafePointer(values))
            }, rows: rows, columns: length)
    }

    private func fill(_ row: Row, _ call: ReadingCall, at start: Int, _ length: Int) {
        let text = call.texts[row.text]
        var place = start
        func put(_ identifier: Int32, _ type: Int32, _ caseClass: Int32) {
            identifiers[place] = identifier
            mask[place] = 1
            types[place] = type
            cases[place] = caseClass
            place += 1
        }
        put(markers.start, 0, CaseClass.special.rawValue)
        text.tokens.withUnsafeBufferPointer { tokens in
            for token in tokens[row.first] { put(token.identifier, 0, token.caseClass.rawValue) }
        }
        put(markers.separator, 0, CaseClass.special.rawValue)
        if let second = row.second, let pair = text.pair {
            pair.withUnsafeBufferPointer { tokens in
                for token in tokens[second] { put(token.identifier, 1, token.caseClass.rawValue) }
            }
            put(markers.separator, 1, CaseClass.special.rawValue)
        }
        for index in place..<start + length {
            identifiers[index] = markers.padding
            mask[index] = 0
            types[index] = 0
            cases[index] = 0
        }
    }

    /// Identifiers and cases of a row as the model gets them, without padding: what the manifest's rows are compared with.
    func input(of row: Row, in call: ReadingCall) -> (identifiers: [Int32], cases: [Int32]) {
        fill(row, call, at: 0, row.length)
        return (
            Array(UnsafeBufferPointer(start: identifiers, count: row.length)), Array(UnsafeBufferPointer(start: cases, count: row.length))
        )
    }
}
