public import MeshModel

/// One line of the tunnel server's authorized_keys: a key, and all that it may do.
///
/// *Shape:* `restrict,port-forwarding,permitopen="…"…[,from="…"] ssh-ed25519 AAAA… NODE`. A TCP target is
/// `127.0.0.1:5432` or `[::1]:5432`. A unix socket is `[/run/postgresql/.s.PGSQL.5432]:*`: sshd compares its path with
/// the host, and a port that no TCP request has with the port, so it takes any port to permit one (OpenSSH's
/// `channel_connect_to_path` and `open_match`; sshd(8) does not tell).
public struct GrantLine: Sendable, Hashable, CustomStringConvertible {
    /// Whose key it is.
    public let node: String
    /// The key.
    public let key: PublicKey
    /// TCP targets, as sshd compares them with what a client asks for: as text.
    public let ports: Set<SocketEndpoint>
    /// Unix sockets.
    public let sockets: Set<String>
    /// Where the key may come from; empty for anywhere.
    public let sources: Set<IPAddress>

    /// sshd permits every TCP target to a key that names none, so such a key is given one that cannot be.
    /// *Source:* RFC 6761 section 6.4: names below `.invalid` never resolve.
    private static let nowhere = "nowhere.invalid:1"

    /// The lines of `grants`, sorted by key.
    ///
    /// sshd goes by the first line that has the key and lets the client in, so the grants of one key that come from
    /// the same places are one line.
    public static func lines(of grants: [TunnelGrant]) -> [GrantLine] {
        struct Holder: Hashable {
            var key: PublicKey
            var sources: Set<IPAddress>
        }
        let groups = Dictionary(grouping: grants) {
            Holder(key: $0.key, sources: Set($0.sources))
        }
        return groups.map { holder, grants in
            let targets = grants.flatMap(\.targets)
            return GrantLine(
                node: grants.map(\.node).min() ?? "", key: holder.key,
                ports: Set(
                    targets.compactMap { target in
                        if case .tcp(let endpoint) = target { return endpoint }
                        return nil
                    }),
                sockets: Set(
                    targets.compactMap { target in
                        // One that cannot be written down is not granted.
                        if case .unix(let path) = target, isSocketPath(path) { return path }
                        return nil
                    }), sources: holder.sources)
        }.sorted { ($0.key, $0.description) < ($1.key, $1.description) }
    }

    private init(
        node: String, key: PublicKey, ports: Set<SocketEndpoint>, sockets: Set<String>,
        sources: Set<IPAddress>
    ) {
        let name = node.filter { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") }
        self.node = name.isEmpty ? "unnamed" : name
        self.key = key
        self.ports = ports
        self.sockets = sockets
        self.sources = sources
    }

    /// Parses what ``description`` prints; nil otherwise.
    public init?(_ text: some StringProtocol) {
        let words = text.split(separator: " ")
        guard words.count == 4, words[1] == "ssh-ed25519",
            let key = PublicKey(openSSHText: "\(words[1]) \(words[2])")
        else { return nil }
        let options = words[0].split(separator: "\"", omittingEmptySubsequences: false)
        guard options.first == "restrict,port-forwarding,permitopen=", options.last == "",
            options.count % 2 == 1
        else { return nil }
        var ports: Set<SocketEndpoint> = []
        var sockets: Set<String> = []
        var sources: Set<IPAddress> = []
        for index in stride(from: 0, to: options.count - 1, by: 2) {
            let value = options[index + 1]
            switch options[index] {
            case "restrict,port-forwarding,permitopen=", ",permitopen=":
                if value == Self.nowhere { continue }
                if let path = Self.socket(in: value) {
                    sockets.insert(path)
                } else if let endpoint = SocketEndpoint(String(value)) {
                    ports.insert(endpoint)
                } else {
                    return nil
                }
            case ",from=":
                for item in value.split(separator: ",", omittingEmptySubsequences: false) {
                    guard let address = IPAddress(String(item)) else { return nil }
                    sources.insert(address)
                }
            default: return nil
            }
        }
        self.init(
            node: String(words[3]), key: key, ports: ports, sockets: sockets, sources: sources)
    }

    /// The line, without its end.
    public var description: String {
        var options = ["restrict", "port-forwarding"]
        let targets =
            ports.map(\.description).sorted() + sockets.sorted().map { "[\($0)]:*" }
        options += (targets.isEmpty ? [Self.nowhere] : targets).map { "permitopen=\"\($0)\"" }
        if !sources.isEmpty {
            let list = sources.sorted().map(\.description).joined(separator: ",")
            options.append("from=\"\(list)\"")
        }
        return "\(options.joined(separator: ",")) \(key.openSSHText) \(node)"
    }

    /// The keys that have lost something on the way from `old` to `new`: their sessions, which keep the rights that they
    /// began with, have to end. A line of `old` that is none of ours has lost everything; its key cannot be told.
    public static func narrowed(from old: [GrantLine], to new: [GrantLine]) -> Set<PublicKey> {
        let there = Dictionary(grouping: new, by: \.key)
        return Set(
            old.filter { line in !(there[line.key] ?? []).contains { $0.covers(line) } }
                .map(\.key))
    }

    private func covers(_ other: GrantLine) -> Bool {
        let isFromThere =
            sources.isEmpty || (!other.sources.isEmpty && sources.isSuperset(of: other.sources))
        return isFromThere && ports.isSuperset(of: other.ports)
            && sockets.isSuperset(of: other.sockets)
    }

    /// The path in `[/path]:*`; nil for anything else.
    private static func socket(in value: some StringProtocol) -> String? {
        guard value.hasPrefix("["), value.hasSuffix("]:*") else { return nil }
        let path = String(value.dropFirst().dropLast(3))
        return isSocketPath(path) ? path : nil
    }

    /// Whether a unix socket's path can be granted: absolute, with no detour, and with no character that means something
    /// in this line or to sshd.
    public static func isSocketPath(_ path: String) -> Bool {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        // *Source:* unix(7): a path of a socket has at most 107 bytes.
        return parts.count > 2 && parts[0].isEmpty && path.utf8.count < 108
            && !parts.dropFirst().contains { $0.isEmpty || $0 == "." || $0 == ".." }
            && path.utf8.allSatisfy { $0 > 32 && $0 < 127 && !"\"\\[]*?,:".utf8.contains($0) }
    }
}
