import Glibc
import LinuxSystem
import MeshModel
import Testing
import WireGuard

@testable import WireWitness

@Suite("A witness on real devices", .serialized, .enabled(if: LabConditions.isRoot))
struct WitnessLabTests {
    private static let text = [UInt8](repeating: 0x61, count: 1500)

    @Test("control datagrams and a canary in clear are seen at both ends, and silence is silence")
    func bothEnds() throws {
        try inOwnNetwork {
            let ends = try TwoEnds()
            let alpha = try ends.witness()
            let beta = try ends.there { try ends.witness("beta") }
            try alpha.sendControls()
            // Though this thread is not in beta's namespace.
            try beta.sendControls()
            try TwoEnds.send(Array("x mpcanary-e1-7f\n".utf8), to: "192.0.2.2:8080")
            let settled = (alpha.finish(settle: 10), beta.finish(settle: 10))
            for facts in [settled.0, settled.1] {
                #expect(facts.devices.map(\.name) == ["lo", "eth0"])
                #expect(facts.devices.map(\.role) == [.inside, .underlay])
                #expect(facts.devices.allSatisfy { $0.drops == 0 && $0.truncated == 0 })
                let eth0 = try #require(facts.devices.last)
                #expect(eth0.isAlive && eth0.frames > 0)
                #expect(eth0.ended.monotonic > eth0.began.monotonic)
                #expect(
                    facts.controls == [
                        ControlSighting(from: "alpha", device: "eth0", packets: 2),
                        ControlSighting(from: "beta", device: "eth0", packets: 2),
                    ])
                #expect(facts.canaries.map(\.canary) == ["mpcanary-e1-7f"])
                #expect(facts.canaries.first?.role == .underlay)
                let clear = facts.flows.filter { $0.kind == .undeclared && $0.payload > 0 }
                #expect(clear.map(\.summary) == ["UDP 8080"])
                #expect(clear.first?.appearance == .clear && clear.first?.from == "alpha")
                #expect(facts.flows.filter { $0.kind == .control }.count == 4)
                #expect(!facts.isOverfull)
            }
            let quiet = try ends.witness().finish(settle: 10)
            #expect(quiet.canaries.isEmpty && quiet.controls.isEmpty)
        }
    }

    @Test(
        "the canary in the second fragment is seen, over IPv4 and IPv6",
        arguments: [
            "192.0.2.2:8080", "[2001:db8::2]:8080",
        ])
    func fragment(place: String) throws {
        try inOwnNetwork {
            let ends = try TwoEnds()
            let witness = try ends.witness()
            let payload = Self.text + Array("mpcanary-e2 ".utf8) + Self.text.prefix(900)
            try TwoEnds.send(payload, to: place)
            let facts = witness.finish(settle: 10)
            let sighting = try #require(facts.canaries.first)
            #expect(facts.canaries.count == 1 && sighting.canary == "mpcanary-e2")
            #expect(sighting.summary == "UDP fragment" && sighting.packets == 1)
            let flow = try #require(facts.flows.first { $0.destination?.port == 8080 })
            #expect(flow.kind == .undeclared && flow.packets == 2)
            #expect(flow.payload == UInt64(payload.count))
        }
    }

    @Test("loopback shows a frame once, and a frame of 60 KiB is whole")
    func loopback() throws {
        try inOwnNetwork {
            let ends = try TwoEnds()
            let witness = try ends.witness()
            let payload = [UInt8](repeating: 0x61, count: 60_000) + Array("mpcanary-big".utf8)
            try TwoEnds.send(payload, to: "127.0.0.1:9")
            let facts = witness.finish(settle: 10)
            let sighting = try #require(facts.canaries.first)
            #expect(sighting.role == .inside && sighting.packets == 1)
            #expect(facts.devices.first?.truncated == 0 && facts.flows.isEmpty)
        }
    }

    private static var backend: (any WireGuardBackend)? {
        if KernelBackend.isAvailable() { return KernelBackend() }
        return UserspaceBackend.isAvailable() ? UserspaceBackend() : nil
    }

    @Test(
        "real WireGuard under load is WireGuard and nothing else, and the canary shows inside only",
        .enabled(if: backend != nil))
    func wireGuard() throws {
        let backend = try #require(Self.backend)
        let folder = "/tmp/meshproof-witness-\(getpid())"
        try Files.makeFolder(folder)
        defer { try? Files.removeTree(folder) }
        try inOwnNetwork {
            let ends = try TwoEnds()
            let names = ["a", "b"].map { "mp0-w\(getpid() % 100_000)\($0)" }
            // Each end's key, device, port and overlay address.
            @Sendable func make(_ end: Int) throws -> String {
                // One of its own: a backend stays in the namespace in which it first asked.
                try Self.backend?.create(names[end])
                let key = try run("wg genkey")
                try Files.replace("\(folder)/\(end)", with: Array(key.utf8))
                try run("wg set \(names[end]) listen-port 51820 private-key \(folder)/\(end)")
                try run("ip addr add 10.77.0.\(end + 1)/24 dev \(names[end])")
                try run("ip link set \(names[end]) mtu 1420 up")
                return try run("wg show \(names[end]) public-key")
            }
            defer {
                try? backend.delete(names[0])
                try? ends.there { try Self.backend?.delete(names[1]) }
            }
            let keys = [try make(0), try ends.there { try make(1) }]
            @Sendable func join(_ end: Int) throws {
                let other = 1 - end
                let place =
                    "endpoint 192.0.2.\(other + 1):51820 allowed-ips 10.77.0.\(other + 1)/32"
                try run("wg set \(names[end]) peer \(keys[other]) \(place)")
            }
            try join(0)
            try ends.there { try join(1) }
            var order = ends.order("alpha")
            order.hosts[0].overlay = ["10.77.0.1"].compactMap(IPAddress.init)
            order.hosts[1].overlay = ["10.77.0.2"].compactMap(IPAddress.init)
            order.allowed = [
                AllowedFlow(
                    kind: .wireguard, ipProtocol: 17, a: "alpha", aPort: 51820, b: "beta",
                    bPort: 51820)
            ]
            let witness = try Witness(order: order, links: TwoEnds.links(), interfaces: [])
            try run("ping -c 2 -W 5 10.77.0.2")
            let text = Array("mpcanary-inside ".utf8)
            // In portions that a userspace WireGuard's queue has room for.
            for round in 0..<80 {
                let size = [20, 500, 1392, 4000][round % 4]
                let payload = text + [UInt8](repeating: 0x61, count: size - text.count)
                try TwoEnds.send(payload, to: "10.77.0.2:4242", count: 25)
                Clocks.sleep(0.005)
            }
            let device = try backend.read(names[0]) { _ in .unmade }
            let link = try #require(try TwoEnds.links().first { $0.name == names[0] })
            let interface = ObservedInterface(
                name: names[0], index: link.index, kind: backend.kind, isUp: true, mtu: 1420,
                group: link.group, addresses: link.addresses, device: device)
            let facts = witness.finish(
                settle: 10, links: try TwoEnds.links(), interfaces: [interface])
            let kinds = Set(facts.flows.map(\.kind))
            #expect(kinds.isSubset(of: [.wireguard, .neighbour]) && kinds.contains(.wireguard))
            let flow = try #require(facts.flows.first { $0.kind == .wireguard })
            #expect(flow.packets > 500 && flow.device == "eth0")
            #expect(Set(facts.canaries.map(\.device)) == [names[0]])
            #expect(facts.canaries.allSatisfy { $0.role == .inside && $0.packets > 500 })
            #expect(facts.devices.allSatisfy { $0.isAlive && $0.truncated == 0 })
        }
    }

    @Test("a ring that nobody reads overflows, and every frame is either there or counted as lost")
    func drops() throws {
        try inOwnNetwork {
            let ends = try TwoEnds()
            _ = ends
            let link = try #require(try TwoEnds.links().first { $0.name == "eth0" })
            func flood(_ count: Int) throws -> DeviceCapture {
                let device = try #require(
                    try CapturedDevice(link, role: .underlay, sizes: RingSizes(bytes: 1)))
                let payload = Array("mpflood".utf8) + Self.text.prefix(1300)
                try TwoEnds.send(payload, to: "192.0.2.2:4242", count: count)
                Clocks.sleep(0.1)
                var flooded: UInt64 = 0
                let marker = payload.prefix(7)
                device.read { bytes, _, _ in
                    if bytes.count > 1300, bytes[42..<49].elementsEqual(marker) { flooded += 1 }
                }
                let facts = try #require(device.finish(at: .now()))
                // A neighbour's frames may be among those lost: never fewer than ours.
                #expect(flooded + facts.drops >= UInt64(count))
                #expect(flooded <= UInt64(count) && flooded > 0)
                return facts
            }
            #expect(try flood(2000).drops > 0)
            // The control's control: what fits is not lost. On a busy machine blocks are handed over half empty, so that less fits.
            #expect(try (0..<20).contains { _ in try flood(20).drops == 0 })
        }
    }

    @Test("a device that goes away or down during a capture is not alive; its neighbour is")
    func vanishing() throws {
        try inOwnNetwork {
            let ends = try TwoEnds()
            for name in ["gone0", "flap0", "down0"] {
                try run("ip link add \(name) type veth peer name far-\(name)")
                if name != "down0" { try run("ip link set \(name) up") }
            }
            let witness = try ends.witness()
            try run("ip link del gone0")
            try run("ip link set flap0 down")
            try run("ip link set flap0 up")
            try run("ip link add new0 type bridge")
            try run("ip link set new0 up")
            let facts = witness.finish(settle: 5, links: try TwoEnds.links())
            var alive: [String: Bool] = [:]
            for device in facts.devices { alive[device.name] = device.isAlive }
            // What was down all along cannot have carried anything, and is not told of.
            #expect(
                alive == [
                    "lo": true, "eth0": true, "gone0": false, "flap0": false, "new0": false,
                ])
        }
    }

    @Test("without the privilege there is an error that says what to do")
    func privilege() throws {
        let error = WitnessError(SystemError("open a packet socket for", "eth0", errno: 1))
        #expect(error.code == .denied && "\(error)".contains("CAP_NET_RAW"))
    }
}
