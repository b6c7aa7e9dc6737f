import Glibc
import LinuxSystem
import MeshModel
import NodeProtocol

/// `node names set|remove`: writes /etc/hosts for an agent whose sandbox forbids it.
///
/// *Shape:* `set` reads ``DesiredNames`` as JSON from standard input.
enum NamesCommand {
    static func run(_ arguments: [String]) throws(NodeError) -> Int32 {
        let options = try NodeArguments(Array(arguments.dropFirst()), options: ["--mesh"])
        let keeper = HostsKeeper(folders: try options.folders(), program: nil)
        do {
            switch arguments.first {
            case "set":
                var bytes: [UInt8] = []
                while bytes.count < 16 << 20 {
                    let chunk = try IO.read(0)
                    if chunk.isEmpty { break }
                    bytes += chunk
                }
                try keeper.set(try Wire.decode(DesiredNames.self, from: bytes))
            case "remove": try keeper.remove()
            default:
                throw NodeError(
                    .usage, "read arguments", "", "no such names command", hint: NodeCommands.usage)
            }
        } catch let error as NodeError {
            throw error
        } catch {
            throw NodeError(.storage, "write names", "", "\(error)")
        }
        return 0
    }
}
