import MeshModel
import Testing
import WireWitness

@Suite("A device leads to other machines unless it is shown not to")
struct DeviceRolesTests {
    private func link(
        _ index: Int32, _ name: String, _ kind: String?, master: Int32? = nil, group: UInt32 = 0,
        _ addresses: String...
    ) -> LinkFact {
        LinkFact(
            index: index, name: name, kind: kind, group: group, mtu: 1500, isUp: true,
            master: master, hardware: nil, addresses: addresses.compactMap(IPPrefix.init))
    }

    private func roles(
        _ links: [LinkFact], leading: Set<String> = [], own: Set<String> = []
    ) -> [String: DeviceCapture.Role] {
        let roles = DeviceRoles.roles(
            links, others: ["192.0.2.2", "2001:db8::2"].compactMap(IPAddress.init),
            leading: leading, own: own)
        return Dictionary(
            uniqueKeysWithValues: links.map { ($0.name, roles[$0.index] ?? .underlay) })
    }

    @Test("hardware, a veth with others on its link, and whatever is not known are underlay")
    func underlay() {
        let roles = roles([
            link(1, "lo", nil, "127.0.0.1/8"), link(2, "enp1s0", nil),
            link(3, "eth0", "veth", "192.0.2.1/24"),
            link(4, "six0", "veth", "2001:db8::1/64"), link(5, "vx0", "vxlan", "10.9.0.1/24"),
            link(6, "tun0", "tun"), link(7, "docker0", "bridge", "172.17.0.1/16"),
            link(8, "veth8", "veth", master: 7), link(9, "point0", "veth", "192.0.2.1/32"),
        ])
        #expect(
            roles == [
                "lo": .inside, "enp1s0": .underlay, "eth0": .underlay, "six0": .underlay,
                "vx0": .underlay, "tun0": .underlay, "docker0": .inner, "veth8": .inner,
                "point0": .inner,
            ])
    }

    @Test(
        "a bridge with an underlay port is one, and so are all its ports and what it is a port of")
    func bridges() {
        let links = [
            link(2, "br0", "bridge"), link(3, "veth3", "veth", master: 2),
            link(4, "enp1s0", nil, master: 2), link(5, "br1", "bridge"),
            link(6, "veth6", "veth", master: 5),
        ]
        #expect(
            roles(links) == [
                "br0": .underlay, "veth3": .underlay, "enp1s0": .underlay, "br1": .inner,
                "veth6": .inner,
            ])
        #expect(roles(links, leading: ["br1"])["veth6"] == .underlay)
        #expect(roles(links, leading: ["veth6"])["br1"] == .underlay)
    }

    @Test("of our group only a tunnel is inside, and only one that is what it should be")
    func inside() {
        let group = Ownership.linkGroup
        let links = [
            link(2, "mp0-m", "wireguard", group: group), link(3, "mp1-m", "tun", group: group),
            link(4, "mp2-m", "veth", group: group), link(5, "mp3-m", nil, group: group),
        ]
        #expect(
            roles(links) == [
                "mp0-m": .inside, "mp1-m": .inside, "mp2-m": .underlay, "mp3-m": .underlay,
            ])
        #expect(roles(links, own: ["mp0-m"])["mp1-m"] == .underlay)
    }
}
