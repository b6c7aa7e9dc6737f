import MeshModel
import NodeProtocol

/// Whether one desired interface is within bounds and stays inside its own networks.
struct InterfaceCheck {
    private let interface: DesiredInterface
    private var seenKeys: Set<PublicKey> = []
    private var seenAllowed: Set<IPPrefix> = []
    private var own: Set<IPPrefix> = []

    /// More than any mesh has; what is above is a mistake or an attack.
    private static let peerLimit = 20_000
    private static let allowedLimit = 100_000

    init(_ interface: DesiredInterface) {
        self.interface = interface
    }

    func run(mesh: String) throws(ProtocolError) {
        var check = self
        try check.checkInterface(mesh)
        for peer in interface.peers { try check.checkPeer(peer) }
    }

    private mutating func checkInterface(_ mesh: String) throws(ProtocolError) {
        guard Ownership.generation(of: interface.name, mesh: mesh) == interface.generation else {
            throw invalid("the name is not that of generation \(interface.generation) of \(mesh)")
        }
        guard interface.listenPort != 0 else { throw invalid("port 0") }
        guard (1...8).contains(interface.networks.count) else {
            throw invalid("\(interface.networks.count) networks; 1 to 8 are allowed")
        }
        for network in interface.networks {
            let wide = network.address.family == .ipv4 ? 8 : 16
            guard network == network.network, Int(network.length) >= wide, !network.isHost,
                isUsable(network.address)
            else { throw invalid("\(network) is no network for an overlay") }
        }
        guard (1...16).contains(interface.addresses.count) else {
            throw invalid("\(interface.addresses.count) addresses; 1 to 16 are allowed")
        }
        for address in interface.addresses {
            guard address.isHost, isInside(address) else {
                throw invalid("address \(address) is not one address inside the networks")
            }
            own.insert(address)
        }
        let hasIPv6 = interface.networks.contains { $0.address.family == .ipv6 }
        if let mtu = interface.mtu, !((hasIPv6 ? 1280 : 576)...65_535).contains(mtu) {
            throw invalid("an MTU of \(mtu)" + (hasIPv6 ? "; IPv6 needs 1280" : ""))
        }
        guard interface.peers.count <= Self.peerLimit else {
            throw invalid("\(interface.peers.count) peers; at most \(Self.peerLimit) are allowed")
        }
    }

    private mutating func checkPeer(_ peer: DesiredPeer) throws(ProtocolError) {
        guard (1...63).contains(peer.node.utf8.count),
            peer.node.utf8.allSatisfy({ $0 > 32 && $0 < 127 })
        else { throw invalid("a peer without a proper name") }
        if peer.publicKey != .zero {
            guard peer.publicKey != interface.publicKey else {
                throw invalid("peer \(peer.node) has this node's own key")
            }
            guard seenKeys.insert(peer.publicKey).inserted else {
                throw invalid("two peers have the key of \(peer.node)")
            }
        }
        for allowed in peer.allowedIPs {
            guard allowed == allowed.network, isInside(allowed), !own.contains(allowed) else {
                throw invalid("peer \(peer.node) may not have \(allowed)")
            }
            guard seenAllowed.insert(allowed).inserted else {
                throw invalid("\(allowed) is given to two peers")
            }
        }
        guard seenAllowed.count <= Self.allowedLimit else { throw invalid("too many allowed IPs") }
        if let id = peer.presharedKey, id != .unmade, !NodeKeys.isName(id) {
            throw invalid("peer \(peer.node) names its preshared key in no proper way")
        }
        if let endpoint = peer.endpoint { try checkEndpoint(endpoint, peer.node) }
    }

    private func checkEndpoint(_ endpoint: Endpoint, _ node: String) throws(ProtocolError) {
        let isText = endpoint.host.utf8.allSatisfy { byte in
            (97...122).contains(byte) || (65...90).contains(byte) || (48...58).contains(byte)
                || byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".")
                || byte == UInt8(ascii: "_")
        }
        guard endpoint.port != 0, isText, (1...253).contains(endpoint.host.utf8.count) else {
            throw invalid("the endpoint of peer \(node) is no host and port")
        }
        guard let address = endpoint.literal?.address else { return }
        guard !address.isUnspecified, !address.isMulticast,
            !interface.networks.contains(where: { $0.contains(address) })
        else { throw invalid("the endpoint of peer \(node), \(address), is not of the underlay") }
    }

    private func isInside(_ prefix: IPPrefix) -> Bool {
        interface.networks.contains {
            $0.length <= prefix.length && $0.contains(prefix.address)
        }
    }

    private func isUsable(_ address: IPAddress) -> Bool {
        !address.isLoopback && !address.isLinkLocal && !address.isMulticast
            && !address.isUnspecified
    }

    private func invalid(_ message: String) -> ProtocolError {
        ProtocolError(.invalidDocument, message)
    }
}
