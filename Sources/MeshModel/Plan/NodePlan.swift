/// The steps for one node while they are being found. Removals are kept back until all else stands.
struct NodePlan {
    private(set) var steps: [PlanStep] = []
    private var surplusRoutes: [ObservedRoute] = []
    private var addressRemovals: [PlanStep] = []
    private var peerRemovals: [PlanStep] = []
    private let observed: ObservedNode
    private let superseded: [DesiredInterface]
    private let now: Double
    private let byName: [String: ObservedInterface]
    /// Interfaces that the plan deletes first, because they cannot become what is wanted, or are in its way.
    private var deleted: Set<String> = []

    /// The interfaces that stay, with what their peers have told by now.
    var surviving: [ObservedInterface] {
        observed.interfaces.filter { !deleted.contains($0.name) }
    }

    init(observed: ObservedNode, superseded: [DesiredInterface], now: Double) {
        self.observed = observed
        self.superseded = superseded
        self.now = now
        byName = Dictionary(observed.interfaces.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
    }

    mutating func add(_ change: Change, _ reason: String) {
        steps.append(PlanStep(change, reason: reason))
    }

    /// Deletes interfaces of ours that nobody wants and that hold a port which is wanted for another: two cannot be up
    /// with one port. That happens where a node was away for a whole rotation, since every other set has the same port.
    mutating func clearPorts(for desired: [DesiredInterface], owning: (String) -> Bool) {
        let wanted = Set(desired.map(\.name))
        let ports = Set(desired.map(\.listenPort))
        for interface in observed.interfaces
        where owning(interface.name) && !wanted.contains(interface.name) {
            guard let port = interface.device?.listenPort, ports.contains(port) else { continue }
            add(
                .deleteInterface(name: interface.name),
                "no longer in the document, and its port \(port) is wanted for another")
            deleted.insert(interface.name)
        }
    }

    /// Makes one interface, or brings it to what is wanted; up, with addresses and peers.
    mutating func bring(_ want: DesiredInterface) {
        let name = want.name
        var found = byName[name]
        if let there = found, let fault = Self.fault(of: there, for: want) {
            add(.deleteInterface(name: name), fault)
            deleted.insert(name)
            found = nil
        }
        if found == nil {
            let reason =
                deleted.contains(name) ? "in place of the one just deleted" : "no such interface"
            add(.createInterface(name: name, backend: want.backend), reason)
        }
        setDevice(want, found)
        setLink(want, found)
        let former = superseded.first { $0.name == name }?.peers ?? []
        let peers = PeerPlan(
            interface: name, superseded: former, resolved: observed.resolved, now: now)
        peers.compare(
            want.peers, found?.device?.peers ?? [], changes: &steps, removals: &peerRemovals)
        setAddresses(want, found)
        if found?.isUp != true {
            add(.linkUp(interface: name), found == nil ? "made down" : "it is down, want up")
        }
    }

    private static func fault(of there: ObservedInterface, for want: DesiredInterface) -> String? {
        switch (there.kind, want.backend) {
        case (.foreign(let word), _):
            return "it is of kind \(word.isEmpty ? "none" : word), want wireguard"
        case (.kernel, .userspace): return "it is the kernel's, want userspace"
        case (.userspace, .kernel): return "it is userspace, want the kernel's"
        default: return there.device == nil ? "its WireGuard side does not answer" : nil
        }
    }

    private mutating func setDevice(_ want: DesiredInterface, _ found: ObservedInterface?) {
        let device = found?.device
        if device?.publicKey != want.publicKey || want.publicKey == .zero {
            let reason: String
            if let old = device?.publicKey {
                reason = "public key is \(old.short)…, want \(want.publicKey.short)…"
            } else {
                reason = "it has none"
            }
            add(
                .setPrivateKey(
                    interface: want.name, generation: want.generation, publicKey: want.publicKey),
                reason)
        }
        if device?.listenPort != want.listenPort {
            let old = device.map { "port is \($0.listenPort), want \(want.listenPort)" }
            add(.setListenPort(interface: want.name, port: want.listenPort), old ?? "new interface")
        }
    }

    private mutating func setLink(_ want: DesiredInterface, _ found: ObservedInterface?) {
        if let found, found.group != Ownership.linkGroup {
            add(
                .setLinkGroup(interface: want.name),
                "group is \(found.group), want \(Ownership.linkGroup)")
        }
        guard let mtu = want.mtu ?? observed.derivedMTU[want.name], mtu != found?.mtu else {
            return
        }
        let source = want.mtu == nil ? "derived from the underlay" : "set in the topology"
        let old = found.map { "MTU is \($0.mtu), want \(mtu), \(source)" }
        add(.setMTU(interface: want.name, mtu: mtu), old ?? source)
    }

    private mutating func setAddresses(_ want: DesiredInterface, _ found: ObservedInterface?) {
        let there = Set(found?.addresses ?? [])
        var seen: Set<IPPrefix> = []
        for address in want.addresses
        where seen.insert(address).inserted && !there.contains(address) {
            add(.addAddress(interface: want.name, address: address), "no such address")
        }
        for address in found?.addresses ?? []
        where !seen.contains(address) && !address.address.isLinkLocal {
            addressRemovals.append(
                PlanStep(
                    .removeAddress(interface: want.name, address: address),
                    reason: "not in the document"))
        }
    }

    /// Sets each wanted route that is not there, replacing the one for the same destination and metric.
    mutating func setRoutes(_ wanted: [ObservedRoute]) {
        let there =
            deleted.isEmpty
            ? observed.routes
            : observed.routes.filter { !deleted.contains($0.interface ?? "") }
        if there.isEmpty {
            for route in wanted { add(.setRoute(route: route), "no such route") }
            return
        }
        let found = RoutePlan(there)
        var kept = 0
        for route in wanted {
            if found.only(at: route) == route {
                kept += 1
                continue
            }
            let rivals = found.routes(at: route)
            if rivals.contains(route) { continue }
            add(
                .setRoute(route: route),
                rivals.first.map { Self.contrast($0, route) } ?? "no such route")
        }
        // Where each route there is the only one at its place and wanted, none is too many.
        if kept == there.count { return }
        let plan = RoutePlan(wanted)
        surplusRoutes = there.filter { route in
            guard let want = plan.routes(at: route).first else { return true }
            let rivals = found.routes(at: route)
            // The step that sets the wanted route has replaced this one, if it was the only one.
            return route != want && (rivals.count > 1 || rivals.contains(want))
        }
    }

    private static func contrast(_ found: ObservedRoute, _ want: ObservedRoute) -> String {
        if found.kind != want.kind {
            return "it is \(found.kind.rawValue), want \(want.kind.rawValue)"
        }
        if found.interface != want.interface {
            return
                "it leaves by \(found.interface ?? "nothing"), want \(want.interface ?? "nothing")"
        }
        return "its source is \(found.source?.description ?? "none"), "
            + "want \(want.source?.description ?? "none")"
    }

    /// Removes routes of ours that nobody wants; those of an interface that goes too go with it.
    mutating func removeRoutes(keeping wanted: Set<String>, owning: (String) -> Bool) {
        for route in surplusRoutes {
            if let interface = route.interface {
                guard owning(interface), wanted.contains(interface) || byName[interface] == nil
                else {
                    continue
                }
            }
            add(.removeRoute(route: route), "not in the document")
        }
    }

    /// What was kept back: addresses, then peers.
    mutating func removeLeftovers() {
        steps += addressRemovals
        steps += peerRemovals
    }
}
