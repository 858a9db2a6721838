import NIOCore
import NIOPosix
import SallyportCore
import SallyportGuard
import SallyportWire

/// `image:analyze`: the image is checked here; what it shows can be judged by an upstream only, where the configuration names one. Where the
/// operator says that the words in images are enough, they are read by OCR in a sandbox and judged as a text is.
extension Exchange {
    /// Azure's bounds for both sides of an image, in pixels.
    private static let imageSides = 50...2048
    private static let imageCategories = ["Hate", "SelfHarm", "Sexual", "Violence"]

    func analyzeImage(_ body: SafetyBody, for principal: Principal) throws {
        let image = try checkImage(body)
        let path = "/contentsafety/" + SafetyCall.analyzeImage.rawValue
        guard let upstream = snapshot.services.first(where: { $0.paths.contains { path == $0 || path.hasPrefix($0 + "/") } }) else {
            if snapshot.configuration.safety.readsImageText, let reader = runtime.parts.imageReader {
                try reserveAnalysis(for: principal)
                return try analyzeText(in: image, of: body, by: reader)
            }
            throw Fault(
                .guardUnavailable,
                "Nothing here can judge what an image shows: configure an upstream of the kind azure-ai with the path \(path).")
        }
        let floor = try snapshot.policies[upstream.policy] ?? { throw Fault.invalidPolicy }()
        guard floor.action(onUninspectable: .inlineImage) == .record else {
            throw Fault(
                .uninspectable, "The request holds content that cannot be inspected (inlineImage), which the policy '\(floor.id)' refuses.")
        }
        uninspected.insert(.inlineImage)
        try decideService(upstream)
    }

    /// The words in an image, judged as a text of the user's.
    private func analyzeText(in image: ByteBuffer, of body: SafetyBody, by reader: any DocumentParser) throws {
        let names = try body.texts("categories")?.map(\.string)
        let asked = Exchange.harmNames.filter { names?.contains($0.name) ?? true }
        let policy = try requireGuards(
            for: [GuardPolicy.Rule(.harm, names: Set(asked.map(\.harm.rawValue)), minimumConfidence: 0, action: .annotate)])
        analysing { (done: @escaping (Result<[Int], any Error>) -> Void) in
            runtime.parts.pool.runIfActive(eventLoop: eventLoop) { () throws -> String in
                do throws(DocumentProblem) {
                    return try reader.parse(image, as: .image).blocks.map(\.text).joined(separator: "\n")
                } catch {
                    switch error {
                    // Read to the end, and there were no words.
                    case .empty: return ""
                    case .malformed, .mismatch, .tooLarge:
                        throw Fault(.invalidRequest, "The field 'image.content' \(error).", param: "image.content")
                    default: throw Fault(.guardUnavailable, "The words in the image could not be read.", cause: error)
                    }
                }
            }.assumeIsolated().whenComplete { [self] result in
                let text: String
                do { text = try result.get() } catch { return done(.failure(error)) }
                guard !text.isEmpty else { return done(.success(asked.map { _ in 0 })) }
                let passage = Passage(text, origin: .user)
                let slot = TextSlot(
                    kind: .prose, passage: passage, text: DecodedText.plain(passage.text), outer: nil, choice: nil, channel: nil,
                    isOutside: true)
                read([slot], under: policy) { result in
                    done(
                        result.map { outcome in
                            let findings = outcome.findings.values.flatMap { $0 }
                            return asked.map { Exchange.severity(of: $0.harm, in: findings) }
                        })
                }
            }
        } then: { [self] severities in
            notes = [(name: "judged", value: "text")]
            var json = JSONWriter(capacity: 256)
            json.beginObject()
            json.key("categoriesAnalysis")
            json.beginArray()
            for (harm, severity) in zip(asked, severities) {
                json.beginObject()
                json.key("category")
                json.string(harm.name)
                json.key("severity")
                json.int(severity / 2 * 2)
                json.endObject()
            }
            json.endArray()
            json.endObject()
            answerAnalysis(json.buffer)
        }
    }

    /// - Returns: the image's bytes.
    private func checkImage(_ body: SafetyBody) throws -> ByteBuffer {
        _ = try body.choice("outputType", among: ["FourSeverityLevels"], standard: "FourSeverityLevels")
        for name in try body.texts("categories")?.map(\.string) ?? [] where !Self.imageCategories.contains(name) {
            throw Fault(
                .invalidRequest, "The field 'categories' may hold \(Self.imageCategories.joined(separator: ", ")).", param: "categories")
        }
        guard let image = body.node("image"), body.document.nodes[image].kind == .object else {
            throw Fault(.invalidRequest, "The field 'image' is required.", param: "image")
        }
        let content = try body.optionalText("content", of: image, at: "image.")
        let isElsewhere = body.node("blobUrl", of: image) != nil
        guard (content != nil) != isElsewhere else {
            throw Fault(.invalidRequest, "The field 'image' holds either 'content' or 'blobUrl'.", param: "image")
        }
        guard let content else {
            throw Fault(.invalidRequest, "Images that lie elsewhere are not fetched: send 'content'.", param: "image.blobUrl")
        }
        let limit = snapshot.configuration.safety.imageBytes
        guard content.bytes.readableBytes <= (limit + 2) / 3 * 4, let bytes = Base64.decode(content.string), bytes.count <= limit else {
            throw Fault(
                .invalidRequest, "The field 'image.content' is not an image of at most \(limit) bytes in base64.", param: "image.content")
        }
        guard let header = ImageHeader(bytes) else {
            throw Fault(
                .invalidRequest, "The field 'image.content' is no JPEG, PNG, GIF, BMP, TIFF or WEBP image.", param: "image.content")
        }
        guard Self.imageSides.contains(header.width), Self.imageSides.contains(header.height) else {
            throw Fault(
                .invalidRequest,
                "The image has \(header.width) × \(header.height) pixels: each side must have \(Self.imageSides.lowerBound) to "
                    + "\(Self.imageSides.upperBound).", param: "image.content")
        }
        return ByteBuffer(bytes: bytes)
    }
}
