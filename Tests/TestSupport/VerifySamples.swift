package import MeshModel

/// Reports of `verify` as they might be.
package enum VerifySamples {
    /// 2026-03-04T12:00:00Z.
    package static let now = 1_772_625_600.0

    package static func finding(
        _ code: FindingCode, _ severity: Finding.Severity, node: String? = "gpu",
        _ message: String, consequences: [Finding] = []
    ) -> Finding {
        Finding(
            code: code, severity: severity, node: node, message: message,
            why: "Whoever is on that network can read prompts and answers.",
            fix: "bind ollama to its overlay address: OLLAMA_HOST=10.77.0.2",
            consequences: consequences)
    }

    package static func edge(
        _ id: String, paths: [String] = ["chat"], via: Transport = .wireguard,
        _ verdict: Verdict = .encrypted, _ level: EvidenceLevel = .enforced,
        findings: [Finding] = [], carriers: [String] = ["WireGuard, key 1aB/+\"quoted\""]
    ) -> EdgeVerdict {
        EdgeVerdict(
            id: id, paths: paths, carries: ["prompts", "Grüße\u{7f}\u{1}"], via: via,
            verdict: verdict, level: level, findings: findings, carriers: carriers)
    }

    /// The bytes that each node of ``report(edges:forbidden:required:)`` signed.
    package static let facts: [String: [UInt8]] = [
        "edge": Array("facts of edge".utf8), "gpu": Array("facts of gpu".utf8),
    ]

    /// A report about ``facts``, whose digests are `digest(bytes)`.
    package static func report(
        edges: [EdgeVerdict] = [
            edge("phone->webui"), edge("webui->ollama"),
            edge("webui->postgres", paths: ["chat", "rag"], via: .ssh),
        ],
        forbidden: [ForbidVerdict] = [
            ForbidVerdict(id: "phone->postgres", state: .holds, findings: [])
        ], required: EvidenceLevel = .observed, digest: ([UInt8]) -> String = { _ in "" }
    ) -> VerifyReport {
        VerifyReport(
            format: VerifyReport.currentFormat, run: "00112233445566778899aabbccddeeff",
            mesh: "homelab", meshID: "0123456789abcdef0123456789abcdef", began: now - 4,
            seconds: 3.875, passive: nil,
            topology: TopologyReference(
                file: "topology.yaml", digest: String(repeating: "5e", count: 32)),
            nodes: facts.keys.sorted().map {
                NodeWitness(
                    node: $0, bootID: "b-\($0)", facts: digest(facts[$0] ?? []), problem: nil)
            } + [NodeWitness(node: "db", bootID: nil, facts: nil, problem: "no route to host")],
            edges: edges, forbidden: forbidden, required: required, receipt: nil)
    }
}
