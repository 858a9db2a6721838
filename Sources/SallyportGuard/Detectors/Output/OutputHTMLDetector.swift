import SallyportCore

/// Finds HTML that does something when an answer is shown: script, event handlers, frames, plug-ins, redirects, forms. Code that the
/// answer shows
/// (fences, inline spans) is left alone.
///
/// Category `output`/`active-html`; the evidence is the rule: `script`, `event-handler`, `frame`, `plug-in`, `redirect`, `base`, `form`,
/// `style`, `stylesheet`.
package struct OutputHTMLDetector: Detector {
    package let id: DetectorID = "output-html"
    package let layers: TextLayer.Kinds = [.original]
    package let patterns: [Pattern] = [Pattern("<[a-zA-Z]")]

    private static let maximumTags = 16_384

    package init() {}

    package func findings(in passage: Passage, hits: [PatternHit]) throws -> [Finding] {
        switch passage.origin {
        case .completion, .reasoning, .upstreamError: break
        default: return []
        }
        guard !hits.isEmpty else { return [] }
        return passage.withBytes { text in
            let code = MarkdownCode(text)
            var found: [Finding] = []
            var covered = 0
            var budget = TagBudget()
            var ends = ElementEnds(text)
            for hit in hits.prefix(Self.maximumTags) where hit.range.lowerBound >= covered && !code.contains(hit.range.lowerBound) {
                guard let tag = HTMLTag(text, at: hit.range.lowerBound) else { continue }
                covered = max(covered, budget.spend(on: tag))
                guard let (rule, confidence) = Self.danger(of: tag, in: text, &ends) else { continue }
                let range = Self.element(tag, &ends)
                covered = max(covered, range.upperBound)
                found.append(Finding(id, Finding.Category(.output, "active-html"), at: range, confidence: confidence, evidence: rule))
            }
            // Beyond the bound nothing is told apart any more.
            if hits.count > Self.maximumTags {
                found.append(
                    Finding(
                        id, Finding.Category(.output, "active-html"), at: hits[Self.maximumTags].range.lowerBound..<text.count,
                        confidence: 0.6,
                        evidence: "too-many-tags"))
            }
            return found
        }
    }

    private static func danger(of tag: HTMLTag, in text: UnsafeRawBufferPointer, _ ends: inout ElementEnds) -> (
        rule: String, confidence: Double
    )? {
        func has(_ name: String) -> Bool { tag.value(name, in: text) != nil }
        if tag.attributes.contains(where: { isHandler($0, in: text) }) { return ("event-handler", 0.95) }
        switch tag.name {
        case "script":
            // A word about the tag has neither an address nor an end.
            if !tag.isClosed && tag.attributes.isEmpty { return nil }
            return ("script", has("src") || ends.end(of: tag) != nil ? 0.95 : 0.6)
        case "iframe", "frame", "portal", "fencedframe": return has("src") || has("srcdoc") ? ("frame", has("srcdoc") ? 0.95 : 0.85) : nil
        case "object": return has("data") || has("classid") ? ("plug-in", 0.85) : nil
        case "embed": return has("src") ? ("plug-in", 0.85) : nil
        case "applet": return has("code") || has("archive") ? ("plug-in", 0.85) : nil
        case "meta":
            guard let kind = tag.value("http-equiv", in: text) else { return nil }
            return text.holds("refresh", in: kind) ? ("redirect", 0.9) : nil
        case "base": return has("href") ? ("base", 0.85) : nil
        case "form": return has("action") || has("method") ? ("form", 0.75) : nil
        case "button", "input": return has("formaction") ? ("form", 0.75) : nil
        case "link":
            guard let relation = tag.value("rel", in: text), has("href") else { return nil }
            let rel = String(decoding: text[relation], as: UTF8.self).lowercased()
            let loads = ["stylesheet", "import", "prefetch", "preload", "dns-prefetch", "preconnect", "modulepreload", "manifest"]
            return loads.contains(where: rel.contains) ? ("stylesheet", 0.7) : nil
        case "style":
            guard let end = ends.end(of: tag) else { return nil }
            let body = UnsafeRawBufferPointer(rebasing: text[tag.range.upperBound..<end.lowerBound])
            let loads = ["@import", "url(", "expression(", "-moz-binding"].contains { body.next($0, from: 0) != nil }
            return loads ? ("style", 0.8) : nil
        default: return nil
        }
    }

    /// `onerror=`, `onload=`: "on", then letters, with a value.
    private static func isHandler(_ attribute: HTMLTag.Attribute, in text: UnsafeRawBufferPointer) -> Bool {
        let name = attribute.name
        return (5...32).contains(name.count) && !attribute.value.isEmpty && text.starts(with: "on", at: name.lowerBound)
            && text[name].allSatisfy(\.isASCIILetter)
    }

    /// The tag, or the whole element where its content acts too.
    private static func element(_ tag: HTMLTag, _ ends: inout ElementEnds) -> Range<Int> {
        guard ["script", "style", "iframe", "object"].contains(tag.name), let end = ends.end(of: tag) else { return tag.range }
        return tag.range.lowerBound..<end.upperBound
    }
}

/// Finds end tags. Asked for tags in the order of the text, it reads the text once per name.
private struct ElementEnds {
    private let text: UnsafeRawBufferPointer
    /// The next end tag of a name; nil: there is none any more.
    private var known: [String: Range<Int>?] = [:]

    init(_ text: UnsafeRawBufferPointer) { self.text = text }

    mutating func end(of tag: HTMLTag) -> Range<Int>? {
        guard tag.isClosed else { return nil }
        if let known = known[tag.name] {
            guard let range = known else { return nil }
            if range.lowerBound >= tag.range.upperBound { return range }
        }
        var found: Range<Int>?
        if let start = text.next("</\(tag.name)", from: tag.range.upperBound) {
            var end = start + tag.name.utf8.count + 2
            while end < text.count, text[end] != UInt8(ascii: ">"), end - start < 64 { end += 1 }
            found = start..<min(end + 1, text.count)
        }
        known[tag.name] = .some(found)
        return found
    }
}
