import LinuxSystem
import MeshModel
import Secrets

/// What sshd's log says about who has come in: the one place where a key and a connection stand together.
///
/// *Shape:* `Accepted publickey for USER from ADDRESS port PORT ssh2: ED25519 SHA256:…`, one line a session.
/// *Source:* OpenSSH's `auth_log`; the same from 6.2 to 10.
struct SessionLog {
    /// The fingerprint by which the latest session from each place came in.
    private(set) var keys: [SocketEndpoint: String] = [:]
    /// The lines that said so.
    private(set) var lines: [SocketEndpoint: String] = [:]

    /// The sessions that `text` tells of.
    init(_ text: some Sequence<UInt8>) {
        for line in Array(text).split(separator: 10) {
            let line = Self.words(line)
            // Only a line that begins so: further on, the words could be a name that a stranger made up.
            guard line.hasPrefix("Accepted publickey for ") else { continue }
            let words = line.split(separator: " ")
            // Accepted publickey for USER from ADDRESS port PORT ssh2: ED25519 SHA256:…
            guard words.count >= 11, words[4] == "from", words[6] == "port",
                let address = IPAddress(String(words[5].prefix { $0 != "%" })),
                let port = UInt16(words[7]), words[10].hasPrefix("SHA256:")
            else { continue }
            let place = SocketEndpoint(address, port)
            keys[place] = String(words[10])
            lines[place] = line
        }
    }

    /// A line without its carriage return, and without the `sshd-session[123]: ` that newer versions begin with.
    private static func words(_ line: ArraySlice<UInt8>) -> String {
        let text = String(decoding: line.filter { $0 != 13 }, as: UTF8.self)
        guard text.hasPrefix("sshd"), let bracket = text.firstIndex(of: "["),
            text[..<bracket].allSatisfy({ $0.isLetter || $0 == "-" }),
            case let rest = text[bracket...].dropFirst().drop(while: \.isNumber),
            rest.hasPrefix("]: ")
        else { return text }
        return String(rest.dropFirst(3))
    }

    /// A key's fingerprint as sshd prints it: base64 of SHA-256, without padding.
    static func fingerprint(_ key: PublicKey) -> String {
        let digest = Base64.unhex(Digests.sha256(key.openSSHBlob)) ?? []
        return "SHA256:" + Base64.encode(digest).prefix { $0 != "=" }
    }
}
