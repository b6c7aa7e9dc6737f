import Glibc
import LinuxSystem
import SSHTunnel

/// A real sshd on loopback with its own keys and configuration, gone with the test.
final class TestServer {
    let folder: String
    let port: UInt16
    private let namespace: String?
    private var process: Child

    /// Starts a server; `extra` are further lines of sshd_config.
    ///
    /// Throws where sshd cannot run: a machine without it fails the test instead of passing it by.
    ///
    /// - Parameters:
    ///   - address: where to listen; on loopback unless told otherwise.
    ///   - namespace: the network namespace to run in, by its name for `ip netns`.
    init(
        hostKeys: [String] = ["ed25519"], extra: String = "", address: String = "127.0.0.1",
        in namespace: String? = nil
    ) throws {
        var template = Array("/tmp/meshproof-ssh-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError("mkdtemp", "/tmp", errno: errno) }
        let folder = String(
            decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        self.folder = folder
        if getuid() == 0 { try Files.makeFolder("/run/sshd", mode: 0o755) }
        let kinds = hostKeys.map { "host_\($0)" } + ["client", "stranger"]
        for name in kinds {
            let kind = name.split(separator: "_").last.map(String.init) ?? ""
            try TestServer.makeKey(
                "\(folder)/\(name)", kind: hostKeys.contains(kind) ? kind : "ed25519")
        }
        port = try TestServer.freePort()
        try Files.replace("\(folder)/authorized_keys", with: Files.read("\(folder)/client.pub"))
        let keys = hostKeys.map { "HostKey \(folder)/host_\($0)\n" }.joined()
        // sshd takes the first of two values, so the test's own come first.
        let configuration = """
            \(extra)
            Port \(port)
            ListenAddress \(address)
            \(keys)AuthorizedKeysFile \(folder)/authorized_keys
            PidFile none
            StrictModes no
            UsePAM no
            PasswordAuthentication no
            KbdInteractiveAuthentication no
            PermitRootLogin prohibit-password
            MaxStartups 300
            MaxSessions 100
            LogLevel ERROR

            """
        try Files.replace("\(folder)/sshd_config", with: configuration.utf8)
        self.namespace = namespace
        process = try TestServer.start(folder, in: namespace)
        try writeClientConfiguration(knownHosts: knownHostsLine(hostKeys.first ?? ""))
        if namespace == nil { try awaitListener() }
    }

    private static func start(_ folder: String, in namespace: String?) throws -> Child {
        let log = Descriptor(
            owning: try check("creat", folder) { creat("\(folder)/sshd.log", 0o600) })
        let inside = namespace.map { ["ip", "netns", "exec", $0] } ?? []
        let sshd = [
            Child.find("sshd") ?? "/usr/sbin/sshd", "-D", "-e", "-f", "\(folder)/sshd_config",
        ]
        return try Child(
            inside + sshd,
            output: log.number, errors: log.number)
    }

    /// Starts the server again after a crash, on the same port.
    func revive() throws {
        _ = try process.wait(milliseconds: 5000)
        process = try TestServer.start(folder, in: namespace)
        try awaitListener()
    }

    /// Kills the sessions and leaves the server itself alone.
    func killSessions() {
        for pid in TestServer.descendants(of: process.pid) { kill(pid, SIGKILL) }
    }

    /// Stops or continues every process of the sessions, as a hung server would.
    func signalSessions(_ number: Int32) {
        for pid in TestServer.descendants(of: process.pid) { kill(pid, number) }
    }

    /// Ends the server with its sessions, and removes its files.
    func stop() {
        crash()
        _ = try? process.wait(milliseconds: 5000)
        try? Files.removeTree(folder)
    }

    deinit { stop() }

    /// The way in through the generated ssh_config, where the host is called `box`.
    func target(pin: String? = nil) -> SSHTarget {
        SSHTarget(host: "box", configFile: "\(folder)/config", pinnedHostKey: pin)
    }

    /// A connected client.
    func connect(pin: String? = nil) throws(SSHError) -> SSHClient {
        try SSHClient(target(pin: pin), timeout: 20)
    }

    /// A line of known_hosts for one of the server's keys.
    func knownHostsLine(_ kind: String = "ed25519") throws -> String {
        "[127.0.0.1]:\(port) "
            + String(decoding: try Files.read("\(folder)/host_\(kind).pub"), as: UTF8.self)
    }

    /// The fingerprint as `ssh-keygen` tells it.
    func fingerprint(_ name: String = "host_ed25519") throws -> String {
        let result = try Child.run(["ssh-keygen", "-lf", "\(folder)/\(name).pub"])
        return result.text.split(separator: " ").dropFirst().first.map(String.init) ?? ""
    }

    func writeClientConfiguration(
        identity: String = "client", knownHosts: String? = nil, extra: String = ""
    ) throws {
        if let knownHosts { try Files.replace("\(folder)/known_hosts", with: knownHosts.utf8) }
        let text = """
            Host box
                HostName 127.0.0.1
                Port \(port)
                User \(TestServer.userName)
                IdentityFile \(folder)/\(identity)
                IdentitiesOnly yes
                IdentityAgent none
                UserKnownHostsFile \(folder)/known_hosts
                GlobalKnownHostsFile /dev/null
                \(extra)

            """
        try Files.replace("\(folder)/config", with: text.utf8)
    }

    /// Kills every process of the server, sessions included, as a crash would.
    func crash() {
        let sessions = TestServer.descendants(of: process.pid)
        process.signal(SIGKILL)
        for pid in sessions { kill(pid, SIGKILL) }
    }

    private static func descendants(of pid: Int32) -> [Int32] {
        let bytes = (try? Files.read("/proc/\(pid)/task/\(pid)/children")) ?? []
        let children = String(decoding: bytes, as: UTF8.self).split(separator: " ").compactMap {
            Int32($0)
        }
        return children + children.flatMap { descendants(of: $0) }
    }

    static let userName = getpwuid(getuid()).map { String(cString: $0.pointee.pw_name) } ?? "root"

    static func makeKey(_ path: String, kind: String, passphrase: String = "") throws {
        let result = try Child.run(
            ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "test", "-f", path])
        guard result.status.isSuccess else {
            throw SystemError("ssh-keygen", path, errno: 0, detail: result.errorText)
        }
    }

    static func freePort() throws -> UInt16 {
        let socket = Descriptor(
            owning: try check("socket") {
                Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
            })
        return try bindToFreePort(socket.number)
    }

    /// Binds a TCP socket to loopback, on a port that the kernel chooses.
    static func bindToFreePort(_ number: Int32) throws -> UInt16 {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        try withUnsafeMutablePointer(to: &address) { pointer in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                _ = try check("bind") { bind(number, generic, size) }
                _ = try check("getsockname") { getsockname(number, generic, &size) }
            }
        }
        return UInt16(bigEndian: address.sin_port)
    }

    private func awaitListener() throws {
        let deadline = Clocks.monotonic() + 20
        while Clocks.monotonic() < deadline {
            if try TestServer.listens(port) { return }
            Clocks.sleep(0.02)
        }
        let log = String(decoding: try Files.read("\(folder)/sshd.log"), as: UTF8.self)
        throw SystemError("sshd", folder, errno: 0, detail: "does not listen: \(log)")
    }

    /// Whether the kernel lists a listener on 127.0.0.1. *Source:* proc(5), /proc/net/tcp; state 0A is LISTEN.
    private static func listens(_ port: UInt16) throws -> Bool {
        let digits = String(port, radix: 16, uppercase: true)
        let place = "0100007F:" + String(repeating: "0", count: 4 - digits.count) + digits
        return String(decoding: try Files.read("/proc/net/tcp"), as: UTF8.self).split(
            separator: "\n"
        )
        .contains { line in
            let fields = line.split(separator: " ")
            return fields.count > 3 && fields[1] == place && fields[3] == "0A"
        }
    }
}
