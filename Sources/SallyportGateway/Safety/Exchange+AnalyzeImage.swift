import SallyportCore
import SallyportGuard
import SallyportWire

/// `image:analyze`: the image is checked here; what it shows can be judged by an upstream only, where the configuration names one.
extension Exchange {
    /// Azure's bounds for both sides of an image, in pixels.
    private static let imageSides = 50...2048
    private static let imageCategories = ["Hate", "SelfHarm", "Sexual", "Violence"]

    func analyzeImage(_ body: SafetyBody) throws {
        try checkImage(body)
        let path = "/contentsafety/" + SafetyCall.analyzeImage.rawValue
        guard let upstream = snapshot.services.first(where: { $0.paths.contains { path == $0 || path.hasPrefix($0 + "/") } }) else {
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

    private func checkImage(_ body: SafetyBody) throws {
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
    }
}
