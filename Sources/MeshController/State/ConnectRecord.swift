import MeshModel

/// How a node was reached, as the state keeps it: one line, and the pinned host key on a second where there is one.
struct ConnectRecord: Equatable {
    let connect: Connect
    let hostKey: String?

    /// What there is to keep of a node; nil for an unmanaged one.
    init?(_ node: Node) {
        guard let connect = node.connect else { return nil }
        self.connect = connect
        hostKey = node.hostKey
    }

    /// Reads ``text``.
    init?(text: String) {
        let lines = text.split(separator: "\n", maxSplits: 1).map(String.init)
        let words = (lines.first ?? "").split(separator: " ").map(String.init)
        if words == ["local"] {
            connect = .local
        } else if words == ["join"] {
            connect = .join
        } else if words.count == 4, words[0] == "ssh" {
            connect = .ssh(
                user: words[1] == "-" ? nil : words[1], host: words[2], port: UInt16(words[3]))
        } else {
            return nil
        }
        hostKey = lines.count > 1 ? lines[1] : nil
    }

    /// The form it is kept in.
    var text: String {
        let way =
            switch connect {
            case .local: "local"
            case .join: "join"
            case .ssh(let user, let host, let port):
                "ssh \(user ?? "-") \(host) \(port.map(String.init) ?? "-")"
            }
        return way + (hostKey.map { "\n" + $0 } ?? "")
    }
}
