import MeshModel

/// Reads `mesh:`.
struct MeshReader {
    /// More networks than this are not looked at; two are allowed.
    private static let networkLimit = 8

    let read: ValueReader

    func mesh(_ node: YAMLNode) -> DraftMesh {
        var mesh = DraftMesh(mark: node.mark)
        let keys = [
            "name", "network", "port", "tunnel_port", "peering", "keepalive", "mtu", "guard",
            "names",
            "rotate",
        ]
        guard let fields = Fields(node, of: "`mesh`", keys: keys, read) else { return mesh }
        if let value = fields["name"] {
            mesh.name = name(value)
        } else {
            read.sink.missing("the mesh has no `name`", at: node.mark, fix: "add `name: homelab`")
        }
        if let value = fields["network"] {
            let items = read.items(value)
            mesh.networks = items.prefix(Self.networkLimit).compactMap(network)
            if items.count > Self.networkLimit {
                read.sink.error(
                    "the mesh has \(items.count) networks", at: items[Self.networkLimit].mark,
                    fix: "keep one IPv4 and one IPv6 network")
            }
            if case .sequence(let items) = value.content, items.isEmpty {
                read.sink.error(
                    "the mesh has no network", at: value.mark, fix: "write `network: 10.77.0.0/24`")
            }
        } else {
            read.sink.missing(
                "the mesh has no `network`", at: node.mark, fix: "add `network: 10.77.0.0/24`")
        }
        // The next generation of keys listens on port + 1.
        mesh.port = fields["port"].flatMap { read.port($0, highest: 65534) }
        mesh.tunnelPort = fields["tunnel_port"].flatMap { read.port($0) }
        mesh.peering = fields["peering"].flatMap(peering)
        mesh.keepalive = fields["keepalive"].flatMap {
            guard let seconds = read.integer($0, "a number of seconds", 1...3600) else {
                return nil
            }
            return Marked(UInt16(truncatingIfNeeded: seconds.value), seconds.mark)
        }
        // IPv6 needs 1280; the upper end leaves WireGuard's own 80 bytes on the largest link.
        mesh.mtu = fields["mtu"].flatMap { read.integer($0, "an MTU", 1280...65455) }
        mesh.guardEnabled = fields["guard"].flatMap { read.boolean($0, "`on` or `off`") }
        mesh.namesEnabled = fields["names"].flatMap { read.boolean($0, "`on` or `off`") }
        mesh.rotation = fields["rotate"].flatMap(rotation)
        return mesh
    }

    private func rotation(_ node: YAMLNode) -> Marked<RotationSchedule>? {
        let fix = "write `rotate: every 30d`, with h, d or w; an hour at least"
        guard let text = read.text(node, "how often keys are replaced, like `every 30d`") else {
            return nil
        }
        guard let schedule = RotationSchedule(text.value) else {
            read.sink.error(
                "`\(read.clip(text.value))` does not say how often keys are replaced",
                at: text.mark, fix: fix)
            return nil
        }
        return Marked(schedule, text.mark)
    }

    private func name(_ node: YAMLNode) -> Marked<String>? {
        guard let text = read.text(node, "a name") else { return nil }
        read.label(text, "the mesh name")
        // IFNAMSIZ leaves 15 characters, four of which are `mp0-`.
        let length = text.value.utf8.count
        if length > 11 && Labels.problem(text.value) == nil {
            read.sink.error(
                "the mesh name `\(text.value)` is \(length) characters long, at most 11 are allowed",
                at: text.mark, fix: "shorten it, for instance to `\(short(text.value))`")
        }
        return text
    }

    private func short(_ name: String) -> String {
        Labels.suggestion(String(name.prefix(11))) ?? "mesh"
    }

    private func network(_ node: YAMLNode) -> Marked<IPPrefix>? {
        guard let text = read.text(node, "a network like 10.77.0.0/24") else { return nil }
        guard let prefix = IPPrefix(text.value) else {
            let fix =
                IPAddress(text.value).map {
                    $0.family == .ipv4 ? "write \($0)/24" : "write \($0)/64"
                }
                ?? "write an IPv4 or IPv6 network, like 10.77.0.0/24 or fd77:6d70::/64"
            read.sink.error("`\(read.clip(text.value))` is not a network", at: text.mark, fix: fix)
            return nil
        }
        if prefix.network != prefix {
            read.sink.error(
                "the network \(prefix) has host bits set", at: text.mark,
                fix: "write \(prefix.network)")
            return Marked(prefix.network, text.mark)
        }
        return Marked(prefix, text.mark)
    }

    private func peering(_ node: YAMLNode) -> Marked<Mesh.Peering>? {
        if case .mapping = node.content {
            guard let fields = Fields(node, of: "`peering`", keys: ["hub"], read) else {
                return nil
            }
            guard let value = fields["hub"] else {
                read.sink.missing(
                    "`peering` names no hub", at: node.mark, fix: "write `peering: { hub: NODE }`")
                return nil
            }
            return read.text(value, "a node").map { Marked(.hub($0.value), $0.mark) }
        }
        guard let text = read.text(node, "paths, full or { hub: NODE }") else { return nil }
        switch text.value {
        case "paths": return Marked(.paths, text.mark)
        case "full": return Marked(.full, text.mark)
        case "hub":
            read.sink.error(
                "`peering: hub` does not say which node", at: text.mark,
                fix: "write `peering: { hub: NODE }`")
        default:
            read.unknown("paths, full or { hub: NODE }", text, among: ["paths", "full"])
        }
        return nil
    }
}
