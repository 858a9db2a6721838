import SallyportCore

/// Finds links of an answer that carry data out, run script, or pose as another host.
///
/// Categories (group `output`): `exfiltration-image` (loaded without a click), `exfiltration-link`, `dangerous-scheme`,
/// `url-credentials`, `ip-host`,
/// `lookalike-host`. The range is the destination; the evidence is the host, for a dangerous scheme the scheme.
package struct OutputLinkDetector: Detector {
    package let id: DetectorID = "output-link"
    package let layers: TextLayer.Kinds = [.original]
    package var patterns: [Pattern] { OutputLinkReader.patterns }

    private let allowedHosts: Set<String>
    private let lookalikes: LookalikeHosts
    private static let scripts: Set<String> = ["javascript", "vbscript", "livescript", "jscript"]

    /// - Parameters:
    ///   - allowedHosts: hosts, with all below them, that addresses may carry data to.
    ///   - protectedHosts: hosts that others must not pose as; nil: well-known brands.
    package init(allowedHosts: Set<String> = [], protectedHosts: Set<String>? = nil) {
        self.allowedHosts = Set(allowedHosts.map { $0.lowercased() })
        lookalikes = LookalikeHosts(protectedHosts ?? LookalikeHosts.wellKnown)
    }

    package func findings(in passage: Passage, hits: [PatternHit]) throws -> [Finding] {
        guard passage.origin.direction == .completion, !hits.isEmpty else { return [] }
        return passage.withBytes { text in
            // An answer names few hosts many times.
            var poses: [String: LookalikeHosts.Fact?] = [:]
            return OutputLinkReader(text, hits: hits).links.flatMap { findings(about: $0, &poses) }
        }
    }

    package func findings(in passage: Passage, hits: [PatternHit], under policy: GuardPolicy) throws -> [Finding] {
        try (policy.hosts?.detector ?? self).findings(in: passage, hits: hits)
    }

    private func findings(about link: OutputLink, _ poses: inout [String: LookalikeHosts.Fact?]) -> [Finding] {
        var found: [Finding] = []
        let address = link.address
        func add(_ name: String, _ confidence: Double, _ evidence: String) {
            found.append(Finding(id, Finding.Category(.output, name), at: link.range, confidence: confidence, evidence: evidence))
        }
        guard WebAddress.webSchemes.contains(address.scheme) else {
            if let confidence = dangerOfScheme(of: link) { add("dangerous-scheme", confidence, address.scheme) }
            return found
        }
        let host = String(address.host.prefix(253))
        let isAllowed = address.isWithin(allowedHosts)
        if !isAllowed, let fact = CarriedData(address, use: link.use).fact {
            add(link.use == .loaded ? "exfiltration-image" : "exfiltration-link", fact.confidence, host)
        }
        // In code, credentials and numbers are examples.
        if link.use != .code {
            if let user = address.userInfo, !user.isEmpty {
                let posesAsHost = user.contains(UInt8(ascii: ".")) || user.starts(with: "www".utf8)
                add("url-credentials", posesAsHost ? 0.95 : 0.7, host)
            }
            if !isAllowed, let number = HostAddress(address.host) {
                if number.isDisguised {
                    add("ip-host", number.isLocal ? 0.7 : 0.9, host)
                } else if !number.isLocal {
                    add("ip-host", link.use == .loaded ? 0.8 : 0.5, host)
                }
            }
        }
        if isAllowed { return found }
        let pose: LookalikeHosts.Fact?
        if let known = poses[address.host] {
            pose = known
        } else {
            pose = lookalikes.fact(about: address)
            poses[address.host] = .some(pose)
        }
        if let fact = pose {
            add("lookalike-host", link.use == .code ? min(fact.confidence, 0.6) : fact.confidence, host)
        }
        return found
    }

    private func dangerOfScheme(of link: OutputLink) -> Double? {
        let address = link.address
        if Self.scripts.contains(address.scheme) {
            let body = String(decoding: Percent.decoded(address.opaque.prefix(32)), as: UTF8.self)
            return ["", ";", "void(0)", "void(0);", "void 0"].contains(body) ? nil : 0.95
        }
        guard address.scheme == "data" else { return nil }
        let type = String(decoding: address.opaque.prefix(64), as: UTF8.self).lowercased()
        // A picture in an image is a picture; SVG and pages carry script when they are opened.
        if type.hasPrefix("image/svg") { return link.use == .loaded ? nil : 0.8 }
        if type.hasPrefix("image/") || type.hasPrefix("font/") || type.hasPrefix("audio/") || type.hasPrefix("video/") { return nil }
        return type.contains("html") || type.contains("xml") || type.contains("script") ? 0.95 : 0.6
    }
}
