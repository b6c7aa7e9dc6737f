public import MeshModel

/// What a mail says before it is sealed, without the preshared keys themselves.
public struct MailContent: Codable, Sendable, Equatable {
    /// The mesh's identity.
    public var meshID: String
    /// Whom it is for.
    public var node: String
    /// The document, as its node takes it from anybody.
    public var document: SignedDocument
    /// Which preshared keys follow, in order.
    public var presharedKeys: [PresharedKeyID]
    /// How the controller's key came from the first one, for a node that has pinned an older one.
    public var succession: [KeySuccession]

    /// Gathers the parts.
    public init(
        meshID: String, node: String, document: SignedDocument, presharedKeys: [PresharedKeyID],
        succession: [KeySuccession]
    ) {
        self.meshID = meshID
        self.node = node
        self.document = document
        self.presharedKeys = presharedKeys
        self.succession = succession
    }

    /// The largest mail, sealed. *Units:* bytes. A document with a hundred peers takes about 60 KiB.
    public static let limit = 512 << 10
    /// *Units:* bytes.
    public static let keyWidth = 32

    /// Goes before all else, so that nothing that was sealed for another purpose is taken for mail.
    static let context = Array("meshproof mail v1\0".utf8)

    /// The bytes before the preshared keys.
    ///
    /// *Shape:* ``context``; four bytes of big-endian length; so many bytes of JSON; then each preshared key's 32 bytes.
    public func head() throws(ProtocolError) -> [UInt8] {
        let json = try Wire.encode(self)
        let length = UInt32(json.count)
        return Self.context + [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: length >> $0) } + json
    }

    /// Reads a mail; `keysAt` is where the preshared keys begin.
    ///
    /// *Throws:* ``ProtocolError`` `malformed` for anything that is not exactly this shape.
    public static func read(
        _ bytes: UnsafeRawBufferPointer
    ) throws(ProtocolError) -> (content: MailContent, keysAt: Int) {
        let start = context.count + 4
        guard bytes.count >= start, bytes.prefix(context.count).elementsEqual(context) else {
            throw ProtocolError(.malformed, "this is no mail of meshproof")
        }
        let length = bytes[context.count..<start].reduce(0) { $0 << 8 | Int($1) }
        guard length <= bytes.count - start else {
            throw ProtocolError(.malformed, "the mail ends before its end")
        }
        let keysAt = start + length
        let content = try Wire.decode(MailContent.self, from: Array(bytes[start..<keysAt]))
        guard bytes.count - keysAt == content.presharedKeys.count * keyWidth else {
            throw ProtocolError(.malformed, "the mail does not hold the keys that it names")
        }
        return (content, keysAt)
    }
}
