import CLinux
import Glibc
import LinuxSystem
import MeshModel

/// A listener for applications: a TCP port of loopback, or a unix socket that only its owner may use.
final class Entrance {
    let end: TunnelEnd
    let token: UInt64
    /// What keeps it from listening, or nil while it listens.
    private(set) var problem: TunnelProblem?
    /// Whether the problem is that this host has no such address family.
    private(set) var isForeign = false
    private var socket: Descriptor?
    /// The unix socket that was made, so that only that one is removed.
    private var made: FileIdentity?

    init(_ end: TunnelEnd, token: UInt64) {
        self.end = end
        self.token = token
    }

    deinit { close() }

    var isListening: Bool { socket != nil }
    var descriptor: Int32 { socket?.number ?? -1 }

    /// Tries to listen; does nothing where it does already. *Privilege:* that of the port or the folder.
    func open() {
        if isListening { return }
        do throws(SystemError) {
            switch end {
            case .tcp(let place): try listen(place)
            case .unix(let path): try listen(path)
            }
            problem = nil
            isForeign = false
        } catch {
            isForeign = error.errno == EAFNOSUPPORT || error.errno == EADDRNOTAVAIL
            problem = explain(error)
        }
    }

    /// Stops listening and removes what was made.
    func close() {
        if socket == nil { return }
        socket = nil
        if case .unix(let path) = end, let made, FileIdentity(path) == made { unlink(path) }
        made = nil
    }

    /// The next waiting connection, non-blocking; -1 with errno where there is none.
    func accept() -> (socket: Int32, errno: Int32) {
        while true {
            let kind = Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
            let number = cl_accept4(descriptor, kind)
            if number >= 0 {
                if case .tcp = end { tune(number) }
                return (number, 0)
            }
            let code = errno
            // The caller gave up while it waited: the next one may not have.
            if code != EINTR && code != ECONNABORTED { return (-1, code) }
        }
    }

    /// Small answers leave at once. A receive buffer of one size lets a turn find whole packets, where the kernel's
    /// own tuning starts small; it also bounds what waits there. *Units:* bytes; the kernel doubles it.
    private func tune(_ socket: Int32) {
        func set(_ level: Int32, _ option: Int32, _ value: Int32) {
            var value = value
            setsockopt(socket, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
        }
        set(Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        set(SOL_SOCKET, SO_RCVBUF, 256 << 10)
    }

    // MARK: Listening

    /// Connections that wait for us to accept; the kernel has a limit of its own (net.core.somaxconn).
    private static let backlog: Int32 = 1024

    private func listen(_ place: SocketEndpoint) throws(SystemError) {
        if !place.address.isLoopback {
            throw SystemError(
                "listen", place.description, errno: 0, detail: "not a loopback address")
        }
        let family = place.address.family == .ipv4 ? AF_INET : AF_INET6
        let socket = try Entrance.socket(family)
        let number = socket.number
        func set(_ level: Int32, _ option: Int32) {
            var on: Int32 = 1
            setsockopt(number, level, option, &on, socklen_t(MemoryLayout<Int32>.size))
        }
        set(SOL_SOCKET, SO_REUSEADDR)
        if family == AF_INET6 { set(Int32(IPPROTO_IPV6), IPV6_V6ONLY) }
        let name = SocketName(place)
        try check("bind", place.description) { name.with { Glibc.bind(number, $0, $1) } }
        try check("listen", place.description) { Glibc.listen(number, Entrance.backlog) }
        self.socket = .some(socket)
    }

    private func listen(_ path: String) throws(SystemError) {
        try Entrance.clear(path)
        let socket = try Entrance.socket(AF_UNIX)
        let number = socket.number
        // A socket gets the mode of its descriptor, so it never exists with a wider one.
        try check("chmod", path) { fchmod(number, 0o600) }
        try check("bind", path) { cl_unix_bind(number, path) }
        made = FileIdentity(path)
        do throws(SystemError) {
            try check("listen", path) { Glibc.listen(number, Entrance.backlog) }
        } catch {
            unlink(path)
            throw error
        }
        self.socket = .some(socket)
    }

    private static func socket(_ family: Int32) throws(SystemError) -> Descriptor {
        let kind =
            Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
            | Int32(SOCK_NONBLOCK.rawValue)
        return Descriptor(owning: try check("socket") { Glibc.socket(family, kind, 0) })
    }

    /// Removes our own user's socket that nobody listens on any more. *Throws:* `EADDRINUSE` for anything else.
    private static func clear(_ path: String) throws(SystemError) {
        var info = stat()
        if lstat(path, &info) != 0 { return }
        if info.st_mode & S_IFMT != S_IFSOCK {
            throw SystemError("listen", path, errno: EEXIST, detail: "something else is there")
        }
        let probe = try socket(AF_UNIX)
        let number = probe.number
        let code = cl_unix_connect(number, path) == 0 ? 0 : errno
        // ECONNREFUSED is the one answer that says that nobody listens.
        if code != ECONNREFUSED || info.st_uid != geteuid() {
            throw SystemError("bind", path, errno: EADDRINUSE)
        }
        try Files.remove(path)
    }

    // MARK: Problems

    private func explain(_ error: SystemError) -> TunnelProblem {
        let now = Clocks.wall()
        let what = "entrance \(end)"
        if error.errno == EADDRINUSE {
            let holder = PortHolder.find(end)
            return TunnelProblem(
                at: now, code: .entranceTaken,
                message: "\(what): \(holder ?? "another program") has it",
                fix: "stop \(holder ?? "the program that listens there"), or choose another port "
                    + "for \(what) in the topology")
        }
        let fix: String
        switch error.errno {
        case 0: fix = "use 127.0.0.1, ::1 or a unix socket"
        case EACCES, EPERM: fix = "choose a port above 1023 or a folder that the agent may write"
        case ENOENT, ENOTDIR: fix = "make the folder: mkdir -p \(folder)"
        case EEXIST: fix = "move that away, or choose another path"
        case EMFILE, ENFILE: fix = "allow the agent more open files (LimitNOFILE=)"
        case EAFNOSUPPORT, EADDRNOTAVAIL: fix = "this host has no such address: leave it out"
        default: fix = "see the kernel's reason above"
        }
        return TunnelProblem(
            at: now, code: .entranceRefused, message: "\(what): \(error)", fix: fix)
    }

    private var folder: String {
        guard case .unix(let path) = end else { return "/" }
        return Files.folder(of: path)
    }
}

/// Which file a path led to.
private struct FileIdentity: Equatable {
    let device: UInt64
    let inode: UInt64

    init?(_ path: String) {
        var info = stat()
        if lstat(path, &info) != 0 { return nil }
        device = UInt64(info.st_dev)
        inode = UInt64(info.st_ino)
    }
}
