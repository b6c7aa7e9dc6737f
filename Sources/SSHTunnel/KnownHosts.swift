import CSSH
import LinuxSystem

/// What the known_hosts files say about one host, read before the connection is made.
///
/// *Source:* sshd(8), SSH_KNOWN_HOSTS FILE FORMAT. Certificate authorities are not used: their lines are skipped.
struct KnownHosts: Sendable, Equatable {
    /// One line that names the host.
    struct Entry: Sendable, Equatable {
        let type: String
        let fingerprint: String
        /// `file:line`.
        let place: String
        let isRevoked: Bool
    }

    /// What a presented key is to these files.
    enum Judgement: Sendable, Equatable {
        case known(place: String)
        case unknown
        case changed(expected: [Entry])
        case revoked(place: String)
    }

    let entries: [Entry]

    /// The key types the host is known by, without revoked keys.
    var types: [String] { entries.filter { !$0.isRevoked }.map(\.type) }

    /// Judges a key that the host presented.
    func judge(fingerprint: String) -> Judgement {
        let same = entries.filter { $0.fingerprint == fingerprint }
        if let revoked = same.first(where: \.isRevoked) { return .revoked(place: revoked.place) }
        if let known = same.first { return .known(place: known.place) }
        let expected = entries.filter { !$0.isRevoked }
        return expected.isEmpty ? .unknown : .changed(expected: expected)
    }

    /// Reads the lines about `name` from all `files`; a missing file is an empty one.
    static func load(_ files: [String], name: String) throws(SystemError) -> KnownHosts {
        var entries: [Entry] = []
        for file in files {
            guard let bytes = try Files.readIfPresent(file) else { continue }
            for (index, line) in bytes.split(separator: 10, omittingEmptySubsequences: false)
                .enumerated()
            {
                let text = String(
                    decoding: line.map { $0 == 9 || $0 == 13 ? 32 : $0 }, as: UTF8.self)
                if let entry = parse(text, name: name, place: "\(file):\(index + 1)") {
                    entries.append(entry)
                }
            }
        }
        return KnownHosts(entries: entries)
    }

    private static func parse(_ line: String, name: String, place: String) -> Entry? {
        var words = line.split(separator: " ", maxSplits: 4).map(String.init)
        guard let first = words.first, !first.hasPrefix("#") else { return nil }
        var isRevoked = false
        if first.hasPrefix("@") {
            guard first == "@revoked" else { return nil }
            isRevoked = true
            words.removeFirst()
        }
        guard words.count >= 3 else { return nil }
        let patterns = words[0].split(separator: ",").map(String.init)
        // libssh lets a later pattern win over a negated one; here a negated one decides, as in OpenSSH.
        for pattern in patterns where pattern.hasPrefix("!") {
            if match(String(pattern.dropFirst()), words, name) != nil { return nil }
        }
        let positive = patterns.filter { !$0.hasPrefix("!") }.joined(separator: ",")
        guard !positive.isEmpty, let key = match(positive, words, name) else { return nil }
        return Entry(
            type: key.type, fingerprint: key.fingerprint, place: place, isRevoked: isRevoked)
    }

    private static func match(
        _ patterns: String, _ words: [String], _ name: String
    ) -> (type: String, fingerprint: String)? {
        var entry: UnsafeMutablePointer<ssh_knownhosts_entry>?
        let line = "\(patterns) \(words[1]) \(words[2])"
        guard ssh_known_hosts_parse_line(name, line, &entry) == SSH_OK, let entry else {
            return nil
        }
        defer { ssh_knownhosts_entry_free(entry) }
        guard let key = entry.pointee.publickey, let print = SSHLibrary.fingerprint(key) else {
            return nil
        }
        return (SSHLibrary.typeName(key), print)
    }
}
