import MeshModel

extension ControllerError {
    /// What a run says of a node that no command logs in to.
    static func joined(_ node: Node, hint: String? = nil) -> ControllerError {
        ControllerError(
            .joined, "no command logs in to \(node.name): it joins by itself (connect: join)",
            hint: hint ?? "its changes reach it as mail from its peers; look at it from its console"
        )
    }
}
