import LinuxSystem
public import MeshModel
import SSHTunnel

/// Reaches nodes over SSH, with the operator's ssh_config, agent and known_hosts.
public struct SSHCarrier: Carrier {
    private let configFile: String?

    /// Makes the carrier; `configFile` stands in for the operator's ssh_config.
    public init(configFile: String? = nil) {
        self.configFile = configFile
    }

    /// Connects, checks the host's key and logs in. *Throws:* ``ControllerError`` `hostKey`, `authentication`,
    /// `unreachable`, `timeout`.
    public func connect(to node: Node, timeout: Double) throws(ControllerError)
        -> any CarrierSession
    {
        guard case .ssh(let user, let host, let port) = node.connect else {
            throw ControllerError(.usage, "\(node.name) is not reached over SSH")
        }
        let target = SSHTarget(
            user: user, host: host, port: port, configFile: configFile, pinnedHostKey: node.hostKey)
        do {
            return SSHCarrierSession(try SSHClient(target, timeout: timeout))
        } catch { throw ControllerError(error) }
    }
}

/// A session with root's rights: directly, or through sudo.
///
/// Unchecked, because libssh's session may move between threads but not be used by two at once, and that is what
/// ``CarrierSession`` asks of its callers.
private final class SSHCarrierSession: CarrierSession, @unchecked Sendable {
    private let client: SSHClient

    init(_ client: SSHClient) { self.client = client }

    var description: String { "ssh \(client.facts.user)@\(client.facts.host)" }

    func run(_ command: String, timeout: Double) throws(ControllerError) -> CommandResult {
        do { return try client.run(asRoot(command), timeout: timeout) } catch {
            throw ControllerError(error)
        }
    }

    func upload(
        fileAt path: String, to command: String, timeout: Double,
        progress: @escaping (Int, Int) -> Void
    ) throws(ControllerError) -> CommandResult {
        do {
            return try client.upload(
                fileAt: path, to: asRoot(command), stall: timeout, progress: progress)
        } catch { throw ControllerError(error) }
    }

    func open(_ command: String) throws(ControllerError) -> any ByteStream {
        do { return SSHByteStream(try client.open(asRoot(command))) } catch {
            throw ControllerError(error)
        }
    }

    /// One shell, whatever the login shell is, and sudo without a prompt where we are not root.
    private func asRoot(_ command: String) -> String {
        let quoted =
            "'"
            + command.split(separator: "'", omittingEmptySubsequences: false)
            .joined(separator: "'\\''") + "'"
        return client.facts.user == "root"
            ? "exec /bin/sh -c \(quoted)" : "exec sudo -n /bin/sh -c \(quoted)"
    }
}

/// One command's standard input and output. Unchecked for the same reason as its session.
private final class SSHByteStream: ByteStream, @unchecked Sendable {
    private let channel: SSHChannel

    init(_ channel: SSHChannel) { self.channel = channel }

    func read(deadline: Double) throws(ControllerError) -> [UInt8] {
        do { return try channel.read(deadline: deadline) } catch { throw ControllerError(error) }
    }

    func write(_ bytes: [UInt8], deadline: Double) throws(ControllerError) {
        do { try channel.write(bytes, deadline: deadline) } catch { throw ControllerError(error) }
    }

    func close() { channel.close() }

    var errorText: String { String(decoding: channel.errorBytes, as: UTF8.self).trimmedLine }
}

extension ControllerError {
    /// What an SSH failure means to a run.
    fileprivate init(_ error: SSHError) {
        let code: Code =
            switch error.code {
            case .unknownHostKey, .changedHostKey, .revokedHostKey: .hostKey
            case .authentication: .authentication
            case .timeout: .timeout
            case .configuration, .file: .usage
            default: .unreachable
            }
        self.init(code, "\(error.subject): \(error.detail)", hint: error.hint)
    }
}
