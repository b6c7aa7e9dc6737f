/// Is there a session now? A fresh handshake is needed, and is no proof of a path.
enum HandshakeCheck {
    /// *Source:* WireGuard's REJECT_AFTER_TIME. *Units:* seconds.
    static let freshness: Double = 180
    /// How far ahead of its own node's clock a handshake may seem: the clock may have been set. *Units:* seconds.
    private static let ahead: Double = 2

    static func inspect(_ view: EdgeView) -> Inspection {
        var inspection = Inspection()
        let sound = LinkCheck.sound(view)
        guard !sound.isEmpty else {
            inspection.miss(.live)
            return inspection
        }
        let looks = sound.map { stale($0, view) }
        if looks.contains(where: \.isEmpty) { return inspection }
        for finding in looks.flatMap({ $0 }) { inspection.fail(.live, finding) }
        return inspection
    }

    /// What is stale in one generation; empty where every link has a fresh handshake at every end that was asked.
    private static func stale(_ links: [MeshLinkCase], _ view: EdgeView) -> [Finding] {
        links.flatMap { link in
            [(link.a, link.b), (link.b, link.a)].compactMap { own, other in
                guard view.watched.contains(own.node) else { return nil }
                let age = age(own, other, link, view)
                if let age, age <= freshness, age >= -ahead { return nil }
                return Finding(
                    .staleHandshake, .serious, on: own.node,
                    "\(own.node) has had no handshake with \(other.node) on \(link.interface) "
                        + (age.map { "for \(Int(clamping: $0)) s" } ?? "yet"),
                    fix:
                        "does UDP \(other.port == 0 ? "of \(link.interface)" : "\(other.port)") get from \(own.node) to \(other.node)? meshproof status"
                )
            }
        }
    }

    /// How old the last handshake was when facts were gathered, by the node's own clock; nil for never.
    static func age(
        _ own: LinkEnd, _ other: LinkEnd, _ link: MeshLinkCase, _ view: EdgeView
    ) -> Double? {
        guard let facts = view.facts(own.node),
            let peer = facts.interfaces?.first(where: { $0.name == link.interface })?.device?.peers
                .first(where: { $0.publicKey == other.key }), peer.lastHandshake > 0
        else { return nil }
        return facts.ended.wall - peer.lastHandshake
    }
}

extension Int {
    /// The nearest whole number; a value that is none becomes 0.
    init(clamping value: Double) {
        self = value.isFinite ? Int(Swift.min(Swift.max(value, -1e15), 1e15)) : 0
    }
}
