import Glibc
import LinuxSystem
import MeshModel
import MeshNode
import SSHTunnel

/// A tunnel server of its own on loopback: a real sshd, a real user, real keys, all gone with the test.
final class TunnelBox {
    /// What the files of this test lie below. Not in /tmp: sshd trusts no file that lies below a folder that all may
    /// write to.
    let root: String
    let folders: NodeFolders
    let keys: NodeKeys
    let server: TunnelServer
    let port: UInt16
    let hostKey: PublicKey
    var user: String { "mp-\(folders.mesh)" }

    init(sshd: String = "sshd") throws {
        let name = Base64.hex((0..<4).map { _ in UInt8.random(in: .min ... .max) })
        root = "/run/mp-test-\(name)"
        try Files.makeFolder(root, mode: 0o755)
        guard let folders = NodeFolders(mesh: "t\(name)", root: root) else {
            throw TestWorld.Missing()
        }
        self.folders = folders
        let storage = FileStorage()
        keys = NodeKeys(folders, storage)
        hostKey = try keys.sshHostKey(0)
        server = TunnelServer(
            folders: folders, storage: storage, keys: keys, log: NodeLog(.none),
            program: "/proc/self/exe", sshd: sshd)
        port = try EchoService().port
        try Files.replace(
            "\(root)/known_hosts", with: "[127.0.0.1]:\(port) \(hostKey.openSSHText)\n".utf8)
    }

    deinit {
        _ = try? server.remove()
        try? Files.removeTree(root)
    }

    /// A client's key by this name, made where there is none.
    func key(_ name: String) throws -> PublicKey {
        let path = "\(root)/\(name).key"
        if let there = try SSHKeyPair.publicKey(ofFile: path) { return there }
        return try SSHKeyPair.generate { (bytes, key) throws(SystemError) in
            try Files.replace(path, withRaw: bytes)
            return key
        }.get()
    }

    /// What to want: who may reach what.
    func wanted(_ grants: [String: [TunnelEnd]], port: UInt16? = nil) throws -> DesiredTunnelServer
    {
        DesiredTunnelServer(
            addresses: [IPAddress(ipv4: 0x7f00_0001)], port: port ?? self.port, user: user,
            hostKey: hostKey,
            grants: try grants.sorted { $0.key < $1.key }.map { name, targets in
                TunnelGrant(node: name, key: try key(name), targets: targets, sources: [])
            })
    }

    /// The command line of the real ssh, as a client that has only this key.
    func command(_ name: String, _ arguments: [String], port: UInt16? = nil) -> [String] {
        let options = [
            "IdentitiesOnly=yes", "IdentityAgent=none", "BatchMode=yes", "LogLevel=INFO",
            "UserKnownHostsFile=\(root)/known_hosts", "GlobalKnownHostsFile=/dev/null",
            "StrictHostKeyChecking=yes", "ExitOnForwardFailure=yes", "ConnectTimeout=10",
        ]
        return [
            "ssh", "-F", "/dev/null", "-i", "\(root)/\(name).key", "-p", "\(port ?? self.port)",
        ]
            + options.flatMap { ["-o", $0] } + arguments + ["\(user)@127.0.0.1"]
    }

    /// Runs the real ssh to its end.
    func ssh(
        _ name: String, _ arguments: [String], _ command: [String] = [], input: [UInt8] = []
    ) throws -> CommandResult {
        try Child.run(self.command(name, arguments) + command, input: input, timeout: 30)
    }

    /// Sends a line through and waits for it to come back; nil where the way is closed.
    func echo(_ name: String, _ target: String) throws -> String? {
        let tunnel = try OpenTunnel(command(name, ["-W", target]))
        return tunnel.exchange("hello")
    }
}

/// One session of the real ssh with one connection through it, on its standard streams.
final class OpenTunnel {
    private let child: Child
    private let input: Int32
    private let output: Int32

    init(_ command: [String]) throws {
        let (inputReader, inputWriter) = try IO.pipe().split()
        let (outputReader, outputWriter) = try IO.pipe().split()
        child = try Child(command, input: inputReader, output: outputWriter)
        close(inputReader)
        close(outputWriter)
        input = inputWriter
        output = outputReader
    }

    /// Sends a line and waits for it to come back; nil where the way is closed.
    func exchange(_ text: String) -> String? {
        guard (try? IO.writeAll(input, Array("\(text)\n".utf8))) != nil else { return nil }
        var bytes: [UInt8] = []
        while bytes.last != 10 {
            guard (try? IO.wait(output, milliseconds: 20_000)) == true,
                let chunk = try? IO.read(output), !chunk.isEmpty
            else { return nil }
            bytes += chunk
        }
        return String(decoding: bytes.dropLast(), as: UTF8.self)
    }

    /// Waits for the session's end by the other side; false where it does not come.
    func awaitEnd() -> Bool { (try? child.wait(milliseconds: 20_000)) != nil }

    deinit {
        child.signal(SIGKILL)
        _ = try? child.wait(milliseconds: 5_000)
        close(input)
        close(output)
    }
}
