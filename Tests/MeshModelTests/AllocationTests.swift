import MeshModel
import TestSupport
import Testing

@Suite("Overlay addresses are allocated once and never move")
struct AllocationTests {
    private func topology(_ networks: [IPPrefix], _ nodes: [Node]) -> Topology {
        Topology(mesh: TopologySamples.mesh(networks), nodes: nodes)
    }

    private func texts(_ allocation: OverlayAllocation, _ node: String) -> [String] {
        (allocation.addresses[node] ?? []).map(\.description)
    }

    private let dual = TopologySamples.prefixes("10.77.0.0/24", "fd77:6d70::/64")

    @Test(
        "a removed node's address lapses after the reservation, to the second, and not by a clock set back"
    )
    func lapses() {
        let removed = ["a": 0.0, "b": 1.0, "c": 5_000_000_000]
        let end = OverlayAllocation.reservation
        #expect(end == 2_592_000)
        #expect(OverlayAllocation.lapsed(removed, now: end - 1).isEmpty)
        #expect(OverlayAllocation.lapsed(removed, now: end) == ["a"])
        #expect(OverlayAllocation.lapsed(removed, now: end + 1) == ["a", "b"])
    }

    @Test("nodes take the first free addresses in the file's order, both families in step")
    func first() throws {
        let result = try OverlayAllocation.allocate(
            topology(dual, TopologySamples.nodes("b", "a", "c")))
        #expect(texts(result, "b") == ["10.77.0.1", "fd77:6d70::1"])
        #expect(texts(result, "a") == ["10.77.0.2", "fd77:6d70::2"])
        #expect(texts(result, "c") == ["10.77.0.3", "fd77:6d70::3"])
        #expect(result.changed == ["b", "a", "c"])
    }

    @Test("a pinned address is kept, its partner follows it, and the others go round it")
    func pinned() throws {
        var nodes = TopologySamples.nodes("a", "b", "c")
        nodes[1].addresses = [try #require(IPAddress("10.77.0.1"))]
        nodes[2].addresses = [try #require(IPAddress("fd77:6d70::30"))]
        let result = try OverlayAllocation.allocate(topology(dual, nodes))
        #expect(texts(result, "a") == ["10.77.0.2", "fd77:6d70::2"])
        #expect(texts(result, "b") == ["10.77.0.1", "fd77:6d70::1"])
        #expect(texts(result, "c") == ["10.77.0.48", "fd77:6d70::30"])
    }

    @Test(
        "a removed node's addresses are held back until it is forgotten, and are its own when it returns"
    )
    func tombstones() throws {
        let before = try OverlayAllocation.allocate(
            topology(dual, TopologySamples.nodes("a", "b", "c")))
        let without = try OverlayAllocation.allocate(
            topology(dual, TopologySamples.nodes("b", "c", "d")), existing: before.remembered)
        #expect(texts(without, "d") == ["10.77.0.4", "fd77:6d70::4"])
        #expect(without.tombstones["a"]?.map(\.description) == ["10.77.0.1", "fd77:6d70::1"])
        #expect(without.changed == ["d"])
        let back = try OverlayAllocation.allocate(
            topology(dual, TopologySamples.nodes("a", "d")), existing: without.remembered)
        #expect(texts(back, "a") == ["10.77.0.1", "fd77:6d70::1"])
        var forgotten = without.remembered
        forgotten["a"] = nil
        let next = try OverlayAllocation.allocate(
            topology(dual, TopologySamples.nodes("b", "c", "d", "e")), existing: forgotten)
        #expect(texts(next, "e") == ["10.77.0.1", "fd77:6d70::1"])
    }

    @Test("a second network later follows the numbers of the first")
    func secondNetwork() throws {
        let nodes = TopologySamples.nodes("a", "b", "c")
        let one = try OverlayAllocation.allocate(topology([dual[0]], nodes))
        var remembered = one.remembered
        remembered["a"] = [try #require(IPAddress("10.77.0.99"))]
        let both = try OverlayAllocation.allocate(topology(dual, nodes), existing: remembered)
        #expect(texts(both, "a") == ["10.77.0.99", "fd77:6d70::63"])
        #expect(texts(both, "b") == ["10.77.0.2", "fd77:6d70::2"])
    }

    @Test("another network gives new addresses, and says for whom")
    func moved() throws {
        let nodes = TopologySamples.nodes("a", "b")
        let before = try OverlayAllocation.allocate(topology(dual, nodes))
        let after = try OverlayAllocation.allocate(
            topology(TopologySamples.prefixes("10.78.0.0/24", "fd77:6d70::/64"), nodes),
            existing: before.remembered)
        #expect(texts(after, "b") == ["10.78.0.2", "fd77:6d70::2"])
        #expect(after.changed == ["a", "b"])
    }

    @Test("an address that another node has cannot be pinned, unless that node gives it up")
    func taken() throws {
        var nodes = TopologySamples.nodes("a", "b")
        let before = try OverlayAllocation.allocate(topology(dual, nodes))
        nodes[1].addresses = [try #require(IPAddress("10.77.0.1"))]
        let error = #expect(throws: AllocationError.self) {
            try OverlayAllocation.allocate(topology(dual, nodes), existing: before.remembered)
        }
        #expect(error?.code == .addressTaken)
        #expect(error?.description.contains("a already has it") == true)
        nodes[0].addresses = [try #require(IPAddress("10.77.0.2"))]
        let swapped = try OverlayAllocation.allocate(
            topology(dual, nodes), existing: before.remembered)
        #expect(texts(swapped, "a").first == "10.77.0.2")
        #expect(texts(swapped, "b").first == "10.77.0.1")
    }

    @Test(
        "capacity is the number of usable addresses",
        arguments: [
            ("10.0.0.0/24", 254), ("10.0.0.0/30", 2), ("10.0.0.4/30", 2), ("10.0.0.0/31", 0),
            ("10.0.0.7/32", 0), ("10.0.0.128/25", 126), ("10.0.0.0/23", 509), ("10.0.0.0/22", 1019),
            ("fd77::/126", 3), ("fd77::/128", 0), ("fd77::/120", 255),
        ])
    func capacity(_ text: String, _ wanted: UInt64) throws {
        let network = try #require(IPPrefix(text))
        #expect(OverlayAllocation.capacity(of: network) == wanted)
        var counted: UInt64 = 0
        var address: IPAddress? = network.address
        while let current = address, network.contains(current) {
            if OverlayAllocation.isUsable(current, in: network) { counted += 1 }
            address = current.advanced(by: 1)
        }
        #expect(counted == wanted)
    }

    @Test("a network is used to its last address, and then refused", arguments: [29, 23])
    func full(_ length: Int) throws {
        let network = try #require(IPPrefix("10.77.0.0/\(length)"))
        let room = Int(OverlayAllocation.capacity(of: network))
        let nodes = (0..<room + 1).map { Node(name: "n\($0)", managed: false) }
        let fits = try OverlayAllocation.allocate(topology([network], Array(nodes.dropLast())))
        #expect(Set(fits.addresses.values.flatMap { $0 }).count == room)
        let error = #expect(throws: AllocationError.self) {
            try OverlayAllocation.allocate(topology([network], nodes))
        }
        #expect(error?.code == .networkFull)
        #expect(error?.node == "n\(room)")
    }

    @Test("whatever comes and goes, nobody moves, nobody shares, and the result repeats")
    func random() throws {
        var random = SplitMix(12)
        for _ in 0..<100 {
            let networks = [
                TopologySamples.prefixes("10.77.0.0/24"), TopologySamples.prefixes("fd77::/64"),
                dual,
                TopologySamples.prefixes("10.77.0.0/23", "fd77::/120"),
            ].randomElement(using: &random)!
            var remembered: [String: [IPAddress]] = [:]
            for _ in 0..<8 {
                let names = (0..<40).filter { _ in Bool.random(using: &random) }.shuffled(
                    using: &random)
                let topology = topology(
                    networks, names.map { Node(name: "n\($0)", managed: false) })
                let result = try OverlayAllocation.allocate(topology, existing: remembered)
                for (name, addresses) in remembered {
                    #expect(result.remembered[name] == addresses)
                }
                let all = result.remembered.values.flatMap { $0 }
                #expect(Set(all).count == all.count)
                for node in topology.nodes {
                    let own = result.addresses[node.name] ?? []
                    #expect(own.count == networks.count)
                    #expect(
                        zip(own, networks).allSatisfy { OverlayAllocation.isUsable($0, in: $1) })
                }
                let again = try OverlayAllocation.allocate(topology, existing: result.remembered)
                #expect(again.addresses == result.addresses)
                #expect(again.changed == [])
                remembered = result.remembered
            }
        }
    }
}
