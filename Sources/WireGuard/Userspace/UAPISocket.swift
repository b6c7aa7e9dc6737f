import CLinux
import Glibc
import LinuxSystem
import Netlink

/// One exchange with the program behind a UAPI socket.
struct UAPISocket: ~Copyable {
    private let socket: Descriptor
    private let path: String

    /// A device of 100,000 peers takes about 40 MB of text.
    private static let replyLimit = 256 << 20

    /// *Throws:* `ENOENT` where there is no such socket, `ECONNREFUSED` where nobody listens.
    init(path: String, timeout: Int = 10) throws(SystemError) {
        let opened = Descriptor(
            owning: try check("socket", path) {
                Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            })
        let number = opened.number
        var wait = timeval(tv_sec: timeout, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            _ = setsockopt(number, SOL_SOCKET, option, &wait, socklen_t(MemoryLayout<timeval>.size))
        }
        try check("connect", path) { cl_unix_connect(number, path) }
        socket = opened
        self.path = path
    }

    /// Whether root, or we ourselves, listen at the other end.
    var isTrusted: Bool {
        var uid: uid_t = .max
        return cl_peer_uid(socket.number, &uid) == 0 && (uid == 0 || uid == getuid())
    }

    /// Sends a request and returns the reply, up to its empty line.
    func exchange(_ request: UnsafeRawBufferPointer) throws(SystemError) -> UAPIText {
        var sent = 0
        while sent < request.count {
            let start = sent
            sent += try checkCount("send", path) {
                Glibc.send(
                    socket.number, request.baseAddress! + start, request.count - start,
                    Int32(MSG_NOSIGNAL))
            }
        }
        var reply = UAPIText(capacity: 65_536)
        while true {
            let room = reply.room(65_536)
            let size = try checkCount("receive", path) {
                Glibc.recv(socket.number, room.baseAddress!, 65_536, 0)
            }
            if size == 0 { throw SystemError("receive", path, errno: ECONNRESET) }
            reply.commit(size)
            let bytes = reply.bytes
            if bytes.count >= 2, bytes[bytes.count - 1] == 10, bytes[bytes.count - 2] == 10 {
                return reply
            }
            if bytes.count > Self.replyLimit { throw SystemError("receive", path, errno: EMSGSIZE) }
        }
    }
}
