import MeshModel

/// Parts of a topology as YAML.
enum TopologyText {
    /// `name: { connect: …, endpoint: … }`.
    static func field(_ node: Node, isFlow: Bool = true) -> YAMLValue.Field {
        .init(node.name, .map(fields(node), isFlow: isFlow))
    }

    /// The keys of a node, those left out that say what is so anyway.
    static func fields(_ node: Node) -> [YAMLValue.Field] {
        var fields: [YAMLValue.Field] = []
        func add(_ key: String, _ text: String?) {
            if let text { fields.append(.init(key, .scalar(text))) }
        }
        if !node.managed { add("managed", "false") }
        add("connect", node.connect.map(connect))
        add("endpoint", node.endpoint.map { endpoint($0, port: node.endpointPort) })
        if node.addresses.count == 1 {
            add("address", node.addresses[0].description)
        } else if !node.addresses.isEmpty {
            let items = node.addresses.map { YAMLValue.scalar($0.description) }
            fields.append(.init("address", .list(items, isFlow: true)))
        }
        add("host_key", node.hostKey)
        add("public_key", node.publicKey?.description)
        if node.backend != .auto { add("backend", node.backend.rawValue) }
        add("guard", node.guardEnabled.map { $0 ? "on" : "off" })
        return fields
    }

    /// `from -> to: wireguard`, or with options.
    static func item(_ edge: Edge) -> YAMLValue {
        var value = YAMLValue.scalar(edge.via.rawValue)
        if !edge.options.isEmpty {
            let options = edge.options.sorted { $0.key < $1.key }
            value = .map(
                [.init("via", .scalar(edge.via.rawValue))]
                    + options.map { .init($0.key, .scalar($0.value)) }, isFlow: true)
        }
        return .map([.init("\(edge.from) -> \(edge.to)", value)], isFlow: true)
    }

    private static func connect(_ connect: Connect) -> String {
        switch connect {
        case .local: "local"
        case .join: "join"
        case .ssh(let user, let host, let port):
            "ssh://" + (user.map { $0 + "@" } ?? "") + bracketed(host)
                + (port.map { ":\($0)" } ?? "")
        }
    }

    private static func endpoint(_ host: String, port: UInt16?) -> String {
        port.map { "\(bracketed(host)):\($0)" } ?? host
    }

    private static func bracketed(_ host: String) -> String {
        host.contains(":") ? "[\(host)]" : host
    }
}
