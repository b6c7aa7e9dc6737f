import MeshController
import MeshModel

extension CommandTable {
    static let rotate = Command(
        "rotate",
        summary: "replace the mesh's keys without losing a packet",
        explanation: """
            Every node makes new keys; they stand beside the old ones, shake hands, and take
            the traffic over; then the old ones are taken away and wiped, and every node is
            searched for what is left of them. Without more, these are the WireGuard keys, the
            preshared keys and the tunnels' SSH keys of the whole mesh; or say which. The keys
            of one node are replaced with the preshared keys of its peerings, and no other
            peering is touched. Preshared keys alone change in place, and sessions take them
            up within about two minutes, which is waited for.

            Each step is written down: a rotation that was cut short anywhere can go on, or
            back until old keys are being wiped. The new set's UDP port (the mesh's port and
            the next, in turn) must be open at the endpoints. A node that cannot be reached
            keeps it from beginning, unless it is gone on without, which cuts it off until up
            brings it back.

            A phone keeps its own key and needs its peers' new ones: peer show NAME --qr gives
            them. A node that joined by itself (connect: join) fetches them as mail, within two
            minutes of being there. Until it is seen with them, and for the grace period at
            most, its peers keep the old keys for it alone; up looks whether it has them, and
            ends that.

            Exit 1: it stopped, or something is left.
            """,
        examples: [
            "meshproof rotate", "meshproof --lab rotate --wireguard", "meshproof rotate --resume",
            "meshproof rotate --node laptop --node nas", "meshproof rotate --psk --peering ant,bee",
            "meshproof rotate --grace 14d", "meshproof rotate --controller",
            "meshproof rotate --force-retire stolen-laptop --yes",
        ],
        options: Option.fleet + [
            Option("wireguard", help: "WireGuard keys and preshared keys only"),
            Option("ssh", help: "the tunnels' SSH keys only, of the whole mesh"),
            Option("psk", help: "preshared keys only, in place"),
            Option(
                "node", value: "NODE",
                help: "only this node's WireGuard key, or with --psk its preshared keys; repeatable"
            ),
            Option(
                "peering", value: "A,B",
                help: "only these two nodes', or with --psk the key of this pair; repeatable"),
            Option(
                "grace", value: "TIME",
                help:
                    "how long phones and joined nodes may go on with the old keys: 7d (default), 12h, 2w; 0 is none at all"
            ),
            Option(
                "drain", value: "SECONDS",
                help: "how long connections through former tunnel sessions may go on (default 60)"),
            Option(
                "window", value: "SECONDS",
                help: "after which nodes take an unconfirmed change back (default 60)"),
            Option(
                "due",
                help:
                    "only keys that are older than the topology's `rotate:` allows; ends a grace period"
            ),
            Option("timer", help: "print systemd units that run rotate --due once a day"),
            Option("resume", help: "go on with the rotation that is open"),
            Option("abort", help: "take the rotation that is open back"),
            Option(
                "force-retire", value: "NODE",
                help: "go on without this node, and cut it off; may be given more than once"),
            Option(
                "controller",
                help: "the controller's signing key instead; each node pins it, or takes it with up"
            ),
            Option(
                "kek", help: "the key that locks the controller's secrets instead; asks no node"),
            Option(
                "to", value: "KIND", help: "kek: key-file or passphrase (default: as it is)"),
            Option(
                "new-passphrase-file", value: "FILE", help: "kek: the new passphrase is in FILE"),
            Option("yes", "y", help: "do not ask"),
        ]
    ) { invocation in
        if let code = try controllerKeys(invocation) { return code }
        let wish = try RotateWish(invocation).wish
        if invocation.has("timer") {
            let workspace = try Workspace(invocation, entersLab: false)
            workspace.output.write(try RotateTimer(workspace).text)
            return ExitCode.fine
        }
        let workspace = try Workspace(invocation)
        let without = invocation.lists["force-retire"] ?? []
        let state = try workspace.state(writing: true)
        if !without.isEmpty {
            try workspace.confirm(
                "This cuts \(without.joined(separator: ", ")) off from mesh \(workspace.topology.mesh.name) until meshproof up brings it back, or it joins again. Go on?"
            )
        }
        let progress = workspace.progress()
        let report = try workspace.rotateRun(state, progress).run(
            wish, without: without, command: "rotate")
        progress.end()
        if workspace.asJSON {
            try JSONOutput.print(report, command: "rotate", to: workspace.output)
        } else {
            RotateView(workspace.output).print(report)
        }
        return report.isGood ? ExitCode.fine : ExitCode.failure
    }

    /// The keys of the controller itself, which no other option goes with; nil where the nodes' are meant.
    private static func controllerKeys(_ invocation: Invocation) throws -> Int32? {
        let kinds = ["controller", "kek"].filter(invocation.has)
        guard let kind = kinds.first else {
            for option in RekeyDesk.lockOptions where invocation.has(option) {
                throw CommandFailure(
                    "--\(option) goes with --kek", fix: "meshproof rotate --kek --\(option) …",
                    code: ExitCode.usage)
            }
            return nil
        }
        let nodes = [
            "wireguard", "ssh", "psk", "node", "peering", "grace", "drain", "window", "due",
            "timer", "resume", "abort", "force-retire",
        ]
        let others =
            kinds.dropFirst() + (kind == "kek" ? [] : RekeyDesk.lockOptions).filter(invocation.has)
            + nodes.filter(invocation.has)
        if let other = others.first {
            throw CommandFailure(
                "--\(kind) changes a key of the controller alone: --\(other) does not go with it",
                fix: "give it in a call of its own", code: ExitCode.usage)
        }
        let workspace = try Workspace(invocation, entersLab: kind == "controller")
        let desk = RekeyDesk(workspace, command: "rotate")
        return kind == "kek" ? try desk.changeLock() : try desk.changeControllerKey()
    }
}

extension Workspace {
    /// A run over the nodes of this workspace.
    ///
    /// - Parameter waits: whether nodes that fetch mail are waited for.
    func rotateRun(
        _ state: ControllerState, _ progress: any Progress, waits: Bool = true
    ) throws -> RotateRun {
        var settings = settings
        if !waits { settings.mailPatience = 0 }
        return RotateRun(
            topology, state: state, carrier: carrier(), program: try NodeProgram.running(),
            settings: settings, progress: progress)
    }
}
