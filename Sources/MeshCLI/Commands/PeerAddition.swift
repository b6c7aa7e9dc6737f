import LinuxSystem
import MeshController
import MeshModel
import PeerFiles
import TopologyFile

/// `peer add`: the node goes into the file, the nodes concerned are told, and the device gets its configuration.
struct PeerAddition {
    private let name: String
    private let invocation: Invocation
    private let workspace: Workspace
    private let output: ProfileOutput
    private let isUnmanaged: Bool

    /// What is printed as JSON.
    private struct Report: Encodable {
        let peer: String
        let addresses: [IPAddress]
        let publicKey: PublicKey?
        let configuration: String?
        let up: UpReport?
    }

    init(_ name: String, _ invocation: Invocation) throws {
        self.name = name
        self.invocation = invocation
        isUnmanaged = invocation.has("unmanaged")
        try Self.check(invocation)
        workspace = try Workspace(invocation)
        output = try ProfileOutput(workspace)
    }

    private static func check(_ invocation: Invocation) throws {
        let isUnmanaged = invocation.has("unmanaged")
        if isUnmanaged == invocation.has("connect") {
            throw CommandFailure(
                "a node is either managed or unmanaged",
                fix: "add --connect ssh://user@host, or --unmanaged for a phone or an appliance",
                code: ExitCode.usage)
        }
        let misplaced =
            isUnmanaged
            ? ["host-key", "backend", "cascade", "forget", "wait"]
            : [
                "public-key", "keep", "conf", "qr", "png", "out", "dns", "mtu", "full", "cascade",
                "forget", "wait",
            ]
        if let option = misplaced.first(where: { invocation.has($0) }) {
            throw CommandFailure(
                "--\(option) is not for \(isUnmanaged ? "an unmanaged" : "a managed") node",
                fix: "meshproof peer --help", code: ExitCode.usage)
        }
        if invocation.has("public-key") && ["keep", "qr", "png"].contains(where: invocation.has) {
            throw CommandFailure(
                "with --public-key the private key is on the device, and cannot be shown or kept",
                fix: "leave out --keep, --qr and --png", code: ExitCode.usage)
        }
    }

    func run() throws -> Int32 {
        let state = try workspace.state(writing: !invocation.has("dry-run"))
        // Read again, now that no other meshproof is at work on this mesh.
        let document = try TopologyDocument(path: workspace.topologyPath)
        let key = isUnmanaged && !invocation.has("public-key") ? try PeerKey() : nil
        let edited = try edited(document, key)
        for line in document.difference(to: edited) { workspace.errors.line("  \(line)") }
        let concerned = try state.concerned(from: document.topology, to: edited.topology)
        let target = PeerTarget(workspace, edited.topology, state, concerned)
        if invocation.has("dry-run") { return try target.preview() }

        // What the device is handed is worked out first: it may be impossible.
        if isUnmanaged {
            try output.check(state.profile(of: name, in: edited.topology, output.options), key: key)
        }
        try document.replace(with: edited)
        if let key, invocation.has("keep") { try state.keep(key, of: name) }
        let report: UpReport
        do { report = try target.up() } catch {
            // The key is in the file by now, and nobody else has its other half.
            try hand(key, state, edited.topology)
            throw error
        }
        try hand(key, state, edited.topology)
        return try finish(report, key, state, edited.topology)
    }

    private func edited(_ document: TopologyDocument, _ key: PeerKey?) throws -> EditedTopology {
        var fields: [(key: String, values: [String])] = []
        func add(_ field: String, _ option: String) {
            if let values = invocation.lists[option] { fields.append((field, values)) }
        }
        if isUnmanaged { fields.append(("managed", ["false"])) }
        add("connect", "connect")
        add("endpoint", "endpoint")
        add("address", "address")
        add("host_key", "host-key")
        add("public_key", "public-key")
        add("backend", "backend")
        if let key { fields.append(("public_key", [key.publicKey.description])) }
        let edits = try PeerEdits.add(
            try Self.node(name, fields), edgesTo: invocation.lists["to"] ?? [],
            via: try Self.transport(invocation), path: invocation.values["path"],
            in: document.topology)
        return try workspace.edit(document, edits)
    }

    /// The node that these fields of the topology make. *Throws:* ``CommandFailure`` with the first thing wrong with them.
    static func node(_ name: String, _ fields: [(key: String, values: [String])]) throws -> Node {
        let (node, mistakes) = TopologyFile.node(name, fields: fields)
        if let node { return node }
        let first = mistakes.first
        throw CommandFailure(
            first?.message ?? "\(name) cannot be added", fix: first?.fix, code: ExitCode.usage)
    }

    /// How the edges are carried that `--to` asks for.
    static func transport(_ invocation: Invocation) throws -> Transport {
        let text = invocation.values["via"] ?? Transport.wireguard.rawValue
        if let via = Transport(rawValue: text) { return via }
        throw CommandFailure(
            "there is no transport \(text)",
            fix: "use one of " + Transport.allCases.map(\.rawValue).joined(separator: ", "),
            code: ExitCode.usage)
    }

    private func hand(_ key: PeerKey?, _ state: ControllerState, _ topology: Topology) throws {
        guard isUnmanaged else { return }
        let profile = try state.profile(of: name, in: topology, output.options)
        do { try output.hand(profile, key: key) } catch {
            // Nobody else has the key: it must not be lost with a file that cannot be written.
            workspace.output.write(output.text(profile, key: key))
            throw error
        }
        let errors = workspace.errors
        if profile.peers.isEmpty {
            errors.line("  \(name) has no peer yet: give it an edge (--to SERVICE), then peer show")
        }
        if let gateway = output.options.gateway {
            errors.line(
                "  all traffic of \(name) goes to \(gateway), which must forward it by itself: meshproof does not set that up"
            )
        }
        if key != nil && !invocation.has("keep") {
            errors.line("  the private key is not kept: this was the only time it is shown")
        }
    }

    private func finish(
        _ report: UpReport, _ key: PeerKey?, _ state: ControllerState, _ topology: Topology
    ) throws -> Int32 {
        if workspace.asJSON {
            let profile =
                isUnmanaged ? try state.profile(of: name, in: topology, output.options) : nil
            try JSONOutput.print(
                Report(
                    peer: name, addresses: try state.previewAddresses(for: topology)[name] ?? [],
                    publicKey: try state.nodeKeys(
                        of: topology, generation: state.layout.wireguard)[name],
                    configuration: profile.map { output.text($0, key: key) }, up: report),
                command: "peer add", to: workspace.output)
        } else {
            // What the device is handed may be piped: what is said goes beside it.
            UpView(isUnmanaged ? workspace.errors : workspace.output).print(report)
        }
        return report.isGood ? ExitCode.fine : ExitCode.failure
    }
}
