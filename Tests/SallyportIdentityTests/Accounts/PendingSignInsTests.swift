import SallyportCore
import SallyportIdentity
import Testing

/// What anybody may begin without proving anything must not crowd out others, nor grow without end.
@Suite struct PendingSignInsTests {
    private func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

    @Test func aFloodOfOneNetworkEndsItsOwnSignInsAlone() throws {
        let pending = PendingSignIns(capacity: 1000, share: 10)
        let honest = pending.begin(from: try address("192.0.2.1"), at: 0)
        var last = ""
        for number in 0..<5000 { last = pending.begin(from: try address("198.51.100.\(number % 250)"), at: 1) }
        #expect(pending.pending(honest, at: 2) != nil)
        #expect(pending.pending(last, at: 2) != nil)
        #expect(pending.count == 11)
    }

    @Test func aFloodOfManyNetworksStaysWithinTheCapacity() throws {
        let pending = PendingSignIns(capacity: 100, share: 10)
        for number in 0..<1000 { _ = pending.begin(from: try address("10.\(number / 250).\(number % 250).1"), at: 1) }
        #expect(pending.count == 100)
        // What is over makes room first.
        let late = pending.begin(from: nil, at: PendingSignIns.lifetime + 1)
        #expect(pending.count == 1 && pending.take(late, at: PendingSignIns.lifetime + 2) != nil)
    }

    @Test func whatWasTakenCountsNoMore() throws {
        let pending = PendingSignIns(capacity: 100, share: 4)
        for _ in 0..<100 { #expect(pending.take(pending.begin(from: nil, at: 0), at: 0) != nil) }
        let secrets = (0..<4).map { _ in pending.begin(from: nil, at: 0) }
        #expect(secrets.allSatisfy { pending.pending($0, at: 1) != nil })
    }

    @Test func programsOfOneNetworkDoNotKeepOthersFromWaiting() throws {
        let devices = DeviceSignIns(capacity: 100, share: 4)
        for _ in 0..<4 { _ = try devices.begin(client: "x", from: try address("198.51.100.7"), at: 0) }
        #expect(throws: Fault.self) { try devices.begin(client: "x", from: try address("198.51.100.8"), at: 1) }
        let other = try devices.begin(client: "x", from: try address("192.0.2.1"), at: 1)
        #expect(devices.device(userCode: other.userCode, at: 2) != nil)
        // They leave when their time is over.
        _ = try devices.begin(client: "x", from: try address("198.51.100.7"), at: DeviceSignIns.lifetime)
    }
}
