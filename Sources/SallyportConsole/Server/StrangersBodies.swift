import NIOConcurrencyHelpers
import SallyportCore
import SallyportIdentity

/// Requests of people who have proved nothing yet whose bodies are waited for: bounded for each network and for all together, so that half-sent
/// sign-ins leave room for everybody else.
struct StrangersBodies: Sendable {
    static let mostOfANetwork = 32

    private let limit: Int
    private let counts = NIOLockedValueBox<(all: Int, networks: [NetworkPlace?: Int])>((0, [:]))

    init(atMost limit: Int) { self.limit = limit }

    /// - Returns: what to leave with; nil: there is no room.
    func enter(_ address: IPAddress?) -> Place? {
        let network = address.map { NetworkPlace($0) }
        return counts.withLockedValue { counts in
            guard counts.all < limit, counts.networks[network, default: 0] < Self.mostOfANetwork else { return nil }
            counts.all += 1
            counts.networks[network, default: 0] += 1
            return Place(network: network)
        }
    }

    func leave(_ place: Place) {
        counts.withLockedValue { counts in
            counts.all -= 1
            let left = (counts.networks[place.network] ?? 0) - 1
            counts.networks[place.network] = left > 0 ? left : nil
        }
    }

    struct Place: Sendable { fileprivate let network: NetworkPlace? }
}
