/// Whether rules of packet filters on one node could take the edge's packets elsewhere.
///
/// A rule is let pass only for a reason that is understood; one that is not understood touches the edge.
struct RuleReach {
    private let view: EdgeView
    private let node: String
    private let facts: NodeFacts?

    init(_ view: EdgeView, _ node: String) {
        self.view = view
        self.node = node
        facts = view.facts(node)
    }

    /// Whether a rule could touch the edge's packets on this node.
    func touches(_ rule: RewritingRule) -> Bool {
        if let ports = rule.ports, ports.allSatisfy({ !self.ports.contains($0) }) { return false }
        if let only = rule.destinations,
            !only.contains(where: { prefix in addresses.contains { prefix.contains($0) } })
        {
            return false
        }
        let words = Self.words(rule.text)
        if leavesOut(words, rule.kind) { return false }
        switch rule.kind {
        case .dnat, .redirect, .divert: return !staysWithin(words, rule.kind)
        case .snat, .mark, .duplicate: return true
        }
    }

    // MARK: the edge on this node

    private var isTunnel: Bool { view.edge.via == .ssh }

    /// The ports of the edge's connections, in clear.
    private var ports: Set<UInt16> {
        var ports: Set<UInt16> = [view.edge.service.port]
        for case .tcp(let entrance) in view.edge.tunnel?.entrances ?? [] {
            ports.insert(entrance.port)
        }
        if case .tcp(let target)? = view.edge.tunnel?.target { ports.insert(target.port) }
        return ports
    }

    /// The addresses that the edge's packets in clear are for, or come from.
    private var addresses: [IPAddress] {
        let overlay = view.edge.from.overlay + view.edge.to.overlay
        let isOnLoopback = isTunnel || view.edge.via == .local
        return isOnLoopback ? overlay + [.loopbackIPv4, .loopbackIPv6] : overlay
    }

    private var ownInterfaces: Set<String> { Set(view.edge.links.map(\.interface) + ["lo"]) }

    private func role(_ device: String) -> DeviceCapture.Role? {
        facts?.capture?.devices.first { $0.name == device }?.role
    }

    // MARK: what a rule's text says

    /// Whether the text limits the rule to packets that are not the edge's.
    private func leavesOut(_ words: [Substring], _ kind: RewritingRule.Kind) -> Bool {
        for (place, word) in words.enumerated() where place + 1 < words.count {
            let value = words[place + 1]
            switch word {
            case "oifname" where kind == .snat, "-o" where kind == .snat:
                // A network's own address for what leaves by it: the usual rule of a router.
                if Self.isName(value), !value.hasSuffix("*"),
                    !ownInterfaces.contains(String(value))
                {
                    return true
                }
            case "iifname", "oifname", "iif", "oif":
                if Self.isName(value), role(String(value)) == .underlay { return true }
            case "saddr" where kind == .snat:
                // Containers' addresses become the node's own: that is how they come to the mesh.
                let prefixes = Self.prefixes(words[(place + 1)...])
                if !prefixes.isEmpty,
                    !prefixes.contains(where: { prefix in addresses.contains { prefix.contains($0) }
                    })
                {
                    return true
                }
            default: continue
            }
        }
        return false
    }

    /// Whether what it sends elsewhere stays within this host, as with a port that Docker publishes.
    private func staysWithin(_ words: [Substring], _ kind: RewritingRule.Kind) -> Bool {
        // On the service's own node a redirect ends on the node, wherever it listens.
        if kind == .redirect { return node == view.edge.to.node && node != view.edge.from.node }
        guard let place = words.firstIndex(of: "to"), place + 1 < words.count else { return false }
        let text = String(words[place + 1])
        guard let address = SocketEndpoint(text)?.address ?? IPAddress(text) else { return false }
        return HostReach(facts).contains(address)
    }

    private static func words(_ text: String) -> [Substring] {
        text.split { " \t\",{}".contains($0) }
    }

    private static func isName(_ word: Substring) -> Bool {
        word != "!=" && word != "=="
    }

    private static func prefixes(_ words: ArraySlice<Substring>) -> [IPPrefix] {
        words.prefix { $0 != "!=" }.map(String.init).prefix {
            IPPrefix($0) != nil || IPAddress($0) != nil
        }.compactMap { IPPrefix($0) ?? IPAddress($0).map { IPPrefix(host: $0) } }
    }
}

/// What is within one host: its own addresses, and the networks of its containers.
struct HostReach {
    private let own: Set<IPAddress>
    private let inner: [IPPrefix]

    init(_ facts: NodeFacts?) {
        let links = facts?.links ?? []
        let devices = facts?.capture?.devices ?? []
        own = Set(links.flatMap(\.addresses).map(\.address))
        inner = links.filter { link in
            devices.contains { $0.name == link.name && $0.role == .inner }
        }.flatMap(\.addresses).filter { !$0.isHost }
    }

    /// Whether packets for an address stay on the host.
    func contains(_ address: IPAddress) -> Bool {
        address.isLoopback || own.contains(address) || isInner(address)
    }

    /// Whether it is in a container's network.
    func isInner(_ address: IPAddress) -> Bool { inner.contains { $0.contains(address) } }
}
