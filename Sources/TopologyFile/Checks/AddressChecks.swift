import MeshModel

/// The overlay's networks, and every address that is written against them.
struct AddressChecks {
    private let draft: Draft
    private let sink: DiagnosticSink
    private let networks: [Marked<IPPrefix>]

    init(_ draft: Draft, _ sink: DiagnosticSink) {
        self.draft = draft
        self.sink = sink
        networks = draft.mesh?.networks ?? []
    }

    func run() {
        for network in networks { fits(network) }
        distinctNetworks()
        underlay()
        pinned()
    }

    private func fits(_ network: Marked<IPPrefix>) {
        let prefix = network.value
        if let problem = AddressChecks.misuse(prefix) {
            sink.error(
                "the network \(prefix) \(problem)", at: network.mark,
                fix: "use private addresses, like 10.77.0.0/24 or fd77:6d70::/64")
            return
        }
        let capacity = OverlayAllocation.capacity(of: prefix)
        if capacity < UInt64(draft.nodes.count) {
            sink.error(
                "the network \(prefix) has room for \(capacity) nodes, and there are"
                    + " \(draft.nodes.count)", at: network.mark, fix: widen(prefix))
        }
        if !AddressChecks.isPrivate(prefix) {
            sink.warning(
                "the network \(prefix) is not private: hosts that really have these addresses"
                    + " become unreachable from the nodes", at: network.mark,
                fix: "use private addresses, like 10.77.0.0/24 or fd77:6d70::/64")
        }
    }

    private func widen(_ prefix: IPPrefix) -> String {
        var length = Int(prefix.length)
        while length > 8, let wider = IPPrefix(prefix.address, length: length)?.network {
            if OverlayAllocation.capacity(of: wider) >= UInt64(draft.nodes.count) {
                return "use \(wider) or wider"
            }
            length -= 1
        }
        return "use a wider network"
    }

    /// What makes a network impossible as an overlay, or nil.
    private static func misuse(_ prefix: IPPrefix) -> String? {
        let shortest = prefix.address.family == .ipv4 ? 8 : 16
        if Int(prefix.length) < shortest { return "is too wide: at most /\(shortest) is allowed" }
        if prefix.address.isMulticast { return "is multicast" }
        if prefix.address.isLinkLocal { return "is link-local" }
        let loopback = IPPrefix("127.0.0.0/8")
        if prefix.contains(IPAddress(family: .ipv6, high: 0, low: 1))
            || loopback?.overlaps(prefix) == true
        {
            return "is loopback"
        }
        if prefix.address.family == .ipv4
            && (prefix.address.low >> 24 == 0 || prefix.address.low >> 28 == 15)
        {
            return "is reserved"
        }
        return nil
    }

    /// *Source:* RFC 1918, RFC 6598 (shared), RFC 4193 (unique local).
    private static func isPrivate(_ prefix: IPPrefix) -> Bool {
        ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"]
            .compactMap { IPPrefix($0) }
            .contains { $0.length <= prefix.length && $0.contains(prefix.address) }
    }

    private func distinctNetworks() {
        for (position, network) in networks.prefix(64).enumerated() {
            for earlier in networks[..<position]
            where earlier.value.address.family == network.value.address.family {
                let family = network.value.address.family == .ipv4 ? "IPv4" : "IPv6"
                let message =
                    earlier.value.overlaps(network.value)
                    ? "the networks \(earlier.value) and \(network.value) overlap"
                    : "a second \(family) network: \(network.value) beside \(earlier.value)"
                sink.error(
                    message, at: network.mark,
                    fix: "keep one IPv4 and one IPv6 network; a wider one can replace both")
                break
            }
        }
    }

    /// An underlay address inside the overlay would route a tunnel into itself.
    private func underlay() {
        for node in draft.nodes {
            if let endpoint = node.endpoint, let address = endpoint.value.address {
                outside(address, "the endpoint", endpoint.mark)
            }
            if let connect = node.connect, case .ssh(_, let host, _) = connect.value,
                let address = IPAddress(host)
            {
                outside(address, "the connect address", connect.mark)
            }
        }
    }

    private func outside(_ address: IPAddress, _ what: String, _ mark: Mark) {
        // A network that is refused anyway, like 0.0.0.0/0, would only repeat itself here.
        guard
            let network = networks.first(where: {
                $0.value.contains(address) && AddressChecks.misuse($0.value) == nil
            })
        else { return }
        sink.error(
            "\(what) \(address) lies in the overlay network \(network.value)", at: mark,
            fix: "write the node's underlay address, or choose another mesh.network")
    }

    private func pinned() {
        var holders: [IPAddress: String] = [:]
        for node in draft.nodes {
            var families: Set<IPAddress.Family> = []
            for address in node.addresses {
                usable(address)
                if !families.insert(address.value.family).inserted {
                    sink.error(
                        "`\(node.name.value)` has a second address in one network",
                        at: address.mark,
                        fix: "keep one IPv4 and one IPv6 address")
                }
                if let holder = holders[address.value], holder != node.name.value {
                    sink.error(
                        "the address \(address.value) is already taken by `\(holder)`",
                        at: address.mark,
                        fix: "choose another, or leave it out to have one allocated")
                }
                holders[address.value] = holders[address.value] ?? node.name.value
            }
        }
    }

    private func usable(_ address: Marked<IPAddress>) {
        if networks.isEmpty { return }
        guard let network = networks.first(where: { $0.value.contains(address.value) }) else {
            let list = networks.map(\.value.description).joined(separator: " or ")
            sink.error(
                "the address \(address.value) is not in the overlay network", at: address.mark,
                fix: "choose one in \(list), or leave it out to have one allocated")
            return
        }
        if !OverlayAllocation.isUsable(address.value, in: network.value) {
            sink.error(
                "the address \(address.value) cannot be a node's: it is the network's own, its"
                    + " broadcast address, or ends in .0", at: address.mark,
                fix: "choose another in \(network.value)")
        }
    }
}
