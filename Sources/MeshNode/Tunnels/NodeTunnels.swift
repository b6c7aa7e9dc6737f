package import MeshModel

/// The node's tunnels as the agent needs them: those that begin here, and the server of those that end here.
package protocol NodeTunnels: AnyObject {
    /// How they are, told against what is wanted.
    func observe(
        _ desired: DesiredNode
    ) -> (tunnels: [ObservedTunnel], server: ObservedTunnelServer?)
    /// Carries out a change to a tunnel or to the server.
    func apply(_ change: Change) throws(NodeError)
    /// Starts again what has died and should run.
    func tend()
    /// Has every tunnel that waits try at once.
    func wake()
    /// Drops a tunnel's session and makes a new one; false where there is no such tunnel.
    func restart(_ edge: String) -> Bool
    /// Closes all tunnels that begin here, because the agent ends.
    func close()
    /// What of the tunnels is still there, a line each, once all were removed.
    func leftovers() -> [String]
}
