import MeshModel
import NodeProtocol

/// One of everything that goes over the wire, with the values that are awkward.
enum Samples {
    static let key = PublicKey(bytes: (0..<32).map { UInt8($0) }) ?? .zero
    static let id = PresharedKeyID(rawValue: "00112233445566778899aabbccddeeff")
    static let v4 = IPPrefix("10.77.0.2/32")
    static let v6 = IPPrefix("fd77:6d70::2/128")
    static let prefixes = [v4, v6].compactMap { $0 }

    static let document = NodeDocument(
        meshID: "000102030405060708090a0b0c0d0e0f", mesh: "homelab", node: "gpu", revision: .max,
        issuedAt: 1_800_000_000,
        interfaces: [
            DesiredInterface(
                name: "mp0-homelab", generation: 0, publicKey: key, listenPort: 51820,
                backend: .auto, mtu: 1420,
                addresses: prefixes, networks: prefixes,
                peers: [
                    DesiredPeer(
                        node: "edge", publicKey: .zero, presharedKey: id,
                        endpoint: Endpoint(host: "2001:db8::1", port: 51820), allowedIPs: prefixes,
                        keepalive: 25),
                    DesiredPeer(
                        node: "phone", publicKey: key, presharedKey: nil, endpoint: nil,
                        allowedIPs: [],
                        keepalive: nil),
                ])
        ])

    static let observed = ObservedNode(
        bootID: "3f1d\"\\\u{1}é", observedAt: 1_800_000_000.25,
        interfaces: [
            ObservedInterface(
                name: "mp0-homelab", index: 7, kind: .foreign(kind: "vxlan"), isUp: true, mtu: 1420,
                group: Ownership.linkGroup, addresses: prefixes,
                device: ObservedDevice(
                    publicKey: key, listenPort: 51820, fwmark: .max,
                    peers: [
                        ObservedPeer(
                            publicKey: key, presharedKey: id,
                            endpoint: SocketEndpoint("[2001:db8::1]:51820"),
                            keepalive: 25, allowedIPs: prefixes, lastHandshake: 0.5, rxBytes: .max,
                            txBytes: 0)
                    ]))
        ],
        routes: [
            ObservedRoute(
                destination: prefixes[0], kind: .unreachable, interface: nil, source: nil,
                metric: Ownership.unreachableMetric)
        ],
        derivedMTU: ["mp0-homelab": 1420],
        resolved: ["edge.example:51820": SocketEndpoint("192.0.2.1:51820")].compactMapValues { $0 })

    static let hello = NodeHello(
        version: 1, program: "0.1.0", meshID: "00", node: "gpu", keys: [0: key, 1: .zero],
        revision: 7,
        highestRevision: 9, unconfirmed: 8,
        rolledBack: RolledBack(revision: 6, at: 1.5, reason: "nobody confirmed"))

    static let steps = [
        PlanStep(.createInterface(name: "mp0-homelab", backend: .kernel), reason: "there is none"),
        PlanStep(.setRoute(route: observed.routes[0]), reason: "missing"),
        PlanStep(.removePeer(interface: "mp0-homelab", publicKey: key), reason: "no edge needs it"),
    ]

    static let requests: [Request] = [
        .hello(version: 1), .observe, .preview(document: document),
        .stage(
            document: SignedDocument(payload: "e30=", signature: "AAAA"),
            presharedKeys: [PresharedKeyPayload(id: id, key: "AAAA")]),
        .commit(revision: 7, window: 60), .confirm(revision: 7), .rollback(revision: 7),
        .nudge(peers: nil), .nudge(peers: ["gpu"], interface: "mp1-lab"),
        .prepareSSHKeys(generation: 3), .forgetKeys(wireguard: [0], ssh: [1, 2]),
        .prepareKey(generation: 1), .down,
    ]

    static let responses: [Response] = [
        .hello(hello),
        .observed(
            NodeReport(
                hello: hello, observed: observed, document: document, drift: steps,
                repairs: [Repair(at: 2, step: steps[0], failure: "no room")])),
        .steps(steps), .done, .key(key),
        .removed(RemovalReport(removed: ["mp0-homelab"], left: [])),
        .refused(ProtocolError(.staleRevision, "revision 6 is older than 7")),
    ]
}
