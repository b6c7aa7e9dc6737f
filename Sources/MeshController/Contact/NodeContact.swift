public import MeshModel
import NodeProtocol
import LinuxSystem

/// What the controller needs to know to talk to any node of one mesh.
public struct MeshIdentity: Sendable, Equatable {
    /// The mesh's name.
    public var mesh: String
    /// The mesh's identity.
    public var meshID: String
    /// The controller's public signing key, which nodes pin.
    public var controllerKey: PublicKey
    /// How it came from the first one, oldest first, for nodes that have pinned an older one.
    public var successions: [KeySuccession]

    /// Gathers the parts.
    public init(
        mesh: String, meshID: String, controllerKey: PublicKey, successions: [KeySuccession] = []
    ) {
        self.mesh = mesh
        self.meshID = meshID
        self.controllerKey = controllerKey
        self.successions = successions
    }

    /// What the node's program is told beside the key, where the key was ever changed.
    var successionArguments: [String] {
        guard !successions.isEmpty, let bytes = try? Wire.encode(successions) else { return [] }
        return ["--succession", Base64.encode(bytes)]
    }
}

/// One node within one run: how it is reached, what is known of it, and its open connection.
///
/// Used by one thread at a time; the phases of a run hand it on.
package final class NodeContact: Sendable {
    let node: Node
    private let carrier: any Carrier
    private let timeout: Double
    let session: any CarrierSession
    let probe: NodeProbe

    /// Connects and looks around. Changes nothing on the node.
    init(
        _ node: Node, mesh: String, by carrier: any Carrier, timeout: Double
    ) throws(ControllerError) {
        self.node = node
        self.carrier = carrier
        self.timeout = timeout
        session = try carrier.connect(to: node, timeout: timeout)
        if let session = session as? any OrderedSession {
            probe = try session.look(mesh: mesh, timeout: timeout)
        } else {
            let answer = try session.run(NodeProbe.command(mesh: mesh), timeout: timeout)
            guard answer.status.isSuccess else {
                throw NodeContact.noRoot(node, answer.errorText)
            }
            probe = NodeProbe.parse(answer.text)
        }
        if probe.uid != 0 {
            throw NodeContact.noRoot(node, "uid is \(probe.uid.map(String.init) ?? "unknown")")
        }
        if probe.system != "Linux" {
            throw ControllerError(
                .install, "\(node.name) runs \(probe.system); meshproof's agent needs Linux")
        }
    }

    /// Puts this program on the node, unless the same bytes are there already; true where it did.
    ///
    /// *Idempotency:* uploaded beside, checked, tried, and renamed over: the old program stays until the new one has run.
    func install(
        _ program: NodeProgram, progress: @escaping (Int, Int) -> Void
    ) throws(ControllerError) -> Bool {
        // A node that joins brings its program: one that was not built from the same source says so in its hello.
        if probe.digest == program.digest || session is any OrderedSession { return false }
        if probe.machine != program.machine {
            throw ControllerError(
                .install,
                "\(node.name) is a \(probe.machine) machine and this program was built for \(program.machine)",
                hint: "build meshproof on a \(probe.machine) machine and run up from there")
        }
        let command = NodeContact.installCommand(
            digest: program.digest, target: NodeProgram.installedPath)
        let result = try session.upload(
            fileAt: program.path, to: command, timeout: max(timeout, 300), progress: progress)
        if !result.status.isSuccess {
            throw ControllerError(
                .install,
                "the program does not run on \(node.name): \(result.errorText.trimmedLine)",
                hint: result.errorText.contains("shared librar")
                    ? "build with scripts/build, which needs only libmnl0 and OpenSSH's libraries on a node"
                    : nil)
        }
        return true
    }

    /// The step that ``install(_:progress:)`` is, with its reason.
    var installStep: PlanStep {
        PlanStep(
            .installBinary(version: ProgramVersion.current),
            reason: probe.digest == nil ? "no meshproof on the node" : "another build is installed")
    }

    /// The step that a node's first enrolment is, with its reason.
    static func enrollStep(mesh: String) -> PlanStep {
        PlanStep(.enroll, reason: "the node is new to mesh \(mesh)")
    }

    /// Takes a program from standard input, checks it, tries it, and puts it in its place.
    ///
    /// Should all of this be killed, the new file goes with the program: `Removal` looks for its name.
    package static func installCommand(digest: String, target: String) -> String {
        """
        set -e; umask 022; mkdir -p \(Files.folder(of: target)); new=\(target).new.$$; \
        trap 'rm -f "$new"' EXIT; trap 'exit 1' HUP INT TERM; cat > "$new"; \
        echo "\(digest)  $new" | sha256sum -c --status - || { echo checksum differs after upload >&2; exit 81; }; \
        chmod 755 "$new"; "$new" --version > /dev/null; sync "$new"; mv -f "$new" \(target)
        """
    }

    /// Makes the node's keys, pins the controller's key and starts the agent.
    func enroll(_ identity: MeshIdentity) throws(ControllerError) -> Enrollment {
        if let session = session as? any OrderedSession {
            return try session.enroll(identity, node: node.name, timeout: max(timeout, 30))
        }
        let words = [
            NodeProgram.installedPath, "node", "enroll", "--mesh", identity.mesh, "--mesh-id",
            identity.meshID,
            "--node", node.name, "--controller-key", identity.controllerKey.description,
        ]
        let command = (words + identity.successionArguments).joined(separator: " ")
        let result = try session.run(command, timeout: max(timeout, 30))
        guard result.status.isSuccess else {
            throw ControllerError(
                .enroll, "\(node.name) did not enroll: \(result.errorText.trimmedLine)")
        }
        do { return try Wire.decode(Enrollment.self, from: NodeContact.answer(result.text)) } catch
        {
            throw ControllerError(
                .enroll, "\(node.name) answered enrolment with something else: \(error.message)")
        }
    }

    /// The JSON in what a command printed. Start-up files of the login shell may have said something first.
    static func answer(_ text: String) -> [UInt8] {
        Array(
            (text.split(whereSeparator: \.isNewline)
                .last { $0.hasPrefix("{") || $0.hasPrefix("[{") || $0 == "[]" } ?? "").utf8)
    }

    /// A conversation with the agent over the connection that is open.
    func agent(meshID: String?, mesh: String) throws(ControllerError) -> NodeConnection {
        try NodeContact.talk(to: node, over: session, meshID: meshID, mesh: mesh, timeout: timeout)
    }

    /// Starts a run of `verify` on the node.
    func witness(mesh: String) throws(ControllerError) -> WitnessConnection {
        let stream = try session.open("\(NodeProgram.installedPath) node witness --mesh \(mesh)")
        return WitnessConnection(
            over: OwnedStream(stream, of: session), node: node.name, timeout: timeout)
    }

    /// A conversation over a connection that is made just now: proof that the node can still be reached.
    func freshAgent(
        meshID: String, mesh: String, timeout: Double
    ) throws(ControllerError) -> NodeConnection {
        let fresh = try carrier.connect(to: node, timeout: timeout)
        return try NodeContact.talk(
            to: node, over: fresh, meshID: meshID, mesh: mesh, timeout: timeout)
    }

    private static func talk(
        to node: Node, over session: any CarrierSession, meshID: String?, mesh: String,
        timeout: Double
    ) throws(ControllerError) -> NodeConnection {
        let stream: any ByteStream
        if let session = session as? any OrderedSession {
            stream = try session.bridge(mesh: mesh, timeout: timeout)
        } else {
            stream = try session.open("\(NodeProgram.installedPath) node bridge --mesh \(mesh)")
        }
        return try NodeConnection(
            over: OwnedStream(stream, of: session), node: node.name, meshID: meshID,
            timeout: timeout)
    }

    private static func noRoot(_ node: Node, _ said: String) -> ControllerError {
        ControllerError(
            .authentication, "cannot act as root on \(node.name): \(said.trimmedLine)",
            hint: "connect as root, or give that user passwordless sudo")
    }
}

/// A stream that keeps the session beneath it alive.
private final class OwnedStream: ByteStream {
    private let stream: any ByteStream
    private let session: any CarrierSession

    init(_ stream: any ByteStream, of session: any CarrierSession) {
        self.stream = stream
        self.session = session
    }

    func read(deadline: Double) throws(ControllerError) -> [UInt8] {
        try stream.read(deadline: deadline)
    }
    func write(_ bytes: [UInt8], deadline: Double) throws(ControllerError) {
        try stream.write(bytes, deadline: deadline)
    }
    func close() { stream.close() }
    var errorText: String { stream.errorText }
}
