import MeshModel
import TestSupport

/// Small worlds in which everything is likely to collide with everything.
enum PlanWorld {
    static let mesh = "lab"
    static let now: Double = 1_000_000
    static let names = ["mp0-lab", "mp1-lab"]
    static let ours = (0..<10).map { "mp\($0)-lab" }

    static func key(_ number: Int) -> PublicKey {
        PublicKey(bytes: [UInt8](repeating: UInt8(number), count: 32)) ?? .zero
    }

    static func prefix(_ text: String) -> IPPrefix {
        IPPrefix(text) ?? IPPrefix(host: IPAddress(ipv4: 0))
    }

    private static let overlay =
        (2...7).map { prefix("10.77.0.\($0)/32") } + (2...4).map { prefix("fd77::\($0)/128") }
        + [prefix("10.77.0.0/24")]
    private static let own = [
        prefix("10.77.0.1/32"), prefix("10.77.0.9/32"), prefix("fd77::1/128"),
    ]
    private static let networks = [prefix("10.77.0.0/24"), prefix("fd77::/64")]
    private static let endpoints = ["192.0.2.1:51820", "[2001:db8::1]:51820", "gpu.example:51820"]
    private static let presharedKeys = (0..<3).map { PresharedKeyID(rawValue: "psk\($0)") }

    /// A document's interfaces: allowed IPs of one interface belong to one peer each.
    static func desired(_ random: inout SplitMix) -> [DesiredInterface] {
        random.some(names, upTo: 2).map { name in
            var pool = overlay.shuffled(using: &random)
            let peers = random.some(Array(1...6), upTo: 5).map { number in
                let count = min(Int.random(in: 0...3, using: &random), pool.count)
                let allowed = Array(pool.suffix(count))
                pool.removeLast(count)
                return DesiredPeer(
                    node: "node\(number)", publicKey: key(number),
                    presharedKey: random.chance(2) ? random.pick(presharedKeys) : nil,
                    endpoint: random.chance(2) ? Endpoint(random.pick(endpoints)) : nil,
                    allowedIPs: allowed, keepalive: random.chance(2) ? random.pick([0, 25]) : nil)
            }
            return DesiredInterface(
                name: name, generation: name == names[0] ? 0 : 1, publicKey: key(200),
                listenPort: random.pick([51820, 51821]),
                backend: random.pick([.auto, .kernel, .userspace]),
                mtu: random.chance(2) ? random.pick([1280, 1420]) : nil,
                addresses: own.shuffled(using: &random).dropLast(),
                networks: random.chance(4) ? [networks[0]] : networks, peers: peers)
        }
    }

    /// Anything a kernel may hold, with other people's interfaces among ours.
    static func observed(_ random: inout SplitMix) -> ObservedNode {
        let present = random.some(["mp0-lab", "mp1-lab", "mp7-lab", "mp0-labs", "wg0"], upTo: 5)
        let interfaces = present.enumerated().map { interface($1, index: Int32($0 + 2), &random) }
        var routes: [ObservedRoute] = []
        for _ in 0..<Int.random(in: 0...8, using: &random) {
            if random.chance(4) {
                routes.append(
                    ObservedRoute(
                        destination: random.pick(networks + [prefix("10.99.0.0/24")]),
                        kind: .unreachable,
                        interface: nil, source: nil, metric: Ownership.unreachableMetric))
            } else if let name = interfaces.map(\.name).randomElement(using: &random) {
                routes.append(
                    ObservedRoute(
                        destination: random.pick(overlay), kind: .unicast, interface: name,
                        source: random.chance(3) ? nil : random.pick(own).address,
                        metric: random.pick([0, 0, 0, 50])))
            }
        }
        return ObservedNode(
            bootID: "boot", observedAt: now, interfaces: interfaces, routes: Array(Set(routes)),
            derivedMTU: random.chance(2) ? ["mp0-lab": 1400, "mp1-lab": 1380] : [:],
            resolved: random.chance(2)
                ? ["gpu.example:51820": SocketEndpoint(IPAddress(ipv4: 0xc000_0207), 51820)] : [:])
    }

    private static func interface(
        _ name: String, index: Int32, _ random: inout SplitMix
    ) -> ObservedInterface {
        let kind = random.pick([InterfaceKind.kernel, .kernel, .userspace, .foreign(kind: "dummy")])
        var pool = overlay.shuffled(using: &random)
        let peers = random.some(Array(1...6), upTo: 5).map { number in
            let count = min(Int.random(in: 0...3, using: &random), pool.count)
            let allowed = Array(pool.suffix(count))
            pool.removeLast(count)
            return ObservedPeer(
                publicKey: key(number),
                presharedKey: random.chance(2) ? random.pick(presharedKeys) : nil,
                endpoint: random.chance(3) ? nil : SocketEndpoint(random.pick(endpoints)),
                keepalive: random.pick([0, 25]), allowedIPs: allowed,
                lastHandshake: random.pick([0, now - 10, now - 500]), rxBytes: 0, txBytes: 0)
        }
        let device = ObservedDevice(
            publicKey: random.pick([nil, key(200), key(201)]), listenPort: random.pick([0, 51820]),
            fwmark: 0, peers: peers)
        let hasDevice = kind != .foreign(kind: "dummy") && !random.chance(8)
        return ObservedInterface(
            name: name, index: index, kind: kind, isUp: random.chance(2),
            mtu: random.pick([1280, 1420]), group: random.pick([0, Ownership.linkGroup]),
            addresses: random.some(own + [prefix("fe80::5/64")], upTo: 3),
            device: hasDevice ? device : nil)
    }
}
