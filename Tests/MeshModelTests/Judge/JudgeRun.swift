import MeshModel

/// An edge and the evidence of one run, to be changed by a test.
struct JudgeRun: Sendable {
    var edge: EdgeCase
    var evidence: Evidence

    static let now = 1_800_000_000.0

    var verdict: EdgeVerdict { Judge.judge(edge, evidence, now: Self.now) }
    /// Every finding's code, those of consequences included.
    var codes: Set<FindingCode> {
        func all(_ findings: [Finding]) -> [FindingCode] {
            findings.flatMap { [$0.code] + all($0.consequences) }
        }
        return Set(all(verdict.findings))
    }

    mutating func change(_ node: String, _ body: (inout NodeFacts) -> Void) {
        guard var facts = evidence.facts[node] else { return }
        body(&facts)
        evidence.facts[node] = facts
    }

    mutating func changeAll(_ body: (inout NodeFacts) -> Void) {
        for node in evidence.facts.keys { change(node, body) }
    }

    mutating func capture(_ node: String, _ body: (inout CaptureFacts) -> Void) {
        change(node) { facts in
            guard var capture = facts.capture else { return }
            body(&capture)
            facts.capture = capture
        }
    }

    /// The captures of the underlay.
    mutating func underlay(_ node: String, _ body: (inout DeviceCapture) -> Void) {
        capture(node) { capture in
            for place in capture.devices.indices where capture.devices[place].role == .underlay {
                body(&capture.devices[place])
            }
        }
    }

    /// Something is connected, or was just now, in the node's own namespace.
    mutating func connect(_ node: String, _ flow: SocketFact) {
        change(node) { facts in
            guard facts.sockets?.isEmpty == false else { return }
            facts.sockets?[0].flows.append(flow)
        }
    }

    /// The edge's own probes come to this.
    mutating func answer(_ outcome: ProbeFact.Outcome) {
        changeProbes(where: { $0.purpose == .edge }, outcome)
    }

    mutating func changeProbes(
        where isMeant: (ProbeOrder) -> Bool, _ outcome: ProbeFact.Outcome
    ) {
        changeAll { facts in
            facts.probes = facts.probes?.map { probe in
                guard isMeant(probe.order) else { return probe }
                var probe = probe
                probe.outcome = outcome
                return probe
            }
        }
    }

    mutating func interface(_ node: String, _ body: (inout ObservedInterface) -> Void) {
        change(node) { facts in
            facts.interfaces = facts.interfaces?.map { interface in
                var interface = interface
                body(&interface)
                return interface
            }
        }
    }

    mutating func peers(_ node: String, _ body: (inout [ObservedPeer]) -> Void) {
        interface(node) { interface in
            guard var device = interface.device else { return }
            body(&device.peers)
            interface.device = device
        }
    }

    /// Something passed from `edge` to `gpu` that no edge declares; `gpu`'s tap saw it.
    mutating func wire(
        _ source: String, _ destination: String, ipProtocol: UInt8? = 6,
        appearance: WireFlow.Appearance = .clear, payload: UInt64 = 400, tap: String = "gpu"
    ) {
        capture(tap) { capture in
            capture.flows.append(
                WireFlow(
                    kind: .undeclared, device: "eth0", from: "edge", to: "gpu",
                    source: SocketEndpoint(source), destination: SocketEndpoint(destination),
                    ipProtocol: ipProtocol, etherType: 0x0800, packets: 4, bytes: payload + 160,
                    payload: payload, appearance: appearance, summary: "something"))
        }
    }

    /// The canary shows in clear on the underlay of a node.
    mutating func leak(at node: String, _ destination: String = "198.51.100.2:8080") {
        let canary = edge.canary
        capture(node) { capture in
            capture.canaries.append(
                CanarySighting(
                    canary: canary, device: "eth0", role: .underlay, packets: 1,
                    source: SocketEndpoint("198.51.100.1:40001"),
                    destination: SocketEndpoint(destination), summary: "TCP"))
        }
    }

    /// Somebody from outside got an answer.
    mutating func admit(
        _ target: String, knock: Bool = false, _ outcome: ProbeFact.Outcome = .answered
    ) {
        let edge = edge.id
        change("store") { facts in
            facts.probes?.append(
                JudgeParts.probe(
                    edge, .outsider, target, knock ? .knock : .connect, outcome, from: "store"))
        }
    }
}

/// Small parts of evidence.
enum JudgeParts {
    static func address(_ text: String) -> IPAddress { IPAddress(text) ?? .anyIPv4 }
    static func endpoint(_ text: String) -> SocketEndpoint {
        SocketEndpoint(text) ?? SocketEndpoint(.anyIPv4, 0)
    }
    static func prefix(_ text: String) -> IPPrefix {
        IPPrefix(text) ?? IPPrefix(host: .anyIPv4)
    }
    static func key(_ number: Int) -> PublicKey {
        PublicKey(bytes: (0..<32).map { UInt8(truncatingIfNeeded: number + $0 * 7 + 1) }) ?? .zero
    }
    static func time(_ offset: Double) -> FactTime {
        FactTime(wall: JudgeRun.now - 60 + offset, monotonic: 5000 + offset)
    }

    static func probe(
        _ edge: String, _ purpose: ProbeOrder.Purpose, _ target: String,
        _ question: ProbeOrder.Question, _ outcome: ProbeFact.Outcome, from: String,
        canary: String = "", local: [String] = [], bytes: UInt64 = 0, tls: TLSFacts? = nil
    ) -> ProbeFact {
        let end: TunnelEnd =
            target.hasPrefix("/") ? .unix(target) : .tcp(endpoint(target))
        let order = ProbeOrder(
            id: "\(edge) \(purpose) \(target)", edge: edge, purpose: purpose, target: end,
            question: question, canary: canary, timeout: 2)
        return ProbeFact(
            order: order, vantage: from, began: time(2), ended: time(4), outcome: outcome,
            message: outcome.rawValue, localEnds: local.map(endpoint), sent: bytes,
            received: bytes, tls: tls)
    }

    static func socket(
        _ local: String, _ remote: String? = nil, _ process: String? = "ollama (pid 812)"
    ) -> SocketFact {
        SocketFact(
            kind: .tcp, local: endpoint(local), remote: remote.map(endpoint), interface: nil,
            user: 0, process: process)
    }

    static func sockets(
        listeners: [SocketFact], flows: [SocketFact] = [], unix: [String] = []
    ) -> NamespaceSockets {
        NamespaceSockets(
            namespace: 4026531840, isOwn: true, inhabitant: nil, listeners: listeners,
            flows: flows,
            unixListeners: unix.map { UnixSocketFact(path: $0, process: "app (pid 9)") })
    }

    static func device(_ name: String, _ index: Int32, _ role: DeviceCapture.Role) -> DeviceCapture
    {
        DeviceCapture(
            name: name, index: index, role: role, frames: 100, drops: 0, truncated: 0,
            began: time(0.5), ended: time(8), isAlive: true)
    }

    static func link(
        _ name: String, _ index: Int32, _ kind: String?, _ addresses: [String], group: UInt32 = 0
    ) -> LinkFact {
        LinkFact(
            index: index, name: name, kind: kind, group: group, mtu: 1500, isUp: true, master: nil,
            hardware: nil, addresses: addresses.map(prefix))
    }

    static func flow(
        _ kind: WireFlow.Kind, _ from: String, _ to: String, _ source: String,
        _ destination: String, _ ipProtocol: UInt8, _ appearance: WireFlow.Appearance
    ) -> WireFlow {
        WireFlow(
            kind: kind, device: "eth0", from: from, to: to, source: endpoint(source),
            destination: endpoint(destination), ipProtocol: ipProtocol, etherType: 0x0800,
            packets: 40, bytes: 40_000, payload: 36_000, appearance: appearance,
            summary: kind.rawValue)
    }

    static func rule(
        _ kind: RewritingRule.Kind, _ text: String, ports: [UInt16]? = nil,
        destinations: [String]? = nil
    ) -> RewritingRule {
        RewritingRule(
            kind: kind, place: "ip nat output", text: text, ports: ports,
            destinations: destinations?.map(prefix))
    }
}
