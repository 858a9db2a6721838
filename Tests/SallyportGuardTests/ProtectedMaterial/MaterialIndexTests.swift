import Foundation
import SallyportCore
import Testing

@testable import SallyportGuard

/// Works and texts made of numbered words, so that what is shared is known exactly.
struct MaterialIndexTests {
    private let folder = FileManager.default.temporaryDirectory.appendingPathComponent("material-\(UUID().uuidString)").path

    init() throws { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) }

    private func prose(_ seed: Int, _ count: Int = 120) -> String {
        (0..<count).map { "word\((seed &* 7919 &+ $0 &* 31) % 9973)" }.joined(separator: " ")
    }

    private func work(
        _ content: String, _ kind: MaterialKind = .text, name: String = "A work", licence: String = "CC-BY-4.0",
        url: String = "https://works.example/a"
    ) -> MaterialIndexWriter.Work {
        .init(kind: kind, name: name, licence: licence, url: url, content: Array(content.utf8))
    }

    private func matches(_ text: String, as kind: MaterialKind = .text, in index: MaterialIndex) -> [MaterialIndex.Match] {
        var text = text
        return text.withUTF8 { index.matches(in: UnsafeRawBufferPointer($0), as: kind) }
    }

    private let quicksort = """
        func quicksort(_ values: [Int]) -> [Int] {
            guard values.count > 1 else { return values }
            let pivot = values[values.count / 2]
            let smaller = values.filter { $0 < pivot }
            let equal = values.filter { $0 == pivot }
            let larger = values.filter { $0 > pivot }
            return quicksort(smaller) + equal + quicksort(larger)
        }
        """

    @Test func findsAPartialCopyAndCitesIt() throws {
        let path = folder + "/a.material"
        let changed = try MaterialIndexWriter.change(path: path, adding: [work(prose(1)), work(prose(2), name: "Another")])
        #expect(changed.added.map(\.id) == [1, 2])
        let index = try MaterialIndex(path: path)
        let words = prose(1).split(separator: " ")
        let copied = words[40..<80].joined(separator: " ")
        let text = "I wrote this myself, all of it. " + copied + " And this as well."
        let found = matches(text, in: index)
        #expect(found.map(\.source.name) == ["A work"])
        let match = try #require(found.first)
        #expect(match.source.licence == "CC-BY-4.0" && match.source.url == "https://works.example/a")
        let part = Array(text.utf8)[match.range]
        #expect(copied.contains(String(decoding: part, as: UTF8.self)))
        #expect(match.tokens >= 30)
    }

    @Test(arguments: [26, 30, 60])
    func aVerbatimRunOfGuaranteedLengthIsFoundWhereverItBegins(length: Int) throws {
        let path = folder + "/b.material"
        _ = try MaterialIndexWriter.change(path: path, adding: [work(prose(3, 200))])
        let index = try MaterialIndex(path: path)
        let words = prose(3, 200).split(separator: " ")
        for start in 0..<(200 - length) {
            #expect(!matches(words[start..<(start + length)].joined(separator: " "), in: index).isEmpty, "from word \(start)")
        }
    }

    @Test func reformattedProseIsTheSameProse() throws {
        let path = folder + "/c.material"
        let original =
            "“It’s the harbour-master’s rule,” she said; no boat leaves before the tide has turned, and none comes in after dark. "
            + "That was how it had been since the great storm, when the whole fleet was lost within an hour."
        _ = try MaterialIndexWriter.change(path: path, adding: [work(original)])
        let index = try MaterialIndex(path: path)
        let reformatted =
            "IT'S THE HARBOUR MASTER'S RULE SHE SAID\nNO BOAT LEAVES BEFORE THE TIDE HAS TURNED\nAND NONE COMES IN AFTER DARK\n"
            + "THAT WAS HOW IT HAD BEEN SINCE THE GREAT STORM WHEN THE WHOLE FLEET WAS LOST WITHIN AN HOUR"
        #expect(matches(reformatted, in: index).count == 1)
    }

    @Test func codeIsFoundOnOneLineAndWithOtherIndentation() throws {
        let path = folder + "/d.material"
        _ = try MaterialIndexWriter.change(path: path, adding: [work(quicksort, .code, licence: "MIT")])
        let index = try MaterialIndex(path: path)
        let flat = quicksort.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        let tabbed = quicksort.replacingOccurrences(of: "    ", with: "\t\t").replacingOccurrences(of: "\n", with: ";\r\n")
        let part = quicksort.split(separator: "\n")[1...4].joined(separator: "\n")
        for text in [flat, tabbed, part] { #expect(matches(text, as: .code, in: index).count == 1) }
        #expect(
            matches(flat.replacingOccurrences(of: "values", with: "items"), as: .code, in: index).isEmpty,
            "another spelling is another text")
    }

    @Test func aChangedWordDoesNotHideTheRest() throws {
        let path = folder + "/e.material"
        _ = try MaterialIndexWriter.change(path: path, adding: [work(prose(5))])
        var words = prose(5).split(separator: " ").map(String.init)
        for position in stride(from: 14, to: words.count, by: 15) { words[position] = "changed" }
        #expect(matches(words.joined(separator: " "), in: try MaterialIndex(path: path)).count == 1)
    }

    @Test func staysSilentOnOtherTextsAndOnShortPhrases() throws {
        let path = folder + "/f.material"
        _ = try MaterialIndexWriter.change(path: path, adding: [work(prose(6))])
        let index = try MaterialIndex(path: path)
        #expect(matches(prose(7_000), in: index).isEmpty)
        let phrase = prose(6).split(separator: " ")[10..<22].joined(separator: " ")
        #expect(matches("He said: \(phrase), and then something else entirely that nobody wrote before him.", in: index).isEmpty)
        #expect(matches("", in: index).isEmpty)
    }

    @Test func proseIsNotComparedWithCode() throws {
        let path = folder + "/g.material"
        _ = try MaterialIndexWriter.change(path: path, adding: [work(prose(8), .text)])
        #expect(matches(prose(8), as: .code, in: try MaterialIndex(path: path)).isEmpty)
    }

    @Test func worksComeAndGoWithoutDisturbingOthers() throws {
        let path = folder + "/h.material"
        _ = try MaterialIndexWriter.change(path: path, adding: [work(prose(11)), work(prose(12), name: "Second")])
        let old = try MaterialIndex(path: path)
        let changed = try MaterialIndexWriter.change(path: path, adding: [work(prose(13), name: "Third")], removing: [1])
        #expect(changed.added.map(\.id) == [3])
        let index = try MaterialIndex(path: path)
        #expect((0..<index.sourceCount).compactMap { index.source(at: $0)?.name } == ["Second", "Third"])
        #expect(matches(prose(11), in: index).isEmpty)
        #expect(matches(prose(12), in: index).count == 1 && matches(prose(13), in: index).count == 1)
        // Who read the old file still does.
        #expect(matches(prose(11), in: old).count == 1)
        _ = try MaterialIndexWriter.change(path: path, adding: [], removing: [2, 3])
        let empty = try MaterialIndex(path: path)
        #expect(empty.sourceCount == 0 && empty.fingerprintCount == 0 && empty.nextID == 4)
    }

    @Test func aWorkThatIsTooShortIsNamed() throws {
        let path = folder + "/i.material"
        let changed = try MaterialIndexWriter.change(path: path, adding: [work("only five words of text", name: "Haiku")])
        #expect(changed.tooShort == ["Haiku"] && changed.added.isEmpty)
    }

    @Test func damagedFilesAreRefused() throws {
        let path = folder + "/j.material"
        _ = try MaterialIndexWriter.change(path: path, adding: [work(prose(20))])
        let whole = try #require(FileManager.default.contents(atPath: path))
        let parts = [Data(), whole.prefix(100), whole.prefix(MaterialLayout.fingerprints), Data("not an index".utf8), whole.dropFirst(1)]
        for damaged in parts {
            try damaged.write(to: URL(fileURLWithPath: path))
            #expect(throws: MaterialError.self) { try MaterialIndex(path: path) }
        }
    }

    @Test func winnowingSharesAFingerprintWithEveryLongRun() {
        let tokens = (0..<300).map { UInt64(truncatingIfNeeded: $0 &* 2_654_435_761) }
        for kind in MaterialKind.allCases {
            let rule = Winnowing.of(kind)
            let kept = Set(rule.fingerprints(of: tokens, as: kind))
            let length = rule.length + rule.window - 1
            for start in 0...(tokens.count - length) {
                #expect(!kept.isDisjoint(with: rule.runs(of: Array(tokens[start..<(start + length)]), as: kind)))
            }
            #expect(kept.count < tokens.count / 2)
        }
    }

    @Test func aTenantSeesItsOwnWorksAndTheSeed() throws {
        let seed = folder + "/seed.material"
        _ = try MaterialIndexWriter.change(path: seed, adding: [work(prose(31), name: "Seed")])
        _ = try MaterialIndexWriter.change(path: MaterialLibrary.path(of: "one", in: folder), adding: [work(prose(32), name: "Own")])
        let library = try MaterialLibrary(seed: seed, directory: folder)
        try library.refresh(tenants: ["one", "two"])
        func names(_ tenant: TenantID, _ text: String) -> [String] {
            var text = text
            return text.withUTF8 { library.material(of: tenant).matches(in: UnsafeRawBufferPointer($0), as: .text) }.map(\.source.name)
        }
        #expect(names("one", prose(31)) == ["Seed"] && names("two", prose(31)) == ["Seed"])
        #expect(names("one", prose(32)) == ["Own"] && names("two", prose(32)) == [])
        _ = try MaterialIndexWriter.change(
            path: MaterialLibrary.path(of: "one", in: folder), adding: [work(prose(33), name: "Later")])
        #expect(names("one", prose(33)) == [])
        try library.refresh(tenants: ["one"])
        #expect(names("one", prose(33)) == ["Later"])
        #expect(MaterialLibrary.path(of: "../x", in: "d") == "d/%2e%2e%2fx.material")
    }

    @Test func theDetectorReadsAnswersOnlyAndCarriesTheCitation() throws {
        let path = folder + "/k.material"
        _ = try MaterialIndexWriter.change(
            path: path, adding: [work(quicksort, .code, licence: "MIT OR Apache-2.0", url: "https://code.example/q")])
        let detector = ProtectedMaterialDetector(ProtectedMaterial(indexes: [try MaterialIndex(path: path)]))
        #expect(try detector.findings(in: Passage(quicksort, origin: .user), hits: []).isEmpty)
        let finding = try #require(try detector.findings(in: Passage(quicksort, origin: .completion), hits: []).first)
        #expect(finding.category == Finding.Category(.protectedMaterial, "code"))
        let citation = try #require(ProtectedMaterialDetector.Citation(finding.evidence))
        #expect(citation.licence == "MIT OR Apache-2.0" && citation.url == "https://code.example/q")
    }
}
