import LinuxSystem
package import MeshModel
import NodeProtocol

/// Who this node is, and whose word it takes. Written once, at enrolment.
package struct NodeIdentity: Codable, Sendable, Equatable {
    /// The mesh's identity, 32 hexadecimal digits.
    package var meshID: String
    /// The mesh's name.
    package var mesh: String
    /// The node's name.
    package var node: String
    /// The only key whose documents this node takes.
    package var controllerKey: PublicKey

    /// Gathers the parts.
    package init(meshID: String, mesh: String, node: String, controllerKey: PublicKey) {
        self.meshID = meshID
        self.mesh = mesh
        self.node = node
        self.controllerKey = controllerKey
    }

    /// The identity that is kept, or nil where the node was never enrolled.
    package static func read(
        _ folders: NodeFolders, _ storage: any NodeStorage
    ) throws(NodeError) -> NodeIdentity? {
        let bytes: [UInt8]?
        do { bytes = try storage.read(folders.identity) } catch {
            throw NodeError("read identity", error)
        }
        guard let bytes else { return nil }
        do { return try Wire.decode(NodeIdentity.self, from: bytes) } catch {
            throw NodeError(
                .damaged, "read identity", folders.identity, error.message,
                hint: "run `meshproof node leave --mesh \(folders.mesh)` and enrol the node again")
        }
    }

    /// Keeps the identity.
    package func write(_ folders: NodeFolders, _ storage: any NodeStorage) throws(NodeError) {
        do {
            try storage.replace(folders.identity, with: try Wire.encode(self, pretty: true))
        } catch let error as SystemError {
            throw NodeError("write identity", error)
        } catch {
            throw NodeError(.storage, "write identity", folders.identity, "\(error)")
        }
    }
}
