import MeshModel
import Netlink

/// Finds routes by which packets for an overlay address could leave past the mesh. Pure.
///
/// A route counts where a packet for the address can come to it before it comes to ours: it is in `main` and at least as
/// long as ours, or it is in another table that a rule can select earlier. The default route of `main` is always there,
/// and ours beat it.
struct StrayRoutes {
    let routes: [Route]
    let rules: [Rule]
    /// Indexes of the links in the mesh's group.
    let meshLinks: Set<Int32>
    /// The overlay addresses of this node.
    let own: Set<IPAddress>
    /// Those of all machines of the mesh.
    let overlay: [IPAddress]

    /// The strays, in the order of `routes`.
    func find() -> [Route] {
        var found: Set<Route> = []
        // Packets for our own addresses do not leave, whatever routes say: `local` is asked first.
        for address in overlay where !own.contains(address) {
            found.formUnion(strays(for: address))
        }
        return routes.filter(found.contains)
    }

    private func strays(for address: IPAddress) -> [Route] {
        let covering = routes.filter { $0.destination.contains(address) }
        let ours = covering.filter { $0.table == Route.mainTable && isOurs($0) }
            .map(\.destination.length).max()
        let open = reachableTables(for: address, ours: ours)
        return covering.filter { route in
            guard leaves(route) else { return false }
            if route.table == Route.mainTable {
                return route.destination.length >= ours ?? 1
            }
            return open.contains(route.table)
        }
    }

    /// A route by the mesh, or the one of ours that refuses where the mesh is gone.
    private func isOurs(_ route: Route) -> Bool {
        switch route.kind {
        case .unicast: !leaves(route)
        case .unreachable, .blackhole, .prohibit:
            route.routeProtocol == Ownership.routeProtocol
        default: false
        }
    }

    /// Whether a packet could leave past the mesh by it; one of several ways is enough.
    private func leaves(_ route: Route) -> Bool {
        switch route.kind {
        case .blackhole, .unreachable, .prohibit, .passOn: return false
        case .unicast, .local, .other: break
        }
        let ways = route.nexthops.map(\.interfaceIndex) + (route.interfaceIndex.map { [$0] } ?? [])
        // A way that is not told could be any.
        return ways.isEmpty || ways.contains { !meshLinks.contains($0) }
    }

    /// Tables other than `main` that a packet for `address` could be routed by. Once a rule for every packet has looked into
    /// `main` and found ours, none is asked any more.
    private func reachableTables(for address: IPAddress, ours: UInt8?) -> Set<UInt32> {
        let here = rules.filter { $0.family == address.family }
        let end = here.filter { rule in
            guard rule.action == .table(Route.mainTable), isForAll(rule), let ours else {
                return false
            }
            return rule.suppressGroup == nil && Int32(ours) > rule.suppressPrefixLength ?? -1
        }.map(\.priority).min()
        return here.reduce(into: []) { tables, rule in
            guard case .table(let table) = rule.action, table != Route.mainTable,
                end.map({ rule.priority < $0 }) ?? true, canMatch(rule, address)
            else { return }
            tables.insert(table)
        }
    }

    private func isForAll(_ rule: Rule) -> Bool {
        var plain = Rule(family: rule.family, priority: rule.priority, action: rule.action)
        plain.routeProtocol = rule.routeProtocol
        plain.suppressPrefixLength = rule.suppressPrefixLength
        plain.suppressGroup = rule.suppressGroup
        return plain == rule
    }

    /// A rule for sources outside the overlay does not see an edge's packets: those come from an overlay address, and have none
    /// when the kernel is first asked for their way.
    private func canMatch(_ rule: Rule, _ address: IPAddress) -> Bool {
        if rule.isInverted { return true }
        if let to = rule.to, !to.contains(address) { return false }
        guard let from = rule.from else { return true }
        return overlay.contains(where: from.contains)
    }
}
