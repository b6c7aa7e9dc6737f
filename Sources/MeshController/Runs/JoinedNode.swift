import MeshModel

/// What runs say of nodes that no command logs in to.
enum JoinedNode {
    static let notAsked = "no command logs in to it (connect: join): what it does cannot be asked"
    static let pending =
        "no command logs in to it (connect: join): up leaves its new settings as mail at its peers"
    static let upToDate = "no command logs in to it (connect: join); nothing new for it"

    static func awaits(_ node: Node) -> String {
        "waits for `meshproof join` on it; meshproof peer invite \(node.name) makes the token"
    }
}
