import LinuxSystem
package import MeshModel
import Netlink
import PacketFilter
import Secrets
import WireGuard

/// The kernel of this network namespace: rtnetlink, and WireGuard by whichever backend holds an interface.
///
/// Ours are the links whose name is the mesh's, the unicast routes by those links, and the `unreachable` routes
/// with our protocol number within the mesh's networks. *Privilege:* CAP_NET_ADMIN.
///
/// Tunnels are not the kernel's, but are looked at and changed with all else; ``NodeTunnels`` does so.
package final class RealKernel: NodeKernel {
    let routes = RouteSocket()
    private let keys: NodeKeys
    private let others: OtherMeshes
    package let tunnels: any NodeTunnels
    private let guards: GuardKeeper
    private let hosts: HostsKeeper
    private let bootID: String
    private var underlay = UnderlayMTU()
    /// Kept to tell whether a change of allowed IPs only adds.
    private var last = ObservedNode.bare
    /// Where each link was found; asked anew once a link was made or removed.
    private var indexes: [String: Int32] = [:]
    /// Whether every link of ours takes packets in by either way, as far as these steps know.
    private var isLoose = false

    /// Makers of routes by whom a route by an interface of ours counts as put there by hand: `ip route` writes
    /// boot, and networking scripts static. *Source:* `linux/rtnetlink.h`, RTPROT_BOOT, RTPROT_STATIC.
    private static let handMade: [UInt8] = [3, 4]

    /// The kernel, with the keys that devices are given.
    init(
        keys: NodeKeys, others: OtherMeshes, tunnels: any NodeTunnels, guards: GuardKeeper,
        hosts: HostsKeeper, bootID: String
    ) {
        self.keys = keys
        self.others = others
        self.tunnels = tunnels
        self.guards = guards
        self.hosts = hosts
        self.bootID = bootID
    }

    package func forgetUnderlay() { underlay.forget() }

    // MARK: observing

    package func observe(_ scope: KernelScope) throws(NodeError) -> ObservedNode {
        let links = try asking("list links") { () throws(NetlinkError) in try routes.links() }
        let ours = links.filter { Ownership.generation(of: $0.name, mesh: scope.mesh) != nil }
        indexes = Dictionary(ours.map { ($0.name, $0.index) }, uniquingKeysWith: { $1 })
        var addresses: [Int32: [IPPrefix]] = [:]
        if !ours.isEmpty {
            let all = try asking("list addresses") { () throws(NetlinkError) in
                try routes.addresses()
            }
            for address in all { addresses[address.index, default: []].append(address.prefix) }
        }
        var interfaces: [ObservedInterface] = []
        for link in ours {
            interfaces.append(try Self.interface(link, addresses[link.index] ?? []))
        }
        var observed = ObservedNode(
            bootID: bootID, observedAt: Clocks.wall(), interfaces: interfaces,
            routes: try ourRoutes(scope, links), resolved: scope.resolved)
        for interface in scope.desired.interfaces {
            observed.derivedMTU[interface.name] = underlay.mtu(
                for: interface, resolved: scope.resolved, links: links, routes: routes)
        }
        (observed.tunnels, observed.tunnelServer) = tunnels.observe(scope.desired)
        observed.guard = guards.observe(scope.desired.guard)
        observed.names = hosts.observe(scope.desired.names)
        last = observed
        return observed
    }

    private func ourRoutes(_ scope: KernelScope, _ links: [Link]) throws(NodeError)
        -> [ObservedRoute]
    {
        let names = Dictionary(links.map { ($0.index, $0.name) }, uniquingKeysWith: { $1 })
        var found: [ObservedRoute] = []
        for maker in [Ownership.routeProtocol] + (indexes.isEmpty ? [] : Self.handMade) {
            let all = try asking("list routes") { () throws(NetlinkError) in
                try routes.routes(routeProtocol: maker)
            }
            for route in all where route.table == Route.mainTable {
                switch route.kind {
                case .unicast:
                    guard let name = route.interfaceIndex.flatMap({ names[$0] }),
                        indexes[name] != nil
                    else { continue }
                    found.append(Self.observed(route, .unicast, name))
                case .unreachable:
                    guard maker == Ownership.routeProtocol, isOurs(route.destination, scope) else {
                        continue
                    }
                    found.append(Self.observed(route, .unreachable, nil))
                default: continue
                }
            }
        }
        return found
    }

    /// An `unreachable` route names no interface; it is ours within our networks, or if it is no other mesh's.
    private func isOurs(_ destination: IPPrefix, _ scope: KernelScope) -> Bool {
        if scope.networks.contains(where: { $0.overlaps(destination) }) { return true }
        return others.networks().map { !$0.contains { $0.overlaps(destination) } } ?? false
    }

    private static func observed(
        _ route: Route, _ kind: ObservedRoute.Kind, _ name: String?
    ) -> ObservedRoute {
        // The kernel writes 1024 where an IPv6 route was given no metric. *Source:* net/ipv6.h, IP6_RT_PRIO_USER.
        let isDefault = route.destination.address.family == .ipv6 && route.metric == 1024
        return ObservedRoute(
            destination: route.destination, kind: kind, interface: name, source: route.source,
            metric: isDefault ? 0 : route.metric)
    }

    // MARK: applying

    package func apply(_ steps: [PlanStep]) -> ApplyOutcome {
        isLoose = false
        var done = 0
        while done < steps.count {
            let batch = PeerBatch(steps[done...])
            do throws(NodeError) {
                if let batch {
                    try configure(batch)
                } else {
                    try apply(steps[done].change)
                }
            } catch {
                return ApplyOutcome(done: done, failure: error)
            }
            done += batch?.changes.count ?? 1
        }
        return ApplyOutcome(done: done)
    }

    /// All changes to one interface's peers that stand together go out in one call.
    private func configure(_ batch: PeerBatch) throws(NodeError) {
        let backend = try holder(of: batch.interface)
        let there = last.interfaces.first { $0.name == batch.interface }?.device?.peers ?? []
        let peers = try batch.configurations(there: there, keys: keys)
        try asking { () throws(WireGuardError) in
            try backend.configure(batch.interface, DeviceConfiguration(peers: peers))
        }
    }

    private func apply(_ change: Change) throws(NodeError) {
        switch change {
        case .createInterface(let name, let backend):
            indexes = [:]
            try asking { () throws(WireGuardError) in try Backends.choose(backend).create(name) }
        case .deleteInterface(let name): try delete(name)
        case .setPrivateKey(let name, let generation, _): try setPrivateKey(name, generation)
        case .setListenPort(let name, let port):
            let backend = try holder(of: name)
            try asking { () throws(WireGuardError) in
                try backend.configure(name, DeviceConfiguration(listenPort: port))
            }
        case .setLinkGroup(let name):
            try link(name, "set group") { index throws(NetlinkError) in
                try routes.setLink(index: index, group: Ownership.linkGroup)
            }
        case .setMTU(let name, let mtu):
            try link(name, "set MTU") { index throws(NetlinkError) in
                try routes.setLink(index: index, mtu: UInt32(clamping: mtu))
            }
        case .linkUp(let name):
            try link(name, "bring up") { index throws(NetlinkError) in
                try routes.setLink(index: index, up: true)
            }
            loosenReversePath()
        case .addAddress(let name, let address):
            try link(name, "add address") { index throws(NetlinkError) in
                try routes.addAddress(index: index, address)
            }
        case .removeAddress(let name, let address):
            try link(name, "remove address") { index throws(NetlinkError) in
                try routes.removeAddress(index: index, address)
            }
        case .setRoute(let route): try setRoute(route)
        case .removeRoute(let route): try removeRoute(route)
        case .setTunnelServer, .removeTunnelServer, .openTunnel, .changeTunnel, .closeTunnel:
            try tunnels.apply(change)
        case .setGuard(let wanted):
            try guarding { () throws(PacketFilterError) in try guards.set(wanted) }
        case .removeGuard:
            try guarding { () throws(PacketFilterError) in try guards.remove() }
        case .setNames(let wanted):
            try naming { () throws(SystemError) in try hosts.set(wanted) }
        case .removeNames:
            try naming { () throws(SystemError) in try hosts.remove() }
        case .addPeer, .updatePeer, .removePeer: break
        case .installBinary, .enroll, .startAgent, .pinController: break
        }
    }

    private func delete(_ name: String) throws(NodeError) {
        indexes = [:]
        do throws(WireGuardError) {
            if let backend = try Backends.holding(name) {
                try backend.delete(name)
                return
            }
        } catch {
            throw Self.failure(error)
        }
        // Something else under our name, or a tun whose program has died.
        guard let index = try index(of: name) else { return }
        try asking("delete interface \(name)") { () throws(NetlinkError) in
            try routes.deleteLink(index: index)
        }
    }

    private func setPrivateKey(_ name: String, _ generation: Int) throws(NodeError) {
        guard let key = try keys.privateKey(generation) else {
            throw NodeError(
                .damaged, "set private key", name, "there is no key of generation \(generation)",
                hint: "run `meshproof up`, which has the node make one")
        }
        let backend = try holder(of: name)
        try asking { () throws(WireGuardError) in
            try backend.configure(name, DeviceConfiguration(privateKey: key))
        }
    }

    private func setRoute(_ route: ObservedRoute) throws(NodeError) {
        var wanted = Route(
            destination: route.destination, routeProtocol: Ownership.routeProtocol,
            kind: route.kind == .unicast ? .unicast : .unreachable, source: route.source,
            metric: route.metric)
        if let name = route.interface {
            wanted.interfaceIndex = try presentIndex(of: name)
            try refuseForeign(route)
            // From the first route that moves to a second interface on, packets come by either.
            if indexes.count > 1 && !isLoose { loosenReversePath() }
        }
        let sent = wanted
        try asking("set route \(route.destination)") { () throws(NetlinkError) in
            try routes.replaceRoute(sent)
        }
    }

    /// A kernel without IPv4's filter, or one that does not tell, is none that could be in the way.
    private func loosenReversePath() {
        for index in indexes.values { try? routes.loosenReversePath(index: index) }
        isLoose = true
    }

    /// Replacing a route that somebody else made would take what is theirs.
    private func refuseForeign(_ route: ObservedRoute) throws(NodeError) {
        guard let matched = try? routes.route(to: route.destination.address).matched,
            matched.destination == route.destination, matched.table == Route.mainTable,
            matched.routeProtocol != Ownership.routeProtocol,
            Self.observed(matched, .unicast, nil).metric == route.metric,
            !indexes.values.contains(where: { $0 == matched.interfaceIndex })
        else { return }
        throw NodeError(
            .kernel, "set route", "\(route.destination)",
            "somebody else has a route for it (protocol \(matched.routeProtocol))",
            hint: "remove it with `ip route del \(route.destination)`, or choose another network")
    }

    private func removeRoute(_ route: ObservedRoute) throws(NodeError) {
        // Protocol 0 matches any: a route by our interface goes whoever made it.
        var unwanted = Route(
            destination: route.destination,
            routeProtocol: route.interface == nil ? Ownership.routeProtocol : 0,
            kind: route.kind == .unicast ? .unicast : .unreachable, source: route.source,
            metric: route.metric)
        if let name = route.interface {
            guard let index = try index(of: name) else { return }
            unwanted.interfaceIndex = index
        }
        let sent = unwanted
        try asking("remove route \(route.destination)") { () throws(NetlinkError) in
            try routes.removeRoute(sent)
        }
    }

    // MARK: helpers

    private func holder(of name: String) throws(NodeError) -> any WireGuardBackend {
        do throws(WireGuardError) {
            if let backend = try Backends.holding(name) { return backend }
        } catch {
            throw Self.failure(error)
        }
        throw NodeError(.kernel, "configure", name, "no WireGuard interface of that name answers")
    }

    private func index(of name: String) throws(NodeError) -> Int32? {
        if let known = indexes[name] { return known }
        let link = try asking("find \(name)") { () throws(NetlinkError) in
            try routes.link(named: name)
        }
        indexes[name] = link?.index
        return link?.index
    }

    private func presentIndex(of name: String) throws(NodeError) -> Int32 {
        guard let index = try index(of: name) else {
            throw NodeError(.kernel, "find interface", name, "there is no such interface")
        }
        return index
    }

    private func link(
        _ name: String, _ operation: String, _ body: (Int32) throws(NetlinkError) -> Void
    ) throws(NodeError) {
        let index = try presentIndex(of: name)
        try asking("\(operation) on \(name)") { () throws(NetlinkError) in try body(index) }
    }

    private func asking<Value>(
        _ operation: String, _ body: () throws(NetlinkError) -> Value
    ) throws(NodeError) -> Value {
        do throws(NetlinkError) { return try body() } catch {
            throw NodeError(.kernel, operation, "", error.description)
        }
    }

    private func asking<Value>(
        _ body: () throws(WireGuardError) -> Value
    ) throws(NodeError) -> Value {
        do throws(WireGuardError) { return try body() } catch { throw Self.failure(error) }
    }

    private func guarding(_ body: () throws(PacketFilterError) -> Void) throws(NodeError) {
        do throws(PacketFilterError) { try body() } catch {
            throw NodeError(.kernel, error.operation, "", error.message, hint: error.hint)
        }
    }

    private func naming(_ body: () throws(SystemError) -> Void) throws(NodeError) {
        do throws(SystemError) { try body() } catch { throw NodeError("write names", error) }
    }

    static func failure(_ error: WireGuardError) -> NodeError {
        NodeError(.kernel, error.operation, error.subject, error.description)
    }
}
