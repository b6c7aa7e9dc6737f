import MeshModel

/// Reads one item of `edges:`, and the options that its transport takes.
struct EdgeReader {
    let read: ValueReader

    /// What each transport may be given beside `via`.
    static func options(of via: Transport) -> [String] {
        switch via {
        case .wireguard, .local: []
        case .ssh: ["over", "local_port", "local_socket"]
        case .tls: ["min", "ca", "name"]
        case .mtls: ["min", "ca", "cert", "key", "name"]
        }
    }

    func edges(_ item: YAMLNode) -> [DraftEdge] {
        guard case .mapping(let entries) = item.content else {
            if let text = item.text, text.contains("->") {
                read.sink.error(
                    "the edge `\(read.clip(text))` has no transport", at: item.mark,
                    fix: "write `- \(read.clip(text)): wireguard`, or ssh, tls, mtls, local")
            } else {
                let found = item.text.map { "`\(read.clip($0))`" } ?? item.kind
                read.sink.error(
                    "expected an edge, found \(found)", at: item.mark,
                    fix: "write `- from -> to: wireguard`")
            }
            return []
        }
        if entries.isEmpty {
            read.sink.error(
                "expected an edge, found an empty mapping", at: item.mark,
                fix: "write `- from -> to: wireguard`")
        }
        return (Fields.entries(item, of: "an edge", read) ?? []).compactMap { key, value, keyNode in
            edge(key, value, keyNode)
        }
    }

    private func edge(
        _ key: Marked<String>, _ value: YAMLNode, _ keyNode: YAMLNode
    ) -> DraftEdge? {
        let options = Transport.allCases.flatMap(Self.options) + ["via"]
        if options.contains(key.value) {
            read.sink.error(
                "`\(key.value)` stands beside the edge, not in it", at: key.mark,
                fix: "indent it below the edge, or write { via: …, \(key.value): … }")
            return nil
        }
        guard let (from, to) = Arrow(read: read).parties(key, keyNode) else { return nil }
        var edge = DraftEdge(from: from, to: to)
        if case .mapping = value.content {
            readOptions(value, into: &edge)
        } else {
            edge.via = transport(value, key.mark)
            if let via = edge.via?.value, via == .mtls { requireCertificate(edge, [:]) }
        }
        return edge
    }

    private func transport(_ node: YAMLNode, _ edge: Mark) -> Marked<Transport>? {
        if node.isNull {
            read.sink.missing(
                "the edge has no transport", at: edge,
                fix: "write wireguard, ssh, tls, mtls or local after the colon")
            return nil
        }
        return read.choice(node, "a transport", Transport.self)
    }

    private func readOptions(_ node: YAMLNode, into edge: inout DraftEdge) {
        guard let entries = Fields.entries(node, of: "the edge", read) else { return }
        guard let via = entries.first(where: { $0.key.value == "via" }) else {
            read.sink.missing(
                "the edge has no `via`", at: node.mark,
                fix: "add `via: wireguard`, or ssh, tls, mtls, local")
            return
        }
        edge.via = transport(via.value, via.key.mark)
        guard let transport = edge.via?.value else { return }
        let known = Self.options(of: transport)
        for (key, value, _) in entries where key.value != "via" {
            guard known.contains(key.value) else {
                read.sink.error(
                    "the transport \(transport.rawValue) has no option `\(read.clip(key.value))`",
                    at: key.mark,
                    fix: known.isEmpty
                        ? "remove it" : read.suggestion(key.value, among: known))
                continue
            }
            edge.options[key.value] = option(key.value, value)
        }
        if let port = edge.options["local_port"], let socket = edge.options["local_socket"] {
            read.sink.error(
                "both `local_port` and `local_socket` are given", at: max(port.mark, socket.mark),
                fix: "keep one of them")
        }
        if transport == .mtls {
            requireCertificate(
                edge,
                Dictionary(
                    entries.map { ($0.key.value, $0.key.mark) }, uniquingKeysWith: { one, _ in one }
                ))
        }
    }

    private func option(_ key: String, _ node: YAMLNode) -> Marked<String>? {
        switch key {
        case "over":
            return oneOf(node, "underlay or mesh", ["underlay", "mesh"])
        case "min":
            return oneOf(node, "TLS1.2 or TLS1.3", ["TLS1.2", "TLS1.3"])
        case "local_port":
            return read.port(node).map { Marked(String($0.value), $0.mark) }
        case "local_socket":
            return read.text(node, "the path of a unix socket").flatMap {
                SocketPath.check($0, read)
            }
        case "name":
            guard let text = read.text(node, "the name in the certificate") else { return nil }
            if HostReader.isName(text.value) || IPAddress(text.value) != nil { return text }
            read.sink.error(
                "`\(read.clip(text.value))` cannot be a name in a certificate", at: text.mark,
                fix: "write the DNS name or address that the certificate was made for")
            return nil
        default:
            return read.text(node, "a file")
        }
    }

    private func oneOf(_ node: YAMLNode, _ what: String, _ choices: [String]) -> Marked<String>? {
        guard let text = read.text(node, what) else { return nil }
        if choices.contains(text.value) { return text }
        read.unknown(what, text, among: choices)
        return nil
    }

    /// Without a client certificate there is nothing to show, and nothing to prove.
    private func requireCertificate(_ edge: DraftEdge, _ given: [String: Mark]) {
        let missing = ["cert", "key"].filter { given[$0] == nil }
        if missing.isEmpty { return }
        read.sink.missing(
            "the mtls edge has no " + missing.map { "`\($0)`" }.joined(separator: " and no "),
            at: edge.mark, fix: "write { via: mtls, cert: client.pem, key: client.key }")
    }
}
