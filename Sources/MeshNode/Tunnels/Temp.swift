import MeshModel
extension NodeKeys { func sshPublicKeys() throws(NodeError) -> [Int: SSHNodeKeys] { [:] } }
final class TempTunnels: NodeTunnels {
    func observe(_ desired: DesiredNode) -> (
        tunnels: [ObservedTunnel], server: ObservedTunnelServer?
    ) { ([], nil) }
    func apply(_ change: Change) throws(NodeError) {}
    func wake() {}
    func restart(_ edge: String) -> Bool { false }
    func close() {}
    func leftovers() -> [String] { [] }
}
