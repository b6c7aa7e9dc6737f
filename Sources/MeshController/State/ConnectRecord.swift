import MeshModel

extension Connect {
    /// The form it is kept in.
    var text: String {
        switch self {
        case .local: "local"
        case .ssh(let user, let host, let port):
            "ssh \(user ?? "-") \(host) \(port.map(String.init) ?? "-")"
        }
    }

    /// Reads ``text``.
    init?(text: String) {
        let words = text.split(separator: " ").map(String.init)
        if words == ["local"] {
            self = .local
        } else if words.count == 4, words[0] == "ssh" {
            self = .ssh(
                user: words[1] == "-" ? nil : words[1], host: words[2], port: UInt16(words[3]))
        } else {
            return nil
        }
    }
}
