import MeshModel
import TestSupport
import Testing
import WireWitness

@Suite("Between machines of the mesh only what is allowed, in its own shape, is not undeclared")
struct FlowTests {
    private typealias W = WireFrames
    private let text = [UInt8](repeating: 0x61, count: 200)

    @Test("WireGuard of the right endpoints is one flow in both directions")
    func wireGuard() throws {
        let facts = examine([
            W.ethernet(W.ipv4(W.udp(W.wireGuard(1, 148)))),
            W.ethernet(
                W.ipv4(W.udp(W.wireGuard(2, 92)), from: "192.0.2.2", to: "192.0.2.1"), from: W.beta,
                to: W.alpha),
            W.ethernet(W.ipv4(W.udp(W.wireGuard(4, 1452)))),
        ])
        #expect(facts.flows.map(word) == ["wireguard"])
        let flow = try #require(facts.flows.first)
        #expect(flow.packets == 3 && flow.payload == 148 + 92 + 1452)
        #expect(flow.from == "alpha" && flow.to == "beta" && flow.device == "eth0")
        #expect(flow.source == SocketEndpoint("192.0.2.1:51820"))
        #expect(kinds([W.ethernet(W.ipv6(W.udp(W.wireGuard(4, 96))))]) == ["wireguard"])
    }

    @Test("WireGuard's shape between other endpoints or ports is undeclared")
    func otherEndpoints() {
        let message = W.wireGuard(4, 96)
        let strangers = [
            W.ethernet(W.ipv4(W.udp(message, 51821, 51820))),
            W.ethernet(W.ipv4(W.udp(message), to: "192.0.2.3")),
            W.ethernet(W.ipv4(W.udp(message), to: "203.0.113.9")),
        ]
        for frame in strangers { #expect(kinds([frame]) == ["undeclared wireguard"]) }
    }

    @Test("clear text to WireGuard's port is undeclared, even beside WireGuard (case 19)")
    func clearOnPort() {
        let frames = [W.wireGuard(4, 96), text, [4, 0, 0, 0] + text].map {
            W.ethernet(W.ipv4(W.udp($0)))
        }
        let flows = examine(frames).flows
        #expect(flows.map(word) == ["wireguard", "undeclared clear"])
        #expect(flows.map(\.packets) == [1, 2])
    }

    @Test("what hides beside a WireGuard message makes it undeclared")
    func smuggled() {
        let message = W.wireGuard(4, 96)
        let good = W.ethernet(W.ipv4(W.udp(message)))
        #expect(kinds([good + [1, 2, 3, 4]]) == ["wireguard"], "a frame's checksum")
        #expect(kinds([good + text]).allSatisfy { $0.hasPrefix("undeclared") })
        let spoilt = [
            W.ethernet(W.ipv4(W.udp(message + text, length: 104))),
            W.ethernet(W.ipv4(W.udp(message), options: [0x94, 4, 0, 0])),
            W.ethernet(W.ipv6([17, 0, 1, 4, 0, 0, 0, 0] + W.udp(message), 60)),
        ]
        for frame in spoilt { #expect(kinds([frame]) == ["undeclared clear"]) }
    }

    @Test("the canary in the second fragment is found, and the flow is one (case 18)")
    func fragments() throws {
        let datagram = W.udp(
            [UInt8](repeating: 0x62, count: 1472) + Array("mpcanary-e1-00 ".utf8) + text, 4000, 8080
        )
        let facts = examine([
            W.ethernet(W.ipv4(Array(datagram.prefix(1480)), more: true)),
            W.ethernet(W.ipv4(Array(datagram.dropFirst(1480)), place: 1480)),
        ])
        #expect(facts.flows.map(word) == ["undeclared clear"])
        #expect(facts.flows.first?.packets == 2 && facts.flows.first?.destination?.port == 8080)
        let sighting = try #require(facts.canaries.first)
        #expect(sighting.canary == "mpcanary-e1-00" && sighting.role == .underlay)
        #expect(sighting.summary == "UDP fragment" && sighting.packets == 1)
        // The second alone is as bad.
        let second = examine([W.ethernet(W.ipv4(Array(datagram.dropFirst(1480)), place: 1480))])
        #expect(second.flows.map(word) == ["undeclared clear"] && second.canaries.count == 1)
    }

    @Test("a later fragment is WireGuard's only within what its first one said, and if it looks so")
    func wireGuardFragments() {
        let datagram = W.udp(W.wireGuard(4, 2000))
        func piece(_ range: Range<Int>, more: Bool, _ extra: [UInt8] = [], id: Int = 7) -> [UInt8] {
            W.ethernet(
                W.ipv4(Array(datagram[range]) + extra, id: id, place: range.lowerBound, more: more))
        }
        let first = piece(0..<1480, more: true)
        #expect(kinds([first, piece(1480..<2008, more: false)]) == ["wireguard"])
        let both = ["wireguard", "undeclared clear"]
        #expect(kinds([first, piece(1480..<2008, more: false, text)]) == both)
        #expect(kinds([first, piece(800..<1600, more: false)]) == both)
        #expect(kinds([first, piece(1480..<2008, more: false, id: 8)]) == both)
        #expect(kinds([first, W.ethernet(W.ipv4(text, place: 1480))]) == both)
        #expect(kinds([piece(1480..<2008, more: false), first]) == both.reversed())
    }

    @Test("a vxlan between the machines is undeclared, and the canary in it is found (case 17)")
    func vxlan() throws {
        let inner = W.ethernet(
            W.ipv4(
                W.tcp(Array("GET / HTTP/1.1\r\nX: mpcanary-e2\r\n".utf8), 4000, 8080), 6,
                from: "10.99.0.1", to: "10.99.0.2"))
        let outer = W.udp(
            field([8, 0, 0, 0], "flags") + field([0, 0, 42, 0], "network 42") + inner, 40000, 4789)
        let facts = examine([W.ethernet(W.ipv4(outer))])
        #expect(facts.flows.map(word) == ["undeclared clear"])
        #expect(facts.flows.first?.summary == "vxlan")
        #expect(facts.canaries.map(\.canary) == ["mpcanary-e2"])
    }

    @Test(
        "other carriers are named, and undeclared",
        arguments: [(47, "GRE over IPv4"), (4, "IPIP over IPv4"), (50, "ESP"), (132, "SCTP")]
            as [(UInt8, String)])
    func carriers(ipProtocol: UInt8, name: String) {
        let flows = examine([W.ethernet(W.ipv4(text, ipProtocol))]).flows
        #expect(flows.map(word) == ["undeclared clear"] && flows.map(\.summary) == [name])
    }

    @Test("addresses that nobody knows are told apart by hardware addresses")
    func hardware() {
        let hidden = W.tcp(text, 4000, 8080)
        let flows = examine([
            W.ethernet(W.ipv4(hidden, 6, to: "172.17.0.2")),
            W.ethernet(W.ipv6(hidden, 6, from: "fe80::1", to: "fe80::2")),
            W.ethernet(text, type: 0x88b5),
        ]).flows
        #expect(flows.allSatisfy { word($0) == "undeclared clear" && $0.to == "beta" })
        #expect(flows.count == 3)
        // Neither a third party nor a broadcast is a flow, but canaries are searched there too.
        let canary = W.udp(Array("mpcanary-x".utf8), 1, 2)
        let facts = examine([
            W.ethernet(W.ipv4(canary, to: "203.0.113.9"), to: "02:00:00:00:00:ff"),
            W.ethernet(W.ipv4(canary, to: "224.0.0.1"), to: "01:00:5e:00:00:01"),
        ])
        #expect(facts.flows.isEmpty && facts.canaries.first?.packets == 2)
    }

    @Test("an overlay address has no business on the underlay, not even to ping")
    func overlay() {
        let ping: [UInt8] = [8, 0, 0, 0, 0, 1, 0, 1]
        let flows = examine([W.ethernet(W.ipv4(ping, 1, from: "10.77.0.1", to: "10.77.0.2"))]).flows
        #expect(flows.map(\.kind) == [.undeclared])
        #expect(flows.first?.summary == "overlay address outside the mesh: ICMP")
    }

    @Test(
        "inside the mesh nothing is a flow, and a device within the host that shows one leads out")
    func roles() {
        let frame = W.ethernet(W.ipv4(W.tcp(Array("mpcanary-a".utf8), 4000, 8080), 6))
        let inside = examine([frame], role: .inside)
        #expect(inside.flows.isEmpty && inside.canaries.map(\.role) == [.inside])
        let inner = examine([frame], role: .inner)
        #expect(inner.flows.count == 1 && inner.canaries.map(\.role) == [.underlay])
    }

    @Test("a control datagram is its sender's, and exactly its text")
    func control() {
        func frame(_ text: String, _ port: Int = 9, from: String = "192.0.2.1") -> [UInt8] {
            W.ethernet(W.ipv4(W.udp(Array(text.utf8), 4000, port), from: from))
        }
        let facts = examine([frame("mpcontrol-alpha"), frame("mpcontrol-alpha")])
        #expect(facts.flows.map(word) == ["control"])
        #expect(facts.controls == [ControlSighting(from: "alpha", device: "eth0", packets: 2)])
        for other in [
            frame("mpcontrol-alpha "), frame("mpcontrol-alph"), frame("mpcontrol-alpha", 10),
            frame("mpcontrol-alpha", from: "192.0.2.3"),
        ] {
            #expect(kinds([other]) == ["undeclared clear"])
        }
    }

    @Test("a peer's endpoint counts where it is known, and is looked up at the capture's end")
    func learnt() throws {
        let frames = [W.ethernet(W.ipv4(W.udp(W.wireGuard(4, 96))))]
        func interfaces(_ endpoint: String, port: UInt16 = 51820) throws -> [ObservedInterface] {
            let peer = ObservedPeer(
                publicKey: try #require(PublicKey(bytes: [UInt8](repeating: 1, count: 32))),
                presharedKey: nil, endpoint: SocketEndpoint(endpoint), keepalive: 0, allowedIPs: [],
                lastHandshake: 0, rxBytes: 0, txBytes: 0)
            let device = ObservedDevice(publicKey: nil, listenPort: port, fwmark: 0, peers: [peer])
            return [
                ObservedInterface(
                    name: "mp0-m", index: 9, kind: .kernel, isUp: true, mtu: 1420,
                    group: Ownership.linkGroup, addresses: [], device: device)
            ]
        }
        func kind(_ interfaces: [ObservedInterface]) -> [String] {
            examine(frames, interfaces: interfaces).flows.map(word)
        }
        #expect(kind(try interfaces("192.0.2.2:51820")) == ["wireguard"])
        #expect(kind(try interfaces("192.0.2.2:51899")) == ["undeclared wireguard"])
        #expect(kind(try interfaces("[2001:db8::2]:51820")) == ["undeclared wireguard"])
        #expect(kind(try interfaces("192.0.2.2:51820", port: 1)) == ["undeclared wireguard"])
        // Nothing is known of beta yet: the order decides.
        #expect(kind(try interfaces("192.0.2.3:51820")) == ["wireguard"])
        let moved = try interfaces("[2001:db8::2]:51820") + interfaces("192.0.2.2:51820")
        #expect(kind(moved) == ["wireguard"])
    }

    @Test("a flood of flows is not kept, and said to be one")
    func overfull() {
        let facts = examine((1...3000).map { W.ethernet(W.ipv4(W.udp([1], $0, 80))) })
        #expect(facts.isOverfull && facts.flows.count == 2048)
    }
}
