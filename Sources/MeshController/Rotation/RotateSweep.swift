import LinuxSystem
package import MeshModel
import NodeProtocol

extension RotateRun {
    /// Looks on every node, with nothing but a shell, for what is left of the keys that are over.
    func sweep(
        _ members: [UpRun.Member], _ plan: RotationPlan, isBack: Bool,
        into report: inout RotateReport
    ) throws(ControllerError) {
        let over = plan.wireguard.map { isBack ? $0.to : $0.from }
        let overSSH = plan.ssh.map { isBack ? $0.to : $0.from }
        let topology = topology
        let layout = state.layout
        let holders = over.map { layout.holders(of: $0, in: topology) } ?? []
        let known = try presharedKeysOver(plan, isBack: isBack)
        let timeout = up.settings.timeout
        let found = try fleet.phase("sweeping", members, name: \.name) {
            member throws(ControllerError) in
            let own = known.filter { $0.key.a == member.name || $0.key.b == member.name }
            let command = RotationSweep(
                mesh: topology.mesh.name, port: topology.mesh.port,
                wireguard: holders.contains(member.name) ? nil : over,
                ssh: overSSH, presharedKeys: own.values.sorted { $0.rawValue < $1.rawValue },
                letIn: member.report.document?.tunnelServer?.grants.map(\.key) ?? []
            ).command
            let result = try member.contact.session.run(command, timeout: timeout)
            guard result.status.isSuccess, let left = RotationSweep.left(in: result.text) else {
                throw ControllerError(
                    .leftOver, "the search for what is left failed: \(result.errorText)")
            }
            return left
        }
        if let name = found.failures.keys.sorted().first, let error = found.failures[name] {
            throw ControllerError(error.code, "\(name): \(error.message)", hint: error.hint)
        }
        let inUse = state.layout.wireguard
        report.nodes = members.map { member in
            RotateReport.NodeKeys(
                node: member.name, key: member.report.hello.keys[inUse],
                left: found.results[member.name] ?? [])
        }
        let left = report.nodes.filter { !$0.left.isEmpty }
        guard left.isEmpty else {
            throw ControllerError(
                .leftOver,
                left.map { "\($0.node): \($0.left.joined(separator: ", "))" }
                    .joined(separator: "; "),
                hint: "remove it there, then meshproof rotate --resume")
        }
    }

    /// The preshared keys that are over, as far as the controller knows them still.
    private func presharedKeysOver(
        _ plan: RotationPlan, isBack: Bool
    ) throws(ControllerError) -> [Peering: PresharedKeyID] {
        guard let turn = plan.wireguard ?? plan.preshared else { return [:] }
        let pairs = topology.managedPeerings()
        let over = isBack ? turn.to : turn.from
        let known = try state.presharedKeyIDs(for: pairs, generation: over)
        let stays = state.layout.sets.first { plan.wireguard != nil && $0.generation == over }
        return known.filter { plan.concerns($0.key) && stays?.carries($0.key) != true }
    }
}

/// What a node is searched for once keys are over, and how.
package struct RotationSweep: Sendable {
    let mesh: String
    let port: UInt16
    let wireguard: Int?
    let ssh: Int?
    let presharedKeys: [PresharedKeyID]
    let letIn: [PublicKey]

    /// For the keys of these sets.
    ///
    /// - Parameter letIn: the client keys that the node's tunnel server is to let in; any other is left over.
    package init(
        mesh: String, port: UInt16, wireguard: Int?, ssh: Int?, presharedKeys: [PresharedKeyID],
        letIn: [PublicKey]
    ) {
        self.mesh = mesh
        self.port = port
        self.wireguard = wireguard
        self.ssh = ssh
        self.presharedKeys = presharedKeys
        self.letIn = letIn
    }

    /// A shell command that prints a line for everything that is left.
    package var command: String {
        let state = "/var/lib/meshproof/\(mesh)"
        var lines: [String] = []
        var files: [String] = []
        if let wireguard {
            let interface = DesiredInterface.name(mesh: mesh, generation: wireguard)
            let listening = Resolver.listenPort(port, generation: wireguard)
            // WireGuard's own sockets in the kernel are in this table, too.
            let hex = Base64.hex([UInt8(listening >> 8), UInt8(listening & 255)]).uppercased()
            lines += [
                "[ -e /sys/class/net/\(interface) ] && echo interface \(interface)",
                "ip -o route show table all 2>/dev/null | grep -F ' dev \(interface) ' | sed 's/^/route /'",
                "awk '$2 ~ /:\(hex)$/ {print \"UDP port \(listening) is open: \" $2}' /proc/net/udp /proc/net/udp6 2>/dev/null",
                """
                for f in $(grep -ls -e '\(interface)' /proc/[0-9]*/cmdline 2>/dev/null); do \
                c=$({ tr '\\0' ' ' < $f; } 2>/dev/null); case "${c%% *}" in *wireguard-go) \
                p=${f%/cmdline}; echo "process ${p#/proc/}: $c";; esac; done
                """,
            ]
            files += ["wg", "mail"].map { "\(state)/keys/\($0)-\(wireguard).key" }
            files.append("/run/wireguard/\(interface).sock")
        }
        files += presharedKeys.map { "\(state)/psk/\($0.rawValue).key" }
        if let ssh {
            files += ["client", "host"].map { "\(state)/keys/ssh-\($0)-\(ssh).key" }
            lines.append(
                "grep -ls -e 'ssh-host-\(ssh).key' /run/meshproof-tunnels/\(mesh)/* | sed 's/^/configuration /'"
            )
        }
        let filter = letIn.map { " -e '\($0.openSSHText)'" }.joined()
        lines.append(
            "grep -os 'ssh-ed25519 [A-Za-z0-9+/=]*' /run/meshproof-tunnels/\(mesh)/authorized_keys"
                + (filter.isEmpty ? "" : " | grep -vxF\(filter)") + " | sed 's/^/authorised key /'")
        lines.append("echo \(Self.end)")
        return
            // And what somebody who was killed while he wrote it has left beside it.
            "for f in \(files.joined(separator: " ")); do for g in \"$f\" \"$f\".*.new; do [ -e \"$g\" ] && echo \"file $g\"; done; done; "
            + lines.joined(separator: "; ")
    }

    /// What a search that came to its end says last: silence alone would be no proof.
    private static let end = "swept"

    /// What the command's output says is left; nil where the search did not come to its end.
    package static func left(in output: String) -> [String]? {
        var lines = output.split(whereSeparator: \.isNewline).map(String.init)
        guard lines.popLast() == end else { return nil }
        return lines
    }
}
