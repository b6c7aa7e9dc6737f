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

    /// One route for each allowed IP, by the first interface that has it, and one `unreachable` for each network.
    static func wanted(by interfaces: [DesiredInterface]) -> [ObservedRoute] {
        var routes: [ObservedRoute] = []
        routes.reserveCapacity(interfaces.reduce(0) { $0 + $1.peers.count } + 2)
        // One interface gives each allowed IP to one peer; only a second one can want the same route.
        var seen: Set<IPPrefix>? = interfaces.count > 1 ? [] : nil
        for interface in interfaces {
            let source4 = interface.addresses.first { $0.address.family == .ipv4 }?.address
            let source6 = interface.addresses.first { $0.address.family == .ipv6 }?.address
            for peer in interface.peers {
                for allowed in peer.allowedIPs {
                    let destination = allowed.network
                    if seen?.insert(destination).inserted == false { continue }
                    routes.append(
                        ObservedRoute(
                            destination: destination, kind: .unicast, interface: interface.name,
                            source: destination.address.family == .ipv4 ? source4 : source6,
                            metric: 0))
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
