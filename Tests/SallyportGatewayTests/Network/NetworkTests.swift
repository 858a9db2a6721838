import SallyportCore
import Testing

@testable import SallyportGateway

@Suite struct NetworkRulesTests {
    private func ranges(_ texts: String...) -> [AddressRange] { texts.compactMap { AddressRange($0) } }
    private func ip(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

    @Test func denyBeatsAllowAndAllowMeansNobodyElse() throws {
        var rules = NetworkRules()
        #expect(rules.refusal(of: try ip("8.8.8.8")) == nil)
        rules.allow = ranges("10.0.0.0/8", "2001:db8::/32")
        rules.deny = ranges("10.1.0.0/16")
        #expect(rules.refusal(of: try ip("10.2.0.1")) == nil)
        #expect(rules.refusal(of: try ip("2001:db8::1")) == nil)
        #expect(rules.refusal(of: try ip("10.1.0.1"))?.message == "Access denied due to Virtual Network/Firewall rules.")
        #expect(rules.refusal(of: try ip("8.8.8.8")) != nil)
        #expect(rules.refusal(of: try ip("::ffff:10.2.0.1")) == nil)
        #expect(rules.refusal(of: nil) != nil)
    }

    @Test func privateOnlyMeansNobodyFromTheInternet() throws {
        var rules = NetworkRules()
        rules.isPrivateOnly = true
        #expect(rules.refusal(of: try ip("127.0.0.1")) == nil)
        #expect(rules.refusal(of: try ip("192.168.1.1")) == nil)
        #expect(rules.refusal(of: try ip("fd00::1")) == nil)
        #expect(rules.refusal(of: try ip("8.8.8.8"))?.message.contains("Public access is disabled") == true)
    }

    @Test(arguments: [
        (["203.0.113.9"], "203.0.113.9"), (["1.1.1.1, 203.0.113.9"], "203.0.113.9"), (["1.1.1.1", "203.0.113.9, 10.0.0.7"], "203.0.113.9"),
        (["203.0.113.9:4711"], "203.0.113.9"), (["[2001:db8::7]:443"], "2001:db8::7"), (["2001:db8::7"], "2001:db8::7"),
        (["10.0.0.8, 10.0.0.9"], "10.0.0.8"), (["evil, 203.0.113.9"], "203.0.113.9"),
    ])
    func theLastAddressThatNobodyVouchesForIsTheCaller(fields: [String], expected: String) throws {
        var rules = NetworkRules()
        rules.trustedProxies = ranges("10.0.0.0/8")
        #expect(try rules.caller(try ip("10.0.0.1"), forwarded: fields) == ip(expected))
    }

    @Test func anUntrustedPeersWordCountsForNothing() throws {
        var rules = NetworkRules()
        rules.trustedProxies = ranges("10.0.0.0/8")
        #expect(try rules.caller(try ip("192.0.2.1"), forwarded: ["127.0.0.1"]) == ip("192.0.2.1"))
        rules.trustedProxies = []
        #expect(try rules.caller(try ip("10.0.0.1"), forwarded: ["127.0.0.1"]) == ip("10.0.0.1"))
    }

    @Test(arguments: ["evil", "", "203.0.113.9,", "unknown", "_hidden", "203.0.113.9:", "[::1", "203.0.113.999", "1.1.1.1 2.2.2.2"])
    func whatATrustedPeerMisspellsIsRefused(field: String) throws {
        var rules = NetworkRules()
        rules.trustedProxies = ranges("10.0.0.0/8")
        #expect(throws: Fault.self) { try rules.caller(try ip("10.0.0.1"), forwarded: [field]) }
    }
}

@Suite struct ProxyProtocolTests {
    private let signature: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A]

    @Test func readsVersionOne() {
        let line = "PROXY TCP4 203.0.113.9 10.0.0.1 4711 443\r\n"
        #expect(ProxyProtocol.read(Array((line + "GET /").utf8)) == .complete(source: IPAddress("203.0.113.9"), length: line.utf8.count))
        let six = "PROXY TCP6 2001:db8::9 2001:db8::1 4711 443\r\n"
        #expect(ProxyProtocol.read(Array(six.utf8)) == .complete(source: IPAddress("2001:db8::9"), length: six.utf8.count))
        #expect(ProxyProtocol.read(Array("PROXY UNKNOWN\r\n".utf8)) == .complete(source: nil, length: 15))
    }

    @Test func readsVersionTwo() {
        let four: [UInt8] = signature + [0x21, 0x11, 0, 14] + [203, 0, 113, 9, 10, 0, 0, 1, 0x12, 0x67, 1, 0xBB, 0xEE, 0xEE]
        #expect(ProxyProtocol.read(four + [1, 2, 3]) == .complete(source: IPAddress("203.0.113.9"), length: 30))
        let local: [UInt8] = signature + [0x20, 0x00, 0, 0]
        #expect(ProxyProtocol.read(local) == .complete(source: nil, length: 16))
        let six: [UInt8] =
            signature + [0x21, 0x21, 0, 36] + [0x20, 0x01, 0x0d, 0xb8] + [UInt8](repeating: 0, count: 11) + [9]
            + [UInt8](repeating: 0, count: 20)
        #expect(ProxyProtocol.read(six) == .complete(source: IPAddress("2001:db8::9"), length: 52))
    }

    @Test func waitsForTheRestByteByByte() {
        let line = Array("PROXY TCP4 203.0.113.9 10.0.0.1 4711 443\r\n".utf8)
        for length in 0..<line.count { #expect(ProxyProtocol.read(line.prefix(length)) == .incomplete) }
        let two: [UInt8] = signature + [0x21, 0x11, 0, 12] + [203, 0, 113, 9, 10, 0, 0, 1, 0, 1, 0, 2]
        for length in 0..<two.count { #expect(ProxyProtocol.read(two.prefix(length)) == .incomplete) }
    }

    @Test(arguments: [
        "GET / HTTP/1.1\r\n", "PROXY TCP4 203.0.113.9 10.0.0.1 4711\r\n", "PROXY TCP4 2001:db8::9 10.0.0.1 1 2\r\n",
        "PROXY TCP4 203.0.113.9 10.0.0.1 1 70000\r\n",
        "PROXY TCP4 203.0.113.9 10.0.0.1 1 2\n", "proxy TCP4 203.0.113.9 10.0.0.1 1 2\r\n", "PROXY  TCP4 203.0.113.9 10.0.0.1 1 2\r\n",
    ])
    func refusesWhatIsNoHeader(text: String) { #expect(ProxyProtocol.read(Array(text.utf8)) == .invalid) }

    @Test func refusesWrongVersionsCommandsAndLengths() {
        let address: [UInt8] = [203, 0, 113, 9, 10, 0, 0, 1, 0, 1, 0, 2]
        for head: [UInt8] in [
            [0x11, 0x11, 0, 12], [0x22, 0x11, 0, 12], [0x21, 0x11, 0, 4], [0x21, 0x31, 0, 12], [0x21, 0x11, 0xFF, 0xFF],
        ] {
            #expect(ProxyProtocol.read(signature + head + address) == .invalid)
        }
        #expect(ProxyProtocol.read([UInt8]("PROXY TCP4 ".utf8) + [UInt8](repeating: 0x31, count: 200)) == .invalid)
    }
}

@Suite struct DataActionTests {
    @Test func everyRouteButTheOpenOnesNamesADataAction() {
        for row in RouteRow.all { #expect((row.action == nil) == (row.scope == .open)) }
        #expect(RouteRow.actions.allSatisfy { !$0.contains("*") })
        // Each operation has a row in both forms.
        #expect(RouteRow.all.count >= 2 * RouteTable.operations.count)
    }
}
