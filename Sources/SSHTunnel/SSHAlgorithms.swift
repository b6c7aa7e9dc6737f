/// The algorithms that are good enough, best first. Nothing with SHA-1, CBC or a group under 3072 bits.
///
/// libssh drops the names it does not have, so the post-quantum ones take effect with the first libssh that knows
/// them. *Source:* RFC 9142; OpenSSH 9.x defaults.
enum SSHAlgorithms {
    static let keyExchange = [
        "mlkem768x25519-sha256", "sntrup761x25519-sha512", "sntrup761x25519-sha512@openssh.com",
        "curve25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp521",
        "ecdh-sha2-nistp384", "ecdh-sha2-nistp256", "diffie-hellman-group16-sha512",
        "diffie-hellman-group18-sha512",
    ]
    static let ciphers = [
        "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes128-gcm@openssh.com",
    ]
    /// Only for form's sake: every cipher above authenticates by itself.
    static let macs = ["hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com"]
    static let publicKeys = [
        "ssh-ed25519", "sk-ssh-ed25519@openssh.com", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521", "sk-ecdsa-sha2-nistp256@openssh.com", "rsa-sha2-512",
        "rsa-sha2-256",
    ]

    /// Host key types with the signature algorithms that each may use.
    static let hostKeys: [(type: String, algorithms: [String])] = [
        ("ssh-ed25519", ["ssh-ed25519"]),
        ("ecdsa-sha2-nistp256", ["ecdsa-sha2-nistp256"]),
        ("ecdsa-sha2-nistp384", ["ecdsa-sha2-nistp384"]),
        ("ecdsa-sha2-nistp521", ["ecdsa-sha2-nistp521"]),
        ("ssh-rsa", ["rsa-sha2-512", "rsa-sha2-256"]),
    ]

    /// Host key algorithms to offer: those of the types we know the host by first, none of `excluded`.
    static func hostKeys(preferring known: [String], excluding excluded: [String]) -> [String] {
        let allowed = hostKeys.filter { !excluded.contains($0.type) }
        let first = allowed.filter { known.contains($0.type) }
        let rest = allowed.filter { !known.contains($0.type) }
        return (first + rest).flatMap(\.algorithms)
    }
}

/// What one session offers to negotiate, best first.
struct SSHOffer: Sendable {
    var keyExchange = SSHAlgorithms.keyExchange
    var hostKeys: [String]
    var ciphers = SSHAlgorithms.ciphers
    var publicKeys = SSHAlgorithms.publicKeys
}
