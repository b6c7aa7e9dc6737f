/// Says what to do to a node so that its kernel is as a document wants it. Pure.
///
/// What is not of the mesh is never touched: interfaces count by name (``Ownership/generation(of:mesh:)``), and
/// routes by those interfaces or, for `unreachable` ones, by the observer's filter.
///
/// The order is safe to stop at any point: interfaces are made and filled before routes lead to them, and what is
/// no longer wanted goes last, unless it holds a port that is wanted. A live interface is never taken down, and no list of peers is replaced as a whole.
public enum Differ {
    /// How long after a handshake a learnt endpoint is left alone. *Units:* seconds.
    ///
    /// *Source:* a WireGuard session is refused after 180 seconds (REJECT_AFTER_TIME, WireGuard paper section 6.1).
    public static let endpointFreshness: Double = 180

    /// The steps from `observed` to `desired`, in order; empty where nothing is to be done.
    ///
    /// - Parameters:
    ///   - mesh: whose interfaces are ours to change.
    ///   - desired: where two interfaces have the same allowed IP, the first one carries its route; that of a peer with
    ///     one key at both follows its handshakes.
    ///   - superseded: what was wanted until now, where that has just changed. An endpoint that is as it told was not
    ///     learnt, and is set anew however fresh the handshake is.
    ///   - now: seconds since 1970, on the clock of the observed handshakes.
    public static func plan(
        mesh: String, desired: [DesiredInterface], superseded: [DesiredInterface] = [],
        observed: ObservedNode, now: Double
    ) -> [PlanStep] {
        var plan = NodePlan(observed: observed, superseded: superseded, now: now)
        let wanted = Set(desired.map(\.name))
        func isOurs(_ name: String) -> Bool { Ownership.generation(of: name, mesh: mesh) != nil }
        plan.clearPorts(for: desired, owning: isOurs)
        for interface in desired { plan.bring(interface) }
        plan.setRoutes(RoutePlan.wanted(by: desired, observed: plan.surviving))
        plan.removeRoutes(keeping: wanted, owning: isOurs)
        plan.removeLeftovers()
        for interface in plan.surviving
        where isOurs(interface.name) && !wanted.contains(interface.name) {
            plan.add(
                .deleteInterface(name: interface.name),
                "no longer in the document, with all that hangs on it")
        }
        return plan.steps
    }

    /// As ``plan(mesh:desired:superseded:observed:now:)``, for all that is wanted of a node: the guard first, then
    /// interfaces, so that tunnels that go over the mesh find it standing.
    public static func plan(
        mesh: String, desired: DesiredNode, superseded: DesiredNode = .bare,
        observed: ObservedNode, now: Double
    ) -> [PlanStep] {
        // On a large mesh nearly all steps are of interfaces: the few others go around them, in place.
        var steps = plan(
            mesh: mesh, desired: desired.interfaces, superseded: superseded.interfaces,
            observed: observed, now: now)
        steps.insert(
            contentsOf: GuardPlan.first(desired: desired, observed: observed), at: 0)
        steps += TunnelPlan.steps(desired: desired, observed: observed)
        steps += NamesPlan.steps(desired: desired, observed: observed)
        steps += GuardPlan.last(desired: desired, observed: observed)
        return steps
    }

    /// Whether routes depend on where a peer has shaken hands last, which nothing but a look at the kernel tells.
    public static func followsHandshakes(_ desired: [DesiredInterface]) -> Bool {
        desired.count > 1 && !PeerTwins(desired, observed: []).home.isEmpty
    }

    /// The steps that move the route of a device which has come by its other set of keys: what is as it should be, and
    /// no sign of somebody else's hand.
    public static func moves(
        in steps: [PlanStep], desired: [DesiredInterface], observed: ObservedNode
    ) -> [PlanStep] {
        let twins = desired.count > 1 ? PeerTwins(desired, observed: []).home : [:]
        if twins.isEmpty { return [] }
        let places = Set(
            desired.lazy.flatMap(\.peers).filter { twins[$0.publicKey] != nil }
                .flatMap(\.allowedIPs).map(\.network))
        let names = Set(desired.map(\.name))
        let carriers = Dictionary(
            observed.routes.filter { names.contains($0.interface ?? "") }
                .map { ($0.destination, $0.interface) }, uniquingKeysWith: { first, _ in first })
        return steps.filter { step in
            guard case .setRoute(let route) = step.change, route.kind == .unicast else {
                return false
            }
            guard places.contains(route.destination), let carrier = carriers[route.destination]
            else { return false }
            return carrier != route.interface
        }
    }

    /// As ``plan(mesh:desired:superseded:observed:now:)``, for a document.
    public static func plan(
        _ document: NodeDocument, observed: ObservedNode, now: Double
    ) -> [PlanStep] {
        plan(mesh: document.mesh, desired: document.desired, observed: observed, now: now)
    }
}

extension Ownership {
    /// The generation that an interface name of this mesh tells, or nil where the name is not this mesh's.
    public static func generation(of interface: String, mesh: String) -> Int? {
        let name = interface.utf8
        guard name.count == mesh.utf8.count + 4, name.starts(with: "mp".utf8),
            name.dropFirst(4).elementsEqual(mesh.utf8),
            name.dropFirst(3).first == UInt8(ascii: "-"),
            let digit = name.dropFirst(2).first, (48...57).contains(digit)
        else { return nil }
        return Int(digit) - 48
    }
}
