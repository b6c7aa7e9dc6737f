import LinuxSystem
import MeshController
import MeshModel
import PeerFiles
import Secrets
import TopologyFile

extension CommandTable {
    static let importFiles = Command(
        "import", operands: "FILE|DIR…", operandCount: 1...4096,
        summary: "make a topology of WireGuard configurations that exist",
        explanation: """
            Reads what wg-quick reads, also as wg-quick save, wg-easy, PiVPN, DSNet and
            meshproof export write it, and innernet's interface files; a folder means its
            *.conf files. Prints a topology with the nodes, their addresses and public keys,
            and, as comments at its head, everything that could not be carried over. Private
            and preshared keys are read to tell who is who, and not kept. Changes nothing.

            A node for which --connect says how to log in becomes a managed one.
            """,
        examples: [
            "meshproof import /etc/wireguard/wg0.conf > topology.yaml",
            "meshproof import configs/ --name home --connect server=ssh://root@vpn",
        ],
        options: [
            Option("name", value: "MESH", help: "the mesh's name (default: imported)"),
            Option("connect", value: "NODE=URL", help: "how to log in to a node; repeatable"),
        ]
    ) { invocation in
        let output = Output(1, noColor: invocation.has("no-color"))
        let errors = Output(2, noColor: invocation.has("no-color"))
        var files: [FoundConfiguration] = []
        for path in try configurationFiles(invocation.operands) {
            let text = String(decoding: try Files.read(path, limit: 4 << 20), as: UTF8.self)
            files.append(
                try ConfigurationReader.read(text, name: baseName(path)) { text in
                    guard let secret = try? SecretText.decode(text, count: 32) else { return nil }
                    return try? WireGuardKeys.publicKey(of: secret)
                })
        }
        let mesh = try MeshImport.merge(
            files, name: invocation.values["name"] ?? "imported",
            connects: try connects(invocation.lists["connect"] ?? []))
        let text = topologyText(mesh)
        output.write(text)
        for note in mesh.notes { errors.line("  not carried over: \(note)") }
        let mistakes = TopologyFile.parse(Array(text.utf8), name: "the result").errors
        for mistake in mistakes { errors.line(Workspace.paint(mistake, errors.style)) }
        return mistakes.isEmpty ? ExitCode.fine : ExitCode.badTopology
    }

    /// The files themselves, and for a folder those in it that are configurations by name.
    private static func configurationFiles(_ operands: [String]) throws -> [String] {
        try operands.flatMap { path -> [String] in
            guard Files.isFolder(path) else { return [path] }
            let names = try Files.list(path).filter { $0.hasSuffix(".conf") }
            if names.isEmpty {
                throw CommandFailure("there is no *.conf in \(path)", code: ExitCode.usage)
            }
            return names.map { "\(path)/\($0)" }
        }
    }

    private static func baseName(_ path: String) -> String {
        let name = path.split(separator: "/").last.map(String.init) ?? path
        return name.hasSuffix(".conf") ? String(name.dropLast(5)) : name
    }

    private static func connects(_ options: [String]) throws -> [String: Connect] {
        var connects: [String: Connect] = [:]
        for option in options {
            guard let equals = option.firstIndex(of: "=") else {
                throw CommandFailure(
                    "--connect \(option): want NODE=URL", fix: "--connect gpu=ssh://root@gpu",
                    code: ExitCode.usage)
            }
            let name = String(option[..<equals])
            let url = String(option[option.index(after: equals)...])
            let (node, mistakes) = TopologyFile.node(name, fields: [("connect", [url])])
            guard let connect = node?.connect else {
                throw CommandFailure(
                    mistakes.first?.message ?? "--connect \(option) says nothing",
                    fix: mistakes.first?.fix, code: ExitCode.usage)
            }
            connects[name] = connect
        }
        return connects
    }

    private static func topologyText(_ mesh: ImportedMesh) -> String {
        var text = "# Made by `meshproof import`.\n"
        if !mesh.notes.isEmpty { text += "# What could not be carried over:\n" }
        for note in mesh.notes { text += "#   \(note)\n" }
        text += "\n" + TopologyFile.text(of: mesh.topology)
        if !mesh.services.isEmpty {
            text += "\nservices:\n" + mesh.services.map { "  \($0)\n" }.joined()
        }
        if !mesh.paths.isEmpty { text += "\npaths:\n" }
        for path in mesh.paths {
            text += "  \(path.name):\n    edges:\n"
            text += path.edges.map { "      - \($0)\n" }.joined()
        }
        return text
    }
}
