import MeshLab
import MeshModel
import Testing

@Suite("A lab's plan follows from the topology alone")
struct LabPlanTests {
    @Test("Literal addresses of connect and endpoint become the host's, each family in its network")
    func literals() throws {
        let plan = try LabPlan(
            topology([
                node("edge", "198.51.100.11", endpoint: "2001:db8::11"),
                node("gpu", "198.51.100.12", endpoint: "198.51.100.12"),
            ]))
        #expect(plan.addresses(of: "edge") == [ip("198.51.100.11"), ip("2001:db8::11")])
        #expect(plan.addresses(of: "gpu") == [ip("198.51.100.12")])
        #expect(plan.networks.map(\.description) == ["198.51.100.0/24", "2001:db8::/64"])
        #expect(
            plan.lanAddresses.map(\.description) == ["198.51.100.254/24", "2001:db8::fffe/64"])
    }

    @Test("The lan takes the next address down where its own is a host's")
    func lanAddressIsFree() throws {
        let plan = try LabPlan(topology([node("a", "192.0.2.254"), node("b", "192.0.2.253")]))
        #expect(plan.lanAddresses.map(\.description) == ["192.0.2.252/24"])
    }

    @Test("A name is given an address of 203.0.113.0/24 that a new node does not move")
    func namesKeepTheirAddress() throws {
        let one = try LabPlan(topology([node("db", "db.example.com", endpoint: "db.example.com")]))
        let two = try LabPlan(
            topology([
                node("a", "a.example.com"), node("db", "db.example.com"),
                node("z", "z.example.com"),
            ]))
        let address = try #require(one.addresses(of: "db").first)
        #expect(IPPrefix("203.0.113.0/24")?.contains(address) == true)
        #expect(two.addresses(of: "db") == [address])
        #expect(one.hostsFile.contains("\(address) db db.example.com\n"))
    }

    @Test("A name beside a literal address means that address")
    func nameMeansLiteral() throws {
        let plan = try LabPlan(topology([node("db", "192.0.2.7", endpoint: "db.example.com")]))
        #expect(plan.addresses(of: "db") == [ip("192.0.2.7")])
        #expect(plan.hostsFile.contains("192.0.2.7 db db.example.com\n"))
    }

    @Test("An underlay network never swallows the overlay")
    func overlayStaysOut() throws {
        let overlay = try #require(IPPrefix("10.0.0.128/25"))
        let plan = try LabPlan(
            topology([node("a", "10.0.0.5"), node("b", "10.0.0.6")], overlay: overlay))
        #expect(plan.networks.map(\.description) == ["10.0.0.0/25"])
        #expect(!plan.networks.contains { $0.overlaps(overlay) })
    }

    @Test("The controller runs where the only local node is, else in the lan")
    func controllerNode() throws {
        let one = [Node(name: "here", connect: .local), node("b", "192.0.2.2")]
        #expect(try LabPlan(topology(one)).controllerNode == "here")
        let two = one + [Node(name: "too", connect: .local)]
        let plan = try LabPlan(topology(two))
        #expect(plan.controllerNode == nil)
        #expect(plan.notes.contains { $0.contains("here and too") })
    }

    @Test("Unmanaged nodes have no host")
    func unmanaged() throws {
        let plan = try LabPlan(
            topology([node("a", "192.0.2.1"), Node(name: "phone", managed: false)]))
        #expect(plan.nodes == ["a"])
        #expect(plan.addresses(of: "phone").isEmpty)
    }

    @Test(
        "What one machine cannot stand in for is refused, with the reason",
        arguments: [
            ([node("a", "127.0.0.1")], "a: 127.0.0.1 is no underlay address"),
            ([node("a", "fe80::1")], "a: fe80::1 is no underlay address"),
            ([node("a", "192.0.2.1"), node("b", "192.0.2.1")], "a and b share 192.0.2.1"),
            (
                [node("a", "x.example.com"), node("b", "x.example.com")],
                "a and b share x.example.com"
            ),
            ([node("lan", "192.0.2.1")], "the node name `lan` is the lab's own"),
        ])
    func refused(_ nodes: [Node], _ reason: String) throws {
        let error = #expect(throws: LabError.self) { try LabPlan(topology(nodes)) }
        #expect(error?.code == .unsupported)
        #expect(error?.exitCode == 65)
        #expect(error?.detail.contains(reason) == true)
        #expect(error?.hint != nil)
    }

    @Test("A mesh of 400 named nodes has 400 different addresses")
    func many() throws {
        let nodes = (0..<400).map { node("n\($0)", "n\($0).example.com") }
        let plan = try LabPlan(topology(nodes))
        #expect(Set(plan.nodes.flatMap(plan.addresses(of:))).count == 400)
    }

    @Test("Everything of a lab is named after its mesh")
    func names() {
        let names = LabNames(mesh: "homelab")
        #expect(names.root == "/run/meshproof-lab/homelab")
        #expect(names.namespace("db") == "mp-homelab-db")
        #expect(names.sshConfig == "/run/meshproof-lab/homelab/ssh/config")
        #expect(names.state == "/run/meshproof-lab/homelab/state")
    }
}

func ip(_ text: String) -> IPAddress {
    IPAddress(text) ?? IPAddress(ipv4: 0)
}

func node(_ name: String, _ host: String, endpoint: String? = nil) -> Node {
    Node(
        name: name, connect: .ssh(user: nil, host: host, port: nil), endpoint: endpoint)
}

func topology(_ nodes: [Node], overlay: IPPrefix? = nil) -> Topology {
    let network = overlay ?? IPPrefix(IPAddress(ipv4: 0x0a4d_0000), length: 24)
    return Topology(
        mesh: Mesh(name: "labplan", networks: [network].compactMap { $0 }), nodes: nodes)
}
