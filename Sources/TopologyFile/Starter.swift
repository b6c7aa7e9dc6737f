extension TopologyFile {
    /// A commented topology to begin with, which parses and checks clean.
    ///
    /// *Shape:* `mesh` becomes the mesh's name; where it is not a valid one, `homelab` does.
    public static func starter(mesh: String) -> String {
        let isValid = Labels.problem(mesh) == nil && mesh.utf8.count <= 11
        return template.replacing("@MESH@", with: isValid ? mesh : "homelab")
    }
}
