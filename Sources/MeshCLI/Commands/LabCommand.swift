import MeshController
import MeshLab
import MeshModel

extension CommandTable {
    static let lab = Command(
        "lab", operands: "up|down|status|exec NODE [COMMAND…]", operandCount: 1...1024,
        passesThrough: "exec",
        summary: "rehearse the topology on this machine",
        explanation: """
            up makes every managed node a host on this machine: its own network, mounts and
            processes, its underlay address, a real sshd and its services, on a wire that leads
            nowhere. Put --lab before any other command to act on those hosts with the same,
            unchanged topology. exec runs a command on one of them (or on `lan`, the wire).
            down removes all of it. Needs root.
            """,
        examples: [
            "sudo meshproof lab up", "sudo meshproof --lab up",
            "sudo meshproof lab exec gpu wg show",
            "sudo meshproof lab down",
        ]
    ) { invocation in
        let operands = invocation.operands
        let words = ["up", "down", "status", "exec"]
        guard words.contains(operands[0]) else {
            let near = NearestName.find(operands[0], among: words)
            throw CommandFailure(
                "lab has no \(operands[0])",
                fix: near.map { "did you mean lab \($0)?" } ?? "one of "
                    + words.joined(separator: ", "),
                code: ExitCode.usage)
        }
        if operands[0] != "exec" && operands.count > 1 {
            throw CommandFailure("lab \(operands[0]) takes nothing more", code: ExitCode.usage)
        }
        let workspace = try Workspace(invocation, entersLab: false)
        let lab = try Lab(topology: workspace.topology, topologyPath: workspace.topologyPath)
        switch operands[0] {
        case "up": return try LabView(workspace).up(lab)
        case "down": return try LabView(workspace).down(lab)
        case "status": return try LabView(workspace).status(lab)
        default:
            guard operands.count >= 2 else {
                throw CommandFailure(
                    "lab exec wants a node", fix: "meshproof lab exec NODE COMMAND…",
                    code: ExitCode.usage)
            }
            var command = Array(operands[2...])
            if command.first == "--" { command.removeFirst() }
            try lab.exec(operands[1], command)
        }
    }
}

/// The lab for people.
struct LabView {
    let workspace: Workspace

    init(_ workspace: Workspace) { self.workspace = workspace }

    private var style: Style { workspace.style }

    func up(_ lab: Lab) throws -> Int32 {
        let errors = workspace.errors
        let quiet = workspace.invocation.has("quiet") || workspace.asJSON
        try lab.up { line in if !quiet { errors.line("  \(errors.style.cyan("·")) \(line)") } }
        return try status(lab)
    }

    func down(_ lab: Lab) throws -> Int32 {
        let removal = try lab.down()
        if workspace.asJSON {
            try JSONOutput.print(
                Removal(removed: removal.removed, left: removal.left), command: "lab down",
                to: workspace.output)
        } else if removal.isClean {
            workspace.output.line(
                style.bold(
                    "The lab is gone: \(Human.count(removal.removed.count, "thing")) removed, nothing left"
                ))
        } else {
            workspace.output.line(style.bold("The lab is not wholly gone"))
            for line in removal.left { workspace.output.line("  \(style.red("✗")) \(line)") }
        }
        return removal.isClean ? ExitCode.fine : ExitCode.failure
    }

    func status(_ lab: Lab) throws -> Int32 {
        let status = lab.status()
        if workspace.asJSON {
            try JSONOutput.print(status, command: "lab status", to: workspace.output)
            return status.isUp ? ExitCode.fine : ExitCode.failure
        }
        guard status.isUp else {
            workspace.output.line(
                "There is no lab of mesh \(status.mesh); meshproof lab up makes it")
            return ExitCode.failure
        }
        let ready = status.hosts.filter(\.isReady).count
        workspace.output.line(
            style.bold("Lab of mesh \(status.mesh)")
                + "  \(ready) of \(Human.count(status.hosts.count, "host")) ready")
        var table = Table(["HOST", "ADDRESS", "SSHD", "SERVICES"], style)
        for host in status.hosts {
            let services = host.services.map { service in
                let label =
                    "\(service.name):\(service.port)" + (service.standIn ? " (stand-in)" : "")
                return service.listening ? label : style.red("\(label) not listening")
            }
            table.add([
                host.node, host.addresses.map(\.description).joined(separator: " "),
                host.sshListening ? style.green("up") : style.red("down"),
                services.joined(separator: ", "),
            ])
            for note in host.notes { table.add(["", "", "", style.dim(note)]) }
        }
        table.lines(width: workspace.output.wrapWidth).forEach(workspace.output.line)
        workspace.output.line("  next: meshproof --lab up")
        return ExitCode.fine
    }

    private struct Removal: Encodable {
        let removed: [String]
        let left: [String]
    }
}
