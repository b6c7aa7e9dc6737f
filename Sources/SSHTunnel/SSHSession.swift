import CLinux
import CSSH
import Glibc
import LinuxSystem
import MeshModel

/// A connected, authenticated session: the core that command channels, and later forwarders, stand on.
///
/// One session belongs to one thread at a time. libssh runs non-blocking throughout, and every wait happens in
/// ``wait(_:until:)``: one place for deadlines, for keepalives and for noticing that the peer is gone.
final class SSHSession {
    let handle: ssh_session
    let configuration: SSHConfiguration
    /// How far the server is. *Units:* seconds there and back.
    let roundTrip: Double
    private let proxy: ProxyProcess?
    private let interrupt: Int32
    private var lastHeard = Clocks.monotonic()
    private var lastKeepalive = Clocks.monotonic()
    private var isAuthenticated = false

    /// Silence after which the server is asked whether it is there, the pause between such questions, and the
    /// silence after which it is given up. *Units:* seconds.
    private static let quiet = 15.0
    private static let pause = 5.0
    private static let dead = 45.0

    /// `user@host:port`, for errors.
    var subject: String { configuration.subject }

    private init(
        _ handle: ssh_session, _ configuration: SSHConfiguration, _ proxy: ProxyProcess?,
        _ roundTrip: Double, interrupt: Int32
    ) {
        self.handle = handle
        self.configuration = configuration
        self.proxy = proxy
        self.roundTrip = roundTrip
        self.interrupt = interrupt
    }

    deinit {
        // libssh would leave a socket that it was given open, and forget its number. Taking the option back makes
        // it close the socket, unless it has done so on an error before.
        var none: Int32 = -1
        _ = ssh_options_set(handle, SSH_OPTIONS_FD, &none)
        // Says goodbye, but does not wait: the socket does not block.
        if ssh_is_connected(handle) != 0 { ssh_disconnect(handle) }
        ssh_free(handle)
    }

    /// Connects, checks the host's key and authenticates, all within `timeout` seconds.
    static func establish(
        _ target: SSHTarget, timeout: Double
    ) throws(SSHError) -> (SSHSession, SSHFacts) {
        guard SSHLibrary.isReady else {
            throw SSHError(.library, "connect", target.text, "libssh did not start")
        }
        let deadline = Clocks.monotonic() + timeout
        let configuration = try SSHConfiguration.resolve(target, timeout: timeout)
        let policy = try HostKeyPolicy(target, configuration)
        var refused: [String] = []
        var firstFailure: SSHError?
        while true {
            let session: SSHSession
            let address: String?
            do throws(SSHError) {
                (session, address) = try connect(
                    configuration,
                    offering: SSHOffer(
                        hostKeys: SSHAlgorithms.hostKeys(
                            preferring: policy.preferredTypes, excluding: refused)),
                    deadline: deadline)
            } catch {
                throw firstFailure ?? error
            }
            let (type, fingerprint) = try session.presentedHostKey()
            let source: String
            do throws(SSHError) {
                source = try policy.check(type: type, fingerprint: fingerprint)
            } catch {
                refused.append(type)
                firstFailure = firstFailure ?? error
                if policy.mayAskForAnother && refused.count < SSHAlgorithms.hostKeys.count {
                    continue
                }
                throw firstFailure ?? error
            }
            let identity = try Authentication.run(session, deadline: deadline)
            session.isAuthenticated = true
            let facts = session.facts(
                address: address, type: type, fingerprint: fingerprint, source: source,
                identity: identity)
            return (session, facts)
        }
    }

    /// Opens the transport and runs the key exchange; nobody is authenticated yet.
    ///
    /// - Parameter interrupt: a descriptor that ends every wait once it is readable; -1 for none.
    static func connect(
        _ configuration: SSHConfiguration, offering offer: SSHOffer, deadline: Double,
        interrupt: Int32 = -1
    ) throws(SSHError) -> (SSHSession, address: String?) {
        let (socket, address, proxy, roundTrip) = try Transport.open(
            configuration, deadline: deadline, interrupt: interrupt
        ).split()
        guard let handle = ssh_new() else {
            close(socket)
            throw SSHError(.library, "connect", configuration.subject, "out of memory")
        }
        let session = SSHSession(handle, configuration, proxy, roundTrip, interrupt: interrupt)
        do throws(SSHError) {
            try session.setOptions(socket: socket, offer)
        } catch {
            close(socket)
            throw error
        }
        // From here on the socket is libssh's: it closes it with the session.
        let code = try session.drive("connect", until: deadline) { ssh_connect(handle) }
        if code != SSH_OK { throw session.connectFailure() }
        // libssh makes a socket that it is given blocking; a peer that reads slowly would hold the thread.
        _ = cl_fcntl(socket, F_SETFL, O_NONBLOCK)
        return (session, address)
    }

    private func setOptions(socket: Int32, _ offer: SSHOffer) throws(SSHError) {
        func list(_ names: [String]) -> String { names.joined(separator: ",") }
        // ssh_config has been read already, and known_hosts is ours to judge: libssh must do neither.
        let texts: [(ssh_options_e, String)] = [
            (SSH_OPTIONS_HOST, configuration.host),
            (SSH_OPTIONS_USER, configuration.user),
            (SSH_OPTIONS_KNOWNHOSTS, "/dev/null"),
            (SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null"),
            (SSH_OPTIONS_IDENTITY_AGENT, configuration.agentSocket ?? "/dev/null"),
            (SSH_OPTIONS_KEY_EXCHANGE, list(offer.keyExchange)),
            (SSH_OPTIONS_HOSTKEYS, list(offer.hostKeys)),
            (SSH_OPTIONS_CIPHERS_C_S, list(offer.ciphers)),
            (SSH_OPTIONS_CIPHERS_S_C, list(offer.ciphers)),
            (SSH_OPTIONS_HMAC_C_S, list(SSHAlgorithms.macs)),
            (SSH_OPTIONS_HMAC_S_C, list(SSHAlgorithms.macs)),
            (SSH_OPTIONS_COMPRESSION_C_S, "none"),
            (SSH_OPTIONS_COMPRESSION_S_C, "none"),
            (SSH_OPTIONS_PUBLICKEY_ACCEPTED_TYPES, list(offer.publicKeys)),
        ]
        var port = UInt32(configuration.port)
        var descriptor = socket
        var readConfiguration: CBool = false
        var smallestRSA: Int32 = 2048
        var ok = texts.allSatisfy { ssh_options_set(handle, $0.0, $0.1) == 0 }
        ok = ok && ssh_options_set(handle, SSH_OPTIONS_PORT, &port) == 0
        ok = ok && ssh_options_set(handle, SSH_OPTIONS_FD, &descriptor) == 0
        ok = ok && ssh_options_set(handle, SSH_OPTIONS_PROCESS_CONFIG, &readConfiguration) == 0
        ok = ok && ssh_options_set(handle, SSH_OPTIONS_RSA_MIN_SIZE, &smallestRSA) == 0
        if !ok { throw SSHError(.library, "connect", subject, libraryText) }
        ssh_set_blocking(handle, 0)
    }

    func presentedHostKey() throws(SSHError) -> (type: String, fingerprint: String) {
        var key: ssh_key?
        guard ssh_get_server_publickey(handle, &key) == SSH_OK, let key else {
            throw SSHError(.library, "check host key", subject, libraryText)
        }
        defer { ssh_key_free(key) }
        guard let fingerprint = SSHLibrary.fingerprint(key) else {
            throw SSHError(.library, "check host key", subject, "the key has no fingerprint")
        }
        return (SSHLibrary.typeName(key), fingerprint)
    }

    /// The key that the server has proved to have, where it is an Ed25519 key.
    var hostKey: PublicKey? {
        var key: ssh_key?
        guard ssh_get_server_publickey(handle, &key) == SSH_OK, let key else { return nil }
        defer { ssh_key_free(key) }
        return SSHLibrary.publicKey(key)
    }

    private func facts(
        address: String?, type: String, fingerprint: String, source: String, identity: String
    ) -> SSHFacts {
        func text(_ pointer: UnsafePointer<CChar>?) -> String {
            pointer.map { String(cString: $0) } ?? "unknown"
        }
        func mac(_ name: String) -> String { name.hasPrefix("aead-") ? "aead" : name }
        return SSHFacts(
            user: configuration.user, host: configuration.host, port: configuration.port,
            address: address, keyExchange: text(ssh_get_kex_algo(handle)),
            cipherIn: text(ssh_get_cipher_in(handle)), cipherOut: text(ssh_get_cipher_out(handle)),
            macIn: mac(text(ssh_get_hmac_in(handle))), macOut: mac(text(ssh_get_hmac_out(handle))),
            hostKeyType: type, hostKeyFingerprint: fingerprint, hostKeySource: source,
            identity: identity, serverBanner: text(ssh_get_serverbanner(handle)))
    }

    // MARK: Waiting

    /// Repeats a non-blocking libssh call until it is done.
    func drive(
        _ operation: String, until deadline: Double, again: Int32 = SSH_AGAIN, _ step: () -> Int32
    ) throws(SSHError) -> Int32 {
        while true {
            let code = step()
            if code != again { return code }
            try wait(operation, until: deadline)
        }
    }

    /// Whether libssh holds bytes that wait for room in the socket.
    var hasUnsentBytes: Bool { ssh_get_status(handle) & SSH_WRITE_PENDING != 0 }

    /// Sends what libssh holds, as far as the socket takes it.
    func flush() { _ = ssh_blocking_flush(handle, 0) }

    /// Waits until the server has sent something or takes more, so that the next libssh call can get further.
    ///
    /// *Throws:* `timeout` at the deadline, `lost` where the connection has ended or the peer has fallen silent.
    func wait(_ operation: String, until deadline: Double) throws(SSHError) {
        let socket = ssh_get_fd(handle)
        if socket < 0 { throw lost(operation) }
        while true {
            let now = Clocks.monotonic()
            if now >= deadline {
                throw SSHError(
                    .timeout, operation, subject, "no end within the time allowed",
                    hint: "look at the host's load and network, or allow more with --timeout")
            }
            var until = deadline
            if isAuthenticated { until = min(until, try keepAlive(operation, now: now)) }
            let wantsToWrite = ssh_get_poll_flags(handle) & SSH_WRITE_PENDING != 0
            let events = Int16(POLLIN | (wantsToWrite ? POLLOUT : 0))
            // poll passes over entries with a negative number.
            var entries = (
                pollfd(fd: socket, events: events, revents: 0),
                pollfd(fd: interrupt, events: Int16(POLLIN), revents: 0)
            )
            let milliseconds = Int32(min(max(until - now, 0) * 1000 + 1, 3_600_000))
            let ready = withUnsafeMutableBytes(of: &entries) {
                poll($0.baseAddress?.assumingMemoryBound(to: pollfd.self), 2, milliseconds)
            }
            if ready > 0 {
                if entries.1.revents != 0 {
                    throw SSHError(.timeout, operation, subject, "given up before its end")
                }
                if entries.0.revents & Int16(POLLIN) != 0 { lastHeard = Clocks.monotonic() }
                return
            }
        }
    }

    /// Asks a silent server for a sign of life; says when to look again.
    private func keepAlive(_ operation: String, now: Double) throws(SSHError) -> Double {
        // Between two commands nobody listens: silence counts from the first wait after it.
        if now - max(lastHeard, lastKeepalive) > SSHSession.dead { lastHeard = now }
        let silence = now - lastHeard
        if silence >= SSHSession.dead {
            throw SSHError(
                .lost, operation, subject, "the host has not answered for \(Int(silence)) s",
                hint: "check the host and the network, then run the command again")
        }
        if silence >= SSHSession.quiet && now - lastKeepalive >= SSHSession.pause {
            lastKeepalive = now
            _ = ssh_send_keepalive(handle)
        }
        return silence < SSHSession.quiet
            ? lastHeard + SSHSession.quiet : lastKeepalive + SSHSession.pause
    }

    // MARK: Failures

    /// libssh's own words for its last failure.
    var libraryText: String {
        guard let text = ssh_get_error(UnsafeMutableRawPointer(handle)) else { return "unknown" }
        let words = String(cString: text)
        return words.isEmpty ? "no reason given" : words
    }

    /// The connection ended in the middle of `operation`.
    func lost(_ operation: String) -> SSHError {
        SSHError(
            .lost, operation, subject, "the connection was lost: \(libraryText)",
            hint: "check the host and the network, then run the command again")
    }

    private func connectFailure() -> SSHError {
        let words = libraryText
        if words.contains("no match for method") {
            return SSHError(
                .negotiation, "connect", subject, words,
                hint:
                    "the server offers only outdated algorithms: update its OpenSSH (8.0 or newer)")
        }
        let hint =
            configuration.proxyCommand == nil
            ? "is that an SSH server, and does it let this address in?"
            : "check ProxyCommand or ProxyJump in ssh_config: \(configuration.proxyCommand ?? "")"
        return SSHError(.unreachable, "connect", subject, words, hint: hint)
    }
}
