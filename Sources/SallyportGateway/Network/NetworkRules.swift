import NIOCore
import NIOHTTP1
import SallyportCore

/// Who may reach a listener, and whose word on a caller's address is believed.
package struct NetworkRules: Sendable, Hashable {
    /// Empty: from everywhere that is not denied.
    package var allow: [AddressRange] = []
    /// Beats ``allow``.
    package var deny: [AddressRange] = []
    /// Nobody from the public Internet, as with a private endpoint.
    package var isPrivateOnly = false
    /// Peers that speak for others, in `X-Forwarded-For` or the PROXY protocol.
    package var trustedProxies: [AddressRange] = []
    package init() {}

    package var isOpen: Bool { allow.isEmpty && deny.isEmpty && !isPrivateOnly }

    /// - Returns: nil when the address may call; else Azure's words.
    package func refusal(of address: IPAddress?) -> Fault? {
        if isOpen { return nil }
        // A caller without an address (a socket file) is as local as can be; a rule that names networks does not name it.
        guard let address else { return allow.isEmpty ? nil : Fault.networkDenied }
        if isPrivateOnly, address.networkClass != .privateNetwork { return Fault.publicAccessDisabled }
        if deny.contains(where: { $0.contains(address) }) { return Fault.networkDenied }
        return allow.isEmpty || allow.contains { $0.contains(address) } ? nil : Fault.networkDenied
    }

    package func trusts(_ peer: IPAddress?) -> Bool { peer.map { peer in trustedProxies.contains { $0.contains(peer) } } ?? false }

    /// The caller's address as trusted peers tell it: the last in `X-Forwarded-For` that is not one of them. What an untrusted peer sends counts
    /// for nothing, and what stands left of the first address that nobody vouches for neither.
    /// - Throws: ``Fault`` `.invalidRequest` when a trusted peer's field cannot be read that far.
    package func caller(_ peer: IPAddress?, forwarded fields: [String]) throws -> IPAddress? {
        guard trusts(peer), !fields.isEmpty else { return peer }
        var caller = peer
        for text in fields.joined(separator: ",").split(separator: ",", omittingEmptySubsequences: false).reversed() {
            guard let address = NetworkRules.address(text.trimming) else {
                throw Fault(.invalidRequest, "The X-Forwarded-For field of the proxy holds something that is no address.")
            }
            caller = address
            guard trusts(address) else { break }
        }
        return caller
    }

    /// With or without a port, as different proxies write it: `192.0.2.1`, `192.0.2.1:443`, `2001:db8::1`, `[2001:db8::1]:443`.
    static func address(_ text: Substring) -> IPAddress? {
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { return nil }
            let rest = text[text.index(after: end)...]
            guard rest.isEmpty || rest.hasPrefix(":") && isPort(rest.dropFirst()) else { return nil }
            return IPAddress(text[text.index(after: text.startIndex)..<end])?.unmapped
        }
        if text.contains("."), let colon = text.firstIndex(of: ":"), text.lastIndex(of: ":") == colon {
            guard isPort(text[text.index(after: colon)...]) else { return nil }
            return IPAddress(text[..<colon])
        }
        return IPAddress(text)?.unmapped
    }

    private static func isPort(_ text: Substring) -> Bool {
        (1...5).contains(text.utf8.count) && text.utf8.allSatisfy { (0x30...0x39).contains($0) }
    }
}

extension Substring {
    fileprivate var trimming: Substring {
        var text = self
        while let first = text.first, first == " " || first == "\t" { text = text.dropFirst() }
        while let last = text.last, last == " " || last == "\t" { text = text.dropLast() }
        return text
    }
}

extension Fault {
    static let publicAccessDisabled = Fault(.networkDenied, "Public access is disabled. Please configure private endpoint.")
}
