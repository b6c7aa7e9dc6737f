import LinuxSystem
import MeshModel
import NodeProtocol
import Secrets
import Synchronization

/// One machine as a controller meets it: a shell that answers what runs ask of it, and an agent behind it that keeps
/// the protocol's promises. A kernel is not needed: it is always as the document says.
final class FakeMachine: Sendable {
    /// What can be made to go wrong.
    enum Trouble: Sendable, Equatable {
        /// Nobody can connect.
        case unreachable
        /// Once a document is committed, nobody can connect until the window has ended.
        case cutOffByCommit
        /// The answer to a commit is lost, though it was carried out.
        case commitAnswerLost
        /// The node takes a committed document back before anybody can confirm it.
        case tooQuick
        /// The kernel refuses the commit.
        case applyFails
        /// The agent's socket has nobody behind it.
        case agentDead
        /// The shell runs without root's rights.
        case noRoot
        /// Something is left after `down`.
        case leftOver
        /// Its mailbox takes nothing.
        case noMail
    }

    /// What it keeps for another node.
    struct Mail: Sendable {
        var kept: KeptMail
        let sealed: [UInt8]
    }

    struct State: Sendable {
        var troubles: Set<Trouble> = []
        var program: String?
        var identity: Enrolled?
        var agentRuns = false
        var key: PublicKey
        /// The sets of keys that it has made.
        var generations: Set<Int> = [0]
        var sshGenerations: Set<Int> = [0]
        var revision: UInt64 = 0
        var highest: UInt64 = 0
        var document: NodeDocument?
        var staged: NodeDocument?
        var committed: Committed?
        var rolledBack: RolledBack?
        var presharedKeys: [PresharedKeyID: String] = [:]
        var mail: [String: Mail] = [:]
        /// The private key that mail is sealed for; nil for an agent that knows no mail.
        var mailKey: SecretBytes?
        var drift: [PlanStep] = []
        var handshakeAge: Double? = 1
        var connections = 0
        var refusedConnections = 0
        var changes = 0
        /// The peers that it was told to greet.
        var greeted: [String] = []
        var uploads = 0
        /// How far its clock is ahead of ours.
        var clockSkew = 0.0
        /// What a search for keys that are over finds.
        var leftovers: [String] = []

        /// How often it has wiped its key of a generation: the next one is another.
        var wiped: [Int: UInt8] = [:]
        /// Peers that it has never shaken hands with, by generation.
        var neverHeard: [Int: Set<String>] = [:]

        /// Its key of a generation.
        func key(_ generation: Int) -> PublicKey {
            let number = wiped[generation] ?? 0
            return generation == 0 && number == 0
                ? key
                : PublicKey(bytes: [UInt8(generation), number] + key.bytes.dropFirst(2)) ?? .zero
        }

        /// Its SSH keys of a set.
        func sshKeys(_ generation: Int) -> SSHNodeKeys {
            SSHNodeKeys(client: key(generation), host: key(generation))
        }
    }

    /// What `node enroll` was told.
    struct Enrolled: Sendable, Equatable {
        let meshID: String
        let node: String
        var controllerKey: String
    }

    /// A document that waits for its confirmation over another connection.
    struct Committed: Sendable {
        let document: NodeDocument
        let connection: Int
    }

    let state: Mutex<State>

    init(key: UInt8) {
        state = Mutex(
            State(
                key: PublicKey(bytes: [UInt8](repeating: key, count: 32)) ?? .zero,
                mailKey: try? WireGuardKeys.generate()))
    }

    func trouble(_ troubles: Trouble...) { state.withLock { $0.troubles = Set(troubles) } }

    var snapshot: State { state.withLock { $0 } }

    /// Runs what a controller sends to the shell.
    func run(_ command: String) -> CommandResult {
        state.withLock { state in
            if command.contains("echo uid=") { return Self.said(Self.probe(state)) }
            if command.contains(" node enroll ") { return Self.enroll(command, &state) }
            if command.contains(" node leave ") { return Self.leave(command, &state) }
            if command.contains(" node try-keys ") { return Self.said("[]\n") }
            if command.hasSuffix("echo swept") {
                return Self.said((state.leftovers + ["swept\n"]).joined(separator: "\n"))
            }
            if command.contains("ip -o link show") {
                return Self.said(state.troubles.contains(.leftOver) ? "interface mp0-lab\n" : "")
            }
            return CommandResult(
                status: .code(127), output: [], errors: Array("not known here".utf8))
        }
    }

    func install(_ digest: String) -> CommandResult {
        state.withLock { state in
            state.program = digest
            state.uploads += 1
            return Self.said("")
        }
    }

    private static func said(_ text: String) -> CommandResult {
        CommandResult(status: .code(0), output: Array(text.utf8), errors: [])
    }

    private static func probe(_ state: State) -> String {
        var lines = [
            "Welcome!", "uid=\(state.troubles.contains(.noRoot) ? 1000 : 0)", "system=Linux",
            "machine=x86_64",
        ]
        if let program = state.program { lines.append("digest=\(program)") }
        if state.identity != nil { lines.append("enrolled=1") }
        if state.agentRuns { lines.append("socket=1") }
        return lines.joined(separator: "\n")
    }

    /// Whose mesh and which node a command says it means.
    private static func claims(in command: String) -> Enrolled {
        let words = command.split(separator: " ").map(String.init)
        func value(_ option: String) -> String {
            words.firstIndex(of: option).map { words[$0 + 1] } ?? ""
        }
        return Enrolled(
            meshID: value("--mesh-id"), node: value("--node"),
            controllerKey: value("--controller-key"))
    }

    private static func enroll(_ command: String, _ state: inout State) -> CommandResult {
        let wanted = claims(in: command)
        if let identity = state.identity, identity != wanted {
            return CommandResult(
                status: .code(1), output: [], errors: Array("this node is enrolled already".utf8))
        }
        state.identity = wanted
        state.agentRuns = true
        state.troubles.remove(.agentDead)
        let answer = Enrollment(program: "test", keys: [0: state.key], agent: "started")
        let json = (try? Wire.encode(answer)) ?? []
        return said("Welcome!\n" + String(decoding: json, as: UTF8.self) + "\n")
    }

    private static func leave(_ command: String, _ state: inout State) -> CommandResult {
        if let identity = state.identity, claims(in: command) != identity {
            return CommandResult(
                status: .code(1), output: [],
                errors: Array("another controller has set it up".utf8))
        }
        let report = clear(&state)
        return said(String(decoding: (try? Wire.encode(report)) ?? [], as: UTF8.self))
    }

    static func clear(_ state: inout State) -> RemovalReport {
        let had = state.identity != nil
        state.identity = nil
        state.agentRuns = false
        state.document = nil
        state.revision = 0
        state.highest = 0
        state.presharedKeys = [:]
        return RemovalReport(removed: had ? ["interface mp0-lab"] : [], left: [])
    }
}
