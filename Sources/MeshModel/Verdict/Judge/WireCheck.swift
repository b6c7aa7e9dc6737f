/// Did what carries the edge pass between its machines on the underlay?
enum WireCheck {
    static func inspect(_ view: EdgeView) -> Inspection {
        var inspection = Inspection()
        if view.isWithinHost { return inspection }
        for stray in StrayTraffic.gather(view) { inspection.add(stray.inspection(view)) }
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
}
