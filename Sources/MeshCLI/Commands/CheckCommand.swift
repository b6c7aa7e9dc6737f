import MeshController
import MeshModel
import TopologyFile

extension CommandTable {
    static let check = Command(
        "check",
        summary: "find every mistake in the topology; show what follows from it",
        explanation: """
            Reads the topology and says all that is wrong with it in one go, each with file,
            line, column and a fix. Where nothing is wrong it shows what follows: addresses,
            edges with their transport, which services the guard closes to all else, and
            which nodes become WireGuard peers, and why. Talks to no node.
            """,
        examples: ["meshproof check", "meshproof check -t lab.yaml --json"]
    ) { invocation in
        let output = Output(1, noColor: invocation.has("no-color"))
        if invocation.has("json") {
            let path = invocation.values["topology"] ?? "topology.yaml"
            let outcome = try Workspace.parse(path)
            let report = CheckReport(
                outcome, addresses: try addresses(outcome.topology, invocation))
            try JSONOutput.print(report, command: "check", to: output)
            return outcome.topology == nil ? ExitCode.badTopology : ExitCode.fine
        }
        // Says what is wrong, where something is.
        let workspace = try Workspace(invocation, entersLab: false)
        CheckView(workspace, addresses: try addresses(workspace.topology, invocation)).print()
        return ExitCode.fine
    }

    /// Addresses as they are, or would be, allocated.
    private static func addresses(
        _ topology: Topology?, _ invocation: Invocation
    ) throws -> [String: [IPAddress]] {
        guard let topology else { return [:] }
        let folders = Workspace.folders(mesh: topology.mesh.name, invocation)
        let state = try ControllerState(
            folders, mesh: topology.mesh.name, passphraseFile: nil, writing: false)
        return try state.previewAddresses(for: topology)
    }
}

/// `check` as JSON.
struct CheckReport: Encodable {
    struct Mistake: Encodable {
        let file: String
        let line: Int
        let column: Int
        let severity: String
        let message: String
        let fix: String?
    }

    struct EdgeLine: Encodable {
        let id: String
        let path: String
        let via: String
    }

    struct PeeringLine: Encodable {
        let a: String
        let b: String
        let because: [String]
    }

    struct ServiceLine: Encodable {
        let name: String
        let node: String
        let port: UInt16
        let shielded: Bool
        let because: String?
    }

    let valid: Bool
    let mistakes: [Mistake]
    let addresses: [String: [IPAddress]]
    let edges: [EdgeLine]
    let peerings: [PeeringLine]
    let services: [ServiceLine]

    init(_ outcome: ParseOutcome, addresses: [String: [IPAddress]]) {
        valid = outcome.topology != nil
        mistakes = outcome.diagnostics.map {
            Mistake(
                file: $0.file, line: $0.line, column: $0.column,
                severity: $0.severity == .error ? "error" : "warning", message: $0.message,
                fix: $0.fix)
        }
        self.addresses = addresses
        edges =
            outcome.topology.map { topology in
                topology.paths.flatMap { path in
                    path.edges.map { EdgeLine(id: $0.id, path: path.name, via: $0.via.rawValue) }
                }
            } ?? []
        peerings =
            outcome.topology.map { topology in
                topology.derivedPeerings().map {
                    PeeringLine(a: $0.peering.a, b: $0.peering.b, because: $0.edges.map(\.id))
                }
            } ?? []
        services =
            outcome.topology.map { topology in
                let guards = GuardResolver(topology, addresses: addresses)
                return topology.services.map {
                    let reason = guards.reasonNotToShield($0)
                    return ServiceLine(
                        name: $0.name, node: $0.node, port: $0.port, shielded: reason == nil,
                        because: reason)
                }
            } ?? []
    }
}

/// `check` for people.
struct CheckView {
    let workspace: Workspace
    let addresses: [String: [IPAddress]]

    init(_ workspace: Workspace, addresses: [String: [IPAddress]]) {
        self.workspace = workspace
        self.addresses = addresses
    }

    func print() {
        let output = workspace.output
        let style = workspace.style
        let topology = workspace.topology
        let networks = topology.mesh.networks.map(\.description).joined(separator: ", ")
        output.line(
            "\(style.green("✓")) \(style.bold(workspace.topologyPath)) is fine: mesh \(topology.mesh.name), \(networks)"
        )

        output.line()
        var nodes = Table(["NODE", "ADDRESSES", "REACHED BY"], style)
        for node in topology.nodes {
            nodes.add([
                node.name, (addresses[node.name] ?? []).map(\.description).joined(separator: "  "),
                CheckView.way(to: node),
            ])
        }
        nodes.lines(width: output.wrapWidth).forEach(output.line)

        if !topology.edges.isEmpty {
            output.line()
            var edges = Table(["PATH", "EDGE", "BY"], style)
            for path in topology.paths {
                for edge in path.edges {
                    edges.add([path.name, "\(edge.from) → \(edge.to)", edge.via.rawValue])
                }
            }
            edges.lines(width: output.wrapWidth).forEach(output.line)
        }

        if !topology.services.isEmpty { services(topology).forEach(output.line) }

        output.line()
        var peerings = Table(["PEERING", "BECAUSE OF"], style)
        for derived in topology.derivedPeerings() {
            let label = "\(derived.peering.a) – \(derived.peering.b)"
            let edges = derived.edges.map { "\($0.from) → \($0.to)" }
            let reasons = edges.isEmpty ? "peering is not by paths" : edges.joined(separator: ", ")
            peerings.add([label, reasons])
        }
        peerings.lines(width: output.wrapWidth).forEach(output.line)
        if !topology.forbid.isEmpty {
            output.line()
            output.line("  " + style.dim("FORBIDDEN"))
            for pair in topology.forbid { output.line("  \(pair.from) → \(pair.to)") }
        }
    }

    /// Which services are closed to all but loopback and the mesh.
    private func services(_ topology: Topology) -> [String] {
        let style = workspace.style
        let guards = GuardResolver(topology, addresses: addresses)
        var table = Table(["SERVICE", "ON", "PORT", "SHIELDED"], style)
        for service in topology.services {
            let reason = guards.reasonNotToShield(service)
            table.add([
                service.name, service.node, service.port == 0 ? "–" : "\(service.port)",
                reason.map { style.yellow("no") + ": \($0)" } ?? style.green("yes"),
            ])
        }
        return [""] + table.lines(width: workspace.output.wrapWidth)
    }

    private static func way(to node: Node) -> String {
        switch node.connect {
        case .local: "this machine"
        case .join: "joins by itself"
        case .ssh(let user, let host, let port):
            "ssh " + (user.map { $0 + "@" } ?? "") + host + (port.map { ":\($0)" } ?? "")
        case nil: "unmanaged"
        }
    }
}
