import MeshController

extension Output {
    /// The nodes that have left the topology and still run the mesh, a line each.
    func former(_ nodes: [FormerNode]) {
        for node in nodes {
            hang("  \(style.yellow("left")) ", node.message)
            hang("      fix: ", node.fix)
        }
    }
}
