/// Was everything watched that leads to other machines, all the time, and was it seen to see?
enum CaptureCheck {
    static func inspect(_ view: EdgeView) -> Inspection {
        var inspection = Inspection()
        for node in view.watched {
            guard
                let capture = view.section(
                    \.capture, "capture", of: node, for: .observed, &inspection),
                let links = view.section(\.links, "links", of: node, for: .observed, &inspection),
                let facts = view.facts(node)
            else { continue }
            devices(capture, links, facts, view, &inspection)
            controls(capture, node, view, &inspection)
        }
        return inspection
    }

    private static func fail(_ node: String, _ message: String, _ inspection: inout Inspection) {
        inspection.fail(
            .observed,
            Finding(
                .captureIncomplete, .serious, on: node, message,
                fix: "verify again; should it stay so, when \(node) has less to do"))
    }

    private static func devices(
        _ capture: CaptureFacts, _ links: [LinkFact], _ facts: NodeFacts, _ view: EdgeView,
        _ inspection: inout Inspection
    ) {
        let node = facts.node
        if capture.isOverfull {
            fail(node, "\(node) saw more than it could keep", &inspection)
        }
        let outside = capture.devices.filter { facts.isOutside($0.name, $0.role) }
        if outside.isEmpty {
            fail(node, "\(node) watched no device that leads to other machines", &inspection)
        }
        for link in links where link.isUp {
            if capture.devices.contains(where: { $0.name == link.name && $0.index == link.index }) {
                continue
            }
            fail(node, "\(node) did not watch \(link.name)", &inspection)
        }
        for device in outside {
            let name = "\(device.name) on \(node)"
            if device.drops > 0 {
                fail(node, "the capture of \(name) missed \(device.drops) frames", &inspection)
            }
            if device.truncated > 0 {
                fail(
                    node, "the capture of \(name) cut \(device.truncated) frames short",
                    &inspection)
            }
            if !device.isAlive || !covers(device, facts, view) {
                fail(node, "the capture of \(name) did not run all the time", &inspection)
            }
        }
    }

    /// Whether a device was watched during the edge's probes, or as long as real traffic was to be watched.
    ///
    /// Two machines' clocks cannot be compared; how long something took can.
    private static func covers(
        _ device: DeviceCapture, _ facts: NodeFacts, _ view: EdgeView
    ) -> Bool {
        let span = device.ended.monotonic - device.began.monotonic
        if let passive = view.evidence.passive { return span >= passive }
        let probes = view.ownProbes
        guard let first = probes.map(\.began.monotonic).min(),
            let last = probes.map(\.ended.monotonic).max()
        else { return span > 0 }
        if facts.node == view.edge.from.node {
            return device.began.monotonic <= first && device.ended.monotonic >= last
        }
        return span >= last - first && span > 0
    }

    // MARK: positive controls

    private static func controls(
        _ capture: CaptureFacts, _ node: String, _ view: EdgeView, _ inspection: inout Inspection
    ) {
        let outside = Set(capture.devices.filter { $0.role == .underlay }.map(\.name))
        let neighbours = view.hops.filter { $0.near == node || $0.far == node }.flatMap {
            [$0.near, $0.far]
        }
        let senders = Set(neighbours + [node]).intersection(view.watched).sorted()
        for sender in senders {
            let isSeen = capture.controls.contains {
                $0.from == sender && $0.packets > 0 && outside.contains($0.device)
            }
            if isSeen { continue }
            // A machine on its own has nobody to send one to.
            let severity: Finding.Severity = view.isWithinHost ? .minor : .serious
            inspection.fail(
                .observed,
                Finding(
                    .controlUnseen, severity, on: node,
                    "\(node) did not see the clear datagram that \(sender == node ? "it" : sender) sent on purpose",
                    fix: sender == node
                        ? "verify again" : "does UDP get from \(sender) to \(node)? verify again"))
        }
    }
}

extension NodeFacts {
    /// Whether what passes a device is outside: all that is not known to be the mesh's own, loopback, or a container's.
    func isOutside(_ device: String, _ role: DeviceCapture.Role) -> Bool {
        switch role {
        case .underlay: return true
        case .inner: return false
        case .inside:
            // Where our interfaces were not looked at, that is a gap of its own; it does not make this one a way out.
            let isLoopback = (links ?? []).contains { $0.index == 1 && $0.name == device }
            guard device != "lo", !isLoopback, let interfaces else { return false }
            let isOurs = interfaces.contains { interface in
                if case .foreign = interface.kind { return false }
                return interface.name == device
            }
            let isGrouped = (links ?? []).contains {
                $0.name == device && $0.group == Ownership.linkGroup
                    && ($0.kind == "wireguard" || $0.kind == "tun")
            }
            return !isOurs && !isGrouped
        }
    }
}
