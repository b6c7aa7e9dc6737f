import LinuxSystem

/// Which host key is accepted: the pinned one alone, or those that known_hosts lists. There is no trust on first use.
struct HostKeyPolicy: Sendable {
    private let pin: String?
    private let known: KnownHosts
    private let configuration: SSHConfiguration

    /// Reads known_hosts, unless a key is pinned.
    init(_ target: SSHTarget, _ configuration: SSHConfiguration) throws(SSHError) {
        self.configuration = configuration
        guard let text = target.pinnedHostKey else {
            pin = nil
            do throws(SystemError) {
                known = try KnownHosts.load(
                    configuration.knownHostsFiles, name: configuration.knownHostsName)
            } catch {
                throw SSHError(
                    .configuration, "check host key", configuration.subject, "\(error)",
                    errno: error.errno, hint: "make the known_hosts file readable, or pin the key")
            }
            return
        }
        guard let normal = HostKeyPolicy.normalise(text) else {
            throw SSHError(
                .configuration, "check host key", configuration.subject,
                "the pinned host key is not a SHA-256 fingerprint",
                hint: "write host_key: SHA256:… with the 43 characters that ssh-keygen -lf prints")
        }
        pin = normal
        known = KnownHosts(entries: [])
    }

    /// `SHA256:` and 43 characters of base64, padding dropped; nil for anything else.
    private static func normalise(_ text: String) -> String? {
        guard text.hasPrefix("SHA256:") else { return nil }
        var digits = text.dropFirst(7)
        if digits.last == "=" { digits.removeLast() }
        let isBase64 = digits.utf8.allSatisfy { byte in
            (65...90).contains(byte) || (97...122).contains(byte) || (48...57).contains(byte)
                || byte == 43 || byte == 47
        }
        return digits.utf8.count == 43 && isBase64 ? "SHA256:\(digits)" : nil
    }

    /// The key types to ask the server for first.
    var preferredTypes: [String] { known.types }

    /// Whether another of the host's keys might be accepted where this one was not.
    ///
    /// A pin does not tell its key's type, and a server offers one key at a time.
    var mayAskForAnother: Bool { pin != nil }

    /// Says how the key is known, or throws why it is refused.
    func check(type: String, fingerprint: String) throws(SSHError) -> String {
        if let pin {
            if pin == fingerprint { return "pinned" }
            throw SSHError(
                .changedHostKey, "check host key", configuration.subject,
                "the host presents \(type) \(fingerprint), but \(pin) is pinned",
                hint:
                    "do not go on unless you know why; if the key was renewed on purpose, change host_key: "
                    + "in the topology to \(fingerprint)")
        }
        switch known.judge(fingerprint: fingerprint) {
        case .known(let place):
            return place
        case .unknown:
            throw SSHError(
                .unknownHostKey, "check host key", configuration.subject,
                "unknown host key \(type) \(fingerprint)", hint: unknownHint(fingerprint))
        case .revoked(let place):
            throw SSHError(
                .revokedHostKey, "check host key", configuration.subject,
                "\(place) revokes the host's key \(type) \(fingerprint)",
                hint: "give the host a new key; this one must not be trusted again")
        case .changed(let expected):
            let list = expected.map { "\($0.type) \($0.fingerprint) (\($0.place))" }
            throw SSHError(
                .changedHostKey, "check host key", configuration.subject,
                "the host presents \(type) \(fingerprint), but known_hosts expects "
                    + list.joined(separator: " or "),
                hint:
                    "someone may be in between; if the key was renewed on purpose, run ssh-keygen -R "
                    + "'\(configuration.knownHostsName)' and add the new one")
        }
    }

    private func unknownHint(_ fingerprint: String) -> String {
        let file = configuration.knownHostsFiles.first ?? "~/.ssh/known_hosts"
        let scan = "ssh-keyscan -p \(configuration.port) \(configuration.host) >> \(file)"
        return
            "compare it with ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub on the host itself; then either run "
            + "\(scan), or write host_key: \(fingerprint) at this node in the topology"
    }
}
