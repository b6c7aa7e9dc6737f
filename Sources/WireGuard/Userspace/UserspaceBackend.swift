import CSodium
import Glibc
import LinuxSystem
public import MeshModel
public import Netlink

/// WireGuard in a program of its own, `wireguard-go`, over its UAPI socket.
///
/// The program puts itself into the background, in a session of its own, and outlives us; it ends when its link is removed. Its
/// socket lies in a folder of the *mount* namespace and its link in the *network* namespace: hosts that share the folder
/// cannot use the same name.
public struct UserspaceBackend: WireGuardBackend {
    private let program: String
    private let folder: String
    private let routes: RouteSocket
    private let timeout: Double

    /// What the kernel calls the link of such a program.
    static let linkKind = "tun"

    /// - Parameters:
    ///   - program: a name to find in PATH, or a path.
    ///   - folder: where the program makes its socket.
    ///   - timeout: how long it may take to start and to end. *Units:* seconds.
    public init(
        program: String = "wireguard-go", folder: String = "/var/run/wireguard",
        routes: RouteSocket = RouteSocket(), timeout: Double = 10
    ) {
        self.program = program
        self.folder = folder
        self.routes = routes
        self.timeout = timeout
    }

    /// A program's.
    public var kind: InterfaceKind { .userspace }

    /// Whether wireguard-go is installed, and the kernel has tun devices.
    public static func isAvailable() -> Bool {
        Child.find("wireguard-go") != nil && Files.exists("/dev/net/tun")
    }

    private func socketPath(_ name: String) -> String { "\(folder)/\(name).sock" }

    // MARK: Making and removing

    /// See ``WireGuardBackend/create(_:)``.
    public func create(_ name: String) throws(WireGuardError) {
        try InterfaceName.check(name)
        if let link = try link(name) {
            guard link.kind == Self.linkKind, answers(name) else {
                throw WireGuardError(
                    .nameTaken, "create", name,
                    text:
                        "it is a \(link.kind ?? "hardware") link that no wireguard-go answers for",
                    hint: "choose another name, or remove it: ip link delete \(name)")
            }
            try setGroup(link)
            return
        }
        try removeStaleSocket(name)
        try start(name)
        let deadline = Clocks.monotonic() + timeout
        while true {
            if let link = try link(name), answers(name) {
                try setGroup(link)
                return
            }
            if Clocks.monotonic() > deadline { break }
            Clocks.sleep(0.01)
        }
        if let link = try link(name) { try remove(link) }
        throw WireGuardError(
            .timeout, "start wireguard-go", name, text: "no answer at \(socketPath(name))")
    }

    /// See ``WireGuardBackend/delete(_:)``.
    public func delete(_ name: String) throws(WireGuardError) {
        try InterfaceName.check(name)
        if let link = try link(name) {
            // A program that died may have left a tun behind; our group on it says that it was ours.
            guard link.kind == Self.linkKind, link.group == Ownership.linkGroup || answers(name)
            else {
                throw WireGuardError(
                    .nameTaken, "delete", name,
                    text: "it is a \(link.kind ?? "hardware") link that is not ours")
            }
            try remove(link)
        }
        try removeStaleSocket(name)
    }

    private func start(_ name: String) throws(WireGuardError) {
        guard let path = Child.find(program), access(path, X_OK) == 0 else {
            throw WireGuardError(
                .unavailable, "start \(program)", name, errno: ENOENT,
                hint: "apt-get install wireguard-go")
        }
        do throws(SystemError) {
            let (reader, writer) = try IO.pipe().split()
            let errors = Descriptor(owning: reader)
            let errorsEnd = Descriptor(owning: writer)
            // No LOG_LEVEL: with it the daemon would keep the pipe. Its own session: a Ctrl-C is not for it.
            let child = try Child(
                [path, name], errors: errorsEnd.number,
                environment: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
                newSession: true, directory: "/")
            _ = consume errorsEnd
            guard let status = try child.wait(milliseconds: Int32(timeout * 1000)) else {
                child.signal(SIGKILL)
                _ = try child.wait()
                throw SystemError("start wireguard-go", name, errno: ETIMEDOUT)
            }
            if !status.isSuccess {
                throw SystemError(
                    "start wireguard-go", name, errno: 0, detail: Self.lastLine(errors))
            }
        } catch {
            throw WireGuardError(error, name)
        }
    }

    private static func lastLine(_ errors: borrowing Descriptor) -> String {
        guard (try? IO.wait(errors.number, milliseconds: 0)) == true,
            let bytes = try? IO.read(errors.number, limit: 8192)
        else { return "it said nothing" }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").last.map(String.init)
            ?? "it said nothing"
    }

    /// Removes a socket at which nobody listens; waits for a program that is about to end.
    private func removeStaleSocket(_ name: String) throws(WireGuardError) {
        let path = socketPath(name)
        let deadline = Clocks.monotonic() + timeout
        while Files.exists(path) {
            do throws(SystemError) {
                _ = try UAPISocket(path: path, timeout: 1)
            } catch {
                if error.errno == ECONNREFUSED || error.errno == ENOENT { break }
                throw WireGuardError(error, name)
            }
            if Clocks.monotonic() > deadline {
                throw WireGuardError(
                    .nameTaken, "free socket of", name,
                    text: "a program of another network namespace answers at \(path)",
                    hint: "give each namespace its own \(folder)")
            }
            Clocks.sleep(0.02)
        }
        do throws(SystemError) { try Files.remove(path) } catch {
            throw WireGuardError(error, name)
        }
    }

    private func link(_ name: String) throws(WireGuardError) -> Link? {
        try translating(name) { () throws(NetlinkError) in try routes.link(named: name) }
    }

    private func setGroup(_ link: Link) throws(WireGuardError) {
        if link.group == Ownership.linkGroup { return }
        try translating(link.name) { () throws(NetlinkError) in
            try routes.setLink(index: link.index, group: Ownership.linkGroup)
        }
    }

    private func remove(_ link: Link) throws(WireGuardError) {
        try translating(link.name) { () throws(NetlinkError) in
            try routes.deleteLink(index: link.index)
        }
    }

    /// Whether a program of root's speaks the protocol at the name's socket.
    func answers(_ name: String) -> Bool {
        guard let socket = try? UAPISocket(path: socketPath(name), timeout: 2), socket.isTrusted,
            let reply = try? Self.get(socket)
        else { return false }
        let read = try? UAPIReader.read(
            reply.bytes, identify: { _ in PresharedKeyID(rawValue: "") }, derive: { _ in nil })
        return read?.errno == 0
    }

    // MARK: Reading and changing

    /// See ``WireGuardBackend/read(_:identify:)``.
    public func read(
        _ name: String, identify: @Sendable (UnsafeRawBufferPointer) -> PresharedKeyID
    ) throws(WireGuardError) -> ObservedDevice {
        let socket = try connect(name, "read device")
        let reply: UAPIText
        do throws(SystemError) { reply = try Self.get(socket) } catch {
            throw WireGuardError(error, name)
        }
        let (device, code) = try parse(reply, "read device", name, identify)
        if code != 0 { throw WireGuardError(.refused, "read device", name, errno: code) }
        return device
    }

    /// See ``WireGuardBackend/configure(_:_:)``.
    public func configure(_ name: String, _ configuration: DeviceConfiguration)
        throws(WireGuardError)
    {
        let socket = try connect(name, "configure")
        let request = try UAPIWriter.write(configuration, name: name)
        let reply: UAPIText
        do throws(SystemError) { reply = try socket.exchange(request.bytes) } catch {
            throw WireGuardError(error, name)
        }
        let code = try parse(reply, "configure", name, { _ in PresharedKeyID(rawValue: "") }).errno
        if code != 0 { throw WireGuardError(.refused, "configure", name, errno: code) }
    }

    private func connect(_ name: String, _ operation: String) throws(WireGuardError) -> UAPISocket {
        try InterfaceName.check(name)
        do throws(SystemError) {
            let socket = try UAPISocket(path: socketPath(name), timeout: Int(timeout.rounded(.up)))
            if socket.isTrusted { return socket }
        } catch {
            let isMissing = error.errno == ENOENT || error.errno == ECONNREFUSED
            throw WireGuardError(
                isMissing ? .missing : .system, operation, name, errno: error.errno,
                text: "at \(socketPath(name))")
        }
        throw WireGuardError(
            .denied, operation, name, text: "the program at \(socketPath(name)) is not root's")
    }

    private func parse(
        _ reply: borrowing UAPIText, _ operation: String, _ name: String,
        _ identify: (UnsafeRawBufferPointer) -> PresharedKeyID
    ) throws(WireGuardError) -> (device: ObservedDevice, errno: Int32) {
        do throws(UAPIReader.Failure) {
            return try UAPIReader.read(reply.bytes, identify: identify, derive: Self.publicKey(of:))
        } catch {
            throw WireGuardError(.malformed, operation, name, text: error.reason)
        }
    }

    private static func get(_ socket: borrowing UAPISocket) throws(SystemError) -> UAPIText {
        var request = UAPIText()
        request.append(UAPIWriter.get)
        return try socket.exchange(request.bytes)
    }

    /// The program tells the private key only. *Source:* libsodium, crypto_scalarmult_base, in constant time.
    static func publicKey(of privateKey: UnsafeRawBufferPointer) -> PublicKey? {
        guard privateKey.count == 32, let input = privateKey.bindMemory(to: UInt8.self).baseAddress
        else { return nil }
        var bytes = [UInt8](repeating: 0, count: 32)
        guard crypto_scalarmult_base(&bytes, input) == 0 else { return nil }
        return PublicKey(bytes: bytes)
    }
}
