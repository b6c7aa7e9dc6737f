extension CommandTable {
    static let completion = Command(
        "completion", operands: "bash", operandCount: 1...1,
        summary: "print a completion script for your shell",
        explanation: """
            Prints a script that lets bash complete commands, options and file names. Put the
            first example into ~/.bashrc to have it in every shell.
            """,
        examples: [
            "source <(meshproof completion bash)",
            "meshproof completion bash > /etc/bash_completion.d/meshproof",
        ]
    ) { invocation in
        guard invocation.operands == ["bash"] else {
            throw CommandFailure(
                "there is no completion for \(invocation.operands[0])",
                fix: "meshproof completion bash", code: ExitCode.usage)
        }
        Output(1, noColor: true).line(Completion.bash(CommandTable.all))
        return ExitCode.fine
    }
}
