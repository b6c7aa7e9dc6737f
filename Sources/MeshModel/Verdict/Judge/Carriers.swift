/// What carried an edge, a line each, for people and receipts.
enum Carriers {
    static func lines(_ view: EdgeView) -> [String] {
        let edge = view.edge
        var lines: [String] = []
        switch edge.via {
        case .wireguard: lines = wireguard(view)
        case .ssh: lines = tunnel(view) + wireguard(view)
        case .tls, .mtls: lines = view.answered.compactMap { $0.tls.map(certificate) }
        case .local:
            lines = view.answered.map { "within \(edge.to.node): \($0.order.target)" }
        }
        return lines.enumerated().filter { lines.firstIndex(of: $1) == $0 }.map(\.element)
    }

    private static func wireguard(_ view: EdgeView) -> [String] {
        LinkCheck.sound(view).flatMap { $0 }.map { link in
            let ages = [(link.a, link.b), (link.b, link.a)].compactMap {
                HandshakeCheck.age($0, $1, link, view)
            }
            let age = ages.max().map { ", handshake \(Int(clamping: max($0, 0))) s old" }
            return
                "WireGuard \(link.interface): \(link.a.node) \(link.a.key), \(link.b.node) \(link.b.key)\(age ?? ", no handshake")"
        }
    }

    private static func tunnel(_ view: EdgeView) -> [String] {
        let tunnel = view.facts(view.edge.from.node)?.agent?.tunnels.first {
            $0.tunnel.edge == view.edge.id
        }
        guard let session = tunnel?.algorithms else { return [] }
        return [
            "SSH \(session.keyExchange), \(session.cipherOut), host key \(session.hostKey)"
        ]
    }

    private static func certificate(_ tls: TLSFacts) -> String {
        "\(tls.version) \(tls.cipher), \(tls.subject), SHA-256 \(tls.fingerprint)"
    }
}
