import MeshModel
import TestSupport
import Testing

@Suite("The differ")
struct PlanTests {
    private let peer = DesiredPeer(
        node: "gpu", publicKey: PlanWorld.key(7), presharedKey: PresharedKeyID(rawValue: "one"),
        endpoint: Endpoint("198.51.100.12:51820"), allowedIPs: [PlanWorld.prefix("10.77.0.2/32")],
        keepalive: nil)

    private func interface(_ change: (inout DesiredInterface) -> Void = { _ in })
        -> DesiredInterface
    {
        var wanted = DesiredInterface(
            name: "mp0-lab", generation: 0, publicKey: PlanWorld.key(1), listenPort: 51820,
            backend: .auto, mtu: nil, addresses: [PlanWorld.prefix("10.77.0.1/32")],
            networks: [PlanWorld.prefix("10.77.0.0/24")], peers: [peer])
        change(&wanted)
        return wanted
    }

    /// A node that is just as ``interface(_:)`` wants it.
    private func settled() -> ObservedNode {
        var model = ModelNode(.bare)
        model.apply(plan([interface()], .bare))
        return model.node
    }

    private func plan(_ desired: [DesiredInterface], _ observed: ObservedNode) -> [PlanStep] {
        Differ.plan(mesh: "lab", desired: desired, observed: observed, now: PlanWorld.now)
    }

    private func withPeer(_ node: ObservedNode, _ change: (inout ObservedPeer) -> Void)
        -> ObservedNode
    {
        var node = node
        guard var device = node.interfaces[0].device else { return node }
        change(&device.peers[0])
        node.interfaces[0].device = device
        return node
    }

    @Test("brings a bare node up in an order that leads no packet astray")
    func bareNode() {
        var observed = ObservedNode.bare
        observed.derivedMTU = ["mp0-lab": 1440]
        let lines = plan([interface()], observed).map { "\($0.summary) [\($0.reason)]" }
        #expect(
            lines == [
                "create interface mp0-lab [no such interface]",
                "set private key of mp0-lab: generation 0 (AQEBAQEB…) [it has none]",
                "set port of mp0-lab: 51820 [new interface]",
                "set MTU of mp0-lab: 1440 [derived from the underlay]",
                "add peer gpu (BwcHBwcH…): 10.77.0.2/32, endpoint 198.51.100.12:51820 [no such peer]",
                "add address 10.77.0.1/32 to mp0-lab [no such address]",
                "bring mp0-lab up [made down]",
                "set route 10.77.0.2/32 via mp0-lab from 10.77.0.1 [no such route]",
                "set route 10.77.0.0/24: unreachable [no such route]",
            ])
    }

    @Test("plans nothing for a node that is as wanted")
    func settledNode() {
        #expect(plan([interface()], settled()).isEmpty)
        #expect(plan([], .bare).isEmpty)
    }

    private typealias Disturbance = @Sendable (inout ObservedNode) -> Void

    private static let drifts: [(Disturbance, String)] = [
        (
            { (node: inout ObservedNode) in node.interfaces[0].isUp = false },
            "bring mp0-lab up [it is down, want up]"
        ),
        (
            { $0.interfaces[0].group = 0 },
            "put mp0-lab in the mesh's link group [group is 0, want 28016]"
        ),
        (
            { $0.derivedMTU = ["mp0-lab": 1380] },
            "set MTU of mp0-lab: 1380 [MTU is 1420, want 1380, derived from the underlay]"
        ),
        (
            { $0.interfaces[0].addresses.append(PlanWorld.prefix("10.77.0.8/32")) },
            "remove address 10.77.0.8/32 from mp0-lab [not in the document]"
        ),
        (
            { $0.interfaces[0].addresses = [] },
            "add address 10.77.0.1/32 to mp0-lab [no such address]"
        ),
        (
            { $0.interfaces[0].device?.listenPort = 9 },
            "set port of mp0-lab: 51820 [port is 9, want 51820]"
        ),
        (
            { $0.interfaces[0].device?.publicKey = PlanWorld.key(3) },
            "set private key of mp0-lab: generation 0 (AQEBAQEB…) "
                + "[public key is AwMDAwMD…, want AQEBAQEB…]"
        ),
        (
            { $0.interfaces[0].device?.peers = [] },
            "add peer gpu (BwcHBwcH…): 10.77.0.2/32, endpoint 198.51.100.12:51820 [no such peer]"
        ),
        (
            { $0.interfaces[0].device?.peers[0].allowedIPs = [] },
            "update peer gpu (BwcHBwcH…): allowed IPs 10.77.0.2/32 "
                + "[peer gpu: allowed IPs are none, want 10.77.0.2/32]"
        ),
        (
            { $0.interfaces[0].device?.peers[0].presharedKey = nil },
            "update peer gpu (BwcHBwcH…): preshared key [peer gpu: it has no preshared key]"
        ),
        (
            { $0.interfaces[0].device?.peers[0].keepalive = 25 },
            "update peer gpu (BwcHBwcH…): no keepalive [peer gpu: keepalive is 25 s, want 0 s]"
        ),
        (
            { $0.routes.removeFirst() },
            "set route 10.77.0.2/32 via mp0-lab from 10.77.0.1 [no such route]"
        ),
        (
            { $0.routes[0].source = nil },
            "set route 10.77.0.2/32 via mp0-lab from 10.77.0.1 [its source is none, want 10.77.0.1]"
        ),
        (
            {
                $0.routes.append(
                    ObservedRoute(
                        destination: PlanWorld.prefix("10.77.0.5/32"), kind: .unicast,
                        interface: "mp0-lab", source: nil, metric: 0))
            },
            "remove route 10.77.0.5/32 via mp0-lab [not in the document]"
        ),
    ]

    @Test("names what was found and what is wanted", arguments: drifts.indices)
    func drift(index: Int) {
        let (disturb, expected) = Self.drifts[index]
        var node = settled()
        disturb(&node)
        #expect(plan([interface()], node).map { "\($0.summary) [\($0.reason)]" } == [expected])
    }

    @Test("leaves a learnt endpoint alone while its handshake is fresh, and mends it after")
    func endpoints() {
        let roamed = SocketEndpoint("203.0.113.9:1000")
        for (age, changes) in [(1.0, false), (179, false), (181, true)] {
            let node = withPeer(settled()) {
                $0.endpoint = roamed
                $0.lastHandshake = PlanWorld.now - age
            }
            #expect(plan([interface()], node).isEmpty != changes, "age \(age)")
        }
        let never = withPeer(settled()) { $0.endpoint = roamed }
        #expect(plan([interface()], never).count == 1)
        let unknown = withPeer(settled()) {
            $0.endpoint = nil
            $0.lastHandshake = PlanWorld.now - 1
        }
        #expect(
            plan([interface()], unknown).map(\.reason) == [
                "peer gpu: endpoint is unknown, want 198.51.100.12:51820"
            ])
    }

    @Test(
        "a device that has one key at two interfaces is sent to by the one where it shook hands last; where keys differ, by the first"
    )
    func twins() {
        let beside = interface {
            $0.name = "mp1-lab"
            $0.generation = 1
            $0.publicKey = PlanWorld.key(2)
            $0.listenPort = 51821
        }
        func carrier(_ desired: [DesiredInterface], _ handshakes: [String: Double]) -> String? {
            var model = ModelNode(.bare)
            model.apply(plan(desired, .bare))
            for (name, handshake) in handshakes { model.touch(name, handshake: handshake) }
            model.apply(plan(desired, model.node))
            #expect(plan(desired, model.node).isEmpty)
            return model.node.routes.first { $0.kind == .unicast }?.interface
        }
        let both = [interface(), beside]
        #expect(Differ.followsHandshakes(both) && !Differ.followsHandshakes([interface()]))
        #expect(carrier(both, [:]) == "mp0-lab")
        #expect(carrier(both, ["mp0-lab": 5, "mp1-lab": 6]) == "mp1-lab")
        #expect(carrier(both, ["mp0-lab": 7, "mp1-lab": 6]) == "mp0-lab")
        #expect(carrier(both.reversed(), ["mp0-lab": 7]) == "mp0-lab")
        var other = beside
        other.peers[0].publicKey = PlanWorld.key(8)
        #expect(!Differ.followsHandshakes([interface(), other]))
        #expect(carrier([interface(), other], ["mp1-lab": 6]) == "mp0-lab")
    }

    @Test("uses a name's address once it is resolved, and leaves the endpoint alone before")
    func names() {
        let named = interface { $0.peers[0].endpoint = Endpoint("gpu.example:51820") }
        var node = settled()
        #expect(plan([named], node).isEmpty)
        node.resolved = ["gpu.example:51820": SocketEndpoint(IPAddress(ipv4: 0xc000_0209), 51820)]
        #expect(
            plan([named], node).map(\.reason) == [
                "peer gpu: endpoint is 198.51.100.12:51820, want 192.0.2.9:51820"
            ])
    }

    @Test("moves an allowed IP by giving it to its new peer, with no second step for the old one")
    func move() {
        let moved = PlanWorld.prefix("10.77.0.2/32")
        let other = DesiredPeer(
            node: "db", publicKey: PlanWorld.key(8), presharedKey: nil, endpoint: nil,
            allowedIPs: [moved], keepalive: nil)
        let wanted = interface {
            $0.peers[0].allowedIPs = []
            $0.peers.append(other)
        }
        #expect(
            plan([wanted], settled()).map(\.summary) == ["add peer db (CAgICAgI…): 10.77.0.2/32"])
    }

    @Test("swaps two peers' allowed IPs without leaving either with nobody")
    func swap() {
        let addresses = ["10.77.0.2/32", "10.77.0.3/32"].map(PlanWorld.prefix)
        func peers(_ order: [Int]) -> [DesiredPeer] {
            order.enumerated().map { position, index in
                DesiredPeer(
                    node: "node\(position)", publicKey: PlanWorld.key(position + 1),
                    presharedKey: nil, endpoint: nil, allowedIPs: [addresses[index]], keepalive: nil
                )
            }
        }
        var model = ModelNode(.bare)
        model.apply(plan([interface { $0.peers = peers([0, 1]) }], .bare))
        let swapped = interface { $0.peers = peers([1, 0]) }
        model.apply(plan([swapped], model.node))
        #expect(model.orphaned.isEmpty)
        #expect(plan([swapped], model.node).isEmpty)
    }

    @Test(
        "replaces what cannot become the wanted interface",
        arguments: [
            (
                InterfaceKind.foreign(kind: "dummy"), BackendChoice.auto,
                "it is of kind dummy, want wireguard"
            ),
            (.kernel, .userspace, "it is the kernel's, want userspace"),
            (.userspace, .kernel, "it is userspace, want the kernel's"),
        ])
    func replaced(kind: InterfaceKind, backend: BackendChoice, reason: String) {
        var node = settled()
        node.interfaces[0].kind = kind
        let steps = plan([interface { $0.backend = backend }], node)
        #expect(steps.first == PlanStep(.deleteInterface(name: "mp0-lab"), reason: reason))
        #expect(
            steps.dropFirst().first?.change == .createInterface(name: "mp0-lab", backend: backend))
        #expect(steps.contains { $0.summary.hasPrefix("set route 10.77.0.2/32") })
    }

    @Test("flips a route to the interface that the document names first")
    func generations() {
        let next = interface {
            $0.name = "mp1-lab"
            $0.generation = 1
            $0.listenPort = 51821
        }
        var model = ModelNode(settled())
        model.apply(plan([interface(), next], model.node))
        #expect(model.node.routes.contains { $0.interface == "mp0-lab" })
        let flip = plan([next, interface()], model.node)
        #expect(flip.map(\.reason) == ["it leaves by mp0-lab, want mp1-lab"])
        model.apply(flip)
        #expect(
            plan([next], model.node).map(\.summary) == ["delete interface mp0-lab"])
    }

    @Test(
        "takes an interface away first that holds the port of a new one, and its routes are not missed"
    )
    func portsOfSets() {
        func set(_ generation: Int) -> DesiredInterface {
            interface {
                $0.name = "mp\(generation)-lab"
                $0.generation = generation
                $0.listenPort = 51820 + UInt16(generation % 2)
            }
        }
        var model = ModelNode(settled())
        model.apply(plan([set(1), set(0)], model.node))
        // Two rotations later: sets 0 and 2 have one port.
        let steps = plan([set(2), set(1)], model.node)
        #expect(steps.first?.change == .deleteInterface(name: "mp0-lab"))
        #expect(steps.filter { $0.summary.hasPrefix("delete") }.count == 1)
        model.apply(steps)
        #expect(model.failures.isEmpty && plan([set(2), set(1)], model.node).isEmpty)
        #expect(model.node.routes.contains { $0.interface == "mp2-lab" })
        // One that was away for a whole rotation has nothing but the oldest.
        var old = ModelNode(settled())
        old.apply(plan([set(2), set(1)], old.node))
        #expect(old.failures.isEmpty && plan([set(2), set(1)], old.node).isEmpty)
    }

    @Test(
        "knows the mesh's own interfaces by name",
        arguments: [
            ("mp0-lab", 0), ("mp9-lab", 9), ("mp0-labs", nil), ("mp10-lab", nil), ("mpx-lab", nil),
            ("mp0_lab", nil), ("wg0", nil), ("", nil),
        ] as [(String, Int?)])
    func ownership(name: String, generation: Int?) {
        #expect(Ownership.generation(of: name, mesh: "lab") == generation)
    }

    @Test("finds the one changed peer among 5,000, and nothing where nothing changed")
    func manyPeers() {
        let peers = (0..<5_000).map { number -> DesiredPeer in
            let bytes = (0..<32).map { UInt8(truncatingIfNeeded: number >> ($0 % 2 * 8)) }
            return DesiredPeer(
                node: "node\(number)", publicKey: PublicKey(bytes: bytes) ?? .zero,
                presharedKey: nil, endpoint: nil,
                allowedIPs: [IPPrefix(host: IPAddress(ipv4: 0x0a40_0000 + UInt32(number)))],
                keepalive: nil)
        }
        let wanted = interface { $0.peers = Array(peers.dropFirst()) }
        var node = settled()
        node.interfaces[0].device?.peers = wanted.peers.map {
            ObservedPeer(
                publicKey: $0.publicKey, presharedKey: nil, endpoint: nil, keepalive: 0,
                allowedIPs: $0.allowedIPs, lastHandshake: 0, rxBytes: 0, txBytes: 0)
        }
        node.routes = plan([wanted], .bare).compactMap {
            if case .setRoute(let route) = $0.change { route } else { nil }
        }
        #expect(plan([wanted], node).isEmpty)
        node.interfaces[0].device?.peers[4_000].keepalive = 25
        #expect(plan([wanted], node).count == 1)
    }
}
