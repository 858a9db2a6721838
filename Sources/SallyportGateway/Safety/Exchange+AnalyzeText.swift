import NIOCore
import NIOPosix
import SallyportCore
import SallyportGuard
import SallyportWire

/// `text:analyze`: severities of the four harm categories, and blocklists.
extension Exchange {
    /// What is analysed of a text.
    private struct HarmRequest {
        let harms: [HarmDetector.Harm]
        /// Severities 0 to 7 instead of 0, 2, 4 and 6.
        let isFine: Bool
    }

    /// Azure's names, in the order of its answers.
    static let harmNames: [(name: String, harm: HarmDetector.Harm)] = [
        ("Hate", .hate), ("SelfHarm", .selfHarm), ("Sexual", .sexual), ("Violence", .violence),
    ]

    func analyzeText(_ body: SafetyBody, for principal: Principal) throws {
        let text = try body.text("text", atMost: snapshot.configuration.safety.text)
        let lists = try body.texts("blocklistNames")?.map(\.string) ?? []
        let halts = try body.flag("haltOnBlocklistHit")
        let asked = try Exchange.harms(in: body)
        let rules =
            asked.harms.isEmpty
            ? [] : [GuardPolicy.Rule(.harm, names: Set(asked.harms.map(\.rawValue)), minimumConfidence: 0, action: .annotate)]
        let policy = try requireGuards(for: rules)
        analysing { (done: @escaping (Result<(matches: [BlocklistIndex.Match], severities: [Int]?), any Error>) -> Void) in
            matches(of: text, in: lists, tenant: principal.tenant) { [self] result in
                guard case .success(let matches) = result, !asked.harms.isEmpty, !halts || matches.isEmpty else {
                    return done(result.map { ($0, nil) })
                }
                read([text.slot(.user)], under: policy) { result in
                    done(
                        result.map { outcome in
                            let findings = outcome.findings.values.flatMap { $0 }
                            return (matches, asked.harms.map { Exchange.severity(of: $0, in: findings) })
                        })
                }
            }
        } then: { [self] found in
            notes = [(name: "blocklists", value: "\(lists.count)"), (name: "matches", value: "\(found.matches.count)")]
            answerAnalysis(
                Exchange.answer(
                    matches: found.matches, severities: found.severities.map { zip(asked.harms, $0).map { ($0, $1) } }, isFine: asked.isFine
                ))
        }
    }

    /// An empty `categories` asks for no severity: blocklists only.
    private static func harms(in body: SafetyBody) throws -> HarmRequest {
        let output = try body.choice(
            "outputType", among: ["FourSeverityLevels", "EightSeverityLevels"], standard: "FourSeverityLevels")
        let names = try body.texts("categories")?.map(\.string)
        for name in names ?? [] where !harmNames.contains(where: { $0.name == name }) {
            throw Fault(
                .invalidRequest, "The field 'categories' may hold \(harmNames.map(\.name).joined(separator: ", ")).", param: "categories")
        }
        let harms = harmNames.filter { names?.contains($0.name) ?? true }.map(\.harm)
        return HarmRequest(harms: harms, isFine: output == "EightSeverityLevels")
    }

    private func matches(
        of text: SafetyBody.Text, in lists: [String], tenant: TenantID,
        then done: @escaping (Result<[BlocklistIndex.Match], any Error>) -> Void
    ) {
        guard !lists.isEmpty else { return done(.success([])) }
        let library = runtime.parts.blocklists
        let passage = text.passage(.user)
        runtime.parts.pool.runIfActive(eventLoop: eventLoop) { try library.index(of: Set(lists), tenant: tenant).matches(in: passage) }
            .assumeIsolated().whenComplete { result in
                done(
                    result.mapError {
                        $0 is Fault ? $0 : Fault(.guardUnavailable, "A blocklist could not be read. Please retry.", cause: $0)
                    })
            }
    }

    static func severity(of harm: HarmDetector.Harm, in findings: [DecidedFinding]) -> Int {
        let confidence = findings.filter { $0.finding.category.name == harm.rawValue }.map(\.finding.confidence).max() ?? 0
        return min(7, Int((confidence * 7).rounded()))
    }

    private static func answer(
        matches: [BlocklistIndex.Match], severities: [(harm: HarmDetector.Harm, severity: Int)]?, isFine: Bool
    ) -> ByteBuffer {
        var json = JSONWriter(capacity: 512)
        json.beginObject()
        json.key("blocklistsMatch")
        json.beginArray()
        for match in matches {
            json.beginObject()
            json.key("blocklistName")
            json.string(match.list)
            json.key("blocklistItemId")
            json.string(match.item.id)
            json.key("blocklistItemText")
            json.string(match.item.text)
            json.endObject()
        }
        json.endArray()
        json.key("categoriesAnalysis")
        json.beginArray()
        for (harm, severity) in severities ?? [] {
            json.beginObject()
            json.key("category")
            json.string(harmNames.first { $0.harm == harm }?.name ?? harm.rawValue)
            json.key("severity")
            // Azure's four levels: 0 and 1 are 0, 2 and 3 are 2, and so on.
            json.int(isFine ? severity : severity / 2 * 2)
            json.endObject()
        }
        json.endArray()
        json.endObject()
        return json.buffer
    }
}
