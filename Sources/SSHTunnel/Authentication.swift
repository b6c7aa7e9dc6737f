import CSSH
import Glibc
import LinuxSystem

/// Public-key authentication with the agent's keys and the identity files. There is no password and no prompt.
enum Authentication {
    /// Logs in; returns what let us in. *Throws:* `authentication` with everything that was tried.
    static func run(_ session: SSHSession, deadline: Double) throws(SSHError) -> String {
        var round = Round(session: session, deadline: deadline)
        let configuration = session.configuration
        if !configuration.identitiesOnly, try round.tryAgent() { return "agent" }
        for path in configuration.identityFiles where try round.tryFile(path) { return path }
        // `IdentitiesOnly` with an encrypted file means: that key, from the agent.
        if configuration.identitiesOnly && round.sawEncrypted, try round.tryAgent() {
            return "agent"
        }
        throw round.failure()
    }
}

/// One attempt to log in, remembering what was tried.
private struct Round {
    let session: SSHSession
    let deadline: Double
    var tried: [String] = []
    var sawEncrypted = false
    var disconnected = false

    init(session: SSHSession, deadline: Double) {
        self.session = session
        self.deadline = deadline
    }

    mutating func tryAgent() throws(SSHError) -> Bool {
        guard let path = session.configuration.agentSocket, !disconnected else { return false }
        guard Files.exists(path) else {
            tried.append("agent: no socket at \(path)")
            return false
        }
        let session = self.session
        let code = try drive { ssh_userauth_agent(session.handle, nil) }
        return accept(code, "agent at \(path)", refusal: "it holds no key that the server takes")
    }

    mutating func tryFile(_ path: String) throws(SSHError) -> Bool {
        guard !disconnected, let mode = Files.mode(path) else { return false }
        if let target = linkedMode(path) ?? Optional(mode), target & 0o077 != 0 {
            tried.append(
                "\(path): others may read it (mode \(String(target, radix: 8))), so it is not used")
            return false
        }
        var asked = false
        var key: ssh_key?
        let code = withUnsafeMutablePointer(to: &asked) {
            ssh_pki_import_privkey_file(path, nil, refusePassphrase, $0, &key)
        }
        guard code == SSH_OK, let key else {
            sawEncrypted = sawEncrypted || asked
            tried.append(
                "\(path): \(asked ? "encrypted" : "not a private key that libssh can read")")
            return false
        }
        defer { ssh_key_free(key) }
        let session = self.session
        let answer = try drive { ssh_userauth_publickey(session.handle, nil, key) }
        return accept(answer, path, refusal: "the server does not take it")
    }

    /// The mode of what `path` leads to.
    private func linkedMode(_ path: String) -> UInt32? {
        var info = stat()
        return stat(path, &info) == 0 ? info.st_mode & 0o7777 : nil
    }

    private func drive(_ step: () -> Int32) throws(SSHError) -> Int32 {
        try session.drive("log in", until: deadline, again: Int32(SSH_AUTH_AGAIN.rawValue), step)
    }

    private mutating func accept(_ code: Int32, _ what: String, refusal: String) -> Bool {
        if code == SSH_AUTH_SUCCESS.rawValue { return true }
        if code == SSH_AUTH_PARTIAL.rawValue {
            tried.append("\(what): taken, but the server wants a second factor as well")
        } else if code == SSH_AUTH_ERROR.rawValue {
            tried.append("\(what): \(session.libraryText)")
            disconnected = ssh_is_connected(session.handle) == 0 || ssh_get_fd(session.handle) < 0
        } else {
            tried.append("\(what): \(refusal)")
        }
        return false
    }

    func failure() -> SSHError {
        let configuration = session.configuration
        let place = "-p \(configuration.port) \(configuration.user)@\(configuration.host)"
        var hints: [String] = []
        if sawEncrypted { hints.append("load the encrypted key: ssh-add FILE") }
        if tried.contains(where: { $0.contains("Too many authentication failures") }) {
            hints.append(
                "the agent offers too many keys: set IdentityFile and IdentitiesOnly yes for this host"
            )
        }
        if tried.contains(where: { $0.contains("others may read it") }) {
            hints.append("chmod 600 FILE")
        }
        if tried.isEmpty { hints.append("make a key: ssh-keygen -t ed25519") }
        hints.append("let the key in: ssh-copy-id \(place)")
        let list =
            tried.isEmpty ? "there is no agent and no identity file" : tried.joined(separator: "; ")
        return SSHError(
            .authentication, "log in", session.subject, "tried public keys only: \(list)",
            hint: hints.joined(separator: "; or "))
    }
}

/// Notes that a key is encrypted, and gives no passphrase. Without it OpenSSL would ask on the terminal.
private func refusePassphrase(
    _ prompt: UnsafePointer<CChar>?, _ buffer: UnsafeMutablePointer<CChar>?, _ count: Int,
    _ echo: Int32,
    _ verify: Int32, _ context: UnsafeMutableRawPointer?
) -> Int32 {
    context?.assumingMemoryBound(to: Bool.self).pointee = true
    return -1
}
