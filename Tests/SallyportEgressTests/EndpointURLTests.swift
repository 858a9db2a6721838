import Testing

@testable import SallyportEgress

@Suite struct EndpointURLTests {
    @Test func readsSchemeHostPortAndBasePath() throws {
        let url = try EndpointURL(parsing: "HTTPS://Example.openai.Azure.com:8443/openai/v1/")
        #expect(url.scheme == .https)
        #expect(url.host == .name("example.openai.azure.com"))
        #expect(url.port == 8443)
        #expect(url.basePath == "/openai/v1")
        #expect(url.authority == "example.openai.azure.com:8443")
        #expect(try EndpointURL(parsing: "http://a.example").port == 80)
        #expect(try EndpointURL(parsing: "https://a.example:443").authority == "a.example")
    }

    @Test func readsAddresses() throws {
        #expect(try EndpointURL(parsing: "http://127.0.0.1:9100").host == .address(.v4(0x7f00_0001)))
        #expect(try EndpointURL(parsing: "http://[::1]:9100").host == .address(.v6(high: 0, low: 1)))
        #expect(try EndpointURL(parsing: "http://[2001:db8::1]").authority == "[2001:db8:0:0:0:0:0:1]")
    }

    @Test(arguments: [
        "ftp://a", "//a", "http://", "http://:80", "http://a:0", "http://a:65536", "http://a:8x", "http://a:", "http://u@a", "http://u:p@a",
        "http://a?x", "http://a/?x", "http://a#f", "http://a\\b", "http://a b", "http://a/../b", "http://a/%2e%2E/b", "http://a//b",
        "http://ä.example",
        "http://127.1", "http://2130706433", "http://0x7f.0.0.1", "http://0x7f000001", "http://127.0.0.01", "http://1.2.3.256",
        "http://[::1",
        "http://[::1]x", "http://[fe80::1%eth0]", "http://[127.0.0.1]", "http://a..b", "http://-a", "http://a\r\nb",
    ])
    func refusesWhatCouldBeReadInTwoWays(text: String) {
        #expect(throws: EndpointURL.ParseError.self) { try EndpointURL(parsing: text) }
    }
}
