import Foundation
import NIOCore
import SallyportCore
import SallyportPatterns
import Testing

@testable import SallyportGuard

/// Runs a detector as the engine does: its patterns compiled, its hits handed over.
struct DetectorRun {
    let detector: any Detector
    let database: any PatternDatabase

    init(_ detector: any Detector) throws {
        self.detector = detector
        database = try HyperscanCompiler().compile(detector.patterns)
    }

    func findings(in text: String, origin: PassageOrigin = .completion) throws -> [Finding] {
        let passage = Passage(text, origin: origin)
        var hits: [PatternHit] = []
        try passage.withBytes { bytes in
            try database.scan(bytes) {
                hits.append($0)
                return true
            }
        }
        if !detector.patterns.isEmpty && hits.isEmpty { return [] }
        let findings = try detector.findings(in: passage, hits: hits)
        for finding in findings {
            #expect(finding.range.lowerBound >= 0 && finding.range.upperBound <= passage.count && !finding.range.isEmpty)
            #expect(String(validating: Array(text.utf8)[finding.range], as: UTF8.self) != nil, "cuts a character in two")
        }
        return findings
    }
}

enum Fixture {
    static func lines<Row: Decodable>(_ name: String, as type: Row.Type) throws -> [Row] {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent(
            "Fixtures/\(name)")
        return try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map {
            try JSONDecoder().decode(Row.self, from: Data($0.utf8))
        }
    }
}

@Suite struct OutputFixtureTests {
    struct Links: Decodable {
        let text: String
        /// Category name and least confidence; empty: silent.
        let expect: [String: Double]
    }

    struct Rules: Decodable {
        let text: String
        let expect: [String]
    }

    @Test func judgesLinksAsWritten() throws {
        let run = try DetectorRun(OutputLinkDetector())
        let rows = try Fixture.lines("output-link.jsonl", as: Links.self)
        #expect(rows.count { !$0.expect.isEmpty } >= 60 && rows.count { $0.expect.isEmpty } >= 60)
        for row in rows {
            let found = try run.findings(in: row.text)
            let names = found.map { "\($0.category.name) \($0.confidence) \($0.evidence ?? "")" }
            if row.expect.isEmpty { #expect(found.isEmpty, "\(row.text)\n\(names)") }
            for (name, least) in row.expect {
                #expect(
                    found.contains { $0.category.group == .output && $0.category.name == name && $0.confidence >= least },
                    "\(row.text)\n\(names)")
            }
        }
    }

    @Test func judgesHTMLAsWritten() throws {
        let run = try DetectorRun(OutputHTMLDetector())
        let rows = try Fixture.lines("output-html.jsonl", as: Rules.self)
        #expect(rows.count { !$0.expect.isEmpty } >= 60 && rows.count { $0.expect.isEmpty } >= 60)
        for row in rows {
            let found = try run.findings(in: row.text).filter { $0.confidence >= 0.5 }
            #expect(Set(found.compactMap(\.evidence)) == Set(row.expect), "\(row.text)")
        }
    }

    @Test func judgesInvisibleCharactersAsWritten() throws {
        let run = try DetectorRun(InvisibleTextDetector())
        let rows = try Fixture.lines("output-invisible.jsonl", as: Rules.self)
        #expect(rows.count >= 90)
        for row in rows {
            let found = try run.findings(in: row.text)
            #expect(Set(found.map(\.category.name)) == Set(row.expect), "\(row.text.unicodeScalars.map { String($0.value, radix: 16) })")
        }
    }
}
