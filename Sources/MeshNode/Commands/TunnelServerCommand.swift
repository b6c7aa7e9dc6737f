import Glibc
import LinuxSystem
import MeshModel
import NodeProtocol

/// `node tunnel-server set|remove|trim|hurry`: what the agent's sandbox may not do, for the agent and for its units.
///
/// *Shape:* `set` reads a ``DesiredTunnelServer`` from standard input; all but `hurry` print an answer. JSON both.
enum TunnelServerCommand {
    static func run(_ arguments: [String]) throws(NodeError) -> Int32 {
        let options = try NodeArguments(Array(arguments.dropFirst()), options: ["--mesh"])
        let folders = try options.folders()
        let storage = FileStorage()
        let work = TunnelServerWork(
            folders: folders, storage: storage, keys: NodeKeys(folders, storage),
            listener: TunnelListener(folders: folders, sshd: "sshd"),
            program: try NodeCommands.programPath())
        var answer = TunnelServerHelper.Answer()
        do throws(TunnelServerFailure) {
            switch arguments.first {
            case "set": try work.set(try wanted())
            case "remove": answer.removed = try work.remove()
            case "trim": try work.trimLog()
            case "hurry":
                try hurry(work.listener)
                return 0
            default:
                throw TunnelServerFailure(
                    .unexpected, "no such tunnel-server command", fix: NodeCommands.usage)
            }
        } catch {
            answer.failure = error
        }
        do { try IO.writeAll(1, try Wire.encode(answer) + [10]) } catch {
            throw NodeError(.storage, "print answer", "", "\(error)")
        }
        return answer.failure == nil ? 0 : 1
    }

    private static func wanted() throws(TunnelServerFailure) -> DesiredTunnelServer {
        do {
            var bytes: [UInt8] = []
            while bytes.count < 16 << 20 {
                let chunk = try IO.read(0)
                if chunk.isEmpty { break }
                bytes += chunk
            }
            return try Wire.decode(DesiredTunnelServer.self, from: bytes)
        } catch {
            throw TunnelServerFailure("read what is wanted", error)
        }
    }

    /// systemd calls this once sshd runs, which is a moment before it listens.
    private static func hurry(_ listener: TunnelListener) throws(TunnelServerFailure) {
        let deadline = Clocks.monotonic() + 5
        while Clocks.monotonic() < deadline {
            if let pid = listener.process() { return try listener.hurry(pid) }
            Clocks.sleep(0.05)
        }
    }
}
