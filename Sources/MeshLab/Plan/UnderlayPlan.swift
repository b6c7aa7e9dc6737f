import MeshModel

/// Which underlay addresses the hosts of a lab have, and which networks they are in.
struct UnderlayPlan {
    /// By node, in order of preference.
    private(set) var addresses: [String: [IPAddress]] = [:]
    /// Names, by node, that `connect` or `endpoint` use instead of an address.
    private(set) var names: [String: [String]] = [:]
    private(set) var networks: [IPPrefix] = []
    private(set) var lanAddresses: [IPPrefix] = []

    init(_ topology: Topology) throws(LabError) {
        var problems: [String] = []
        let managed = topology.managedNodes
        collect(managed, &problems)
        findDuplicates(managed, &problems)
        if managed.contains(where: { $0.name == LabNames.lan }) {
            problems.append(
                "the node name `\(LabNames.lan)` is the lab's own; call the node otherwise")
        }
        allocate(managed, &problems)
        guard problems.isEmpty else {
            throw LabError(
                .unsupported, "rehearse", topology.mesh.name, problems.joined(separator: "; "),
                hint: "give every managed node underlay addresses of its own")
        }
        deriveNetworks(overlay: topology.mesh.networks)
    }

    func spec(_ node: Node, mesh: String, isLocal: Bool) -> HostSpec {
        var port: UInt16 = 22
        var user = "root"
        if case .ssh(let name, _, let given)? = node.connect {
            port = given ?? 22
            user = name ?? "root"
        }
        let own = (addresses[node.name] ?? []).compactMap { address in
            network(of: address).flatMap { IPPrefix(address, length: Int($0.length)) }
        }
        let families = Set(own.map(\.address.family))
        let gateways = [IPAddress.Family.ipv4, .ipv6].compactMap { family in
            lanAddresses.first { lan in
                lan.address.family == family && own.contains { $0.network == lan.network }
            }?.address
        }
        let reached = Set(own.map(\.network))
        return HostSpec(
            mesh: mesh, node: node.name, addresses: own,
            onLink: networks.filter {
                families.contains($0.address.family) && !reached.contains($0)
            },
            gateways: gateways, sshPort: port, user: user, isLocal: isLocal)
    }

    private mutating func collect(_ nodes: [Node], _ problems: inout [String]) {
        for node in nodes {
            var texts: [String] = []
            if case .ssh(_, let host, _)? = node.connect { texts.append(host) }
            if let endpoint = node.endpoint { texts.append(endpoint) }
            var own: [IPAddress] = []
            var called: [String] = []
            for text in texts {
                guard let address = IPAddress(text) else {
                    if !called.contains(text) { called.append(text) }
                    continue
                }
                if address.isLoopback || address.isUnspecified || address.isMulticast
                    || address.isLinkLocal
                {
                    problems.append("\(node.name): \(address) is no underlay address")
                } else if !own.contains(address) {
                    own.append(address)
                }
            }
            addresses[node.name] = own
            names[node.name] = called
        }
    }

    private func findDuplicates(_ nodes: [Node], _ problems: inout [String]) {
        var owner: [String: String] = [:]
        for node in nodes {
            let claims = (addresses[node.name] ?? []).map(\.description) + (names[node.name] ?? [])
            for claim in claims {
                if let other = owner[claim] {
                    problems.append("\(other) and \(node.name) share \(claim)")
                }
                owner[claim] = node.name
            }
        }
    }

    /// Gives a node without a literal address one of 203.0.113.0/24 (RFC 5737), or of 198.18.0.0/16 (RFC 2544) where
    /// that is too small. The place comes from its name, so that a new node rarely moves another.
    private mutating func allocate(_ nodes: [Node], _ problems: inout [String]) {
        var taken = Set(addresses.values.joined())
        let needy = nodes.map(\.name).filter { addresses[$0]?.isEmpty ?? true }.sorted()
        let small = needy.count <= 200
        let base = small ? IPAddress(ipv4: 0xcb00_7100) : IPAddress(ipv4: 0xc612_0000)
        let size: UInt64 = small ? 240 : 65_000
        for name in needy {
            let start = LabNames.hash(name) % size
            let free = (0..<size).lazy
                .compactMap { base.advanced(by: 10 + (start + $0) % size) }
                .first { !taken.contains($0) }
            guard let free else {
                problems.append("\(name): no underlay address is left")
                continue
            }
            taken.insert(free)
            addresses[name] = [free]
        }
    }

    private mutating func deriveNetworks(overlay: [IPPrefix]) {
        let all = addresses.values.joined().sorted()
        for address in all {
            // A longer prefix where the usual one would swallow the overlay.
            var length = address.family == .ipv4 ? 24 : 64
            while length < address.family.bits, let prefix = IPPrefix(address, length: length),
                overlay.contains(where: { $0.overlaps(prefix) })
            {
                length += 1
            }
            if let prefix = IPPrefix(address, length: length)?.network, !networks.contains(prefix) {
                networks.append(prefix)
            }
        }
        let taken = Set(all)
        for network in networks {
            let hostBits = min(network.address.family.bits - Int(network.length), 16)
            guard hostBits >= 2 else { continue }
            let highest = (UInt64(1) << UInt64(hostBits)) - 2
            let free = (1...highest).reversed().lazy
                .compactMap { network.address.advanced(by: $0) }.first { !taken.contains($0) }
            if let free, let prefix = IPPrefix(free, length: Int(network.length)) {
                lanAddresses.append(prefix)
            }
        }
    }

    private func network(of address: IPAddress) -> IPPrefix? {
        networks.filter { $0.contains(address) }.max { $0.length < $1.length }
    }
}
