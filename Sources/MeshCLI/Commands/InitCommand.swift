import LinuxSystem
import TopologyFile

extension CommandTable {
    static let initialise = Command(
        "init", operands: "[MESH]", operandCount: 0...1,
        summary: "print a commented first topology",
        explanation: """
            Prints a topology to start from: two machines, one service, one path, with a
            comment on every key. It goes to standard output, so nothing is overwritten;
            --write makes the file instead, and refuses where there is one.
            """,
        examples: ["meshproof init homelab > topology.yaml", "meshproof init --write"],
        options: [Option("write", help: "write it to the topology's file, which must not exist")]
    ) { invocation in
        let output = Output(1, noColor: invocation.has("no-color"))
        let text = TopologyFile.starter(mesh: invocation.operands.first ?? "homelab")
        let outcome = TopologyFile.parse(Array(text.utf8), name: "starter")
        guard outcome.topology != nil else {
            throw CommandFailure(
                outcome.diagnostics.first?.message ?? "that name will not do",
                fix: "a mesh's name is a DNS label of at most 11 characters", code: ExitCode.usage)
        }
        guard invocation.has("write") else {
            output.write(text)
            return ExitCode.fine
        }
        let path = invocation.values["topology"] ?? "topology.yaml"
        if Files.exists(path) {
            throw CommandFailure("\(path) is there already", fix: "name another file with -t")
        }
        try Files.replace(path, with: text.utf8, mode: 0o644)
        output.line("wrote \(path); edit it, then: meshproof check")
        return ExitCode.fine
    }
}
