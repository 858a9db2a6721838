import Crypto
import Foundation
import NIOCore
import SallyportCore

/// Reads what guards find in the chunks of a document. Blocks.
package protocol ChunkInspector: Sendable {
    /// - Parameter chunks: of one document, in order, each with its headings.
    /// - Returns: one for each, in their order.
    /// - Throws: when a guard could not do its work: the document is not taken in.
    func inspections(of chunks: [String]) throws -> [ChunkInspection]
}

/// Takes files into an index: parse in the sandbox, cut, inspect, embed, store. Each document is one transaction, so that a run that was
/// killed goes on where it ended: what is there with the same hash is passed over. Blocks.
package struct DocumentIngest: Sendable {
    package struct Settings: Sendable {
        package var tenant = TenantID.default
        package var index: IndexID
        package var owner: PrincipalID
        package var access: AccessList
        /// nil: nobody says; a document that is there keeps its label. Rules and what is found can raise it.
        package var label: SensitivityLabel?
        /// Of what nobody labels.
        package var standardLabel = SensitivityLabel.general
        package var labelRules: [LabelRule] = []
        /// Put before the names of all sources.
        package var prefix = ""
        /// Documents of the same origin whose files are gone are removed.
        package var prunes = false
        /// The index belongs to what is added now: documents of other origins give way.
        package var replacesOrigins = false

        package init(index: IndexID, owner: PrincipalID, access: AccessList, label: SensitivityLabel? = nil) {
            self.index = index
            self.owner = owner
            self.access = access
            self.label = label
        }
    }

    package enum Outcome: Sendable, Hashable {
        case added, changed, unchanged
        /// Only who may read it, its owner or its label changed.
        case described
        case removed
        case refused(DocumentProblem)

        package var name: String {
            switch self {
            case .added: "added"
            case .changed: "changed"
            case .unchanged: "unchanged"
            case .described: "described"
            case .removed: "removed"
            case .refused: "refused"
            }
        }
    }

    package struct Step: Sendable {
        package let done: Int
        package let of: Int
        package let source: String
        package let outcome: Outcome
        package let quarantined: Int
        /// Set: rules or detectors raised the label to this.
        package let raised: SensitivityLabel?
    }

    package struct Report: Sendable {
        package var counts: [String: Int] = [:]
        package var refused: [(source: String, problem: DocumentProblem)] = []
        /// Chunks of the documents of this run that wait for a reviewer.
        package var quarantined = 0
        /// Documents whose label is higher than declared, by rules or by what was found.
        package var raised = 0

        mutating func note(_ step: Step) {
            counts[step.outcome.name, default: 0] += 1
            if case .refused(let problem) = step.outcome { refused.append((step.source, problem)) }
            quarantined += step.quarantined
            if step.raised != nil { raised += 1 }
        }
    }

    /// Why nothing at all was done.
    package struct Mistake: Error, CustomStringConvertible {
        package let description: String
    }

    private let store: any DocumentStore
    private let parser: any DocumentParser
    private let inspector: any ChunkInspector
    private let embedder: (any TextEmbedder)?
    private let chunker: Chunker
    private let clock: @Sendable () -> Int64
    private static let parserVersion = "3"
    private static let largest = 64 << 20
    private static let mostFiles = 200_000
    private static let deepest = 16

    package init(
        store: any DocumentStore, parser: any DocumentParser, inspector: any ChunkInspector, embedder: (any TextEmbedder)? = nil,
        chunker: Chunker? = nil, clock: @escaping @Sendable () -> Int64
    ) {
        self.store = store
        self.parser = parser
        self.inspector = inspector
        self.embedder = embedder
        let counter: (@Sendable ([UInt8]) -> Int?)? = embedder.map { model in { @Sendable text in model.tokenCount(of: text) } }
        self.chunker = chunker ?? Chunker(counter: counter)
        self.clock = clock
    }

    private var pipeline: String { "parser \(Self.parserVersion), chunker \(Chunker.version), embedder \(embedder?.digest ?? "none")" }

    /// A file to take in.
    private struct Candidate {
        let source: String
        let path: String
        let origin: String
    }

    /// - Parameter paths: files and folders; of folders every file of a known format, hidden ones and links left aside.
    /// - Throws: ``Mistake`` when a path cannot be read at all; what the store throws.
    package func add(_ paths: [String], _ settings: Settings, progress: (Step) -> Void = { _ in }) throws -> Report {
        var candidates: [Candidate] = []
        var origins: Set<String> = []
        for path in paths {
            let absolute = URL(fileURLWithPath: path).standardizedFileURL.path
            origins.insert(absolute)
            candidates += try files(at: absolute, prefix: settings.prefix)
        }
        let gone = settings.prunes ? try missing(candidates, origins, settings) : []
        var report = Report()
        var done = 0
        let total = candidates.count + gone.count
        func tell(_ result: Result) {
            let step = Step(
                done: min(done, total), of: total, source: result.source, outcome: result.outcome, quarantined: result.quarantined,
                raised: result.raised)
            report.note(step)
            progress(step)
        }
        for document in gone {
            _ = try store.remove(document.id, in: document.index, of: document.tenant)
            done += 1
            tell(Result(document.source, .removed))
        }
        for candidate in candidates {
            done += 1
            do { try take(candidate, settings).forEach(tell) } catch let problem as DocumentProblem {
                tell(Result(candidate.source, .refused(problem)))
            }
        }
        return report
    }

    /// Takes one document in that did not come from a file.
    /// - Parameters:
    ///   - source: its name in the index: a relative path, as ``isPlain(_:)`` wants it.
    ///   - origin: who brought it. What others brought under that name is not replaced.
    /// - Returns: a step for the document, and one for each document in it.
    package func add(_ content: ByteBuffer, named source: String, origin: String, _ settings: Settings) throws -> [Step] {
        let source = settings.prefix + source
        guard DocumentIngest.isPlain(source) else { throw Mistake(description: "'source' is not a plain relative path") }
        let candidate = Candidate(source: source, path: source, origin: origin)
        let results: [Result]
        do {
            guard let format = DocumentFormat(fileName: source) else { throw DocumentProblem.unsupportedFormat }
            guard content.readableBytes > 0 else { throw DocumentProblem.empty }
            guard content.readableBytes <= Self.largest else { throw DocumentProblem.tooLarge }
            results = try take(content, format, candidate, settings)
        } catch let problem as DocumentProblem { results = [Result(source, .refused(problem))] }
        return results.enumerated().map { number, result in
            Step(
                done: number + 1, of: results.count, source: result.source, outcome: result.outcome, quarantined: result.quarantined,
                raised: result.raised)
        }
    }

    /// A name that a document may be brought under: a relative path without steps upwards, hidden parts, signs that do not show, or the mark
    /// that leads into a container.
    package static func isPlain(_ source: String) -> Bool {
        guard (1...512).contains(source.utf8.count), !source.contains("!/"), !source.contains("\\") else { return false }
        let parts = source.split(separator: "/", omittingEmptySubsequences: false)
        return parts.allSatisfy { !$0.isEmpty && !$0.hasPrefix(".") }
            && source.unicodeScalars.allSatisfy { scalar in
                scalar.value >= 0x20 && scalar.value != 0x7F && !scalar.properties.isDefaultIgnorableCodePoint
                    && scalar.properties.generalCategory != .lineSeparator && scalar.properties.generalCategory != .control
            }
    }

    /// What became of one document.
    private struct Result {
        let source: String
        let outcome: Outcome
        var quarantined = 0
        var raised: SensitivityLabel?
        init(_ source: String, _ outcome: Outcome) {
            self.source = source
            self.outcome = outcome
        }
    }

    /// - Returns: one for the file, and one for each document in it.
    private func take(_ candidate: Candidate, _ settings: Settings) throws -> [Result] {
        guard let format = DocumentFormat(fileName: candidate.path) else { throw DocumentProblem.unsupportedFormat }
        return try take(try DocumentIngest.content(of: candidate.path), format, candidate, settings)
    }

    private func take(_ content: ByteBuffer, _ format: DocumentFormat, _ candidate: Candidate, _ settings: Settings) throws -> [Result] {
        let hash = Array(SHA256.hash(data: Data(content.readableBytesView)))
        var old = try store.document(source: candidate.source, in: settings.index, of: settings.tenant)
        if let old, old.origin != candidate.origin, !settings.replacesOrigins { throw DocumentProblem.otherOrigin }
        var oldParts = format.isContainer ? try parts(of: candidate.source, settings) : []
        // What was changed behind the gateway's back is taken in anew, and what it says of itself counts for nothing.
        if let known = old, try !([known] + oldParts).allSatisfy(isAuthentic) { (old, oldParts) = (nil, []) }
        if let old, old.hash == hash, old.pipeline == pipeline {
            return try ([old] + oldParts).map { try describe($0, candidate, settings) }
        }
        let parsed = try parser.parse(content, as: format)
        var results: [Result] = []
        var isWhole = true
        var present: Set<String> = []
        for part in parsed.parts {
            let source = "\(candidate.source)!/\(part.name)"
            guard present.insert(source).inserted else { throw DocumentProblem.malformed }
            do {
                guard let document = part.document else { throw part.problem ?? .malformed }
                let before = oldParts.first { $0.source == source }
                results.append(try put(document, of: part.format, named: source, candidate, hash, pipeline, before, settings))
            } catch let problem as DocumentProblem {
                isWhole = false
                results.append(Result(source, .refused(problem)))
            }
        }
        // What is no longer in the container is no longer in the index.
        for gone in oldParts where !present.contains(gone.source) {
            _ = try store.remove(gone.id, in: gone.index, of: gone.tenant)
            results.append(Result(gone.source, .removed))
        }
        // Last: a run that was killed before finds no container and reads it again. Where a part was refused it is read again too.
        let finished = isWhole ? pipeline : pipeline + ", incomplete"
        results.append(try put(parsed, of: format, named: candidate.source, candidate, hash, finished, old, settings))
        return results
    }

    private func isAuthentic(_ document: DocumentRecord) throws -> Bool {
        do {
            let chunks = try store.chunks(of: document.id, in: document.index, of: document.tenant, searchableOnly: true)
            return try store.isAuthentic(document, chunks: chunks)
        } catch is DamagedDocument { return false }
    }

    /// The text is what it was; who may read it, its owner or its label may have changed.
    private func describe(_ old: DocumentRecord, _ candidate: Candidate, _ settings: Settings) throws -> Result {
        var new = old
        new.origin = candidate.origin
        new.owner = settings.owner
        new.access = settings.access
        if let label = settings.label {
            // What rules or detectors raised, or a person lowered, stays there: the text is the same.
            switch old.labelOrigin {
            case .standard, .declared: (new.label, new.isLabelDeclared, new.labelOrigin) = (label, true, .declared)
            case .rule, .detected, .lowered:
                if label > old.label { (new.label, new.isLabelDeclared, new.labelOrigin) = (label, true, .declared) }
            }
        }
        if new == old { return Result(old.source, .unchanged) }
        try store.update(new)
        return Result(old.source, .described)
    }

    private func put(
        _ parsed: ParsedDocument, of format: DocumentFormat, named source: String, _ candidate: Candidate, _ hash: [UInt8],
        _ pipeline: String,
        _ old: DocumentRecord?, _ settings: Settings
    ) throws -> Result {
        var chunks = chunker.chunks(of: parsed)
        // An archive has no words of its own.
        guard chunks.contains(where: { $0.hiding == nil }) || !parsed.parts.isEmpty else { throw DocumentProblem.empty }
        let title = parsed.title ?? DocumentIngest.title(from: source)
        let inspections: [ChunkInspection]
        do {
            inspections = try inspector.inspections(
                of: chunks.map { ([title] + $0.headings.filter { $0 != title } + [$0.text]).joined(separator: "\n") })
        } catch { throw DocumentProblem.uninspected }
        guard inspections.count == chunks.count else { throw DocumentProblem.uninspected }
        for (position, inspection) in inspections.enumerated() {
            guard let reason = inspection.quarantine else { continue }
            chunks[position].quarantine = [chunks[position].quarantine, reason].compactMap { $0 }.joined(separator: "; ")
        }
        try embed(&chunks)
        let found = inspections.reduce(into: [String: Int]()) { $0.merge($1.found, uniquingKeysWith: +) }
        let (label, origin, isRaised) = label(for: source, chunks.map(\.text), found, old, settings)
        let record = DocumentRecord(
            tenant: settings.tenant, index: settings.index, id: DocumentID(DocumentIngest.randomName()), source: source,
            origin: candidate.origin, owner: settings.owner, access: settings.access, label: label,
            isLabelDeclared: origin != .standard, labelOrigin: origin,
            language: LanguageGuess.language(of: chunks.lazy.filter { $0.hiding == nil }.prefix(20).map(\.text).joined(separator: " ")),
            hash: hash, pipeline: pipeline, title: title, format: format, notes: parsed.notes, addedAt: clock())
        try store.put(record, chunks: chunks)
        var result = Result(source, old == nil ? .added : .changed)
        result.quarantined = chunks.count { $0.quarantine != nil }
        result.raised = isRaised ? label : nil
        return result
    }

    /// The highest of what was declared (or is the default), what rules say, and what the detectors found speaks for. A label that a person
    /// lowered counts as declared for the text that was looked at then: this text is another one.
    private func label(
        for source: String, _ texts: [String], _ found: [String: Int], _ old: DocumentRecord?, _ settings: Settings
    ) -> (SensitivityLabel, LabelOrigin, isRaised: Bool) {
        var label = settings.standardLabel
        var origin = LabelOrigin.standard
        if let declared = settings.label {
            (label, origin) = (declared, .declared)
        } else if let old, old.labelOrigin == .declared || old.labelOrigin == .lowered {
            (label, origin) = (old.label, .declared)
        }
        let start = label
        for rule in settings.labelRules where rule.label > label && rule.applies(to: source, texts: texts, found: found) {
            (label, origin) = (rule.label, .rule(rule.name))
        }
        if let proposal = LabelProposal.label(for: found), proposal.label > label { (label, origin) = (proposal.label, proposal.origin) }
        return (label, origin, label > start)
    }

    /// The documents of a container.
    private func parts(of source: String, _ settings: Settings) throws -> [DocumentRecord] {
        try store.documents(in: settings.index, of: settings.tenant).filter { $0.source.hasPrefix(source + "!/") }
    }

    private func embed(_ chunks: inout [ChunkRecord]) throws {
        guard let embedder else { return }
        let wanted = chunks.indices.filter { chunks[$0].hiding == nil }
        for start in stride(from: 0, to: wanted.count, by: 16) {
            let batch = wanted[start..<min(wanted.count, start + 16)]
            let texts = batch.map { ByteBuffer(string: (chunks[$0].headings + [chunks[$0].text]).joined(separator: "\n")) }
            for (position, vector) in zip(batch, try BlockingEmbedder.vectors(of: texts, by: embedder)) {
                chunks[position].vector = QuantisedVector.quantise(vector)
            }
        }
    }

    // MARK: Files

    private func missing(_ candidates: [Candidate], _ origins: Set<String>, _ settings: Settings) throws -> [DocumentRecord] {
        let present = Set(candidates.map(\.source))
        return try store.documents(in: settings.index, of: settings.tenant).filter {
            (settings.replacesOrigins || origins.contains($0.origin)) && !present.contains($0.source)
                && !DocumentIngest.containers(of: $0.source).contains(where: present.contains)
        }
    }

    /// The containers that a document's name says it is in, the outermost first.
    package static func containers(of source: String) -> [String] {
        var found: [String] = []
        var start = source.startIndex
        while let mark = source[start...].range(of: "!/") {
            let container = String(source[..<mark.lowerBound])
            if DocumentFormat(fileName: container)?.isContainer == true { found.append(container) }
            start = mark.upperBound
        }
        return found
    }

    private func files(at path: String, prefix: String) throws -> [Candidate] {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw Mistake(description: "\(path): there is no such file or folder")
        }
        guard isFolder.boolValue else {
            return [Candidate(source: prefix + URL(fileURLWithPath: path).lastPathComponent, path: path, origin: path)]
        }
        var found: [Candidate] = []
        var folders = [(name: "", depth: 0)]
        while let folder = folders.popLast() {
            let place = folder.name.isEmpty ? path : path + "/" + folder.name
            let names: [String]
            do { names = try FileManager.default.contentsOfDirectory(atPath: place).sorted() } catch {
                throw Mistake(description: "\(place): cannot be read")
            }
            for name in names where !name.hasPrefix(".") {
                let relative = folder.name.isEmpty ? name : folder.name + "/" + name
                var status = stat()
                // Of the link itself: what lies outside the folder is never taken in.
                guard lstat(path + "/" + relative, &status) == 0 else { continue }
                if status.st_mode & S_IFMT == S_IFDIR {
                    guard folder.depth < Self.deepest else {
                        throw Mistake(description: "\(place): more than \(Self.deepest) folders deep")
                    }
                    folders.append((relative, folder.depth + 1))
                } else if status.st_mode & S_IFMT == S_IFREG, DocumentFormat(fileName: name) != nil {
                    guard found.count < Self.mostFiles else { throw Mistake(description: "\(path): more than \(Self.mostFiles) files") }
                    found.append(Candidate(source: prefix + relative, path: path + "/" + relative, origin: path))
                }
            }
        }
        return found.sorted { $0.source < $1.source }
    }

    /// Read once: what is hashed is what is parsed.
    private static func content(of path: String) throws(DocumentProblem) -> ByteBuffer {
        let file = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard file >= 0 else { throw .unreadable }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { throw .unreadable }
        guard status.st_size > 0 else { throw .empty }
        guard status.st_size <= largest else { throw .tooLarge }
        var buffer = ByteBufferAllocator().buffer(capacity: Int(status.st_size))
        var isWhole = false
        while !isWhole, buffer.readableBytes <= largest {
            let count = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: 1 << 16) { space in
                max(0, read(file, space.baseAddress, space.count))
            }
            isWhole = count == 0
        }
        guard buffer.readableBytes <= largest else { throw .tooLarge }
        guard buffer.readableBytes >= Int(status.st_size) else { throw .unreadable }
        return buffer
    }

    private static func randomName() -> String {
        var generator = SystemRandomNumberGenerator()
        let digits = Array("0123456789abcdefghjkmnpqrstvwxyz")
        return String((0..<20).map { _ in digits[Int.random(in: 0..<32, using: &generator)] })
    }

    /// `leave-policy.md` is "leave policy".
    static func title(from source: String) -> String {
        let file = source.split(separator: "/").last.map(String.init) ?? source
        let stem = file.lastIndex(of: ".").map { String(file[..<$0]) } ?? file
        return String(stem.map { $0 == "-" || $0 == "_" ? " " : $0 })
    }
}

/// An embedder's answer, waited for. Not for event loops.
package enum BlockingEmbedder {
    package static func vectors(of texts: [ByteBuffer], by embedder: any TextEmbedder) throws -> [[Float]] {
        // A model that is loaded when it is first needed is loaded here, on the waiting thread.
        guard embedder.dimensions > 0 else { throw TextReadingFault.failed("the embedding model is not there") }
        let gate = ConditionLatch<Result<[[Float]], TextReadingFault>>()
        embedder.embed(texts) { gate.open(with: $0) }
        let vectors = try gate.wait().get()
        guard vectors.count == texts.count, vectors.allSatisfy({ $0.count == embedder.dimensions }) else {
            throw TextReadingFault.failed("another number of vectors than texts")
        }
        return vectors
    }
}
