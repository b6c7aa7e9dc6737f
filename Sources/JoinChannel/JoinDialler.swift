import LinuxSystem
public import MeshModel

/// Makes a node's connections to its controller.
public struct JoinDialler: Sendable {
    private let tls: PresharedKeyTLS

    /// Makes OpenSSL ready.
    public init() throws(JoinChannelError) {
        tls = try PresharedKeyTLS(isServer: false)
    }

    /// Connects, and shakes hands with whoever is there as somebody who has `key`.
    ///
    /// *Throws:* ``JoinChannelError`` `unreachable`, `timeout`, `refused`, `garbled`, `hungUp`.
    public func dial(
        _ host: String, port: UInt16, as identity: [UInt8], key: any SecretMaterial,
        timeout: Double
    ) throws(JoinChannelError) -> JoinStream {
        let deadline = Clocks.monotonic() + timeout
        let socket = try JoinSockets.connect(to: host, port: port, deadline: deadline)
        let stream = try JoinStream(
            tls, socket, peer: host, since: Clocks.monotonic(),
            HandshakeNotes(client: identity, key: key))
        try stream.shakeHands(deadline: deadline)
        return stream
    }
}
