/// The steps for the peers of one interface.
///
/// An allowed IP belongs to one peer: giving it to a second takes it from the first, in one move of the kernel.
/// So it is given to its new peer and never taken from the old one beforehand; and where the old peer's own list
/// changes before the new one's turn, the list still holds what has not moved yet.
struct PeerPlan {
    let interface: String
    let resolved: [String: SocketEndpoint]
    let now: Double
    /// Endpoints that the former document told, by peer.
    private let told: [PublicKey: Endpoint]

    init(
        interface: String, superseded: [DesiredPeer], resolved: [String: SocketEndpoint],
        now: Double
    ) {
        self.interface = interface
        self.resolved = resolved
        self.now = now
        var told: [PublicKey: Endpoint] = [:]
        told.reserveCapacity(superseded.count)
        for peer in superseded { told[peer.publicKey] = peer.endpoint }
        self.told = told
    }

    /// Adds what is to be done to `changes`, and what is to be done last to `removals`.
    func compare(
        _ wanted: [DesiredPeer], _ found: [ObservedPeer], changes: inout [PlanStep],
        removals: inout [PlanStep]
    ) {
        if found.isEmpty {
            // A new or empty interface needs no comparison.
            // Most will have two routes each, and there are a few steps of the interface's own.
            changes.reserveCapacity(changes.count + 3 * wanted.count + 32)
            for peer in wanted { changes.append(addition(of: peer)) }
            return
        }
        var positions: [PublicKey: Int] = [:]
        positions.reserveCapacity(found.count)
        // By index: to copy each peer out would cost more than to look at it.
        for position in found.indices { positions[found[position].publicKey] = position }

        // Ownership of allowed IPs is worked out only where some list differs; mostly none does.
        let moves = wanted.contains { peer in
            guard let position = positions[peer.publicKey] else { return true }
            return peer.allowedIPs != found[position].allowedIPs
        }
        var owners = moves ? AllowedIPOwners(wanted: wanted, found: found) : nil

        var kept = [Bool](repeating: false, count: found.count)
        for peer in wanted {
            let list = owners?.list(for: peer.publicKey)
            if let position = positions[peer.publicKey], peer.publicKey != .zero {
                if kept[position] { continue }
                kept[position] = true
                if let step = update(of: peer, found[position], allowedIPs: list) {
                    changes.append(step)
                }
            } else {
                // Where two peers name the same allowed IP, only its last claimant is given it.
                var peer = peer
                if let own = owners?.wanted[peer.publicKey], own.count != peer.allowedIPs.count {
                    peer.allowedIPs = own
                }
                changes.append(addition(of: peer))
            }
        }
        for position in found.indices where !kept[position] {
            removals.append(
                PlanStep(
                    .removePeer(interface: interface, publicKey: found[position].publicKey),
                    reason: "not in the document"))
        }
    }

    private func addition(of peer: DesiredPeer) -> PlanStep {
        PlanStep(
            .addPeer(interface: interface, peer: peer, endpoint: endpoint(of: peer)),
            reason: "no such peer")
    }

    private func update(
        of want: DesiredPeer, _ found: ObservedPeer, allowedIPs: AllowedIPOwners.Change?
    ) -> PlanStep? {
        var update = PeerUpdate(node: want.node, publicKey: want.publicKey)
        var reasons: [String] = []
        if want.presharedKey != found.presharedKey {
            update.presharedKey = want.presharedKey
            update.removePresharedKey = want.presharedKey == nil
            reasons.append(
                want.presharedKey == nil
                    ? "it has a preshared key, want none"
                    : found.presharedKey == nil
                        ? "it has no preshared key" : "its preshared key is another")
        }
        if let endpoint = endpoint(of: want), endpoint != found.endpoint,
            !isFresh(found) || wasTold(found)
        {
            update.endpoint = endpoint
            reasons.append(
                "endpoint is \(found.endpoint?.description ?? "unknown"), want \(endpoint)")
        }
        if want.keepalive ?? 0 != found.keepalive {
            update.keepalive = want.keepalive ?? 0
            reasons.append("keepalive is \(found.keepalive) s, want \(want.keepalive ?? 0) s")
        }
        if let change = allowedIPs {
            update.allowedIPs = change.wanted
            reasons.append(
                "allowed IPs are \(Self.text(change.found)), want \(Self.text(change.wanted))")
        }
        if update.isEmpty { return nil }
        return PlanStep(
            .updatePeer(interface: interface, update: update),
            reason: "peer \(want.node): " + reasons.joined(separator: "; "))
    }

    /// Whether the peer's endpoint was learnt so lately that it is worth more than ours.
    private func isFresh(_ found: ObservedPeer) -> Bool {
        found.endpoint != nil && found.lastHandshake > 0
            && abs(now - found.lastHandshake) < Differ.endpointFreshness
    }

    /// Whether the peer's endpoint is the one that the former document told, and so not learnt.
    private func wasTold(_ found: ObservedPeer) -> Bool {
        guard let former = told[found.publicKey] else { return false }
        return address(of: former) == found.endpoint
    }

    private func endpoint(of peer: DesiredPeer) -> SocketEndpoint? {
        peer.endpoint.flatMap(address)
    }

    private func address(of endpoint: Endpoint) -> SocketEndpoint? {
        endpoint.literal ?? resolved[endpoint.description]
    }

    private static func text(_ prefixes: [IPPrefix]) -> String {
        if prefixes.isEmpty { return "none" }
        let shown = prefixes.prefix(4).map(\.description).joined(separator: ", ")
        return prefixes.count > 4 ? "\(shown) and \(prefixes.count - 4) more" : shown
    }
}

/// Who has each allowed IP while a plan is carried out, step by step.
struct AllowedIPOwners {
    /// A list that must change.
    struct Change {
        let found: [IPPrefix]
        let wanted: [IPPrefix]
    }

    /// Who shall have it in the end; the last one in the document, as the kernel would have it.
    private var wantedOwner: [IPPrefix: PublicKey] = [:]
    private(set) var wanted: [PublicKey: [IPPrefix]] = [:]
    private var current: [PublicKey: Set<IPPrefix>] = [:]
    private var currentOwner: [IPPrefix: PublicKey] = [:]

    init(wanted peers: [DesiredPeer], found: [ObservedPeer]) {
        for peer in peers {
            for allowed in peer.allowedIPs { wantedOwner[allowed.network] = peer.publicKey }
        }
        for peer in peers where wanted[peer.publicKey] == nil {
            var seen: Set<IPPrefix> = []
            wanted[peer.publicKey] = peer.allowedIPs.map(\.network).filter {
                wantedOwner[$0] == peer.publicKey && seen.insert($0).inserted
            }
        }
        for peer in found {
            let networks = peer.allowedIPs.map(\.network)
            current[peer.publicKey] = Set(networks)
            for network in networks { currentOwner[network] = peer.publicKey }
        }
    }

    /// The list that `key` must be given at its turn, or nil where it has it; and notes that it was given.
    mutating func list(for key: PublicKey) -> Change? {
        let mine = current[key] ?? []
        let own = wanted[key] ?? []
        // What another peer takes from this one at its own turn stays here until then.
        let lent = mine.filter { network in
            wantedOwner[network].map { $0 != key } ?? false
        }
        let target = Set(own).union(lent)
        guard target != mine else { return nil }
        for network in own {
            if let loser = currentOwner[network], loser != key { current[loser]?.remove(network) }
            currentOwner[network] = key
        }
        current[key] = target
        return Change(found: mine.sorted(), wanted: own + lent.sorted())
    }
}
