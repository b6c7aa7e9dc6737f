import MeshModel
import Testing

@Suite("Probes of TLS edges speak what the service speaks, wherever it can be reached")
struct ProbePlannerTests {
    private func plan(_ service: Service, via: Transport = .mtls) throws -> [ProbeOrder] {
        let topology = Topology(
            mesh: Mesh(name: "lab", networks: []),
            nodes: [
                Node(
                    name: "ant", connect: .ssh(user: nil, host: "ant", port: nil),
                    endpoint: "198.51.100.11"),
                Node(
                    name: "bee", connect: .ssh(user: nil, host: "bee", port: nil),
                    endpoint: "198.51.100.12"),
            ], services: [service],
            paths: [
                Path(
                    name: "data", carries: [],
                    edges: [Edge(from: "ant", to: service.name, via: via, options: [:])])
            ])
        let underlay = ["198.51.100.12", "2001:db8::12", "fe80::12"].compactMap { IPAddress($0) }
        let resolver = VerifyResolver(
            topology,
            VerifyInputs(
                documents: [:], addresses: [:],
                faces: [
                    "ant": HostFace(
                        node: "ant", underlay: underlay.dropLast(), overlay: [], hardware: []),
                    "bee": HostFace(node: "bee", underlay: underlay, overlay: [], hardware: []),
                ],
                nonce: "00112233445566778899aabbccddeeff"))
        return ProbePlanner(resolver, resolver.cases(), able: ["ant", "bee"]).plan().nodes["ant"]
            ?? []
    }

    @Test(
        "the questions beneath TLS are put in the service's own words",
        arguments: [
            ("redis", ServiceKind.WireProtocol.redis), ("postgres", .postgres), ("tcp", .tcp),
        ])
    func words(_ kind: String, _ spoken: ServiceKind.WireProtocol) throws {
        let orders = try plan(
            Service(name: "store", node: "bee", kind: kind, port: 7000, bind: .any))
        #expect(orders.count >= 3)
        for order in orders { #expect(order.speaks == spoken, "\(order.id)") }
    }

    @Test("what must be refused is tried at every address that others can reach")
    func everywhere() throws {
        let orders = try plan(
            Service(name: "site", node: "bee", kind: "https", port: 443, bind: .any))
        let plain = orders.filter { $0.question == .plainToTLS }.map(\.target.description)
        #expect(Set(plain) == ["198.51.100.12:443", "[2001:db8::12]:443"])
        #expect(orders.count { $0.purpose == .edge } == 1)
    }

    @Test("a service that listens on one address is tried there alone")
    func one() throws {
        let own = try #require(IPAddress("198.51.100.12"))
        let orders = try plan(
            Service(name: "site", node: "bee", kind: "https", port: 443, bind: .address(own)))
        let plain = orders.filter { $0.question == .plainToTLS }.map(\.target.description)
        #expect(plain == ["198.51.100.12:443"])
    }
}
