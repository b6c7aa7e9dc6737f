public import MeshModel

extension TopologyFile {
    /// A topology as a new file: one line a node and service, one block a path.
    ///
    /// *Shape:* parsing it gives the topology again.
    public static func text(of topology: Topology) -> String {
        var sections = [YAMLValue.Field("mesh", .map(mesh(topology.mesh), isFlow: false))]
        sections.append(
            .init(
                "nodes", .map(topology.nodes.map { TopologyText.field($0) }, isFlow: false)))
        if !topology.services.isEmpty {
            sections.append(
                .init("services", .map(topology.services.map(service), isFlow: false)))
        }
        if !topology.paths.isEmpty {
            sections.append(.init("paths", .map(topology.paths.map(path), isFlow: false)))
        }
        if !topology.forbid.isEmpty {
            let pairs = topology.forbid.map { YAMLValue.scalar("\($0.from) -> \($0.to)") }
            sections.append(.init("forbid", .list(pairs, isFlow: false)))
        }
        if !topology.lab.isEmpty {
            let services = topology.lab.sorted { $0.key < $1.key }.map(lab)
            sections.append(
                .init(
                    "lab",
                    .map([.init("services", .map(services, isFlow: false))], isFlow: false)))
        }
        let blocks = sections.map { $0.lines(indent: "", step: "  ").joined(separator: "\n") }
        return blocks.joined(separator: "\n\n") + "\n"
    }

    /// What a file about one node alone must say so that the topology can be made of such files again: the peering, the
    /// node's edges through the mesh, and their services, a line each.
    public static func annotations(of node: String, in topology: Topology) -> [String] {
        let edges = topology.dependents(of: node).edges.filter { $0.edge.needsPeering }
        let parties = Set(edges.flatMap { [$0.edge.from, $0.edge.to] })
        let services = topology.services.filter { parties.contains($0.name) }.map {
            "meshproof services \(service($0).flow)"
        }
        let peering =
            switch topology.mesh.peering {
            case .paths: "paths"
            case .full: "full"
            case .hub(let hub): "hub \(hub)"
            }
        return ["meshproof peering \(peering)"] + services
            + edges.map { "meshproof paths \($0.path): - \(TopologyText.item($0.edge).flowItem)" }
    }

    private static func mesh(_ mesh: Mesh) -> [YAMLValue.Field] {
        var fields = [YAMLValue.Field("name", .scalar(mesh.name))]
        let networks = mesh.networks.map { YAMLValue.scalar($0.description) }
        fields.append(
            .init("network", networks.count == 1 ? networks[0] : .list(networks, isFlow: true)))
        fields.append(.init("port", .scalar("\(mesh.port)")))
        if mesh.tunnelPort != Mesh.defaultTunnelPort {
            fields.append(.init("tunnel_port", .scalar("\(mesh.tunnelPort)")))
        }
        switch mesh.peering {
        case .paths: break
        case .full: fields.append(.init("peering", .scalar("full")))
        case .hub(let hub):
            fields.append(.init("peering", .map([.init("hub", .scalar(hub))], isFlow: true)))
        }
        if let keepalive = mesh.keepalive {
            fields.append(.init("keepalive", .scalar("\(keepalive)")))
        }
        if let mtu = mesh.mtu { fields.append(.init("mtu", .scalar("\(mtu)"))) }
        if !mesh.guardEnabled { fields.append(.init("guard", .scalar("off"))) }
        if !mesh.namesEnabled { fields.append(.init("names", .scalar("off"))) }
        if let rotation = mesh.rotation {
            fields.append(.init("rotate", .scalar(rotation.description)))
        }
        return fields
    }

    private static func service(_ service: Service) -> YAMLValue.Field {
        var fields: [YAMLValue.Field] = [
            .init("on", .scalar(service.node)), .init("kind", .scalar(service.kind)),
        ]
        var isSocket = false
        switch service.bind {
        case .any: break
        case .loopback: fields.append(.init("bind", .scalar("loopback")))
        case .mesh: fields.append(.init("bind", .scalar("mesh")))
        case .address(let address): fields.append(.init("bind", .scalar(address.description)))
        case .unix(let path):
            isSocket = true
            fields.append(.init("bind", .scalar("unix:\(path)")))
        }
        if !isSocket, ServiceCatalogue.kind(service.kind)?.port != service.port {
            fields.append(.init("port", .scalar("\(service.port)")))
        }
        return .init(service.name, .map(fields, isFlow: true))
    }

    private static func path(_ path: Path) -> YAMLValue.Field {
        var fields: [YAMLValue.Field] = []
        if !path.carries.isEmpty {
            fields.append(
                .init("carries", .list(path.carries.map { .scalar($0) }, isFlow: true)))
        }
        fields.append(
            .init("edges", .list(path.edges.map(TopologyText.item), isFlow: false)))
        return .init(path.name, .map(fields, isFlow: false))
    }

    private static func lab(_ entry: (key: String, value: LabService)) -> YAMLValue.Field {
        func words(_ words: [String]) -> YAMLValue {
            .list(words.map { .scalar($0) }, isFlow: true)
        }
        var fields: [YAMLValue.Field] = []
        if !entry.value.prepare.isEmpty {
            fields.append(.init("prepare", words(entry.value.prepare)))
        }
        fields.append(.init("run", words(entry.value.run)))
        if let user = entry.value.user { fields.append(.init("user", .scalar(user))) }
        return .init(entry.key, .map(fields, isFlow: true))
    }
}
