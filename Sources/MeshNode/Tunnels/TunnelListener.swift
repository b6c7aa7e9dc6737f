import CLinux
import Glibc
import LinuxSystem
import MeshModel

/// The sshd that listens for tunnels: found, started and ended. Sessions are processes of their own and live on.
///
/// Without systemd it puts itself into the background, in a session of its own, and outlives the agent; with systemd
/// it is a unit. Either way it is found by the file it notes its process id in, and that process is only taken for it
/// if its arguments name our configuration.
struct TunnelListener {
    let folders: NodeFolders
    /// A name to find in PATH, or a path.
    let sshd: String

    /// sshd's file; nil where it is not installed. Asked each time: it may be installed while we run.
    var program: String? { Child.find(sshd).flatMap { Files.exists($0) ? $0 : nil } }

    /// How long it may take to listen, and to end. *Units:* seconds.
    private static let patience: Double = 8
    /// What a session of a thousand connections and more needs, each with a descriptor of its own.
    private static let descriptors = 65_536
    /// Where sshd shuts its unauthenticated half into; built into it, and made by whoever starts it.
    private static let emptyFolder = "/run/sshd"

    /// Whether it is to be a unit.
    var hasSystemd: Bool { Files.isFolder(folders.systemd) }

    // MARK: finding

    /// The process that listens, or nil.
    func process() -> Int32? {
        let text = (try? Files.read(folders.tunnelPID, limit: 32)) ?? []
        if let pid = Int32(String(decoding: text.prefix { $0 > 32 }, as: UTF8.self)),
            isListener(pid)
        {
            return pid
        }
        // The file went, or was overwritten; the process need not have.
        return ProcessTable.all().first(where: isListener)
    }

    /// Whether a process is ours. sshd writes `sshd: /usr/sbin/sshd … [listener] 0 of 100-400 startups` there.
    func isListener(_ pid: Int32) -> Bool {
        let words = ProcessTable.arguments(pid).joined(separator: " ").split(separator: " ")
        guard words.contains(where: { $0 == folders.tunnelConfiguration }),
            words.contains("[listener]"), words.first == "sshd:"
        else { return false }
        // Meshes of one name on hosts that share their process table.
        if ProcessTable.isHere(pid) == false { return false }
        return ProcessTable.program(pid) == nil || TunnelSessions.isServer(pid)
    }

    /// Whether the program was replaced since the listener was started: then its sessions would be the new program's,
    /// by an old one's rules.
    func isOutdated() -> Bool {
        guard let program else { return false }
        var file = stat()
        var noted = stat()
        guard stat(program, &file) == 0, stat(folders.tunnelPID, &noted) == 0 else { return false }
        return file.st_ctim.tv_sec > noted.st_mtim.tv_sec
    }

    /// The addresses of `wanted` that this host could listen at; sshd passes over the others.
    static func possible(_ wanted: [IPAddress]) -> [IPAddress] {
        wanted.filter { address in
            let family = address.family == .ipv4 ? AF_INET : AF_INET6
            let number = socket(family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            guard number >= 0 else { return false }
            let probe = Descriptor(owning: number)
            // Port 0 is any free one: the question is only whether the address is ours.
            var place = [UInt8](repeating: 0, count: address.family == .ipv4 ? 16 : 28)
            withUnsafeBytes(of: UInt16(family)) { place.replaceSubrange(0..<2, with: $0) }
            let start = address.family == .ipv4 ? 4 : 8
            place.replaceSubrange(start..<start + address.bytes.count, with: address.bytes)
            return place.withUnsafeBytes { raw in
                let generic = raw.baseAddress?.assumingMemoryBound(to: sockaddr.self)
                return bind(probe.number, generic, socklen_t(raw.count)) == 0
            }
        }
    }

    // MARK: starting

    /// Makes what sshd wants to be there before it so much as reads its configuration.
    func prepare() throws(TunnelServerFailure) {
        do { try Files.makeFolder(Self.emptyFolder, mode: 0o755) } catch {
            throw TunnelServerFailure("make \(Self.emptyFolder) for sshd", error)
        }
    }

    /// Whether sshd's own folder is there; the host's sshd takes it away when it is stopped.
    var isPrepared: Bool { Files.isFolder(Self.emptyFolder) }

    /// Has sshd read a configuration. *Throws:* `sshd-failed` with its words.
    func check(_ configuration: String) throws(TunnelServerFailure) {
        let result = try run([try present(), "-t", "-f", configuration], "check its configuration")
        guard result.status.isSuccess else {
            throw TunnelServerFailure(
                .serverFailed, "sshd refuses its configuration: \(Self.last(result.errors))",
                fix: "see `sshd -t -f \(configuration)`; OpenSSH 8.5 or newer is needed")
        }
    }

    /// Starts it, and waits until it listens.
    func start(_ server: DesiredTunnelServer) throws(TunnelServerFailure) {
        if let failure = obstacle(server, own: process()) { throw failure }
        let logged = Files.size(folders.tunnelLog) ?? 0
        if hasSystemd {
            try systemctl("restart", folders.tunnelsUnitName)
        } else {
            // The limit is inherited, and each session is a child.
            let raise = """
                ulimit -Hn \(Self.descriptors) 2>/dev/null; ulimit -Sn \(Self.descriptors) 2>/dev/null || \
                ulimit -Sn "$(ulimit -Hn)"; cd /; exec "$@"
                """
            let command = [
                "/bin/sh", "-c", raise, "sh", try present(), "-f", folders.tunnelConfiguration,
                "-E", folders.tunnelLog,
            ]
            let result = try run(command, "start it")
            guard result.status.isSuccess else {
                throw TunnelServerFailure(
                    .serverFailed, "sshd does not start: \(Self.last(result.errors))",
                    fix: "see \(folders.tunnelLog)")
            }
        }
        try awaitListening(server, logged)
    }

    /// Ends it; sessions go on. True where there was one.
    func stop() throws(TunnelServerFailure) -> Bool {
        guard let pid = process() else { return false }
        if hasSystemd, Files.exists(folders.tunnelsUnit) {
            try systemctl("stop", folders.tunnelsUnitName)
        }
        guard ProcessTable.end(pid, patience: Self.patience, isStillIt: isListener) else {
            throw TunnelServerFailure(
                .unexpected, "sshd, process \(pid), does not end",
                fix: "see its state in /proc/\(pid)/status")
        }
        return true
    }

    /// Another program's sockets where ours have to be; `own` is the process whose sockets are ours.
    func obstacle(_ server: DesiredTunnelServer, own: Int32?) -> TunnelServerFailure? {
        let ours = Set(own.map { ProcessTable.sockets($0).values.map(\.self) } ?? [])
        let rows = (try? SocketTable.read(port: server.port))?.obstacles(for: server.addresses)
        guard let row = rows?.first(where: { !ours.contains($0.inode) }) else { return nil }
        let holder = ProcessTable.holder(ofSocket: row.inode)
        return TunnelServerFailure(
            .serverPortTaken,
            "\(row.local) is taken by \(holder ?? "another program")",
            fix: "stop that program, or give the mesh another port for its tunnels")
    }

    private func awaitListening(
        _ server: DesiredTunnelServer, _ logged: Int
    ) throws(TunnelServerFailure) {
        let deadline = Clocks.monotonic() + Self.patience
        while Clocks.monotonic() < deadline {
            if let pid = process(), silent(server).isEmpty {
                try hurry(pid)
                return
            }
            Clocks.sleep(0.02)
        }
        let said = ((try? Files.read(folders.tunnelLog)) ?? []).dropFirst(logged)
        throw TunnelServerFailure(
            .serverFailed,
            "sshd does not listen at port \(server.port): \(Self.last(Array(said)))",
            fix: hasSystemd
                ? "see `journalctl -u \(folders.tunnelsUnitName)` and \(folders.tunnelLog)"
                : "see \(folders.tunnelLog)")
    }

    /// The wanted addresses at which nothing listens though something could.
    func silent(_ server: DesiredTunnelServer) -> [IPAddress] {
        let there = (try? SocketTable.read(port: server.port))?.listening ?? []
        let missing = server.addresses.filter { !there.contains($0) }
        return missing.isEmpty ? [] : Self.possible(missing)
    }

    // MARK: haste

    /// Has small answers sent at once. sshd switches Nagle's algorithm off only when a session channel is opened, which
    /// tunnels never do: an answer would wait for the acknowledgement of the one before. Connections inherit it from
    /// the socket that accepts them.
    ///
    /// *Source:* tcp(7), TCP_NODELAY; pidfd_getfd(2), Linux 5.6. *Privilege:* CAP_SYS_PTRACE.
    func hurry(_ pid: Int32) throws(TunnelServerFailure) {
        let number = cl_pidfd_open(pid)
        guard number >= 0 else { return }
        let watch = Descriptor(owning: number)
        for descriptor in ProcessTable.sockets(pid).keys {
            let copy = cl_pidfd_getfd(watch.number, descriptor)
            // An old kernel has no such call; then tunnels are slower and no less safe.
            guard copy >= 0 else { continue }
            let socket = Descriptor(owning: copy)
            var on: Int32 = 1
            // What is no TCP socket says no.
            _ = setsockopt(
                socket.number, Int32(IPPROTO_TCP), TCP_NODELAY, &on,
                socklen_t(MemoryLayout<Int32>.size))
        }
    }

    // MARK: the rest

    private func present() throws(TunnelServerFailure) -> String {
        if let program { return program }
        throw Self.missing
    }

    /// sshd is not there.
    static let missing = TunnelServerFailure(
        .serverMissing, "sshd is not installed on this node, and a tunnel ends here",
        fix: "apt-get install openssh-server; its own service may stay off")

    /// Runs systemctl and carries its words on.
    func systemctl(_ arguments: String...) throws(TunnelServerFailure) {
        let result = try run(["systemctl"] + arguments, arguments.joined(separator: " "))
        guard result.status.isSuccess else {
            throw TunnelServerFailure(
                .serverFailed,
                "systemctl \(arguments.joined(separator: " ")): \(Self.last(result.errors))",
                fix: "see `journalctl -u \(folders.tunnelsUnitName)`")
        }
    }

    private func run(
        _ command: [String], _ what: String
    ) throws(TunnelServerFailure) -> CommandResult {
        let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        do {
            return try Child.run(command, environment: [path], timeout: 30, limit: 1 << 16)
        } catch {
            throw TunnelServerFailure("\(what): \(command[0])", error)
        }
    }

    /// The last few lines of what a program said, on one.
    private static func last(_ bytes: [UInt8]) -> String {
        let lines = bytes.split { $0 == 10 || $0 == 13 }.suffix(3)
        let text = lines.map { String(decoding: $0, as: UTF8.self) }.joined(separator: "; ")
        return text.isEmpty ? "it says nothing" : text
    }
}
