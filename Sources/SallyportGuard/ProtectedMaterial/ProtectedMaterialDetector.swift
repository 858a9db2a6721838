import SallyportCore

/// Finds copies of protected text and code, also partial and reformatted ones, and cites them.
package struct ProtectedMaterialDetector: Detector {
    package static func category(_ kind: MaterialKind) -> Finding.Category { Finding.Category(.protectedMaterial, kind.name) }

    package let id: DetectorID = "protected-material"
    package let layers: TextLayer.Kinds = [.original]
    private let material: ProtectedMaterial
    private let kinds: [Direction: [MaterialKind]]

    /// - Parameter kinds: what the policy asks for, each way.
    package init(_ material: ProtectedMaterial, kinds: [Direction: [MaterialKind]] = [.completion: MaterialKind.allCases]) {
        self.material = material
        self.kinds = kinds
    }

    package func findings(in passage: Passage, hits: [PatternHit]) throws -> [Finding] {
        passage.withBytes { bytes in
            (kinds[passage.origin.direction] ?? []).flatMap { kind in
                material.matches(in: bytes, as: kind).prefix(1).map { match in
                    Finding(id, Self.category(kind), at: match.range, evidence: Citation(match.source).spelled)
                }
            }
        }
    }

    /// A source as a finding carries it.
    package struct Citation: Sendable, Hashable {
        package let licence: String
        package let url: String

        init(_ source: MaterialSource) {
            licence = source.licence
            url = source.url
        }

        /// From a finding's evidence.
        package init?(_ evidence: String?) {
            guard let evidence, let blank = evidence.lastIndex(of: " ") else { return nil }
            licence = String(evidence[..<blank])
            url = String(evidence[evidence.index(after: blank)...])
        }

        /// A URL holds no blank, a licence's name may.
        var spelled: String { "\(licence) \(url.filter { $0 != " " })" }
    }
}
