import LinuxSystem
public import MeshModel
import NodeProtocol
import Secrets
import StateStore

extension ControllerState {
    /// Whether a node that no command logs in to has joined: its key of the set in use is known.
    func hasJoined(_ node: Node) throws(ControllerError) -> Bool {
        guard let store else { return false }
        let generation = layout.wireguard
        return try Self.translate {
            try NodeRegistry(store).node(node.name)?.keys[generation] != nil
        }
    }

    /// The document that a node was last given; nil where nobody noted it.
    func handed(to node: String) throws(ControllerError) -> NodeRecord.Handed? {
        guard let store else { return nil }
        return try Self.translate { try NodeRegistry(store).node(node)?.handed }
    }

    /// Notes which document a node was given.
    ///
    /// - Parameter mailedAt: when it was left as mail; nil where the node itself has confirmed it.
    public func noteHanded(
        _ document: NodeDocument, mailedAt: Double? = nil
    ) throws(ControllerError) {
        let store = try storeForWriting()
        let handed = NodeRecord.Handed(
            revision: document.revision, digest: try Self.digest(of: document), mailedAt: mailedAt)
        guard try self.handed(to: document.node) != handed else { return }
        try Self.translate {
            try NodeRegistry(store).update(document.node) { $0.handed = handed }
        }
    }

    /// A document with all that its node needs to take it, sealed so that only that node can read it.
    ///
    /// *Throws:* ``ControllerError`` `enroll` where the node has told no mail key, `state` where it is too large.
    func mail(_ document: NodeDocument) throws(ControllerError) -> [UInt8] {
        let name = document.node
        let record = try Self.translate { try NodeRegistry(try storeForWriting()).node(name) }
        let generation = layout.wireguard
        guard let key = record?.mailKeys?[generation] else {
            throw ControllerError(
                .enroll, "\(name) has told no key that mail could be sealed for",
                hint: "run meshproof up once it can be reached")
        }
        let keys = try openPresharedKeys(in: document)
        let content = MailContent(
            meshID: identity.meshID, node: name, document: try sign(document),
            presharedKeys: keys.map(\.id), succession: identity.successions)
        return try Self.translate {
            let head = try content.head()
            let width = MailContent.keyWidth
            let plain = try SecretBytes(count: head.count + keys.count * width) { memory in
                head.withUnsafeBytes { memory.copyMemory(from: $0) }
                for (index, entry) in keys.enumerated() {
                    let start = head.count + index * width
                    entry.key.withBytes { bytes in
                        UnsafeMutableRawBufferPointer(rebasing: memory[start..<start + width])
                            .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes.prefix(width)))
                    }
                }
            }
            guard plain.count + MailSeal.overhead <= MailContent.limit else {
                throw ControllerError(
                    .state,
                    "the document of \(name) is too large for mail: \(plain.count) of "
                        + "\(MailContent.limit) bytes",
                    hint: "run meshproof up once it can be reached")
            }
            return try MailSeal.seal(plain, to: key)
        }
    }

    /// A digest of what a document wants of its node, whatever its revision and date.
    static func digest(of document: NodeDocument) throws(ControllerError) -> String {
        var bare = document
        bare.revision = 0
        bare.issuedAt = 0
        do { return Digests.sha256(try Wire.encode(bare)) } catch {
            throw ControllerError(.state, "cannot encode a document: \(error.message)")
        }
    }
}
