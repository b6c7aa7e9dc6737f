import CLinux
import LinuxSystem
import MeshController
import MeshLab
import MeshModel
import MeshNode
import NodeProtocol
import PeerFiles

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
        guard let position = CommandTable.position(in: arguments) else {
            return try withoutCommand(arguments, output)
        }
        let name = arguments[position]
        if name == "help" {
            guard let topic = arguments.dropFirst(position + 1).first(where: { !$0.hasPrefix("-") })
            else {
                output.line(Help.overview(commands, output.style))
                return ExitCode.fine
            }
            output.line(Help.text(for: try CommandTable.command(named: topic), output.style))
            return ExitCode.fine
        }
        let command = try CommandTable.command(named: name)
        let rest = Array(arguments[..<position] + arguments[(position + 1)...])
        let invocation = try Invocation.parse(rest, for: command)
        if invocation.has("help") {
            output.line(Help.text(for: command, output.style))
            return ExitCode.fine
        }
        return try command.run(invocation)
    }

    private static func withoutCommand(_ arguments: [String], _ output: Output) throws -> Int32 {
        if arguments.contains("--version") {
            output.line("meshproof \(ProgramVersion.current)")
            return ExitCode.fine
        }
        if arguments.contains("--help") || arguments.contains("-h") {
            output.line(Help.overview(CommandTable.all, output.style))
            return ExitCode.fine
        }
        if let unknown = arguments.first(where: { argument in
            !Option.common.contains { $0.isNamed(by: argument) }
        }) {
            let names = Option.common.map(\.name) + ["version"]
            let near = NearestName.find(String(unknown.drop { $0 == "-" }), among: names)
            throw CommandFailure(
                "there is no command in this call, and no option \(unknown)",
                fix: near.map { "did you mean --\($0)?" } ?? "meshproof --help",
                code: ExitCode.usage)
        }
        Output(2, noColor: arguments.contains("--no-color")).line(
            Help.overview(CommandTable.all, output.style))
        return ExitCode.usage
    }

    private static func report(_ error: any Error, to output: Output) -> Int32 {
        func say(_ message: String, _ fix: String?) {
            output.hang(output.style.red("error: "), message)
            if let fix { output.hang(output.style.bold("  fix: "), fix) }
        }
        switch error {
        case let failure as CommandFailure:
            if !failure.message.isEmpty { say(failure.message, failure.fix) }
            return failure.code
        case let failure as ControllerError:
            say(failure.message, failure.hint)
            return failure.code == .usage ? ExitCode.usage : ExitCode.failure
        case let failure as LabError:
            say(failure.summary, failure.hint)
            return failure.exitCode
        case let failure as NodeError:
            say(
                failure.operation == "join"
                    ? failure.message : failure.description(withHint: false),
                failure.hint.isEmpty ? nil : failure.hint)
            return failure.code == .usage
                ? ExitCode.usage
                : failure.code == .notPermitted ? ExitCode.notPermitted : ExitCode.failure
        case let failure as PeerFileError:
            say(failure.message, failure.hint)
            return ExitCode.failure
        case let failure as SystemError:
            say(failure.description, nil)
            return ExitCode.failure
        default:
            say("\(error)", nil)
            return ExitCode.failure
        }
    }
}
