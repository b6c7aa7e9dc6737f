/// Routes by destination and metric, which is how the kernel tells one from another.
struct RoutePlan {
    let routes: [ObservedRoute]
    private var first: [Key: Int] = [:]
    /// The kernel lets a second route stand beside the first (`ip route append`); that is rare.
    private var rivals: [Key: [Int]] = [:]

    private struct Key: Hashable {
        let destination: IPPrefix
        let metric: UInt32

        init(_ route: ObservedRoute) {
            destination = route.destination
            metric = route.metric
        }
    }

    init(_ routes: [ObservedRoute]) {
        self.routes = routes
        first.reserveCapacity(routes.count)
        for position in routes.indices {
            let key = Key(routes[position])
            if first[key] == nil {
                first[key] = position
            } else {
                rivals[key, default: []].append(position)
            }
        }
    }

    /// The one route for the destination and metric of `route`; nil where there is none, or more than one.
    func only(at route: ObservedRoute) -> ObservedRoute? {
        let key = Key(route)
        guard let position = first[key], rivals.isEmpty || rivals[key] == nil else { return nil }
        return routes[position]
    }

    /// The routes for the destination and metric of `route`.
    func routes(at route: ObservedRoute) -> [ObservedRoute] {
        guard let position = first[Key(route)] else { return [] }
        if rivals.isEmpty { return [routes[position]] }
        return ([position] + (rivals[Key(route)] ?? [])).map { routes[$0] }
    }

    /// One route for each allowed IP, and one `unreachable` for each network.
    ///
    /// Where two interfaces have the same allowed IP, the first one carries it. Only a peer that has one key at both can
    /// be behind either: then it is where it has shaken hands last.
    static func wanted(
        by interfaces: [DesiredInterface], observed: [ObservedInterface] = []
    ) -> [ObservedRoute] {
        var routes: [ObservedRoute] = []
        routes.reserveCapacity(interfaces.reduce(0) { $0 + $1.peers.count } + 2)
        // One interface gives each allowed IP to one peer; only a second one can want the same route.
        let isAlone = interfaces.count == 1
        let twins = isAlone ? nil : PeerTwins(interfaces, observed: observed)
        var taken: [IPPrefix: (position: Int, peer: PublicKey)] = [:]
        for interface in interfaces {
            let source4 = interface.addresses.first { $0.address.family == .ipv4 }?.address
            let source6 = interface.addresses.first { $0.address.family == .ipv6 }?.address
            for peer in interface.peers {
                for allowed in peer.allowedIPs {
                    let destination = allowed.network
                    let route = ObservedRoute(
                        destination: destination, kind: .unicast, interface: interface.name,
                        source: destination.address.family == .ipv4 ? source4 : source6,
                        metric: 0)
                    guard !isAlone else {
                        routes.append(route)
                        continue
                    }
                    guard let first = taken[destination] else {
                        taken[destination] = (routes.count, peer.publicKey)
                        routes.append(route)
                        continue
                    }
                    let isItself = first.peer == peer.publicKey
                    if isItself && twins?.home[peer.publicKey] == interface.name {
                        routes[first.position] = route
                    }
                }
            }
        }
        var closed: Set<IPPrefix> = []
        for interface in interfaces {
            for network in interface.networks where closed.insert(network.network).inserted {
                routes.append(
                    ObservedRoute(
                        destination: network.network, kind: .unreachable, interface: nil,
                        source: nil,
                        metric: Ownership.unreachableMetric))
            }
        }
        return routes
    }
}

/// Peers that have the same key at two interfaces: nodes without an agent, while keys are being rotated around them.
///
/// Such a device has one configuration and can be at one interface alone. Which one only it knows, and a handshake
/// tells.
struct PeerTwins {
    /// The name of the interface that each of them was heard by last; the first one where it was never heard.
    let home: [PublicKey: String]

    init(_ interfaces: [DesiredInterface], observed: [ObservedInterface]) {
        var counts: [PublicKey: Int] = [:]
        for peer in interfaces.lazy.flatMap(\.peers) where peer.publicKey != .zero {
            counts[peer.publicKey, default: 0] += 1
        }
        let twins = Set(counts.filter { $0.value > 1 }.keys)
        var home: [PublicKey: String] = [:]
        var latest: [PublicKey: Double] = [:]
        for interface in twins.isEmpty ? [] : interfaces {
            let device = observed.first { $0.name == interface.name }?.device
            for peer in interface.peers where twins.contains(peer.publicKey) {
                let handshake =
                    device?.peers.first { $0.publicKey == peer.publicKey }?.lastHandshake ?? 0
                if home[peer.publicKey] == nil || handshake > latest[peer.publicKey, default: 0] {
                    home[peer.publicKey] = interface.name
                    latest[peer.publicKey] = handshake
                }
            }
        }
        self.home = home
    }
}
