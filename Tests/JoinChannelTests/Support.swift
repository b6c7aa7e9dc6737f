import Glibc
import JoinChannel
import LinuxSystem
import MeshModel
import Synchronization

/// A key of a test, in plain memory.
struct PlainKey: SecretMaterial {
    let bytes: [UInt8]
    var count: Int { bytes.count }

    init(_ byte: UInt8) { bytes = [UInt8](repeating: byte, count: 32) }

    func withBytes(_ body: (UnsafeRawBufferPointer) -> Void) { bytes.withUnsafeBytes(body) }
}

/// Keys by name; somebody else gets one that nobody has.
struct NamedKeys: JoinKeys {
    let known: [String: PlainKey]

    func key(of identity: [UInt8]) -> any SecretMaterial {
        known[String(decoding: identity, as: UTF8.self)] ?? PlainKey(UInt8.random(in: 200...255))
    }
}

/// A listener on loopback, and whom it let in and refused.
final class Door: Sendable {
    struct Seen: Sendable {
        var admitted: [JoinStream] = []
        var refused: [JoinListener.Refusal] = []
    }

    private let seen: SharedSeen
    let listener: JoinListener
    let port: UInt16

    init(
        _ keys: [String: PlainKey] = ["nas": PlainKey(7)],
        limits: JoinListener.Limits = JoinListener.Limits()
    ) throws {
        let socket = try JoinSockets.listen(on: "127.0.0.1", port: 0)
        port = JoinSockets.port(of: socket.number)
        var sockets = ListeningSockets()
        sockets.add(socket)
        let seen = SharedSeen()
        self.seen = seen
        listener = try JoinListener(
            sockets, keys: NamedKeys(known: keys), limits: limits,
            admitted: { stream in seen.state.withLock { $0.admitted.append(stream) } },
            refused: { refusal in seen.state.withLock { $0.refused.append(refusal) } })
    }

    deinit { listener.stop() }

    var now: Seen { seen.state.withLock { $0 } }

    func wait(_ condition: (Seen) -> Bool) -> Bool {
        let deadline = Clocks.monotonic() + 20
        while Clocks.monotonic() < deadline {
            if condition(now) { return true }
            Clocks.sleep(0.01)
        }
        return false
    }

    func dial(as name: String = "nas", _ key: PlainKey = PlainKey(7), timeout: Double = 10) throws
        -> JoinStream
    {
        try JoinDialler().dial(
            "127.0.0.1", port: port, as: Array(name.utf8), key: key, timeout: timeout)
    }

    /// A connection that came by another way, as one from `peer`; its other end.
    func offer(from peer: String) throws -> Descriptor {
        var ends: [Int32] = [-1, -1]
        let kind =
            Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
            | Int32(SOCK_NONBLOCK.rawValue)
        try check("socketpair") { socketpair(AF_UNIX, kind, 0, &ends) }
        listener.offer(Descriptor(owning: ends[0]), from: peer)
        return Descriptor(owning: ends[1])
    }

    /// A plain connection, as anybody can make one.
    func knock() throws -> Descriptor {
        try JoinSockets.connect(
            to: "127.0.0.1", port: port, deadline: Clocks.monotonic() + 5)
    }
}

private final class SharedSeen: Sendable {
    let state = Mutex(Door.Seen())
}

/// The code of what `body` throws; nil where it throws nothing.
func failure(_ body: () throws -> Void) -> JoinChannelError.Code? {
    do {
        try body()
        return nil
    } catch { return (error as? JoinChannelError)?.code }
}
