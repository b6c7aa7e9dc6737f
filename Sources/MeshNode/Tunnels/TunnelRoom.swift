import LinuxSystem
package import MeshModel
import SSHTunnel

/// The tunnels of one mesh on one node: those that begin here, each with a thread of its own, and the server of those
/// that end here.
///
/// What can pass by itself, a server that is away or a port that is taken, is no failure of a change: the tunnel is
/// there, says what is wrong with it, and goes on trying. So a database that is down never undoes a whole mesh.
package final class TunnelRoom: NodeTunnels {
    /// How long connections of a tunnel that is closed or moved may go on. *Units:* seconds.
    private static let drain: Double = 60
    /// The same where only keys have changed: then the server ends the former session, once the controller has its
    /// key taken away. *Units:* seconds.
    private static let rekeyedDrain: Double = 900

    private let folders: NodeFolders
    private let keys: NodeKeys
    private let server: TunnelServer
    private var open: [String: Open] = [:]
    private var closing: [Closing] = []

    /// A tunnel and what it was told.
    private struct Open {
        var tunnel: Tunnel
        var told: DesiredTunnel
    }

    /// A tunnel whose last connections are being waited for, on a thread of its own.
    private final class Closing: Sendable {
        let edge: String
        private let worker: Worker

        init(_ edge: String, _ tunnel: Tunnel, drain: Double) throws(SystemError) {
            self.edge = edge
            worker = try Worker("mp-drain") { tunnel.stop(drain: drain) }
        }
    }

    /// The tunnels of a mesh; none is open yet.
    package init(folders: NodeFolders, keys: NodeKeys, server: TunnelServer) {
        self.folders = folders
        self.keys = keys
        self.server = server
    }

    package func observe(
        _ desired: DesiredNode
    ) -> (tunnels: [ObservedTunnel], server: ObservedTunnelServer?) {
        let tunnels = open.values.map { $0.tunnel.status() }
        return (
            tunnels.sorted { $0.tunnel.edge < $1.tunnel.edge },
            server.observe(desired.tunnelServer)
        )
    }

    package func apply(_ change: Change) throws(NodeError) {
        switch change {
        case .setTunnelServer(let wanted): try server.set(wanted)
        case .removeTunnelServer: _ = try server.remove()
        case .openTunnel(let wanted), .changeTunnel(let wanted): try bring(wanted)
        case .closeTunnel(let edge): try close(edge, drain: Self.drain)
        default: break
        }
    }

    package func wake() {
        for entry in open.values { entry.tunnel.wake() }
    }

    package func restart(_ edge: String) -> Bool {
        guard let entry = open[edge] else { return false }
        entry.tunnel.restart()
        return true
    }

    package func tend() { server.tend() }

    package func close() {
        for entry in open.values { entry.tunnel.stop(drain: 0) }
        open = [:]
    }

    package func leftovers() -> [String] { server.leftovers() }

    private func bring(_ wanted: DesiredTunnel) throws(NodeError) {
        let identity = try identityFile(of: wanted)
        if let entry = open[wanted.edge] {
            var rekeyed = entry.told
            rekeyed.clientKey = wanted.clientKey
            rekeyed.hostKeys = wanted.hostKeys
            entry.tunnel.change(
                to: wanted, identityFile: identity,
                drain: rekeyed == wanted ? Self.rekeyedDrain : Self.drain)
            open[wanted.edge] = Open(tunnel: entry.tunnel, told: wanted)
            return
        }
        do {
            open[wanted.edge] = Open(
                tunnel: try Tunnel(wanted, identityFile: identity), told: wanted)
        } catch {
            throw NodeError(.storage, "open tunnel", wanted.edge, "\(error)")
        }
    }

    private func identityFile(of wanted: DesiredTunnel) throws(NodeError) -> String {
        for (generation, own) in try keys.sshPublicKeys() where own.client == wanted.clientKey {
            return folders.clientKey(generation: generation)
        }
        throw NodeError(
            .damaged, "open tunnel", wanted.edge, "the node has no longer the key it is to show",
            hint: "run `meshproof up`, which has the node make one")
    }

    private func close(_ edge: String, drain: Double) throws(NodeError) {
        guard let entry = open.removeValue(forKey: edge) else { return }
        do {
            closing.append(try Closing(edge, entry.tunnel, drain: drain))
        } catch {
            entry.tunnel.stop(drain: 0)
        }
        if closing.count > 32 { closing.removeFirst(closing.count - 32) }
    }
}
