import MeshController
import MeshModel

/// `peer ls` and `peer show`: what the topology and the state say of nodes. Asks nobody.
enum PeerListing {
    /// One node as JSON.
    struct Line: Encodable {
        let name: String
        let managed: Bool
        let addresses: [IPAddress]
        let publicKey: PublicKey?
        let endpoint: String?
        let keyKept: Bool
        let peers: [String]
        let edges: [String]
    }

    static func run(_ workspace: Workspace) throws -> Int32 {
        let lines = try lines(workspace)
        if workspace.asJSON {
            try JSONOutput.print(lines, command: "peer ls", to: workspace.output)
            return ExitCode.fine
        }
        var table = Table(["NODE", "KIND", "ADDRESSES", "KEY", "PEERS", "EDGES"], workspace.style)
        for line in lines {
            table.add([
                line.name, line.managed ? "managed" : "unmanaged",
                line.addresses.map(\.description).joined(separator: "  "),
                line.publicKey.map { "\($0.short)…" + (line.keyKept ? " kept" : "") }
                    ?? workspace.style.yellow("none yet"),
                "\(line.peers.count)", line.edges.joined(separator: ", "),
            ])
        }
        table.lines(width: workspace.output.wrapWidth).forEach(workspace.output.line)
        return ExitCode.fine
    }

    static func show(_ name: String, _ workspace: Workspace) throws -> Int32 {
        let topology = workspace.topology
        guard let node = topology.node(name) else {
            let near = NearestName.find(name, among: topology.nodes.map(\.name))
            throw CommandFailure(
                "there is no node \(name)",
                fix: near.map { "did you mean \($0)?" } ?? "meshproof peer ls",
                code: ExitCode.usage)
        }
        let output = try ProfileOutput(workspace)
        if output.isWanted {
            let state = try workspace.state(writing: true)
            let profile = try state.profile(of: name, in: topology, output.options)
            let key = try node.publicKey.flatMap { try state.keptKey(of: name, for: $0) }
            try output.hand(profile, key: key)
            return ExitCode.fine
        }
        guard let line = try lines(workspace).first(where: { $0.name == name }) else {
            return ExitCode.failure
        }
        if workspace.asJSON {
            try JSONOutput.print(line, command: "peer show", to: workspace.output)
            return ExitCode.fine
        }
        print(line, workspace)
        return ExitCode.fine
    }

    private static func print(_ line: Line, _ workspace: Workspace) {
        let out = workspace.output
        let style = workspace.style
        out.line(style.bold(line.name) + (line.managed ? "  managed" : "  unmanaged"))
        out.line("  addresses  " + line.addresses.map(\.description).joined(separator: ", "))
        out.line("  endpoint   " + (line.endpoint ?? "none: it calls its peers"))
        out.line("  key        " + (line.publicKey?.description ?? "none yet"))
        if !line.managed {
            out.line(
                "             "
                    + style.dim(
                        line.keyKept
                            ? "the private key is kept here, sealed"
                            : "the private key is on the device alone"))
        }
        out.hang("  peers      ", line.peers.isEmpty ? "none" : line.peers.joined(separator: ", "))
        out.hang("  edges      ", line.edges.isEmpty ? "none" : line.edges.joined(separator: ", "))
        if !line.managed { out.line("  next: meshproof peer show \(line.name) --qr, or --conf") }
    }

    private static func lines(_ workspace: Workspace) throws -> [Line] {
        let topology = workspace.topology
        let state = try workspace.state(writing: false)
        let addresses = try state.previewAddresses(for: topology)
        let keys = try state.nodeKeys(of: topology, generation: state.layout.wireguard)
        let pairs = topology.peerings()
        return try topology.nodes.map { node in
            let peers = pairs.compactMap { pair in
                pair.a == node.name ? pair.b : pair.b == node.name ? pair.a : nil
            }
            return Line(
                name: node.name, managed: node.managed, addresses: addresses[node.name] ?? [],
                publicKey: keys[node.name], endpoint: node.endpoint,
                keyKept: node.managed ? false : try state.keepsKey(of: node.name),
                peers: peers.sorted(),
                edges: topology.dependents(of: node.name).edges.map {
                    "\($0.edge.from) -> \($0.edge.to)"
                })
        }
    }
}
