import SallyportCore
import Testing

@testable import SallyportEgress

@Suite struct EgressPolicyTests {
    @Test(arguments: [
        ("8.8.8.8", AddressClass.publicNetwork), ("2606:4700::1111", .publicNetwork), ("172.32.0.1", .publicNetwork),
        ("100.128.0.1", .publicNetwork),
        ("10.1.2.3", .privateNetwork), ("172.16.0.1", .privateNetwork), ("172.31.255.255", .privateNetwork),
        ("192.168.1.1", .privateNetwork),
        ("127.0.0.1", .privateNetwork), ("::1", .privateNetwork), ("fd12:3456::1", .privateNetwork), ("100.64.0.1", .privateNetwork),
        ("fec0::1", .privateNetwork), ("2001::1", .privateNetwork),
        ("169.254.169.254", .metadata), ("169.254.0.1", .metadata), ("fe80::1", .metadata), ("febf::1", .metadata),
        ("fd00:ec2::254", .metadata),
        ("fd20:ce::254", .metadata), ("100.100.100.200", .metadata), ("168.63.129.16", .metadata), ("192.0.0.192", .metadata),
        ("0.0.0.0", .unusable), ("::", .unusable), ("224.0.0.1", .unusable), ("255.255.255.255", .unusable), ("ff02::1", .unusable),
        ("4000::1", .unusable),
        // Other spellings of the same places.
        ("::ffff:169.254.169.254", .metadata), ("::ffff:10.0.0.1", .privateNetwork), ("64:ff9b::169.254.169.254", .metadata),
        ("2002:a9fe:a9fe::1", .metadata), ("::127.0.0.1", .privateNetwork), ("::ffff:8.8.8.8", .publicNetwork),
    ])
    func classifiesAddresses(text: String, expected: AddressClass) throws {
        #expect(EgressPolicy.classify(try #require(IPAddress(text))) == expected)
    }

    @Test func letsANameReachPrivateAddressesOnlyWhenToldSo() throws {
        let address = try #require(IPAddress("10.0.0.1"))
        #expect(EgressPolicy().refusal(of: address, host: .name("internal.example")) != nil)
        #expect(EgressPolicy(allowPrivate: true).refusal(of: address, host: .name("internal.example")) == nil)
    }

    @Test func takesAnAddressInTheConfigurationAsMeant() throws {
        let address = try #require(IPAddress("127.0.0.1"))
        #expect(EgressPolicy().refusal(of: address, host: .address(address)) == nil)
        #expect(EgressPolicy().refusal(of: address, host: .name("localhost")) == nil)
    }

    @Test func refusesMetadataAddressesHoweverConfigured() throws {
        let address = try #require(IPAddress("169.254.169.254"))
        #expect(EgressPolicy(allowPrivate: true).refusal(of: address, host: .address(address)) != nil)
        #expect(EgressPolicy(allowLinkLocal: true).refusal(of: address, host: .address(address)) == nil)
    }

    @Test(arguments: [
        "", "1", "1.2.3", "1.2.3.4.5", "01.2.3.4", "256.1.1.1", ":", ":::", "1::2::3", "12345::", "::g", "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9", "1.2.3.4:",
    ])
    func readsNoMalformedAddress(text: String) { #expect(IPAddress(text) == nil) }

    @Test(arguments: ["1.2.3.4", "0:0:0:0:0:0:0:1", "2001:db8:1:2:3:4:5:ffff"])
    func writesAnAddressAsItReadsIt(text: String) throws {
        let address = try #require(IPAddress(text))
        #expect(address.description == text)
        #expect(IPAddress(networkOrder: address.networkOrderBytes) == address)
    }
}
