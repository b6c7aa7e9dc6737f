/// Concludes, from the evidence of one run, what can be said of each edge. Pure: no clock, no input, no output.
///
/// Every check names the rungs that its evidence is needed for. The level is the least that any check leaves, and the
/// verdict is `encrypted` only where nothing grave was found and packets were seen to go as declared; whatever is not
/// known counts against it.
public enum Judge {
    /// What is concluded of one edge.
    ///
    /// - Parameter now: *Units:* seconds since 1970.
    public static func judge(_ edge: EdgeCase, _ evidence: Evidence, now: Double) -> EdgeVerdict {
        let view = EdgeView(edge, evidence, now: now)
        var inspection = Inspection()
        for check in checks(edge) { inspection.add(check(view)) }
        return EdgeVerdict(
            id: edge.id, paths: edge.paths, carries: edge.carries, via: edge.via,
            verdict: verdict(inspection), level: inspection.allows,
            findings: Folding.fold(inspection.findings),
            witnesses: view.watched.filter { view.facts($0) != nil },
            carriers: Carriers.lines(view))
    }

    private typealias Check = (EdgeView) -> Inspection

    private static func checks(_ edge: EdgeCase) -> [Check] {
        var checks: [Check] = [NodesCheck.inspect]
        let mesh: [Check] = [
            LinkCheck.inspect, RouteCheck.inspect, HandshakeCheck.inspect, CounterCheck.inspect,
        ]
        switch edge.via {
        case .wireguard:
            checks += mesh
            checks += [
                { ListenerCheck.inspect($0, for: .live) }, RewritingCheck.inspect,
                FlowCheck.inspect,
            ]
        case .ssh:
            checks += [
                TunnelCheck.inspect, EntranceCheck.inspect,
                { ListenerCheck.inspect($0, for: .configured) }, RewritingCheck.inspect,
                FlowCheck.inspect, RefusalCheck.inspect,
            ]
            if edge.tunnel?.way == .mesh { checks += mesh }
        case .tls, .mtls:
            checks += [
                { ListenerCheck.inspect($0, for: .configured) }, TLSCheck.inspect,
                RefusalCheck.inspect,
            ]
        case .local:
            checks += [
                LocalCheck.inspect, { ListenerCheck.inspect($0, for: .configured) },
                RewritingCheck.inspect,
            ]
        }
        checks += [
            ProbeCheck.inspect, OnwardCheck.inspect, CaptureCheck.inspect, CanaryCheck.inspect,
            WireCheck.inspect,
        ]
        // By TLS a service is meant to be reached from anywhere.
        if edge.tls == nil { checks += [OutsiderCheck.inspect, GuardCheck.inspect] }
        if edge.hub != nil { checks.append(hub) }
        return checks
    }

    private static func hub(_ view: EdgeView) -> Inspection {
        var inspection = Inspection()
        if let hub = view.edge.hub {
            inspection.note(
                Finding(
                    .clearWithinHost, .note, on: hub,
                    "\(hub) decrypts the edge and encrypts it again",
                    fix: "nothing to do, if you trust \(hub); else peering: paths"))
        }
        return inspection
    }

    private static func verdict(_ inspection: Inspection) -> Verdict {
        let findings = inspection.findings
        if findings.contains(where: { $0.severity == .critical }) { return .exposed }
        if findings.contains(where: \.meansDown) { return .down }
        if findings.contains(where: { $0.severity == .serious }) { return .unproven }
        // What is only set up so is a promise.
        return inspection.allows >= .live ? .encrypted : .unproven
    }
}
