import Glibc
import MeshModel
import Testing
import TopologyFile

@Suite("topology.yaml.example is what it says")
struct ExampleTests {
    @Test("it parses and checks clean, and has what the demo needs")
    func clean() throws {
        let outcome = TopologyFile.parse(try Self.example(), name: "topology.yaml.example")
        #expect(outcome.diagnostics.map(\.description) == [])
        let topology = try #require(outcome.topology)
        #expect(topology.nodes.filter(\.managed).map(\.name) == ["edge", "gpu", "db", "store"])
        #expect(topology.nodes.filter { !$0.managed }.map(\.name) == ["phone"])
        #expect(topology.mesh.networks.map(\.address.family) == [.ipv4, .ipv6])
        #expect(Set(topology.edges.map(\.via)) == [.wireguard, .ssh])
        #expect(topology.lab["postgres"]?.user == "postgres")
        #expect(
            topology.peerings() == [
                Peering("db", "edge"), Peering("db", "store"), Peering("edge", "gpu"),
                Peering("edge", "phone"), Peering("gpu", "store"),
            ])
        // Every lab service runs something, and every service is run.
        #expect(Set(topology.lab.keys) == Set(topology.services.map(\.name)))
        #expect(topology.lab.values.allSatisfy { !$0.run.isEmpty })
    }

    static func example() throws -> [UInt8] {
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let file = try #require(fopen("/\(root)/topology.yaml.example", "r"))
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = fread(&bytes, 1, bytes.count, file)
        return Array(bytes[..<count])
    }
}
