import LinuxSystem
import MeshModel
import NodeProtocol
import SSHTunnel

/// `node try-keys`: shows the servers of this node's tunnels a client key that is over, and prints how they answer.
///
/// The controller has it run after a rotation, before the key is wiped. Not in the agent: a server that hangs must not
/// hold it up. A node that has the key no more has nothing to try.
enum TryKeysCommand {
    private static let timeout = 10.0

    static func run(_ arguments: [String]) throws(NodeError) -> Int32 {
        let options = try NodeArguments(arguments, options: ["--mesh", "--generation"])
        let folders = try options.folders()
        guard let generation = Int(try options.value("--generation")), (0...9).contains(generation)
        else { throw NodeError(.usage, "read arguments", "", "--generation is not 0 to 9") }
        let trials = try trials(folders, generation)
        do { try IO.writeAll(1, try Wire.encode(trials) + [10]) } catch {
            throw NodeError(.storage, "print trials", "", "\(error)")
        }
        return 0
    }

    private static func trials(
        _ folders: NodeFolders, _ generation: Int
    ) throws(NodeError) -> [KeyTrial] {
        let storage = FileStorage()
        let file = folders.clientKey(generation: generation)
        let key: PublicKey?
        do { key = try SSHKeyPair.publicKey(ofFile: file) } catch {
            throw NodeError("read SSH key", error)
        }
        guard let key else { return [] }
        let store = DocumentStore(folders, storage, NodeKeys(folders, storage))
        let check = DocumentCheck(try NodeCommands.identity(folders, storage))
        let tunnels = try store.read(check)?.tunnels ?? []
        do {
            return try fanOut(tunnels, limit: 8, name: "mp-try") { tunnel in
                var tunnel = tunnel
                tunnel.clientKey = key
                return trial(tunnel, file)
            }
        } catch { throw NodeError(.storage, "start threads", "", "\(error)") }
    }

    private static func trial(_ tunnel: DesiredTunnel, _ file: String) -> KeyTrial {
        func say(_ outcome: KeyTrial.Outcome, _ words: String) -> KeyTrial {
            KeyTrial(edge: tunnel.edge, node: tunnel.node, outcome: outcome, words: words)
        }
        do throws(SSHError) {
            switch try TunnelTrial.logIn(tunnel, identityFile: file, timeout: timeout) {
            case .allowed(let words): return say(.allowed, words)
            case .refused(let words): return say(.refused, words)
            }
        } catch { return say(.unanswered, error.detail) }
    }
}
