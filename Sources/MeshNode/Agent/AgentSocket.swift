import CLinux
import Glibc
import LinuxSystem

/// The agent's unix socket: root's alone, by file mode and by the kernel's word on the peer.
enum AgentSocket {
    /// Listens at `path`, in place of any socket that an earlier agent left. The caller holds the agent's lock.
    static func listen(_ path: String) throws(NodeError) -> Descriptor {
        do {
            try Files.remove(path)
            let socket = Descriptor(owning: try check("socket", path) { open() })
            let number = socket.number
            // The mask makes the file 0600 from its first moment.
            let mask = umask(0o177)
            defer { umask(mask) }
            try check("bind", path) { cl_unix_bind(number, path) }
            try check("listen", path) { Glibc.listen(number, 16) }
            return socket
        } catch {
            throw NodeError("listen", error)
        }
    }

    /// The next waiting connection, or nil; one of another user than root is dropped.
    static func accept(_ listener: Int32, trusting user: UInt32) -> Descriptor? {
        let number = cl_accept4(
            listener, Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue))
        guard number >= 0 else { return nil }
        let socket = Descriptor(owning: number)
        var peer: uid_t = .max
        guard cl_peer_uid(socket.number, &peer) == 0, peer == user else { return nil }
        return socket
    }

    /// A blocking connection to the agent at `path`.
    static func connect(_ path: String) throws(SystemError) -> Descriptor {
        let socket = Descriptor(
            owning: try check("socket", path) {
                Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            })
        let number = socket.number
        try check("connect", path) { cl_unix_connect(number, path) }
        return socket
    }

    private static func open() -> Int32 {
        let kind = SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue
        return Glibc.socket(AF_UNIX, Int32(kind), 0)
    }
}
