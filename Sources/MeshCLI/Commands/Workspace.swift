import CLinux
import Glibc
import LinuxSystem
import MeshController
import MeshLab
import MeshModel
import TopologyFile

/// What most commands begin with: the topology, the outputs, the state and the way to the nodes.
struct Workspace {
    let invocation: Invocation
    let output: Output
    let errors: Output
    let topologyPath: String
    let topology: Topology
    /// How runs deal with nodes, from the options.
    let settings: RunSettings

    /// Reads the topology; reports all its mistakes at once. With `--lab`, moves into the lab's network first.
    init(_ invocation: Invocation, entersLab: Bool = true) throws {
        self.invocation = invocation
        let noColor = invocation.has("no-color")
        output = Output(1, noColor: noColor)
        errors = Output(2, noColor: noColor)
        settings = try Workspace.settings(invocation)
        topologyPath = invocation.values["topology"] ?? "topology.yaml"
        topology = try Workspace.read(topologyPath, errors)
        if entersLab && invocation.has("lab") {
            try Lab(topology: topology, topologyPath: topologyPath).enter(
                arguments: CommandLine.arguments)
        }
    }

    var asJSON: Bool { invocation.has("json") }
    var style: Style { output.style }

    /// Where the lab keeps its things, where `--lab` asks for it.
    private var labNames: LabNames? {
        invocation.has("lab") ? LabNames(mesh: topology.mesh.name) : nil
    }

    /// Opens the controller's state for this mesh.
    func state(writing: Bool) throws -> ControllerState {
        let mesh = topology.mesh.name
        let state = try ControllerState(
            Workspace.folders(mesh: mesh, invocation), mesh: mesh,
            passphraseFile: invocation.values["passphrase-file"],
            writing: writing)
        // A rehearsal's key file goes with the rehearsal: nothing to back up.
        let notice = invocation.has("lab") ? nil : state.notice
        for line in (notice ?? "").split(separator: "\n") { errors.line("  \(line)") }
        return state
    }

    /// Opens the state for writing once whoever works on it is through, within half a minute.
    func patientState() throws -> ControllerState {
        let deadline = Clocks.monotonic() + 30
        while true {
            do { return try state(writing: true) } catch let error as ControllerError {
                if error.code != .busy || Clocks.monotonic() >= deadline { throw error }
                Clocks.sleep(0.2)
            }
        }
    }

    /// Where the state of a mesh is: the lab's own, where `--lab` asks for it. With `--state` a rehearsal's key file
    /// lies beside that folder, and never where the real mesh's is.
    static func folders(mesh: String, _ invocation: Invocation) -> StateFolders {
        guard invocation.has("lab") else {
            return StateFolders.standard(mesh: mesh, state: invocation.values["state"])
        }
        if let state = invocation.values["state"] {
            return StateFolders(state: state, keyFile: "\(state).kek")
        }
        let names = LabNames(mesh: mesh)
        return StateFolders(state: names.state, keyFile: "\(names.root)/controller.kek")
    }

    /// The way to the nodes.
    func carrier() -> NodeCarrier {
        NodeCarrier(ssh: SSHCarrier(configFile: labNames?.sshConfig))
    }

    /// *Throws:* ``CommandFailure`` for a number out of range, before anything is read or made.
    private static func settings(_ invocation: Invocation) throws -> RunSettings {
        var settings = RunSettings()
        settings.timeout = try invocation.seconds("timeout", settings.timeout, in: 1...3600)
        settings.parallel = try invocation.count("parallel", settings.parallel, in: 1...1024)
        settings.window = try invocation.seconds("window", settings.window, in: 5...600)
        return settings
    }

    /// A run that asks every node how it is.
    func statusRun(_ progress: any Progress) throws -> StatusRun {
        StatusRun(
            topology, state: try state(writing: false), carrier: carrier(), settings: settings,
            progress: progress)
    }

    func progress() -> ProgressView {
        ProgressView(errors, quiet: invocation.has("quiet") || asJSON && !errors.isTerminal)
    }

    /// Asks on the terminal; without one, `--yes` is needed.
    func confirm(_ question: String) throws {
        if invocation.has("yes") { return }
        guard isatty(0) == 1 else {
            throw CommandFailure(
                "\(question) Nobody is there to ask.", fix: "add --yes", code: ExitCode.usage)
        }
        errors.write("\(question) [y/N] ")
        if (readLine() ?? "").lowercased() != "y" {
            throw CommandFailure("nothing was done", code: ExitCode.failure)
        }
    }

    private static func read(_ path: String, _ errors: Output) throws -> Topology {
        let outcome = try parse(path)
        for diagnostic in outcome.diagnostics { errors.line(paint(diagnostic, errors.style)) }
        guard let topology = outcome.topology else {
            let count = outcome.diagnostics.filter { $0.severity == .error }.count
            throw CommandFailure(
                "\(path) has \(Human.count(count, "mistake"))", code: ExitCode.badTopology)
        }
        return topology
    }

    /// Parses the file without judging the outcome.
    static func parse(_ path: String) throws -> ParseOutcome {
        let bytes: [UInt8]
        do { bytes = try Files.read(path, limit: 16 << 20) } catch {
            throw CommandFailure(
                error.errno == ENOENT ? "there is no \(path)" : "\(error)",
                fix: "meshproof init > topology.yaml, or name your file with -t",
                code: ExitCode.badTopology)
        }
        return TopologyFile.parse(bytes, name: path)
    }

    static func paint(_ diagnostic: Diagnostic, _ style: Style) -> String {
        let label =
            diagnostic.severity == .error ? style.red("error:") : style.yellow("warning:")
        let place = style.bold("\(diagnostic.file):\(diagnostic.line):\(diagnostic.column):")
        let fix = diagnostic.fix.map { "\n    " + style.bold("fix: ") + $0 } ?? ""
        return "\(place) \(label) \(diagnostic.message)\(fix)"
    }
}
