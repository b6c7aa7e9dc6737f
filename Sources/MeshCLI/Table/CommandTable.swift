import MeshModel

/// Every command, in the order of the overview.
package enum CommandTable {
    package static let all: [Command] = [
        initialise, check, plan, up, status, verify, receipt, peer, join, rotate, tunnel, state,
        down,
        shred, exportFiles, importFiles, lab, completion,
    ]

    /// The command of this name. *Throws:* ``CommandFailure`` with what was probably meant.
    package static func command(named name: String) throws -> Command {
        if let command = all.first(where: { $0.name == name }) { return command }
        let near = NearestName.find(name, among: all.map(\.name) + ["help"])
        throw CommandFailure(
            "there is no command \(name)",
            fix: near.map { "did you mean \($0)?" } ?? "meshproof --help", code: ExitCode.usage)
    }

    /// Where the command stands: the first word that is neither an option nor an option's value. Options may come
    /// before the command, as in `meshproof --lab up`.
    package static func position(in arguments: [String]) -> Int? {
        let options = all.flatMap(\.options) + Option.common
        var index = 0
        while index < arguments.count {
            let argument = arguments[index]
            if !argument.hasPrefix("-") { return index }
            let option = options.first { $0.isNamed(by: argument) }
            index += option?.value == nil ? 1 : 2
        }
        return nil
    }
}
