import MeshModel
import TestSupport
import Testing

@Suite("Peerings follow from the paths, and each knows why it exists")
struct PeeringTests {
    @Test("only pairs that an edge takes through WireGuard are peers")
    func paths() {
        let topology = TopologySamples.stack()
        #expect(
            topology.peerings() == [
                Peering("db", "gpu"), Peering("edge", "gpu"), Peering("edge", "phone"),
                Peering("gpu", "nat"),
            ])
        let reasons = topology.derivedPeerings().map {
            "\($0.peering.a)-\($0.peering.b): \($0.edges.map(\.id))"
        }
        #expect(
            reasons == [
                #"db-gpu: ["gpu->postgres"]"#, #"edge-gpu: ["webui->ollama", "webui->ollama"]"#,
                #"edge-phone: ["phone->webui"]"#, #"gpu-nat: ["nat->ollama"]"#,
            ])
    }

    @Test("a full mesh has every pair once")
    func full() {
        let peerings = TopologySamples.stack(peering: .full).peerings()
        #expect(peerings.count == 10)
        #expect(Set(peerings).count == 10)
        #expect(peerings == peerings.sorted())
    }

    @Test(
        "through a hub, everyone peers with the hub, and an edge between two others takes both ways"
    )
    func hub() {
        let topology = TopologySamples.stack(peering: .hub("db"))
        #expect(
            topology.peerings() == [
                Peering("db", "edge"), Peering("db", "gpu"), Peering("db", "nat"),
                Peering("db", "phone"),
            ])
        let phone = topology.derivedPeerings().first { $0.peering == Peering("db", "phone") }
        let edge = topology.derivedPeerings().first { $0.peering == Peering("edge", "db") }
        #expect(phone?.edges.map(\.id) == ["phone->webui"])
        #expect(edge?.edges.map(\.id) == ["phone->webui", "webui->ollama", "webui->ollama"])
        #expect(TopologySamples.stack(peering: .hub("nobody")).peerings() == [])
    }

    @Test("random meshes: sorted, distinct, between known nodes, and with the reasons' pairs")
    func random() {
        var random = SplitMix(11)
        for _ in 0..<300 {
            let topology = TopologySamples.random(&random)
            let peerings = topology.peerings()
            let names = Set(topology.nodes.map(\.name))
            #expect(peerings == Set(peerings).sorted())
            #expect(
                peerings.allSatisfy { $0.a < $0.b && names.contains($0.a) && names.contains($0.b) })
            let derived = topology.derivedPeerings()
            #expect(derived.map(\.peering) == peerings)
            if topology.mesh.peering == .paths { #expect(derived.allSatisfy { !$0.edges.isEmpty }) }
        }
    }

    @Test("a party is itself or its service's node")
    func owners() {
        let topology = TopologySamples.stack()
        let index = PartyIndex(topology)
        for (party, owner) in [("gpu", "gpu"), ("webui", "edge"), ("nobody", nil)]
            as [(String, String?)]
        {
            #expect(topology.owner(of: party) == owner)
            #expect(index.owner(of: party) == owner)
        }
        #expect(index.service("webui")?.port == 8080)
        #expect(index.node("phone")?.managed == false)
    }
}

@Suite("The catalogue knows every kind of service of the design")
struct ServiceCatalogueTests {
    @Test("names, ports and protocols")
    func kinds() {
        let found = ServiceCatalogue.kinds.map {
            "\($0.name) \($0.port.map { "\($0)" } ?? "-") \($0.wireProtocol)"
        }
        #expect(
            found == [
                "ollama 11434 http", "vllm 8000 http", "open-webui 8080 http",
                "postgres 5432 postgres",
                "qdrant 6333 http", "redis 6379 redis", "minio 9000 http", "milvus 19530 grpc",
                "weaviate 8080 http", "chroma 8000 http", "mlflow 5000 http", "triton 8000 http",
                "ray 8265 http", "jupyter 8888 http", "nfs 2049 nfs", "s3 443 https",
                "https 443 https",
                "http 80 http", "tcp - tcp",
            ])
        for kind in ServiceCatalogue.kinds {
            #expect(ServiceCatalogue.kind(kind.name) == kind)
            #expect(!kind.exposure.isEmpty && !kind.risks.isEmpty)
            #expect(kind.wireProtocol.isClearByDefault == (kind.wireProtocol != .https))
        }
        #expect(ServiceCatalogue.kind("ftp") == nil)
    }

    @Test("probes are the bytes that their protocols ask for")
    func probes() {
        #expect(
            String(
                decoding: Probe.get(path: "/health", tls: false).request(host: "a:1"), as: UTF8.self
            )
                == "GET /health HTTP/1.1\r\nHost: a:1\r\nUser-Agent: meshproof\r\nAccept: */*\r\nConnection: close\r\n\r\n"
        )
        // Length 8, then 80877103.
        #expect(
            Probe.postgresSSLRequest.request(host: "").suffix(4).reduce(0) { $0 << 8 | Int($1) }
                == 80_877_103)
        let null = Probe.nfsNull.request(host: "")
        #expect(null.count == 4 + 40)
        #expect(null[0] == 0x80 && null[3] == 40)
        #expect(null[16..<20].reduce(0) { $0 << 8 | Int($1) } == 100_003)
        #expect(Probe.connect.request(host: "a").isEmpty)
    }
}
