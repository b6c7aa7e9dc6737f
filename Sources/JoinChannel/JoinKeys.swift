public import MeshModel

/// The keys that a listener goes by. Asked on its thread, within a handshake: it must not block for long.
public protocol JoinKeys: Sendable {
    /// The key that belongs to what a client calls itself.
    ///
    /// It always gives one: for who is unknown, late or has been here, one that nobody has. So all of them fail at the
    /// same place, by the same work, and with the same words as somebody who has the wrong key.
    func key(of identity: [UInt8]) -> any SecretMaterial
}
