/// What passed between an edge's machines and may not: flows of one kind to one port together, whoever saw them.
///
/// A client makes a connection a request, and each is seen at both ends: told one by one they would bury what matters.
struct StrayTraffic {
    private let code: FindingCode
    private let severity: Finding.Severity
    private let flows: [Seen]

    private struct Seen {
        let flow: WireFlow
        let tap: String
    }

    private struct Kind: Hashable {
        let code: FindingCode
        let severity: Finding.Severity
        /// Both directions of a carrier are one carrier.
        let nodes: Set<String>
        let ipProtocol: UInt8?
        let etherType: UInt16
        let port: UInt16?
    }

    /// All of them, in the order in which they were seen.
    static func gather(_ view: EdgeView) -> [StrayTraffic] {
        var kinds: [Kind] = []
        var groups: [Kind: [Seen]] = [:]
        for facts in view.everybody {
            // Where one end's tap saw what the other's did not, it is believed: a sender can get past its own.
            for flow in facts.capture?.flows ?? [] where view.isOurs(flow.from, flow.to) {
                guard isStray(flow), !isOwnAttempt(flow, view) else { continue }
                let flow = towardsService(flow, view)
                guard let (code, severity) = weigh(flow, view) else { continue }
                let kind = Kind(
                    code: code, severity: severity, nodes: [flow.from, flow.to],
                    ipProtocol: flow.ipProtocol, etherType: flow.etherType,
                    port: flow.destination?.port)
                if groups[kind] == nil { kinds.append(kind) }
                groups[kind, default: []].append(Seen(flow: flow, tap: facts.node))
            }
        }
        return kinds.map { kind in
            StrayTraffic(code: kind.code, severity: kind.severity, flows: groups[kind] ?? [])
        }
    }

    private static func isStray(_ flow: WireFlow) -> Bool {
        switch flow.kind {
        case .wireguard, .tunnel, .management, .neighbour, .control: false
        case .tls: flow.appearance == .clear && flow.payload > 0
        case .undeclared: true
        }
    }

    /// A flow of which the answer was seen first, the other way round.
    private static func towardsService(_ flow: WireFlow, _ view: EdgeView) -> WireFlow {
        guard let source = flow.source, let destination = flow.destination,
            knownPorts(view).contains(source.port), !knownPorts(view).contains(destination.port)
        else { return flow }
        var turned = flow
        (turned.from, turned.to) = (flow.to, flow.from)
        (turned.source, turned.destination) = (destination, source)
        return turned
    }

    private static func knownPorts(_ view: EdgeView) -> Set<UInt16> {
        Set([view.edge.service.port] + meshPorts(view)).subtracting([0])
    }

    private static func meshPorts(_ view: EdgeView) -> [UInt16] {
        view.edge.links.flatMap { [$0.a.port, $0.b.port] }.filter { $0 != 0 }
    }

    // MARK: how bad it is

    /// How grave a flow is, or nil where it is somebody else's and not in clear.
    private static func weigh(
        _ flow: WireFlow, _ view: EdgeView
    ) -> (FindingCode, Finding.Severity)? {
        // A client that falls back to clear text looks just so in the midst of its connection.
        if flow.kind == .tls { return (.notLookedAt, .serious) }
        let ends = [flow.source, flow.destination].compactMap { $0?.unmapped }
        let overlay = Set(view.edge.from.overlay + view.edge.to.overlay)
        let isMute = flow.payload == 0 && flow.appearance == .empty
        // An attempt that carries nothing tells nothing; it is no less wrong that it left.
        if ends.contains(where: { overlay.contains($0.address) }) {
            return (.overlayOnWire, isMute ? .serious : .critical)
        }
        let ports = Set(ends.map(\.port))
        let isService = view.edge.service.port != 0 && ports.contains(view.edge.service.port)
        let isPassing = ends.contains { !belongs($0.address, flow, view) }
        switch flow.appearance {
        case .empty where flow.isAttempt: return (.undeclaredTraffic, .note)
        case .empty: return isPassing ? nil : (.undeclaredTraffic, .minor)
        case .tls, .ssh, .wireguard:
            if isService { return (.undeclaredTraffic, .serious) }
            return isPassing ? nil : (.undeclaredTraffic, .minor)
        case .clear: break
        }
        if isService { return (.clearTraffic, .critical) }
        // On its way to another machine, through one of these two.
        if isPassing { return (.undeclaredTraffic, .minor) }
        if flow.ipProtocol == 17 && !ports.isDisjoint(with: meshPorts(view)) {
            return (.notWireGuard, .critical)
        }
        switch flow.ipProtocol {
        // What it carries cannot be told: other services, DNS, a clock, a long ping. ESP (50) and AH (51) are IPsec's.
        case 6, 17, 1, 58, 50, 51: return (.undeclaredTraffic, .serious)
        // Encapsulations, and protocols that no socket of a service speaks.
        default: return (.clearTraffic, .critical)
        }
    }

    /// Whether an address is one of the two machines', or of a container there.
    private static func belongs(
        _ address: IPAddress, _ flow: WireFlow, _ view: EdgeView
    ) -> Bool {
        [flow.from, flow.to].contains { node in
            if view.end(node)?.underlay.contains(address) ?? false { return true }
            guard let facts = view.facts(node) else { return true }
            return HostReach(facts).contains(address)
        }
    }

    /// Whether a flow is one of the run's own attempts to get in where it may not, or another edge's probe, which is
    /// that edge's to answer for.
    private static func isOwnAttempt(_ flow: WireFlow, _ view: EdgeView) -> Bool {
        view.allProbes.contains { probe in
            let isAttempt = probe.order.purpose != .edge
            guard isAttempt || probe.order.edge != view.edge.id, probe.vantage == flow.from,
                case .tcp(let target) = probe.order.target,
                flow.destination?.unmapped == target.unmapped
            else { return false }
            let isItsOwn = flow.source.map { probe.localEnds.contains($0) } ?? false
            return isItsOwn || (isAttempt && flow.payload == 0)
        }
    }

    // MARK: what is said of it

    /// What it comes to for the edge.
    func inspection(_ view: EdgeView) -> Inspection {
        var inspection = Inspection()
        guard let first = flows.first?.flow else { return inspection }
        let finding = Finding(
            code, severity, on: first.from, message(first), fix: fix(first, view))
        switch severity {
        // Nobody listened to it.
        case .note: inspection.note(finding)
        case .minor: inspection.fail(.enforced, finding)
        case .serious, .critical: inspection.fail(.observed, finding)
        }
        return inspection
    }

    private func message(_ first: WireFlow) -> String {
        let way = "\(place(first.source, first)) → \(place(first.destination, first))"
        let sources = Set(flows.map { $0.flow.source })
        let more = sources.count > 1 ? " and \(sources.count - 1) more like it" : ""
        // What both ends saw of a flow is one flow.
        let packets = Dictionary(grouping: flows, by: { $0.flow.source }).values
            .reduce(UInt64(0)) { $0 &+ ($1.map(\.flow.packets).max() ?? 0) }
        let amount = packets == 1 ? "1 packet" : "\(packets) packets"
        let taps = flows.map { "\($0.flow.device) of \($0.tap)" }
        let places = taps.enumerated().filter { taps.firstIndex(of: $1) == $0 }.map(\.element)
        let what = flows.first { $0.flow.payload > 0 }?.flow.summary ?? first.summary
        if code == .notLookedAt {
            return
                "whether the connection \(way)\(more) is TLS is not known: it began before the run"
        }
        return first.isAttempt
            ? "\(first.from) knocked in vain: \(way)\(more), \(amount) on \(places.listed)"
            : "\(what) between \(first.from) and \(first.to): \(way)\(more), \(amount) on \(places.listed)"
    }

    private func place(_ end: SocketEndpoint?, _ flow: WireFlow) -> String {
        end.map { $0.port == 0 ? $0.address.description : $0.description }
            ?? "Ethernet type \(flow.etherType)"
    }

    private func fix(_ flow: WireFlow, _ view: EdgeView) -> String {
        let port = flow.destination?.port ?? 0
        let overlay = view.edge.to.overlay.first
        if code == .overlayOnWire {
            return
                "ip route get \(overlay.map(\.description) ?? "ADDRESS")   # on \(flow.from); is a program bound to \(flow.device)? guard: on keeps it in"
        }
        if code == .notLookedAt {
            return
                "ss -tnp dport = \(port)   # on \(flow.from): whose is it? restart it, then verify again"
        }
        if port == 0 { return "find what sends it, on \(flow.from)" }
        if code == .clearTraffic, flow.ipProtocol == 6, view.edge.via == .wireguard, let overlay {
            return
                "let \(flow.from) connect to \(SocketEndpoint(overlay, port)); who is it? ss -antp dport = \(port)   # on \(flow.from)"
        }
        let sockets = flow.ipProtocol == 17 ? "ss -anup" : "ss -antp"
        return
            "\(sockets) dport = \(port)   # on \(flow.from): who is it? declare it as an edge, or stop it"
    }
}
