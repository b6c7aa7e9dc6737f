/// What passed between the edge's machines on the underlay? What is expected must be there, and nothing else.
enum WireCheck {
    static func inspect(_ view: EdgeView) -> Inspection {
        var inspection = Inspection()
        if view.isWithinHost { return inspection }
        for facts in view.everybody {
            // Where one end's tap saw what the other's did not, it is believed: a sender can get past its own.
            for flow in facts.capture?.flows ?? [] where view.isOurs(flow.from, flow.to) {
                judge(flow, facts.node, view, &inspection)
            }
        }
        for node in view.watched {
            guard let capture = view.facts(node)?.capture else {
                inspection.miss(.observed)
                continue
            }
            for hop in view.hops where hop.near == node || hop.far == node {
                expect(hop, capture, node, view, &inspection)
            }
        }
        return inspection
    }

    // MARK: what must be there

    private static func expected(_ view: EdgeView) -> WireFlow.Kind {
        switch view.edge.via {
        case .wireguard, .local: return .wireguard
        case .ssh: return view.edge.tunnel?.way == .mesh ? .wireguard : .tunnel
        case .tls, .mtls:
            let targets = view.answered.map(\.order.target)
            let isOnMesh =
                !targets.isEmpty
                && targets.allSatisfy { target in
                    if case .tcp(let place) = target {
                        return view.edge.to.overlay.contains(place.address)
                    }
                    return false
                }
            return isOnMesh ? .wireguard : .tls
        }
    }

    private static func expect(
        _ hop: (near: String, far: String), _ capture: CaptureFacts, _ node: String,
        _ view: EdgeView, _ inspection: inout Inspection
    ) {
        let kind = expected(view)
        let outside = Set(capture.devices.filter { $0.role == .underlay }.map(\.name))
        let bytes = capture.flows.filter { flow in
            flow.kind == kind && outside.contains(flow.device)
                && Set([flow.from, flow.to]) == Set([hop.near, hop.far])
                && (kind != .tls || flow.appearance == .tls)
        }.reduce(UInt64(0)) { $0 &+ $1.bytes }
        if bytes >= max(view.isProbed ? view.sent : 1, 1) { return }
        let other = hop.near == node ? hop.far : hop.near
        // Where an unmanaged machine is on the underlay is not always known.
        let isBlind = !view.watched.contains(other)
        inspection.fail(
            .observed,
            Finding(
                .controlUnseen, isBlind ? .minor : .serious, on: node,
                "\(node) saw \(bytes == 0 ? "no" : "too little") \(name(of: kind)) with \(other) on the wire",
                fix: isBlind
                    ? "give \(other) an endpoint in the topology, if it has a fixed one"
                    : "which way does it take? meshproof status"))
    }

    private static func name(of kind: WireFlow.Kind) -> String {
        switch kind {
        case .tunnel: "SSH"
        case .tls: "TLS"
        default: "WireGuard"
        }
    }

    // MARK: what may not be there

    private static func judge(
        _ flow: WireFlow, _ tap: String, _ view: EdgeView, _ inspection: inout Inspection
    ) {
        switch flow.kind {
        case .wireguard, .tunnel, .management, .neighbour, .control: return
        case .tls where flow.appearance != .clear || flow.payload == 0: return
        case .tls:
            inspection.fail(.observed, unknown(flow, tap, view))
            return
        case .undeclared: break
        }
        if isOwnAttempt(flow, view) { return }
        let (code, severity) = weigh(flow, view)
        inspection.fail(
            severity <= .serious ? .observed : .enforced,
            Finding(
                code, severity, on: tap,
                "\(flow.summary) between \(flow.from) and \(flow.to): \(place(flow.source, flow)) → \(place(flow.destination, flow)), \(flow.packets) packets on \(flow.device) of \(tap)",
                fix: fix(flow, view)))
    }

    /// A client that falls back to clear text looks just so in the midst of its connection.
    private static func unknown(_ flow: WireFlow, _ tap: String, _ view: EdgeView) -> Finding {
        let port = flow.destination?.port ?? 0
        return Finding(
            .notLookedAt, .serious, on: tap,
            "whether the connection \(place(flow.source, flow)) → \(place(flow.destination, flow)) is TLS is not known: it began before the run",
            fix:
                "ss -tnp dport = \(port)   # on \(flow.from): whose is it? restart it, then verify again"
        )
    }

    private static func place(_ end: SocketEndpoint?, _ flow: WireFlow) -> String {
        end.map { $0.port == 0 ? $0.address.description : $0.description }
            ?? "Ethernet type \(flow.etherType)"
    }

    private static func fix(_ flow: WireFlow, _ view: EdgeView) -> String {
        let port = flow.destination?.port ?? 0
        return port == 0
            ? "find what sends it, on \(flow.from)"
            : "ss -anp dport = \(port)   # on \(flow.from): who is it? declare it as an edge, or stop it"
    }

    private static func weigh(
        _ flow: WireFlow, _ view: EdgeView
    ) -> (FindingCode, Finding.Severity) {
        let ends = [flow.source, flow.destination].compactMap { $0?.unmapped }
        let overlay = Set(view.edge.from.overlay + view.edge.to.overlay)
        let isMute = flow.payload == 0 && flow.appearance == .empty
        // An attempt that carries nothing tells nothing; it is no less wrong that it left.
        if ends.contains(where: { overlay.contains($0.address) }) {
            return (.overlayOnWire, isMute ? .serious : .critical)
        }
        switch flow.appearance {
        case .tls, .ssh, .empty, .wireguard: return (.undeclaredTraffic, .minor)
        case .clear: break
        }
        let ports = Set(ends.map(\.port))
        let service = view.edge.service.port
        if service != 0 && ports.contains(service) { return (.clearTraffic, .critical) }
        let meshPorts = view.edge.links.flatMap { [$0.a.port, $0.b.port] }.filter { $0 != 0 }
        if flow.ipProtocol == 17 && !ports.isDisjoint(with: meshPorts) {
            return (.notWireGuard, .critical)
        }
        switch flow.ipProtocol {
        // What it carries cannot be told: other services, DNS, a clock. ESP (50) and AH (51) are IPsec's.
        case 6, 17, 50, 51: return (.undeclaredTraffic, .serious)
        // Encapsulations, and protocols that no socket of a service speaks.
        default: return (.clearTraffic, .critical)
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
}
