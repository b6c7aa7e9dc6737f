import CLinux
import Glibc
import LinuxSystem
import MeshModel

/// The built-in stand-in for a service in a rehearsal: `meshproof lab-service`, which is no command for people.
///
/// It listens where the real service would, says what it stands for, and has no privilege once it listens.
public enum LabStandIn {
    /// Serves until it is killed; the exit code of the process.
    ///
    /// - Parameter arguments: `--name NAME --kind KIND --port PORT --bind ADDRESS…`; an address may be `unix:PATH`.
    public static func run(_ arguments: [String]) -> Int32 {
        cl_ignore_sigpipe()
        var name = "service"
        var kind = "http"
        var port: UInt16 = 0
        var binds: [String] = []
        var rest = arguments[...]
        while let option = rest.popFirst() {
            guard let value = rest.popFirst() else { return usage(option) }
            switch option {
            case "--name": name = value
            case "--kind": kind = value
            case "--bind": binds.append(value)
            case "--port":
                guard let number = UInt16(value) else { return usage(option) }
                port = number
            default: return usage(option)
            }
        }
        do {
            var server = try StandInServer(
                try EventLoop(), name: name, kind: kind, port: port, binds: binds)
            try dropPrivilege()
            try server.serve()
        } catch {
            try? IO.writeAll(2, Array("\(error)\n".utf8))
            return 1
        }
    }

    private static func usage(_ option: String) -> Int32 {
        let text =
            "lab-service: bad \(option); usage: lab-service --name N --kind K --port P --bind A…\n"
        try? IO.writeAll(2, Array(text.utf8))
        return 64
    }

    /// Becomes nobody (65534 on every Debian) where it was root.
    private static func dropPrivilege() throws(SystemError) {
        if geteuid() != 0 { return }
        try check("setgroups") { setgroups(0, nil) }
        try check("setgid") { setgid(65534) }
        try check("setuid") { setuid(65534) }
    }
}

/// One thread that serves all connections of one stand-in.
private struct StandInServer: ~Copyable {
    private let name: String
    private let kind: String
    private let loop: EventLoop
    private var listeners: [Int32] = []
    private var talks: [Int32: Talk] = [:]

    private struct Talk {
        var conversation: Conversation
        var output: [UInt8] = []
        var isEnding = false
    }

    init(
        _ loop: consuming EventLoop, name: String, kind: String, port: UInt16, binds: [String]
    ) throws(SystemError) {
        self.name = name
        self.kind = kind
        self.loop = loop
        for bind in binds {
            let socket = try StandInServer.open(bind, port)
            listeners.append(socket)
            try self.loop.add(socket, token: UInt64(socket))
        }
        if listeners.isEmpty { throw SystemError("listen", name, errno: EADDRNOTAVAIL) }
    }

    private static func open(_ bind: String, _ port: UInt16) throws(SystemError) -> Int32 {
        if bind.hasPrefix("unix:") {
            return try Sockets.listen(path: String(bind.dropFirst(5))).release()
        }
        guard let address = IPAddress(bind) else { throw SystemError("bind", bind, errno: EINVAL) }
        do throws(SystemError) {
            return try Sockets.listen(SocketEndpoint(address, port)).release()
        } catch {
            // A host without IPv6 still has every IPv4 address.
            guard bind == "::", error.errno == EAFNOSUPPORT else { throw error }
            return try Sockets.listen(SocketEndpoint(IPAddress(ipv4: 0), port)).release()
        }
    }

    mutating func serve() throws(SystemError) -> Never {
        while true {
            for event in try loop.wait(milliseconds: -1) {
                let fd = Int32(truncatingIfNeeded: event.token)
                if listeners.contains(fd) {
                    try accept(fd)
                } else if talks[fd] != nil {
                    handle(fd, event)
                }
            }
        }
    }

    private mutating func accept(_ listener: Int32) throws(SystemError) {
        while true {
            let fd = cl_accept4(listener, Int32(SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue))
            if fd < 0 { return }
            talks[fd] = Talk(conversation: Conversation(name: name, kind: kind))
            try loop.add(fd, token: UInt64(fd))
        }
    }

    private mutating func handle(_ fd: Int32, _ event: EventLoop.Event) {
        guard var talk = talks[fd] else { return }
        if event.readable || event.closed {
            do throws(SystemError) {
                let bytes = try IO.read(fd)
                talk.isEnding = talk.isEnding || bytes.isEmpty
                talk.output += talk.conversation.receive(bytes)
            } catch {
                if error.errno != EAGAIN { return drop(fd) }
            }
        }
        if !talk.output.isEmpty {
            let count = talk.output.withUnsafeBytes { write(fd, $0.baseAddress, $0.count) }
            if count < 0 && errno != EAGAIN { return drop(fd) }
            talk.output.removeFirst(max(count, 0))
        }
        if talk.output.isEmpty && (talk.isEnding || talk.conversation.isOver) { return drop(fd) }
        talks[fd] = talk
        // No more is read while the other side does not take what it is owed.
        let owes = !talk.output.isEmpty
        try? loop.modify(fd, token: UInt64(fd), reading: !owes, writing: owes)
    }
    private mutating func drop(_ fd: Int32) {
        loop.remove(fd)
        close(fd)
        talks[fd] = nil
    }
}
