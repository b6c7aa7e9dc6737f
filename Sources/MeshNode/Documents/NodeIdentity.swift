import LinuxSystem
package import MeshModel
import NodeProtocol
package import Secrets

/// Who this node is, and whose word it takes. Written at enrolment, and where the controller changes its key.
package struct NodeIdentity: Codable, Sendable, Equatable {
    /// The mesh's identity, 32 hexadecimal digits.
    package var meshID: String
    /// The mesh's name.
    package var mesh: String
    /// The node's name.
    package var node: String
    /// The only key whose documents this node takes.
    package var controllerKey: PublicKey
    /// The keys before it, oldest first: what they signed and the node keeps is still its own. They sign nothing new.
    package var formerKeys: [PublicKey]?
    /// ``MeshModel/KeySuccession/sequence`` of the last change of the key; nil for none.
    package var keySequence: UInt64?

    /// Gathers the parts.
    package init(meshID: String, mesh: String, node: String, controllerKey: PublicKey) {
        self.meshID = meshID
        self.mesh = mesh
        self.node = node
        self.controllerKey = controllerKey
    }

    /// Whether it is the same node of the same mesh and controller, whatever keys there were before.
    package func isSame(as other: NodeIdentity) -> Bool {
        meshID == other.meshID && mesh == other.mesh && node == other.node
            && controllerKey == other.controllerKey
    }

    /// The same node with the key that a chain leads to from the one that is pinned.
    ///
    /// *Throws:* ``Secrets/SuccessionRefusal`` for a chain that does not.
    package func succeeding(
        _ chain: [KeySuccession]
    ) throws(SuccessionRefusal) -> NodeIdentity {
        var identity = self
        for link in try KeySuccession.follow(
            chain, from: controllerKey, after: keySequence ?? 0, meshID: meshID)
        {
            identity.formerKeys = (identity.formerKeys ?? []) + [identity.controllerKey]
            identity.controllerKey = link.newKey
            identity.keySequence = link.sequence
        }
        return identity
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
