import Foundation
import NIOConcurrencyHelpers
import SallyportCore
import Testing

@testable import SallyportOversight

private let day: Int64 = 86_400

@Suite struct SubjectRequestTests {
    private let store = MemoryPrivacyStore()
    private let index = OneSubject()
    private let keys = NIOLockedValueBox<[String]>([])
    private let requests: SubjectRequests

    init() {
        let (keys, numbers) = (keys, NIOLockedValueBox(0))
        requests = SubjectRequests(
            .init(
                store: store, index: index, pseudonym: { subject, _ in "subject-\(subject.count)" },
                destroyKeys: { subject, _ in
                    keys.withLockedValue { $0.append(subject) }
                    return true
                },
                makeID: {
                    numbers.withLockedValue {
                        $0 += 1
                        return "r\($0)"
                    }
                }))
    }

    private func searched(_ kind: SubjectRequest.Kind, detail: String? = nil, at now: Int64 = 100) throws -> String {
        let id = try requests.receive(kind, subject: "pat", detail: detail, receivedAt: now, at: now).id
        _ = try requests.verify(id, method: "card", by: "o", at: now)
        _ = try requests.search(id)
        return id
    }

    /// A month is a month of the calendar; where it is shorter, its last day (art. 12(3), regulation 1182/71).
    @Test(arguments: [
        ("2026-01-31", "2026-02-28", "2026-04-30"), ("2024-01-31", "2024-02-29", "2024-04-30"), ("2026-11-30", "2026-12-30", "2027-02-28"),
        ("2026-12-15", "2027-01-15", "2027-03-15"),
    ])
    func deadlinesAreMonthsOfTheCalendar(received: String, due: String, extended: String) throws {
        let parts = received.split(separator: "-").compactMap { Int($0) }
        let at = CivilDate.seconds(year: parts[0], month: parts[1], day: parts[2]) + 3600
        let request = try requests.receive(.access, subject: "pat", detail: nil, receivedAt: at, at: at)
        #expect(CivilDate(secondsSince1970: request.dueAt).timestamp == "\(due)T01:00:00Z")
        let later = try requests.extend(request.id, because: "complex", at: at)
        #expect(CivilDate(secondsSince1970: later.dueAt).day == extended)
        #expect(throws: Fault.self) { try requests.extend(request.id, because: "again", at: at) }
    }

    @Test func nothingIsToldBeforeTheIdentityIsChecked() throws {
        let id = try requests.receive(.access, subject: "subject-3", detail: nil, receivedAt: 100, at: 100).id
        #expect(throws: Fault.self) { try requests.search(id) }
        #expect(throws: Fault.self) { try requests.fulfil(id, by: "o", at: 100) { _, _, _ in } }
        _ = try requests.verify(id, method: "card", by: "o", at: 100)
        #expect(throws: Fault.self) { try requests.fulfil(id, by: "o", at: 100) { _, _, _ in } }
        _ = try requests.search(id)
        #expect(try requests.fulfil(id, by: "o", at: 100) { _, _, _ in }.rows.count == 1)
        #expect(throws: Fault.self) { try requests.fulfil(id, by: "o", at: 100) { _, _, _ in } }
    }

    @Test func erasureDestroysTheKeysAndTheRows() throws {
        let id = try searched(.erasure)
        let acts = NIOLockedValueBox<[String]>([])
        let (request, rows) = try requests.fulfil(id, by: "o", at: 200) { act, pseudonym, _ in
            acts.withLockedValue { $0.append("\(act) \(pseudonym)") }
        }
        #expect(index.isErased && keys.withLockedValue { $0 } == ["pat"] && rows.isEmpty)
        #expect(request.outcomes.map(\.store) == ["things", "keys of the subject"])
        #expect(acts.withLockedValue { $0 } == ["privacy.erase subject-3", "privacy.erased subject-3"])
    }

    @Test func aHoldStopsErasure() throws {
        let id = try searched(.erasure)
        try store.place(LegalHold(id: "h", subject: "pat", reason: "case", placedBy: "o", placedAt: 0, reviewAt: 9))
        #expect(throws: Fault.self) { try requests.fulfil(id, by: "o", at: 200) { _, _, _ in } }
        #expect(!index.isErased && keys.withLockedValue { $0 }.isEmpty)
        _ = try store.releaseHold("h", tenant: .default, at: 150)
        _ = try requests.fulfil(id, by: "o", at: 200) { _, _, _ in }
        #expect(index.isErased)
    }

    @Test func nothingIsErasedThatCannotBePutOnRecord() throws {
        struct Full: Error {}
        let id = try searched(.erasure)
        #expect(throws: Full.self) { try requests.fulfil(id, by: "o", at: 200) { _, _, _ in throw Full() } }
        #expect(!index.isErased && keys.withLockedValue { $0 }.isEmpty)
    }

    @Test func aRectificationPutsRightWhatItNamesAndNothingElseIsCorrected() throws {
        let wrong = [SubjectCorrection(store: "things", field: "a", value: "c")]
        let id = try searched(.rectification, detail: "the name is wrong")
        #expect(throws: Fault.self) {
            try requests.fulfil(id, by: "o", at: 200, corrections: [SubjectCorrection(store: "things", field: "a", value: "c\nd")]) {
                _, _, _ in
            }
        }
        let (request, _) = try requests.fulfil(id, by: "o", at: 200, corrections: wrong) { act, _, details in
            #expect(act == "privacy.rectify" && details.map(\.value) == [id, "things.a"])
        }
        #expect(request.outcomes == [.init(store: "things", corrected: 1, why: "a")])
        let other = try searched(.erasure)
        #expect(throws: Fault.self) { try requests.fulfil(other, by: "o", at: 200, corrections: wrong) { _, _, _ in } }
        #expect(!index.isErased)
    }

    @Test func objectionAndRestrictionBecomePartOfTheRegister() throws {
        _ = try requests.fulfil(try searched(.objection, detail: "quality"), by: "o", at: 200) { _, _, _ in }
        _ = try requests.fulfil(try searched(.restriction), by: "o", at: 200) { _, _, _ in }
        #expect(try store.consents(of: .default).map { "\($0.kind) \($0.purpose)" } == ["objection quality", "restriction *"])
        #expect(throws: Fault.self) { try requests.receive(.objection, subject: "pat", detail: nil, receivedAt: 1, at: 1) }
    }
}

@Suite struct ConsentDirectoryTests {
    private let store = MemoryPrivacyStore()
    private let clock = NIOLockedValueBox<Int64>(1000)
    private let directory: ConsentDirectory

    init() {
        let clock = clock
        directory = ConsentDirectory(maximumAge: 60) { clock.withLockedValue { $0 } }
    }

    private func allows(_ version: String? = nil) -> Bool { directory.allows("pilot", version: version, for: "pat", of: .default) }

    @Test func nobodyHasAgreedUntilTheRegisterWasRead() throws {
        try store.put(Consent(subject: "pat", purpose: "pilot", version: "1", givenAt: 10))
        #expect(!allows())
        try directory.refresh(from: store)
        #expect(allows() && allows("1") && !allows("2"))
        #expect(!directory.allows("pilot", version: nil, for: "sam", of: .default))
        #expect(!directory.allows("pilot", version: nil, for: "pat", of: "other"))
    }

    @Test func whatIsNotConfirmedForAMinuteCountsNoMore() throws {
        try store.put(Consent(subject: "pat", purpose: "pilot", version: "1", givenAt: 10))
        try directory.refresh(from: store)
        clock.withLockedValue { $0 += 61 }
        #expect(!allows())
        #expect(directory.forbids("pilot", for: "pat", of: .default))
        try directory.refresh(from: store)
        #expect(allows() && !directory.forbids("pilot", for: "pat", of: .default))
    }

    @Test func objectionsAndRestrictionsBeatConsent() throws {
        try store.put(Consent(subject: "pat", purpose: "pilot", version: "1", givenAt: 10))
        try store.put(Consent(subject: "pat", kind: .objection, purpose: "pilot", version: "", givenAt: 20))
        try directory.refresh(from: store)
        #expect(!allows() && directory.forbids("pilot", for: "pat", of: .default) && !directory.forbids("else", for: "pat", of: .default))
        _ = try store.withdraw(.objection, purpose: "pilot", subject: "pat", tenant: .default, at: 30)
        try store.put(Consent(subject: "pat", kind: .restriction, purpose: "*", version: "", givenAt: 40))
        try directory.refresh(from: store)
        #expect(!allows() && directory.forbids("anything", for: "pat", of: .default))
    }

    @Test func aNewVersionOfANoticeWantsANewAcknowledgement() throws {
        _ = try store.publish("staff", text: "a", tenant: .default, at: 1)
        try store.acknowledge(NoticeAcknowledgement(notice: "staff", version: 1, subject: "pat", at: 2))
        try directory.refresh(from: store)
        #expect(directory.hasAcknowledged("staff", subject: "pat", of: .default))
        _ = try store.publish("staff", text: "b", tenant: .default, at: 3)
        try directory.refresh(from: store)
        #expect(!directory.hasAcknowledged("staff", subject: "pat", of: .default))
        #expect(!directory.hasAcknowledged("unknown", subject: "pat", of: .default))
    }
}

@Suite struct SuppressedTableTests {
    @Test func groupsBelowTheLimitAreNotShown() {
        let table = SuppressedTable(
            ["a": ["1": 5, "2": 1, "3": 1], "b": ["1": 2, "2": 2, "3": 2, "4": 1], "c": ["9": 7], "d": ["8": 1, "7": 1]], k: 3)
        #expect(table.rows.map(\.name) == ["a", "b"] && table.rows.map(\.count) == [7, 7] && table.suppressed == 2)
        // Together they are three people: enough to be shown as the rest.
        #expect(table.rest == SuppressedTable.Row(name: "*", people: 3, count: 9))
    }

    @Test func oneSmallGroupAloneTakesAnotherWithIt() {
        let table = SuppressedTable(["a": ["1": 1, "2": 1, "3": 1], "b": ["1": 1, "2": 1, "3": 1, "4": 1], "c": ["9": 7]], k: 3)
        #expect(table.rows.map(\.name) == ["b"] && table.suppressed == 2)
    }

    @Test func theRestIsHiddenTooWhenItIsTooFew() {
        let table = SuppressedTable(["a": ["1": 1], "b": ["1": 1]], k: 3)
        #expect(table.rows.isEmpty && table.rest == nil)
    }
}

@Suite struct RetentionJobTests {
    private let privacy = MemoryPrivacyStore()

    private func exchange(_ id: String, of subject: String = "pat", under policy: String = "P", expires: Int64 = 50) -> StoredExchange {
        StoredExchange(
            id: id, subject: subject, deployment: "d", operation: "o", policy: policy, policyVersion: 1, purpose: "x",
            legalBasis: "consent",
            storedAt: 1, expiresAt: expires)
    }

    @Test func whatIsOverItsTimeGoesWithAProof() throws {
        let store = MemoryExchangeStore([exchange("b"), exchange("a"), exchange("c", expires: 500)])
        let job = RetentionJob(store: store, privacy: privacy) { "batch" }
        let notes = NIOLockedValueBox<[String: [String: String]]>([:])
        let outcome = try job.run(at: 100) { operation, _, details in
            notes.withLockedValue { $0[operation] = Dictionary(uniqueKeysWithValues: details.map { ($0.name, $0.value) }) }
        }
        #expect(outcome == .init(removed: 2, held: 0))
        let digest = RetentionJob.digest(of: ["a", "b"])
        let said = notes.withLockedValue { $0 }
        #expect(said["privacy.retention.delete"]?["digest"] == digest && said["privacy.retention.delete"]?["count"] == "2")
        #expect(said["privacy.retention.deleted"] == ["removed": "2", "left": "0"])
        #expect(try job.proof(of: "a")?.digest == digest)
        #expect(try job.proof(of: "c") == nil)
        #expect(try store.list(of: .default, subject: nil, limit: 9).map(\.id) == ["c"])
    }

    @Test func holdsAndRestrictionsKeepIt() throws {
        let store = MemoryExchangeStore([
            exchange("a"), exchange("b", of: "sam"), exchange("c", of: "kim"), exchange("d", of: "lee", under: "Q"),
        ])
        try privacy.place(LegalHold(id: "h", subject: "sam", reason: "r", placedBy: "o", placedAt: 1, reviewAt: 9))
        try privacy.place(LegalHold(id: "i", policy: "Q", reason: "r", placedBy: "o", placedAt: 1, reviewAt: 9))
        try privacy.put(Consent(subject: "kim", kind: .restriction, purpose: "*", version: "", givenAt: 2))
        let job = RetentionJob(store: store, privacy: privacy) { "batch" }
        #expect(try job.run(at: 100) { _, _, _ in } == .init(removed: 1, held: 3))
        _ = try privacy.releaseHold("h", tenant: .default, at: 101)
        #expect(try job.run(at: 102) { _, _, _ in } == .init(removed: 1, held: 2))
    }

    @Test func aHoldOfNowKeepsWhatHasNotGoneYet() throws {
        let store = MemoryExchangeStore((0..<501).map { exchange(String(format: "%03d", $0)) } + [exchange("last", of: "sam", expires: 60)])
        let job = RetentionJob(store: store, privacy: privacy) { "batch" }
        // The first batch has been deleted when somebody places a hold.
        let outcome = try job.run(at: 100) { operation, _, _ in
            guard operation == "privacy.retention.deleted" else { return }
            try privacy.place(LegalHold(id: "h", subject: "sam", reason: "r", placedBy: "o", placedAt: 100, reviewAt: 900))
        }
        #expect(outcome == .init(removed: 501, held: 1))
        #expect(try store.list(of: .default, subject: nil, limit: 9).map(\.id) == ["last"])
    }

    @Test func nothingGoesThatCannotBePutOnRecord() throws {
        struct Full: Error {}
        let store = MemoryExchangeStore([exchange("a")])
        #expect(throws: Full.self) { try RetentionJob(store: store, privacy: privacy) { "b" }.run(at: 100) { _, _, _ in throw Full() } }
        #expect(try store.remaining(of: ["a"], tenant: .default) == 1)
    }
}
