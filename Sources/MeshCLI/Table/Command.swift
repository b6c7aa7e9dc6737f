/// One option of a command. Help, parsing and completion all read it here.
package struct Option: Sendable {
    /// Without the dashes.
    package let name: String
    /// One letter, or nil.
    package let letter: Character?
    /// What its value is called in help, or nil where it takes none.
    package let value: String?
    /// One line.
    package let help: String

    package init(
        _ name: String, _ letter: Character? = nil, value: String? = nil, help: String
    ) {
        self.name = name
        self.letter = letter
        self.value = value
        self.help = help
    }

    /// Whether an argument, without a value attached, is this option.
    package func isNamed(by argument: String) -> Bool {
        argument == "--\(name)" || letter.map { argument == "-\($0)" } ?? false
    }

    /// Options that every command takes.
    package static let common: [Option] = [
        Option("topology", "t", value: "FILE", help: "the topology (default ./topology.yaml)"),
        Option(
            "state", value: "DIR",
            help: "the controller's state (default ~/.local/state/meshproof/MESH)"),
        Option("lab", help: "act on the rehearsal that lab up made, not on real machines"),
        Option("json", help: "print the result as JSON"),
        Option("quiet", "q", help: "no progress"),
        Option("no-color", help: "no colours (NO_COLOR does the same)"),
        Option("help", "h", help: "explain the command"),
    ]

    /// Options of commands that talk to nodes.
    package static let fleet: [Option] = [
        Option(
            "timeout", value: "SECONDS",
            help: "how long one request to a node may take (default 20)"),
        Option("parallel", value: "N", help: "nodes worked on at the same time (default 32)"),
        Option(
            "passphrase-file", value: "FILE", help: "unlock the state with the passphrase in FILE"),
    ]
}

/// One command: its place in help, its options and what it does.
package struct Command: Sendable {
    package let name: String
    /// What follows the name in the usage line, for instance `NODE COMMAND…`.
    package let operands: String
    /// One line for the overview.
    package let summary: String
    /// What a tired person needs to know; help wraps it.
    package let explanation: String
    /// Command lines that work as they stand.
    package let examples: [String]
    package let options: [Option]
    /// How many operands are allowed.
    package let operandCount: ClosedRange<Int>
    /// Where the first operand is this word, everything after the second is another program's and not parsed.
    package let passesThrough: String?
    package let run: @Sendable (Invocation) throws -> Int32

    package init(
        _ name: String, operands: String = "", operandCount: ClosedRange<Int> = 0...0,
        passesThrough: String? = nil, summary: String, explanation: String, examples: [String],
        options: [Option] = [], run: @escaping @Sendable (Invocation) throws -> Int32
    ) {
        self.name = name
        self.operands = operands
        self.operandCount = operandCount
        self.passesThrough = passesThrough
        self.summary = summary
        self.explanation = explanation
        self.examples = examples
        self.options = options
        self.run = run
    }
}
