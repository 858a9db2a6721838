import SallyportCore

/// Which addresses an upstream may resolve to. Hosts need no list of their own: only configured endpoints can be asked at all.
package struct EgressPolicy: Sendable, Hashable {
    /// Names may resolve into private networks (a private endpoint, a service in the cluster).
    package var allowPrivate: Bool
    /// Link-local and metadata addresses: machine credentials are served there. Leave it off.
    package var allowLinkLocal: Bool

    package init(allowPrivate: Bool = false, allowLinkLocal: Bool = false) {
        self.allowPrivate = allowPrivate
        self.allowLinkLocal = allowLinkLocal
    }

    /// - Returns: nil when the address may be connected to, else why not.
    package func refusal(of address: IPAddress, host: EndpointURL.Host) -> String? {
        switch EgressPolicy.classify(address) {
        case .publicNetwork: nil
        case .unusable: "\(address) is not the address of a host"
        case .metadata: allowLinkLocal ? nil : "\(address) is a link-local or metadata address"
        case .privateNetwork:
            // Who writes an address, or "localhost", into the configuration means it; what a name resolves to is somebody else's say.
            allowPrivate || host.namesItsAddress
                ? nil : "\(address) is a private address, and private addresses are not allowed for this upstream"
        }
    }

    package static func classify(_ address: IPAddress) -> AddressClass { address.networkClass }
}
