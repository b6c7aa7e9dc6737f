import CLinux
import LinuxSystem
import MeshController
import MeshLab
import MeshModel
import MeshNode
import NodeProtocol

/// The program: finds the command, runs it, and turns whatever goes wrong into a message and an exit code.
public enum MeshCLI {
    /// Runs the command line without the program's own name; returns the exit code.
    public static func run(_ arguments: [String]) -> Int32 {
        cl_ignore_sigpipe()
        // The node's and the lab's own sides are for machines to call, and have no place in the help.
        switch arguments.first {
        case "node": return NodeCommands.run(arguments: Array(arguments.dropFirst()))
        case "lab-host": return LabHost.run(Array(arguments.dropFirst()))
        case "lab-service": return LabStandIn.run(Array(arguments.dropFirst()))
        default: break
        }
        let noColor = arguments.contains("--no-color")
        let errors = Output(2, noColor: noColor)
        do {
            return try dispatch(arguments, Output(1, noColor: noColor))
        } catch {
            return report(error, to: errors)
        }
    }

    private static func dispatch(_ arguments: [String], _ output: Output) throws -> Int32 {
        let commands = CommandTable.all
        // Options may stand before the command, as in `meshproof --lab up`.
        guard let position = commandPosition(arguments) else {
            if arguments.contains("--version") {
                output.line("meshproof \(ProgramVersion.current)")
                return ExitCode.fine
            }
            output.line(Help.overview(commands, output.style))
            return arguments.isEmpty ? ExitCode.usage : ExitCode.fine
        }
        let name = arguments[position]
        if name == "help" {
            guard
                let topic = commands.first(where: {
                    $0.name == arguments.dropFirst(position + 1).first
                })
            else {
                output.line(Help.overview(commands, output.style))
                return ExitCode.fine
            }
            output.line(Help.text(for: topic, output.style))
            return ExitCode.fine
        }
        guard let command = commands.first(where: { $0.name == name }) else {
            let near = NearestName.find(name, among: commands.map(\.name))
            throw CommandFailure(
                "there is no command \(name)",
                fix: near.map { "did you mean \($0)?" } ?? "meshproof --help",
                code: ExitCode.usage)
        }
        let rest = Array(arguments[..<position] + arguments[(position + 1)...])
        let invocation = try Invocation.parse(rest, for: command)
        if invocation.has("help") {
            output.line(Help.text(for: command, output.style))
            return ExitCode.fine
        }
        return try command.run(invocation)
    }

    /// Where the first word stands that is neither an option nor an option's value.
    private static func commandPosition(_ arguments: [String]) -> Int? {
        var index = 0
        while index < arguments.count {
            let argument = arguments[index]
            if !argument.hasPrefix("-") { return index }
            let option = Option.common.first {
                argument == "--\($0.name)" || $0.letter.map { argument == "-\($0)" } ?? false
            }
            index += option?.value == nil ? 1 : 2
        }
        return nil
    }

    private static func report(_ error: any Error, to output: Output) -> Int32 {
        func say(_ message: String, _ fix: String?) {
            output.line(output.style.red("error: ") + message)
            if let fix { output.line(output.style.bold("  fix: ") + fix) }
        }
        switch error {
        case let failure as CommandFailure:
            if !failure.message.isEmpty { say(failure.message, failure.fix) }
            return failure.code
        case let failure as ControllerError:
            say(failure.message, failure.hint)
            return failure.code == .usage ? ExitCode.usage : ExitCode.failure
        case let failure as LabError:
            say("\(failure.operation) \(failure.subject): \(failure.detail)", failure.hint)
            return failure.exitCode
        case let failure as SystemError:
            say(failure.description, nil)
            return ExitCode.failure
        default:
            say("\(error)", nil)
            return ExitCode.failure
        }
    }
}
