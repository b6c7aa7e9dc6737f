import MeshModel
import Netlink

/// Derives an interface's MTU from the underlay routes to its peers' endpoints.
///
/// *Units:* bytes. An outer IPv4 packet takes 60 of them (20 IP, 8 UDP, 32 WireGuard), an IPv6 one 80.
struct UnderlayMTU {
    /// What `wg-quick` and the kernel take where nothing is known: 1500 less the larger of the two.
    static let standard = 1420
    /// What IPv6 needs of every link. *Source:* RFC 8200 section 5.
    static let leastForIPv6 = 1280
    /// What every IPv4 host takes. *Source:* RFC 791.
    static let least = 576
    /// Jumbo frames; above it is only the loopback interface, which says nothing of a real path.
    static let most = 9_000

    /// The MTU of the way to an endpoint, so that thousands of peers are not asked for in every sweep.
    private var known: [IPAddress: Int?] = [:]

    mutating func forget() { known = [:] }

    mutating func mtu(
        for interface: DesiredInterface, resolved: [String: SocketEndpoint], links: [Link],
        routes: RouteSocket
    ) -> Int {
        var smallest: Int?
        for peer in interface.peers {
            guard let endpoint = peer.endpoint,
                let address = (endpoint.literal ?? resolved[endpoint.description])?.address,
                let inner = inner(address, links, routes)
            else { continue }
            smallest = min(smallest ?? inner, inner)
        }
        let hasIPv6 = interface.networks.contains { $0.address.family == .ipv6 }
        let floor = hasIPv6 ? Self.leastForIPv6 : Self.least
        return min(max(smallest ?? Self.standard, floor), Self.most)
    }

    private mutating func inner(_ address: IPAddress, _ links: [Link], _ routes: RouteSocket)
        -> Int?
    {
        if let known = known[address] { return known }
        var inner: Int?
        if let answer = try? routes.route(to: address), answer.kind == .unicast {
            let link = links.first { $0.index == answer.interfaceIndex }
            // A way by an overlay, ours or another mesh's, is not the underlay.
            if let link, link.group != Ownership.linkGroup {
                let outer = Int(answer.mtu ?? link.mtu)
                inner = outer - (address.family == .ipv4 ? 60 : 80)
            }
        }
        known[address] = .some(inner)
        return inner
    }
}
