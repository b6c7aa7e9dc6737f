package import MeshModel
package import NodeProtocol
import Secrets

/// Decides whether a node takes a document. Anything doubtful is refused, with the reason.
package struct DocumentCheck: Sendable {
    private let identity: NodeIdentity

    /// The check for one node.
    package init(_ identity: NodeIdentity) {
        self.identity = identity
    }

    /// The document inside, if the pinned controller signed it and it is for this node.
    ///
    /// *Throws:* ``ProtocolError`` `signature`, `malformed`, `invalidDocument` or `wrongName`.
    package func open(_ signed: SignedDocument) throws(ProtocolError) -> NodeDocument {
        try open(signed, by: [identity.controllerKey])
    }

    /// As ``open(_:)``, for a document that the node took once and has kept: the controller may have another key now.
    package func openKept(_ signed: SignedDocument) throws(ProtocolError) -> NodeDocument {
        try open(signed, by: [identity.controllerKey] + (identity.formerKeys ?? []))
    }

    private func open(
        _ signed: SignedDocument, by keys: [PublicKey]
    ) throws(ProtocolError) -> NodeDocument {
        guard let payload = Base64.decode(signed.payload),
            let signature = Base64.decode(signed.signature)
        else { throw ProtocolError(.signature, "the document or its signature is not base64") }
        guard
            keys.contains(where: {
                Signatures.verify(signature, of: SignedDocument.context + payload, by: $0)
            })
        else {
            throw ProtocolError(
                .signature, "the document is not signed by the controller that enrolled this node")
        }
        let document = try Wire.decode(NodeDocument.self, from: payload)
        guard document.format == NodeDocument.currentFormat else {
            throw ProtocolError(
                .invalidDocument,
                "the document is of format \(document.format), this agent knows "
                    + "\(NodeDocument.currentFormat); install the controller's version here")
        }
        try checkName(document)
        return document
    }

    /// The document inside, if it may also follow what the node has taken, with the keys that the node has.
    ///
    /// *Throws:* as ``open(_:)``, `staleRevision`, and `invalidDocument`.
    package func admit(
        _ signed: SignedDocument, after highestRevision: UInt64, keys: [Int: PublicKey],
        sshKeys: [Int: SSHNodeKeys], presharedKeys: Set<PresharedKeyID>
    ) throws(ProtocolError) -> NodeDocument {
        let document = try open(signed)
        guard document.revision > highestRevision else {
            throw ProtocolError(
                .staleRevision,
                "the document has revision \(document.revision), and the node has taken "
                    + "\(highestRevision) already")
        }
        try checkShape(document)
        try TunnelCheck(document).checkKeys(sshKeys)
        for interface in document.interfaces {
            guard let key = keys[interface.generation], key == interface.publicKey else {
                throw invalid(
                    "\(interface.name): the public key is not this node's of generation "
                        + "\(interface.generation); ask the node for its keys and plan again")
            }
            for peer in interface.peers {
                guard peer.publicKey != .zero else {
                    throw invalid("peer \(peer.node) has no key yet")
                }
                if let id = peer.presharedKey, !presharedKeys.contains(id) {
                    throw invalid("the preshared key of peer \(peer.node) was not sent along")
                }
            }
        }
        return document
    }

    /// Whether a document that is only looked at, not taken, is for this node and makes sense.
    package func checkPreview(_ document: NodeDocument) throws(ProtocolError) {
        try checkName(document)
        try checkShape(document)
    }

    private func checkName(_ document: NodeDocument) throws(ProtocolError) {
        guard document.meshID == identity.meshID, document.mesh == identity.mesh else {
            throw ProtocolError(
                .wrongName,
                "the document is for another mesh than \(identity.mesh), or another of "
                    + "the same name")
        }
        guard document.node == identity.node else {
            throw ProtocolError(
                .wrongName, "the document is for another node than \(identity.node)")
        }
    }

    private func checkShape(_ document: NodeDocument) throws(ProtocolError) {
        let interfaces = document.interfaces
        guard interfaces.count <= 4 else {
            throw invalid("\(interfaces.count) interfaces; at most 4 are allowed")
        }
        guard Set(interfaces.map(\.name)).count == interfaces.count,
            Set(interfaces.map(\.listenPort)).count == interfaces.count
        else { throw invalid("two interfaces have one name or one port") }
        for interface in interfaces {
            do { try InterfaceCheck(interface).run(mesh: identity.mesh) } catch {
                throw invalid("\(interface.name.prefix(15)): \(error.message)")
            }
        }
        try TunnelCheck(document).run()
        try GuardCheck(document).run()
        try NamesCheck(document).run()
        try MailCheck(document).run()
    }

    private func invalid(_ message: String) -> ProtocolError {
        ProtocolError(.invalidDocument, message)
    }
}
