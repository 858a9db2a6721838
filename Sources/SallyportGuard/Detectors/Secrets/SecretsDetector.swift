import NIOCore
import SallyportCore

/// Finds credentials: by the shapes that their issuers gave them, checked where they carry a check, and by the words around them.
///
/// Confidence: 1 our own keys, 0.95 a verified or unmistakable shape, 0.85 a shape, 0.75 a value that a word makes a secret, 0.65 a
/// shape whose check fails. Evidence is the family's name, never a part of the secret. Nothing is ever tried against its service.
package struct SecretsDetector: Detector {
    package let id: DetectorID = "secrets"
    package let layers: TextLayer.Kinds = [
        .original, .folded, .base64, .hex, .url, .htmlEntities, .tagCharacters, .variationSelectors,
    ]
    package let patterns: [Pattern]

    private enum Trigger: Sendable {
        case family(SecretFamily)
        case privateKey, puttyKey, webToken, address, identifiableAzureKey, shortAzureKey
        case assignment(SecretAssignments.Kind)
    }
    private let triggers: [Trigger]

    package init() {
        var list: [(Pattern, Trigger)] = SecretFamilies.all.map { ($0.pattern, .family($0)) }
        list += [
            (Pattern("-----BEGIN ", isLiteral: true), .privateKey),
            (Pattern("PuTTY-User-Key-File-", isLiteral: true), .puttyKey),
            (Pattern("eyJ[A-Za-z0-9_\\-]{16}"), .webToken),
            (Pattern("://", isLiteral: true), .address),
            (Pattern("JQQJ9", isLiteral: true), .identifiableAzureKey),
            (Pattern("Az(?:Se|Ca|Fu)[A-D]"), .shortAzureKey),
            (
                Pattern(
                    "(?:passwor[dt]|passwd|pwd|passphrase|kennwort|contrase\\xc3\\xb1a|mot de passe|has\\xc5\\x82o|senha|parola)",
                    ignoresCase: true,
                    needsStart: false), .assignment(.password)
            ),
            (
                Pattern(
                    "(?:secret|token|credential|(?:api|access|auth|account|private|subscription|encryption|signing|master|primary|function)[_\\- ]?key)",
                    ignoresCase: true, needsStart: false),
                .assignment(.secret)
            ),
            (Pattern("authorization", isLiteral: true, ignoresCase: true, needsStart: false), .assignment(.header)),
            (Pattern("bearer ", isLiteral: true, ignoresCase: true, needsStart: false), .assignment(.bearer)),
        ]
        patterns = list.map(\.0)
        triggers = list.map(\.1)
    }

    package func findings(in passage: Passage, hits: [PatternHit]) throws -> [Finding] {
        guard !hits.isEmpty else { return [] }
        return passage.withBytes { text in
            Self.settled(matches(in: text, hits: hits)).map {
                Finding(id, Finding.Category(.secret, $0.name), at: $0.range, confidence: $0.confidence, evidence: $0.name)
            }
        }
    }

    private func matches(in text: UnsafeRawBufferPointer, hits: [PatternHit]) -> [SecretMatch] {
        var found: [SecretMatch] = []
        // Where the last block ended: what lies inside one is not looked at again.
        var blockEnd = 0
        for hit in hits {
            guard hit.range.upperBound <= text.count, triggers.indices.contains(hit.pattern), hit.range.upperBound > blockEnd else {
                continue
            }
            let match: SecretMatch?
            switch triggers[hit.pattern] {
            case .family(let family): match = family.secret(in: text, at: hit.range)
            case .privateKey: match = SecretBlocks.privateKey(in: text, from: hit.range.lowerBound, after: hit.range.upperBound)
            case .puttyKey: match = SecretBlocks.puttyKey(in: text, from: hit.range.lowerBound)
            case .webToken: match = SecretBlocks.webToken(in: text, from: hit.range.lowerBound)
            case .address: match = SecretBlocks.addressCredentials(in: text, after: hit.range.upperBound)
            case .identifiableAzureKey: match = Self.azureKey(in: text, around: hit.range, length: 84, markAt: 52)
            case .shortAzureKey: match = Self.azureKey(in: text, around: hit.range, length: 52, markAt: 42)
            case .assignment(let kind): match = SecretAssignments.value(in: text, after: hit.range.upperBound, kind: kind)
            }
            guard let match else { continue }
            found.append(match)
            switch triggers[hit.pattern] {
            case .privateKey, .puttyKey, .webToken: blockEnd = match.range.upperBound
            default: break
            }
        }
        return found
    }

    /// Azure's identifiable keys: letters and digits with a mark at a fixed place.
    private static func azureKey(in text: UnsafeRawBufferPointer, around mark: Range<Int>, length: Int, markAt: Int) -> SecretMatch? {
        let start = mark.lowerBound - markAt
        guard start >= 0, start + length <= text.count else { return nil }
        for index in start..<start + length where !ASCII.isAlphanumeric(text[index]) { return nil }
        if start > 0, ASCII.isAlphanumeric(text[start - 1]) { return nil }
        if start + length < text.count, ASCII.isAlphanumeric(text[start + length]) { return nil }
        guard !SecretChecks.isPlaceholder(text, start..<start + length) else { return nil }
        return SecretMatch("AzureAPIKey", start..<start + length, 0.95)
    }

    /// One secret per place: the more certain, then the longer.
    private static func settled(_ matches: [SecretMatch]) -> [SecretMatch] {
        guard matches.count > 1 else { return matches }
        var kept: [SecretMatch] = []
        for match in matches.sorted(by: { ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound) }) {
            guard let last = kept.last, last.range.upperBound > match.range.lowerBound else {
                kept.append(match)
                continue
            }
            if (match.confidence, match.range.count) > (last.confidence, last.range.count) { kept[kept.count - 1] = match }
        }
        return kept
    }
}
