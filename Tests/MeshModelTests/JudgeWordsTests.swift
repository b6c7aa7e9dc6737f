import MeshModel
import Testing

@Suite("What the judge says of a local edge that leaves loopback, and of TLS that is not agreed on")
struct JudgeWordsTests {
    private static let nonce = "00112233445566778899aabbccddeeff"

    private func end(_ node: String) -> EdgeEnd {
        EdgeEnd(
            party: node, node: node, managed: true, overlay: [],
            underlay: [IPAddress("198.51.100.11")].compactMap { $0 }, guarded: false)
    }

    private func edge(_ via: Transport, to node: String, tls: TLSCase? = nil) -> EdgeCase {
        EdgeCase(
            id: "ant->note", paths: ["data"], carries: [], via: via, from: end("ant"),
            to: end(node),
            service: ServiceCase(
                name: "note", kind: "http", wireProtocol: .http, port: 8090,
                bind: via == .local ? .loopback : .any),
            links: [], hub: nil, tunnel: nil, tls: tls, canary: "mpc0011223344556677-e0z")
    }

    private func facts(
        canaries: [CanarySighting] = [], probes: [ProbeFact] = []
    ) -> Evidence {
        let (began, ended) = (
            FactTime(wall: 1_000, monotonic: 10), FactTime(wall: 1_004, monotonic: 14)
        )
        return Evidence(
            nonce: Self.nonce, meshID: "mesh", began: 1_000,
            facts: [
                "ant": NodeFacts(
                    node: "ant", meshID: "mesh", nonce: Self.nonce, program: "1", bootID: "boot",
                    namespace: 1, began: began, ended: ended,
                    capture: CaptureFacts(
                        devices: [], flows: [], canaries: canaries, controls: []),
                    probes: probes)
            ], missing: [:], controllerProbes: [])
    }

    private func sighting(_ device: String, _ role: DeviceCapture.Role) -> CanarySighting {
        CanarySighting(
            canary: "mpc0011223344556677-e0z", device: device, role: role, packets: 3, source: nil,
            destination: nil, summary: "TCP")
    }

    @Test("a text that a local edge carries onto a container's bridge was not local")
    func published() {
        func codes(_ canaries: [CanarySighting]) -> [FindingCode] {
            Judge.judge(edge(.local, to: "ant"), facts(canaries: canaries), now: 1_005)
                .findings.filter { $0.severity <= .serious }.map(\.code)
        }
        #expect(!codes([sighting("lo", .inside)]).contains(.otherNamespace))
        #expect(
            codes([sighting("lo", .inside), sighting("docker0", .inner)]).contains(
                .otherNamespace))
    }

    @Test(
        "who is refused by TLS is not told to start the service",
        arguments: [ProbeFact.Outcome.refused, .garbled, .silent])
    func refusal(_ outcome: ProbeFact.Outcome) throws {
        let tls = TLSCase(
            minimum: "TLS1.3", name: "bee", authorities: nil, certificate: nil, key: nil,
            isMutual: false)
        let place = try #require(IPAddress("198.51.100.12").map { SocketEndpoint($0, 8090) })
        let probe = ProbeFact(
            order: ProbeOrder(
                id: "p", edge: "ant->note", purpose: .edge, target: .tcp(place),
                question: .http(path: "/", tls: tls), canary: "mpc0011223344556677-e0z", timeout: 2),
            vantage: "ant", began: FactTime(wall: 1_001, monotonic: 11),
            ended: FactTime(wall: 1_002, monotonic: 12), outcome: outcome, message: "so")
        let verdict = Judge.judge(
            edge(.tls, to: "bee", tls: tls), facts(probes: [probe]), now: 1_005)
        let finding = try #require(
            verdict.findings.flatMap { [$0] + $0.consequences }.first { $0.code == .noAnswer })
        #expect(finding.fix.contains("openssl s_client") == (outcome != .silent))
    }
}
