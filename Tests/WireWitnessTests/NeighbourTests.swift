import MeshModel
import TestSupport
import Testing

@Suite("Neighbours' traffic is let pass in the shapes that it has")
struct NeighbourTests {
    private typealias W = WireFrames

    private static let arp =
        field([0, 1, 8, 0, 6, 4, 0, 1], "Ethernet and IPv4, 6 and 4 bytes, who has")
        + field([2, 0, 0, 0, 0, 0x0a, 192, 0, 2, 1], "alpha")
        + field([0, 0, 0, 0, 0, 0, 192, 0, 2, 2], "beta")

    private static func echo(_ count: Int) -> [UInt8] {
        [8, 0, 0, 0, 0, 1, 0, 1] + [UInt8](repeating: 0x61, count: count)
    }

    private static func dhcp(cookie: [UInt8]) -> [UInt8] {
        W.udp([2, 1, 6, 0] + [UInt8](repeating: 0, count: 232) + cookie + [53, 1, 5, 255], 67, 68)
    }

    @Test("ARP, echoes, errors, neighbour discovery and DHCP")
    func good() {
        let frames = [
            W.ethernet(Self.arp, type: 0x0806),
            W.ethernet(Self.arp + [UInt8](repeating: 0, count: 18), type: 0x0806),
            W.ethernet(W.ipv4(Self.echo(56), 1)),
            W.ethernet(W.ipv4([3, 3, 0, 0, 0, 0, 0, 0] + [UInt8](repeating: 0x45, count: 40), 1)),
            W.ethernet(W.ipv6([135, 0, 0, 0] + [UInt8](repeating: 0, count: 28), 58)),
            W.ethernet(
                W.ipv6([135, 0, 0, 0] + [UInt8](repeating: 0, count: 28), 58, from: "fe80::1")),
            W.ethernet(W.ipv4(Self.dhcp(cookie: [0x63, 0x82, 0x53, 0x63]))),
        ]
        for frame in frames { #expect(kinds([frame]) == ["neighbour"], "\(hex(frame))") }
    }

    @Test("what uses its name for more is undeclared")
    func bad() {
        let text = [UInt8](repeating: 0x61, count: 400)
        let frames = [
            W.ethernet(Self.arp + text, type: 0x0806),
            W.ethernet(W.ipv4([8, 0, 0, 0, 0, 1, 0, 1], 1) + text),
            W.ethernet(W.ipv4(Self.echo(400), 1)),
            W.ethernet(W.ipv4([200, 0, 0, 0] + text, 1)),
            W.ethernet(W.ipv4([8, 0, 0, 0, 0, 1, 0, 1], 1, options: Array(text.prefix(40)))),
            W.ethernet(W.ipv4([3, 3, 0, 0, 0, 0, 0, 0] + text + text, 1)),
            W.ethernet(W.ipv6([135, 0, 0, 0] + text + text, 58)),
            W.ethernet(W.ipv4(Self.dhcp(cookie: [0, 0, 0, 0]))),
            W.ethernet(W.ipv4(Self.echo(8), 1, more: true)),
        ]
        for frame in frames { #expect(kinds([frame]) == ["undeclared clear"], "\(hex(frame))") }
    }

    @Test("large echoes are not hidden among small ones of another series")
    func diluted() {
        let small = W.ethernet(
            W.ipv4([8, 0, 0, 0, 0, 2, 0, 1] + [UInt8](repeating: 0, count: 56), 1))
        let large = W.ethernet(W.ipv4(Self.echo(900), 1))
        let found = kinds([large] + [[UInt8]](repeating: small, count: 100))
        #expect(found == ["undeclared clear", "neighbour"])
    }
}
