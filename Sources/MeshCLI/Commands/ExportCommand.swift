import LinuxSystem
import MeshController
import MeshModel
import NodeProtocol
import PeerFiles
import Secrets

extension CommandTable {
    static let exportFiles = Command(
        "export",
        summary: "write the mesh for nodes that run without an agent",
        explanation: """
            Writes every node's part of the mesh as other programs read it:

              wg-quick    NODE.conf, for wg-quick and the apps
              networkd    NODE/mp0-MESH.netdev and .network, for systemd-networkd
              json        the documents as agents get them, on standard output; no secret

            A managed node's private key is on the node and nowhere else: its file names the
            key's place there. Preshared keys are in the files, which only you can read. An
            unmanaged node's file has its private key where peer add was told to keep it.
            """,
        examples: [
            "meshproof export --format wg-quick --out mesh/",
            "meshproof export --format networkd --out mesh/ --node gpu",
            "meshproof export --format json",
        ],
        options: [
            Option("format", value: "FORMAT", help: "wg-quick (the default), networkd or json"),
            Option("out", value: "DIR", help: "where to write the files"),
            Option("node", value: "NAME", help: "only this node; repeatable"),
            Option(
                "passphrase-file", value: "FILE",
                help: "unlock the state with the passphrase in FILE"),
        ]
    ) { invocation in
        let format = invocation.values["format"] ?? "wg-quick"
        guard ["wg-quick", "networkd", "json"].contains(format) else {
            throw CommandFailure(
                "there is no format \(format)", fix: "use wg-quick, networkd or json",
                code: ExitCode.usage)
        }
        let workspace = try Workspace(invocation)
        let known = workspace.topology.nodes.map(\.name)
        let only = invocation.lists["node"] ?? []
        for name in only where !known.contains(name) {
            throw CommandFailure(
                "there is no node \(name)", fix: "there are \(known.joined(separator: ", "))",
                code: ExitCode.usage)
        }
        if format == "json" {
            let state = try workspace.state(writing: false)
            let documents = try state.documents(workspace.topology).filter {
                only.isEmpty || only.contains($0.node)
            }
            try JSONOutput.print(documents, command: "export", to: workspace.output)
            return ExitCode.fine
        }
        guard let folder = invocation.values["out"] else {
            throw CommandFailure(
                "where to?", fix: "add --out DIR: the files hold secrets", code: ExitCode.usage)
        }
        return try MeshExport(workspace, folder: folder, only: only).run(format)
    }
}

/// Writes the files of `export`.
struct MeshExport {
    private let workspace: Workspace
    private let folder: String
    private let only: [String]

    init(_ workspace: Workspace, folder: String, only: [String]) {
        self.workspace = workspace
        self.folder = folder.count > 1 && folder.hasSuffix("/") ? String(folder.dropLast()) : folder
        self.only = only
    }

    private struct Part {
        let node: String
        let profile: WireGuardProfile
        let key: WireGuardProfile.KeyLine
    }

    func run(_ format: String) throws -> Int32 {
        let state = try workspace.state(writing: true)
        let parts = try parts(state).filter { only.isEmpty || only.contains($0.node) }
        let interface = DesiredInterface.name(
            mesh: workspace.topology.mesh.name, generation: state.layout.wireguard)
        try Files.makeFolder(folder)
        for part in parts {
            if format == "wg-quick" {
                try write(part.profile.wgQuick(part.key), "\(part.node).conf")
                continue
            }
            var file = "/etc/systemd/network/\(interface).key"
            if case .file(let path) = part.key { file = path }
            let texts = part.profile.networkd(interface: interface, keyFile: file)
            try Files.makeFolder("\(folder)/\(part.node)")
            if case .key(let text) = part.key {
                try write(text + "\n", "\(part.node)/\(interface).key")
            }
            try write(texts.netdev, "\(part.node)/\(interface).netdev")
            try write(texts.network, "\(part.node)/\(interface).network")
        }
        workspace.output.line(
            "wrote \(Human.count(parts.count, "node")) to \(folder), readable by you alone")
        for part in parts where part.key == .placeholder {
            workspace.errors.line("  \(part.node): its private key is not known here; put it in")
        }
        return ExitCode.fine
    }

    private func parts(_ state: ControllerState) throws -> [Part] {
        let topology = workspace.topology
        var parts = try state.managedProfiles(topology).map {
            Part(
                node: $0.node, profile: $0.profile,
                key: .file(
                    "/var/lib/meshproof/\(topology.mesh.name)/keys/wg-\(state.layout.wireguard).key"
                ))
        }
        var options = ProfileOptions()
        options.isAnnotated = true
        for node in topology.nodes where !node.managed {
            let key = try node.publicKey.flatMap { try state.keptKey(of: node.name, for: $0) }
            parts.append(
                Part(
                    node: node.name,
                    profile: try state.profile(of: node.name, in: topology, options),
                    key: key.map { .key(SecretText.encode($0.privateKey)) } ?? .placeholder))
        }
        return parts
    }

    private func write(_ text: String, _ name: String) throws {
        try Files.replace("\(folder)/\(name)", with: text.utf8, mode: 0o600)
    }
}
