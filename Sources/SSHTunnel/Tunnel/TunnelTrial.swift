import CSSH
import Glibc
import LinuxSystem
public import MeshModel

/// Questions to a tunnel server that it has to answer with no.
///
/// Each makes a session of its own and ends it; nothing is left at the server but a line in its log.
public enum TunnelTrial {
    /// How a server answered.
    public enum Answer: Sendable, Equatable {
        /// It let us: what it should not have done, in words.
        case allowed(String)
        /// It said no, in its own words.
        case refused(String)
    }

    /// Logs in without a key, and with one that is made for it and forgotten.
    ///
    /// Any host key is accepted: nothing that is secret is said.
    /// *Throws:* ``SSHError`` where it does not come to an answer.
    public static func logInAsStranger(
        at server: SocketEndpoint, user: String, timeout: Double
    ) throws(SSHError) -> Answer {
        let configuration = SSHConfiguration(
            host: server.address.description, port: server.port, user: user)
        guard SSHLibrary.isReady else {
            throw SSHError(.library, "connect", configuration.subject, "libssh did not start")
        }
        let deadline = Clocks.monotonic() + timeout
        let (session, _) = try SSHSession.connect(
            configuration,
            offering: SSHOffer(hostKeys: SSHAlgorithms.hostKeys(preferring: [], excluding: [])),
            deadline: deadline)
        let again = Int32(SSH_AUTH_AGAIN.rawValue)
        let bare = try session.drive("log in", until: deadline, again: again) {
            ssh_userauth_none(session.handle, nil)
        }
        if bare == SSH_AUTH_SUCCESS.rawValue {
            return .allowed("it lets \(user) in without any key")
        }
        if bare == SSH_AUTH_ERROR.rawValue { throw session.lost("log in") }
        var made: ssh_key?
        guard ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &made) == SSH_OK, let key = made else {
            throw SSHError(.library, "make key", configuration.subject, "libssh made none")
        }
        defer { ssh_key_free(key) }
        let code = try session.drive("log in", until: deadline, again: again) {
            ssh_userauth_publickey(session.handle, nil, key)
        }
        if code == SSH_AUTH_SUCCESS.rawValue || code == SSH_AUTH_PARTIAL.rawValue {
            return .allowed("it takes a key that was made a moment ago")
        }
        // A server that hangs up in the middle has not judged the key.
        if code == SSH_AUTH_ERROR.rawValue { throw session.lost("log in") }
        return .refused("it takes no key that it does not know")
    }

    /// Logs in as the tunnel does, with a key that is not to be let in any more.
    ///
    /// *Throws:* ``SSHError`` where it does not come to an answer.
    public static func logIn(
        _ tunnel: DesiredTunnel, identityFile: String, timeout: Double
    ) throws(SSHError) -> Answer {
        do throws(SSHError) {
            _ = try TunnelLogin.run(
                tunnel, identityFile: identityFile, timeout: timeout, interrupt: -1)
        } catch {
            if error.code == .authentication { return .refused(error.detail) }
            throw error
        }
        return .allowed("it lets the key in")
    }

    /// Logs in as the tunnel does, and asks for a channel to `target`, and to listen at the server.
    ///
    /// *Throws:* ``SSHError`` where it does not come to an answer.
    public static func open(
        _ target: TunnelEnd, through tunnel: DesiredTunnel, identityFile: String, timeout: Double
    ) throws(SSHError) -> Answer {
        let deadline = Clocks.monotonic() + timeout
        let (session, _) = try TunnelLogin.run(
            tunnel, identityFile: identityFile, timeout: timeout, interrupt: -1)
        guard let channel = ssh_channel_new(session.handle) else { throw session.lost("open") }
        defer { ssh_channel_free(channel) }
        let code = try session.drive("open", until: deadline) {
            switch target {
            case .tcp(let end):
                ssh_channel_open_forward(
                    channel, end.address.description, Int32(end.port), "127.0.0.1", 0)
            case .unix(let path):
                ssh_channel_open_forward_unix(channel, path, "127.0.0.1", 0)
            }
        }
        if code == SSH_OK { return .allowed("it opens a channel to \(target)") }
        let words = session.libraryText
        if ssh_get_fd(session.handle) < 0 { throw session.lost("open") }
        // *Source:* RFC 4254, section 5.1: 1 is "administratively prohibited". With 2 it has tried to connect.
        guard words.contains("(1)") else {
            return .allowed("it tried to connect to \(target): \(words)")
        }
        return try listen(session, deadline: deadline)
            ?? .refused("it opens no channel to \(target): \(words)")
    }

    /// Asks to listen on a port of the server's loopback; nil where it may not.
    private static func listen(
        _ session: SSHSession, deadline: Double
    ) throws(SSHError) -> Answer? {
        var port: Int32 = 0
        let code = try session.drive("listen", until: deadline) {
            ssh_channel_listen_forward(session.handle, "127.0.0.1", 0, &port)
        }
        if code != SSH_OK { return nil }
        _ = try session.drive("listen", until: deadline) {
            ssh_channel_cancel_forward(session.handle, "127.0.0.1", port)
        }
        return .allowed("it listens for this key on a port of its own loopback")
    }
}
