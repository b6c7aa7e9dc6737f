public import MeshModel

/// What a lab of a topology consists of: hosts, their underlay addresses, their services. Pure.
public struct LabPlan: Sendable, Equatable {
    /// Names and folders.
    public let names: LabNames
    /// The networks on the lab's one wire, host bits cleared.
    public let networks: [IPPrefix]
    /// The lan's own address in each network where one is free: the controller's, and the hosts' gateway.
    public let lanAddresses: [IPPrefix]
    /// The node that the controller runs on: the only one with `connect: local`, or nil for the lan.
    public let controllerNode: String?
    /// The text of everyone's /etc/hosts.
    public let hostsFile: String
    /// What is not as it would be on real machines.
    public let notes: [String]
    let hosts: [Host]

    struct Host: Sendable, Equatable {
        var spec: HostSpec
        var services: [ServiceSpec]
        /// What it is called besides its node's name.
        var names: [String]

        var node: String { spec.node }
        var address: IPAddress { spec.addresses[0].address }
    }

    /// The managed nodes, which are the lab's hosts, in the topology's order.
    public var nodes: [String] { hosts.map(\.node) }

    /// The underlay addresses of a host; empty for a node that has none.
    public func addresses(of node: String) -> [IPAddress] {
        hosts.first { $0.node == node }?.spec.addresses.map(\.address) ?? []
    }

    /// Works out a lab.
    ///
    /// - Parameters:
    ///   - overlayAddresses: by node, for services that bind to the mesh; where unknown, they bind to all addresses.
    ///   - folder: where the commands of the topology's `lab:` section start.
    ///
    /// *Throws:* ``LabError`` `unsupported`, with all reasons why this topology cannot be rehearsed.
    public init(
        _ topology: Topology, overlayAddresses: [String: [IPAddress]] = [:], folder: String = "/"
    ) throws(LabError) {
        names = LabNames(mesh: topology.mesh.name)
        let underlay = try UnderlayPlan(topology)
        networks = underlay.networks
        lanAddresses = underlay.lanAddresses
        let local = topology.managedNodes.filter { $0.connect == .local }.map(\.name)
        controllerNode = local.count == 1 ? local[0] : nil
        var notes = LabPlan.notes(topology, local: local)
        var hosts: [Host] = []
        for node in topology.nodes where node.managed {
            let services = topology.services.filter { $0.node == node.name }.map { service in
                LabPlan.service(
                    service, command: topology.lab[service.name], folder: folder,
                    overlay: overlayAddresses[node.name] ?? node.addresses, notes: &notes)
            }
            let spec = underlay.spec(node, mesh: topology.mesh.name, isLocal: local == [node.name])
            hosts.append(
                Host(spec: spec, services: services, names: underlay.names[node.name] ?? []))
        }
        self.hosts = hosts
        self.notes = notes
        hostsFile = LabPlan.hostsText(hosts)
    }

    private static func notes(_ topology: Topology, local: [String]) -> [String] {
        var notes: [String] = []
        if local.count > 1 {
            notes.append(
                "\(local.joined(separator: " and ")) are `connect: local`; with more than one, the "
                    + "controller runs in the lan and cannot reach them")
        }
        for node in topology.nodes where node.managed {
            guard let port = node.endpointPort, port != topology.mesh.port else { continue }
            notes.append(
                "\(node.name): its endpoint's port \(port) is a forward that the lab does not have")
        }
        return notes
    }

    private static func service(
        _ service: Service, command: MeshModel.LabService?, folder: String, overlay: [IPAddress],
        notes: inout [String]
    ) -> ServiceSpec {
        var binds: [String]
        switch service.bind {
        case .any: binds = ["::"]
        case .loopback: binds = ["127.0.0.1", "::1"]
        case .mesh: binds = overlay.map(\.description)
        case .address(let address): binds = [address.description]
        case .unix(let path): binds = ["unix:\(path)"]
        }
        if binds.isEmpty {
            binds = ["::"]
            if command == nil {
                notes.append(
                    "\(service.name): the overlay address of \(service.node) is not known yet; "
                        + "it listens on every address")
            }
        }
        return ServiceSpec(
            name: service.name, kind: service.kind, port: service.port,
            prepare: command?.prepare ?? [], run: command?.run ?? [], user: command?.user,
            binds: binds, folder: folder)
    }

    private static func hostsText(_ hosts: [Host]) -> String {
        var lines = [
            "127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback",
            "# The hosts of this meshproof lab.",
        ]
        for host in hosts {
            let names = ([host.node] + host.names.filter { $0 != host.node }).joined(separator: " ")
            for address in host.spec.addresses { lines.append("\(address.address) \(names)") }
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
