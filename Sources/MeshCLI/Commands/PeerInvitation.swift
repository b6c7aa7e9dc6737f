import LinuxSystem
import MeshController
import MeshModel
import TopologyFile

/// `peer invite`: the node goes into the file, a token is printed, and once the machine has come with it, it is brought
/// up like any other.
struct PeerInvitation {
    private let name: String
    private let invocation: Invocation
    private let workspace: Workspace
    private let seconds: Double

    /// What is printed as JSON at once.
    private struct Token: Encodable {
        let peer: String
        let token: String
        /// *Units:* seconds since 1970.
        let expires: Int64
        let dials: [String]
    }

    /// What is printed as JSON at the end.
    private struct Report: Encodable {
        let peer: String
        let addresses: [IPAddress]
        let from: String
        let up: UpReport
    }

    init(_ name: String, _ invocation: Invocation) throws {
        self.name = name
        self.invocation = invocation
        let misplaced = [
            "connect", "unmanaged", "host-key", "public-key", "keep", "conf", "qr", "png", "out",
            "dns", "mtu", "full", "cascade", "forget", "wait",
        ]
        if let option = misplaced.first(where: { invocation.has($0) }) {
            throw CommandFailure(
                "--\(option) is not for an invite", fix: "meshproof peer --help",
                code: ExitCode.usage)
        }
        if invocation.has("listen") == invocation.has("through") {
            throw CommandFailure(
                "where is the machine to dial?",
                fix: "--listen ADDR:PORT with an address of this machine that it can reach, or "
                    + "--through NODE with a node of the mesh that both can reach",
                code: ExitCode.usage)
        }
        seconds = try Self.expiry(invocation.values["expires"] ?? "15m")
        workspace = try Workspace(invocation)
    }

    /// *Shape:* `90s`, `15m`, `2h`. *Units:* seconds.
    static func expiry(_ text: String) throws -> Double {
        let units: [Character: Int] = ["s": 1, "m": 60, "h": 3600]
        if let unit = text.last.flatMap({ units[$0] }), let number = Int(text.dropLast()),
            (1...86_400).contains(number), (30...86_400).contains(number * unit)
        {
            return Double(number * unit)
        }
        throw CommandFailure(
            "--expires \(text): want a time from 30s to 24h", fix: "for instance --expires 15m",
            code: ExitCode.usage)
    }

    func run() throws -> Int32 {
        let isTrial = invocation.has("dry-run")
        // Before there is a state: what is wrong with the call alone makes none.
        let way = try way(workspace.topology)
        let state = try workspace.state(writing: !isTrial)
        let document = try TopologyDocument(path: workspace.topologyPath)
        let edited = try edited(document)
        if let edited {
            for line in document.difference(to: edited) { workspace.errors.line("  \(line)") }
        }
        let topology = edited?.topology ?? document.topology
        if isTrial {
            let concerned = try state.concerned(from: document.topology, to: topology)
            return try PeerTarget(workspace, topology, state, concerned).preview()
        }
        if let open = state.openRotation, !open.progress.isInGrace {
            throw CommandFailure(
                "a rotation of this mesh's keys is open",
                fix: "meshproof rotate --resume, or meshproof rotate --abort")
        }
        let carrier = workspace.carrier()
        let invite = try JoinInvite(
            name, lasting: seconds, by: way, state: state, carrier: carrier,
            settings: workspace.settings)
        defer { invite.close() }
        // After what can be refused: a port that is taken leaves the file as it is.
        if let edited { try document.replace(with: edited) }
        try show(invite)
        let progress = workspace.progress()
        let peer: String
        do { peer = try invite.awaitNode(progress) } catch {
            progress.end()
            throw error
        }
        progress.finished(name, "came from \(peer)", good: true)
        progress.end()
        return try bringUp(invite, peer, state, carrier)
    }

    private func edited(_ document: TopologyDocument) throws -> EditedTopology? {
        var fields: [(key: String, values: [String])] = [("connect", ["join"])]
        for option in ["endpoint", "address", "backend"] {
            if let values = invocation.lists[option] { fields.append((option, values)) }
        }
        let edits = try PeerEdits.invite(
            try PeerAddition.node(name, fields), edgesTo: invocation.lists["to"] ?? [],
            via: try PeerAddition.transport(invocation), path: invocation.values["path"],
            in: document.topology)
        return edits.isEmpty ? nil : try workspace.edit(document, edits)
    }

    // MARK: Where it dials

    private func way(_ topology: Topology) throws -> JoinInvite.Way {
        if let text = invocation.values["through"] { return try Self.relay(text, topology, name) }
        var port: UInt16 = 0
        var addresses: [IPAddress] = []
        for text in invocation.lists["listen"] ?? [] {
            let place = SocketEndpoint(text)
            guard let address = place?.address ?? IPAddress(text), !address.isUnspecified else {
                throw CommandFailure(
                    "--listen \(text): want an address of this machine, and a port",
                    fix: "for instance --listen 198.51.100.7:7443, or [2001:db8::7]:7443",
                    code: ExitCode.usage)
            }
            if let named = place?.port {
                guard port == 0 || port == named else {
                    throw CommandFailure(
                        "--listen names two ports, and a token has one",
                        fix: "use the same port on all addresses", code: ExitCode.usage)
                }
                port = named
            }
            addresses.append(address)
        }
        guard addresses.count <= JoinInvitation.hostLimit else {
            throw CommandFailure(
                "--listen: at most \(JoinInvitation.hostLimit) addresses", code: ExitCode.usage)
        }
        return .listen(addresses, port: port)
    }

    private static func relay(
        _ text: String, _ topology: Topology, _ name: String
    ) throws -> JoinInvite.Way {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let port = parts.count == 2 ? UInt16(parts[1]) : 0
        guard let port, let node = topology.node(String(parts[0])), node.name != name else {
            throw CommandFailure(
                "--through \(text): want a node of this mesh, and perhaps a port behind it",
                fix: "for instance --through edge:7443", code: ExitCode.usage)
        }
        guard node.managed, !node.isReachedByMail else {
            throw CommandFailure(
                "--through \(node.name): this program does not log in to it",
                fix: "choose a node that meshproof up reaches", code: ExitCode.usage)
        }
        return .through(node, port: port)
    }

    // MARK: What people see

    private func show(_ invite: JoinInvite) throws {
        if workspace.asJSON {
            try JSONOutput.print(
                Token(
                    peer: name, token: invite.text, expires: invite.expires, dials: invite.places),
                command: "peer invite token", to: workspace.output)
            return
        }
        let errors = workspace.errors
        errors.hang(
            "  ",
            "On \(name) type `sudo meshproof join`, and paste this token when asked for it, not behind the command. It is a secret "
                + "until it is used, is good once, and for \(Human.age(seconds)):")
        errors.line()
        workspace.output.line(invite.text)
        errors.line()
        errors.hang(
            "  ",
            "\(name) dials \(invite.places.joined(separator: " or ")). Ctrl-C ends the invite and its token; \(name) "
                + "stays in \(workspace.topologyPath).")
    }

    // MARK: Bringing it up

    private func bringUp(
        _ invite: JoinInvite, _ peer: String, _ state: ControllerState, _ carrier: any Carrier
    ) throws -> Int32 {
        // As it is now: somebody may have edited it while we waited.
        let topology = try TopologyDocument(path: workspace.topologyPath).topology
        guard topology.node(name)?.isReachedByMail == true else {
            invite.end(nil, topology)
            throw CommandFailure(
                "\(name) is not in \(workspace.topologyPath) any more as a node that joins",
                fix: "meshproof peer invite \(name) again")
        }
        let target = PeerTarget(
            workspace, topology, state, JoinInvite.concerned(name, in: topology))
        let report: UpReport
        do {
            report = try target.up(present: [name], by: invite.carrier(others: carrier))
        } catch {
            invite.end(nil, topology)
            throw error
        }
        invite.end(report, topology)
        if workspace.asJSON {
            try JSONOutput.print(
                Report(
                    peer: name, addresses: try state.previewAddresses(for: topology)[name] ?? [],
                    from: peer, up: report), command: "peer invite", to: workspace.output)
        } else {
            // The token may be piped: what is said goes beside it.
            let isIn = report.badNodes.allSatisfy { $0.node != name }
            UpView(workspace.errors).print(
                report, again: isIn ? "meshproof up" : "meshproof peer invite \(name)")
        }
        return report.isGood ? ExitCode.fine : ExitCode.failure
    }
}
