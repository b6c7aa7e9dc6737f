package import MeshModel
import NodeProtocol

/// What other meshes have on this node, so that nothing of theirs is taken for ours.
package struct OtherMeshes {
    private let folders: NodeFolders
    private let storage: any NodeStorage

    /// The meshes beside the one of `folders`.
    package init(_ folders: NodeFolders, _ storage: any NodeStorage) {
        self.folders = folders
        self.storage = storage
    }

    /// Their names.
    package var names: [String] {
        storage.list(folders.meshes).filter { $0 != folders.mesh && NodeFolders.isName($0) }
    }

    /// The networks of the documents they hold; nil where one of them cannot be read.
    package func networks() -> [IPPrefix]? {
        var networks: [IPPrefix] = []
        for name in names {
            guard let other = NodeFolders(mesh: name, root: folders.root) else { continue }
            for file in ["current", "unconfirmed"] {
                guard let bytes = try? storage.read(other.document(file)) else { continue }
                guard let document = Self.document(in: bytes) else { return nil }
                networks += document.interfaces.flatMap(\.networks)
            }
        }
        return networks
    }

    private struct Holder: Decodable {
        var signed: SignedDocument
    }

    private static func document(in bytes: [UInt8]) -> NodeDocument? {
        let signed =
            (try? Wire.decode(SignedDocument.self, from: bytes))
            ?? (try? Wire.decode(Holder.self, from: bytes))?.signed
        guard let signed, let payload = Base64.decode(signed.payload) else { return nil }
        return try? Wire.decode(NodeDocument.self, from: payload)
    }
}
