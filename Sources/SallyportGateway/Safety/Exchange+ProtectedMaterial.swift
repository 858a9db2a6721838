import NIOCore
import NIOPosix
import SallyportCore
import SallyportGuard
import SallyportWire

/// Protected material: `text:detectProtectedMaterial` and `text:detectProtectedMaterialForCode`, and its detector on the data plane.
extension Exchange {
    /// What compares texts with the tenant's protected works, where the policy asks for that.
    func materialDetectors(for principal: Principal) -> [any Detector] {
        guard policy.rules.contains(where: { $0.group == .protectedMaterial }) else { return [] }
        var kinds: [Direction: [MaterialKind]] = [:]
        for direction in Direction.allCases {
            kinds[direction] = MaterialKind.allCases.filter { policy.looks(for: ProtectedMaterialDetector.category($0), direction) }
        }
        guard let material = runtime.parts.materials?.material(of: principal.tenant) else { return [] }
        return [ProtectedMaterialDetector(material, kinds: kinds)]
    }

    func detectProtectedMaterial(_ body: SafetyBody, as kind: MaterialKind, for principal: Principal) throws {
        let limits = snapshot.configuration.safety
        let text =
            switch kind {
            case .text: try body.text("text", atMost: limits.protectedText)
            case .code: try body.text("code", atMost: limits.protectedCode)
            }
        guard let material = runtime.parts.materials?.material(of: principal.tenant), !material.isEmpty else {
            throw Fault(.guardUnavailable, "This installation has no protected material to compare with.")
        }
        policy = SafetyPolicy.noting([.init(.protectedMaterial, names: [kind.name], action: .annotate)], in: snapshot.engine)
        let pool = runtime.parts.pool
        analysing { (done: @escaping (Result<[MaterialIndex.Match], any Error>) -> Void) in
            pool.runIfActive(eventLoop: eventLoop) { text.bytes.withUnsafeReadableBytes { material.matches(in: $0, as: kind) } }
                .assumeIsolated().whenComplete(done)
        } then: { [self] matches in
            noteReport("protected-material", found: matches.count, confidence: 1, model: nil, of: text)
            var json = JSONWriter(capacity: 256)
            json.beginObject()
            json.key("protectedMaterialAnalysis")
            json.beginObject()
            json.key("detected")
            json.bool(!matches.isEmpty)
            if kind == .code { Exchange.writeCitations(of: matches.map(\.source), &json) }
            json.endObject()
            json.endObject()
            answerAnalysis(json.buffer)
        }
    }

    /// Sources by licence, each licence once, in the order of the longest copy.
    private static func writeCitations(of sources: [MaterialSource], _ json: inout JSONWriter) {
        var licences: [String] = []
        for source in sources where !licences.contains(source.licence) { licences.append(source.licence) }
        json.key("codeCitations")
        json.beginArray()
        for licence in licences {
            json.beginObject()
            json.key("license")
            json.string(licence)
            json.key("sourceUrls")
            json.beginArray()
            for source in sources where source.licence == licence { json.string(source.url) }
            json.endArray()
            json.endObject()
        }
        json.endArray()
    }
}
