import CSSH
import Glibc
import LinuxSystem
import MeshModel

/// How a tunnel's session is made: one address, pinned host keys, one client key. Neither ssh_config, known_hosts nor
/// an agent has a say.
enum TunnelLogin {
    /// Hybrid post-quantum first, for the first libssh that has one; then Curve25519. Nothing else.
    static let keyExchange = [
        "mlkem768x25519-sha256", "sntrup761x25519-sha512", "sntrup761x25519-sha512@openssh.com",
        "curve25519-sha256", "curve25519-sha256@libssh.org",
    ]

    /// AES first where the processor has instructions for it: without them it is slow, and hard to make constant-time.
    static let ciphers: [String] = {
        let names = ["aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com"]
        return hasAES ? names : names.reversed()
    }()

    /// *Source:* proc(5), /proc/cpuinfo: `flags` on x86, `Features` on Arm.
    private static var hasAES: Bool {
        guard let bytes = try? Files.read("/proc/cpuinfo") else { return false }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").contains {
            ($0.hasPrefix("flags") || $0.hasPrefix("Features"))
                && $0.split(separator: " ").contains("aes")
        }
    }

    /// Connects, checks the host's key and logs in.
    ///
    /// - Parameter interrupt: a descriptor that ends the attempt once it is readable.
    static func run(
        _ tunnel: DesiredTunnel, identityFile: String, timeout: Double, interrupt: Int32
    ) throws(SSHError) -> (SSHSession, TunnelAlgorithms) {
        let configuration = SSHConfiguration(
            host: tunnel.server.host, port: tunnel.server.port, user: tunnel.user)
        guard SSHLibrary.isReady else {
            throw SSHError(.library, "connect", configuration.subject, "libssh did not start")
        }
        let key = try PrivateKey(identityFile, expecting: tunnel.clientKey, configuration.subject)
        let deadline = Clocks.monotonic() + timeout
        let (session, _) = try SSHSession.connect(
            configuration,
            offering: SSHOffer(
                keyExchange: keyExchange, hostKeys: ["ssh-ed25519"], ciphers: ciphers,
                publicKeys: ["ssh-ed25519"]),
            deadline: deadline, interrupt: interrupt)
        let hostKey = try checkHostKey(session, tunnel)
        try authenticate(session, tunnel, key, deadline: deadline)
        return (session, algorithms(session, hostKey))
    }

    private static func checkHostKey(
        _ session: SSHSession, _ tunnel: DesiredTunnel
    ) throws(SSHError) -> PublicKey {
        let (type, fingerprint) = try session.presentedHostKey()
        if let presented = session.hostKey, tunnel.hostKeys.contains(presented) { return presented }
        let pinned = tunnel.hostKeys.map { SSHLibrary.fingerprint($0) ?? "an unusable key" }
        throw SSHError(
            .changedHostKey, "check host key", session.subject,
            "the server presents \(type) \(fingerprint), but "
                + "\(pinned.joined(separator: " or ")) is pinned",
            hint:
                "someone may be in between; if the node \(tunnel.node) was set up anew, run meshproof up"
        )
    }

    private static func authenticate(
        _ session: SSHSession, _ tunnel: DesiredTunnel, _ key: PrivateKey, deadline: Double
    ) throws(SSHError) {
        let code = try session.drive(
            "log in", until: deadline, again: Int32(SSH_AUTH_AGAIN.rawValue)
        ) {
            ssh_userauth_publickey(session.handle, nil, key.handle)
        }
        if code == SSH_AUTH_SUCCESS.rawValue { return }
        // A server that hangs up in the middle has not judged the key.
        if code == SSH_AUTH_ERROR.rawValue { throw session.lost("log in") }
        let shown = SSHLibrary.fingerprint(tunnel.clientKey) ?? "our key"
        throw SSHError(
            .authentication, "log in", session.subject, "the server does not take \(shown)",
            hint: "run meshproof up, so that \(tunnel.node) learns this node's key")
    }

    private static func algorithms(
        _ session: SSHSession, _ hostKey: PublicKey
    ) -> TunnelAlgorithms {
        func text(_ pointer: UnsafePointer<CChar>?) -> String {
            pointer.map { String(cString: $0) } ?? "unknown"
        }
        // libssh says aead-gcm and the like.
        func mac(_ name: String) -> String { name.hasPrefix("aead-") ? "implicit" : name }
        let handle = session.handle
        return TunnelAlgorithms(
            keyExchange: text(ssh_get_kex_algo(handle)),
            cipherOut: text(ssh_get_cipher_out(handle)),
            cipherIn: text(ssh_get_cipher_in(handle)), macOut: mac(text(ssh_get_hmac_out(handle))),
            macIn: mac(text(ssh_get_hmac_in(handle))), hostKey: hostKey)
    }
}

/// A private key as libssh holds it, read from a file that nobody else may read.
private final class PrivateKey {
    let handle: ssh_key

    init(_ path: String, expecting wanted: PublicKey, _ subject: String) throws(SSHError) {
        func reject(_ words: String, _ fix: String) -> SSHError {
            SSHError(.file, "read key", subject, "\(path): \(words)", hint: fix)
        }
        guard let mode = Files.mode(path) else {
            throw reject("there is no such file", "run meshproof up, which makes the node's keys")
        }
        if mode & 0o077 != 0 {
            let octal = String(mode, radix: 8)
            throw reject("others may read it (mode \(octal))", "chmod 600 \(path)")
        }
        var key: ssh_key?
        let code = ssh_pki_import_privkey_file(path, nil, givesNoPassphrase, nil, &key)
        guard code == SSH_OK, let key else {
            throw reject(
                "not a private key without passphrase", "run meshproof up to make a new one")
        }
        handle = key
        if SSHLibrary.publicKey(key) != wanted {
            throw reject("another key than was asked for", "run meshproof up")
        }
    }

    deinit { ssh_key_free(handle) }
}

/// Without it OpenSSL would ask on the terminal.
private func givesNoPassphrase(
    _ prompt: UnsafePointer<CChar>?, _ buffer: UnsafeMutablePointer<CChar>?, _ count: Int,
    _ echo: Int32, _ verify: Int32, _ context: UnsafeMutableRawPointer?
) -> Int32 { -1 }
