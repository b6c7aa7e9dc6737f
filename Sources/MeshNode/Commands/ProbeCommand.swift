import LinuxSystem
import MeshModel
import NodeProtocol
import ServiceProbe

/// `node probe`: puts the probes on standard input as one user, and prints what came of them.
///
/// The witness starts it; nobody does by hand. Root is given up, with all groups, before the first connection is made.
enum ProbeCommand {
    static func run(_ arguments: [String]) throws(NodeError) -> Int32 {
        let options = try NodeArguments(
            arguments, options: ["--user", "--vantage", "--tls-folder"])
        guard let user = UInt32(try options.value("--user")), user != UInt32.max else {
            throw NodeError(.usage, "read arguments", "", "--user is no user's number")
        }
        let vantage = try options.value("--vantage")
        let folder = try options.value("--tls-folder")
        let orders: [ProbeOrder]
        do {
            orders = try Wire.decode([ProbeOrder].self, from: try input())
        } catch {
            throw NodeError(.usage, "read probes", "", "\(error)")
        }
        let facts = ProbeRunner.run(orders, asUser: user, vantage: vantage, tlsFolder: folder)
        do { try IO.writeAll(1, try Wire.encode(facts) + [10]) } catch {
            throw NodeError(.storage, "print probes", "", "\(error)")
        }
        return 0
    }

    private static func input() throws(SystemError) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < 16 << 20 {
            let chunk = try IO.read(0)
            if chunk.isEmpty { break }
            bytes += chunk
        }
        return bytes
    }
}
