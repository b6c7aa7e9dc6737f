import LinuxSystem
public import MeshModel
public import PeerFiles
import NodeProtocol
import TopologyFile

/// How an unmanaged node is to use the mesh, beside what the topology says.
public struct ProfileOptions: Sendable, Equatable {
    /// The peer through which all other traffic goes too; nil for the mesh alone.
    public var gateway: String?
    /// Name servers.
    public var dns: [String] = []
    /// *Units:* bytes; nil for the mesh's, or what the device works out.
    public var mtu: Int?
    /// Whether comments say what `import` needs to make the topology again.
    public var isAnnotated = false

    /// The mesh alone, nothing else.
    public init() {}
}

extension ControllerState {
    /// What an unmanaged node is handed. *Throws:* ``ControllerError`` `usage` where it cannot be.
    public func profile(
        of name: String, in topology: Topology, _ options: ProfileOptions
    ) throws(ControllerError) -> WireGuardProfile {
        let inputs = try layoutInputs(topology).primary
        guard
            let interface = Resolver.handedInterface(
                name, in: topology, inputs: inputs, gateway: options.gateway)
        else {
            throw ControllerError(
                .usage, "\(name) is a managed node: its private key never leaves it",
                hint: "meshproof export --format wg-quick writes its file without the key")
        }
        if let gateway = options.gateway, !interface.peers.contains(where: { $0.node == gateway }) {
            let names = interface.peers.map(\.node).joined(separator: ", ")
            throw ControllerError(
                .usage, "\(gateway) is no peer of \(name)",
                hint: names.isEmpty ? "give it an edge first" : "its peers are \(names)")
        }
        var profile = WireGuardProfile(
            interface, title: "\(name) in the mesh \(topology.mesh.name)")
        if options.isAnnotated {
            profile.remarks = remarks(name, in: topology, key: inputs.keys[name])
        }
        if profile.listenPort == 0 { profile.listenPort = nil }
        profile.dns = options.dns
        profile.mtu = options.mtu ?? profile.mtu
        return profile
    }

    /// Every managed node's interface as its document wants it, with its preshared keys in base64.
    public func managedProfiles(
        _ topology: Topology
    ) throws(ControllerError) -> [(node: String, profile: WireGuardProfile)] {
        let design = MeshDesign(topology, try layoutInputs(topology))
        var profiles: [(String, WireGuardProfile)] = []
        for node in topology.managedNodes {
            guard let document = design.documents[node.name],
                let interface = document.interfaces.first(where: {
                    $0.generation == layout.wireguard
                })
            else { continue }
            let secrets = try presharedKeys(in: document)
            let keys = Dictionary(
                secrets.map { ($0.id, $0.key) }, uniquingKeysWith: { first, _ in first })
            var profile = WireGuardProfile(
                interface, title: "\(node.name) in the mesh \(topology.mesh.name)",
                presharedKeys: keys)
            profile.remarks = remarks(node.name, in: topology, key: interface.publicKey)
            profiles.append((node.name, profile))
        }
        return profiles
    }

    /// Every managed node's document as `up` would send it, without numbers that grow. No secret is in it.
    public func documents(_ topology: Topology) throws(ControllerError) -> [NodeDocument] {
        let design = MeshDesign(topology, try layoutInputs(topology))
        return topology.managedNodes.compactMap { design.documents[$0.name] }
    }

    /// The nodes whose documents differ between two topologies: those that a change concerns.
    public func concerned(
        from before: Topology, to after: Topology
    ) throws(ControllerError) -> Set<String> {
        let expected = before.managedNames.union(after.managedNames)
        let old = MeshDesign(before, try layoutInputs(before), expected: expected)
        let new = MeshDesign(after, try layoutInputs(after), expected: expected)
        return Set(
            new.documents.filter { !$0.value.wantsTheSame(as: old.documents[$0.key]) }.keys)
    }

    /// What `import` needs to make the topology of such files again.
    private func remarks(_ node: String, in topology: Topology, key: PublicKey?) -> [String] {
        (key.map { ["meshproof public-key \($0)"] } ?? [])
            + TopologyFile.annotations(of: node, in: topology)
    }

    /// By the sets of keys that documents hold now: during a rotation, those of the step that it is at.
    private func layoutInputs(_ topology: Topology) throws(ControllerError) -> LayoutInputs {
        let layout = layout
        let known = try presharedKeyIDs(for: topology.managedPeerings(), layout)
        return try inputs(
            for: topology, layout, addresses: try previewAddresses(for: topology),
            presharedKeys: { pair, generation in known[generation]?[pair] })
    }
}
