import LinuxSystem
import MeshModel
import NodeProtocol

/// What the controller knows before a run of `verify`: documents as the topology wants them, addresses, keys.
struct VerifyKnowledge: Sendable {
    /// The run's random number.
    let nonce: String
    private let topology: Topology
    private let documents: [String: NodeDocument]
    private let formerTunnels: [String: DesiredTunnel]
    private let addresses: [String: [IPAddress]]
    private let unmanagedKeys: [String: PublicKey]

    init(_ topology: Topology, _ state: ControllerState) throws(ControllerError) {
        nonce = ControllerState.newMeshID()
        self.topology = topology
        addresses = try state.previewAddresses(for: topology)
        // During a rotation: of the step that is being taken, or was last.
        documents = try Self.documents(topology, state, state.layout, addresses)
        var former: [String: DesiredTunnel] = [:]
        if let layout = state.formerLayout {
            let documents = try Self.documents(topology, state, layout, addresses)
            for tunnel in documents.values.flatMap(\.tunnels) { former[tunnel.edge] = tunnel }
        }
        formerTunnels = former
        var keys: [String: PublicKey] = [:]
        for node in topology.nodes where !node.managed { keys[node.name] = node.publicKey }
        unmanagedKeys = keys
    }

    private static func documents(
        _ topology: Topology, _ state: ControllerState, _ layout: RotationLayout,
        _ addresses: [String: [IPAddress]]
    ) throws(ControllerError) -> [String: NodeDocument] {
        let inputs = try state.inputs(
            for: topology, layout, addresses: addresses, presharedKeys: { _, _ in nil })
        return MeshDesign(topology, inputs, expected: topology.managedNames).documents
    }

    /// With what the nodes said of themselves.
    func resolver(looks: [String: NodeLook]) -> VerifyResolver {
        var faces = looks.mapValues(\.face)
        // Where an unmanaged node is, its peers know best.
        for (name, key) in unmanagedKeys {
            let ends = looks.values.flatMap(\.interfaces).compactMap(\.device).flatMap(\.peers)
                .filter { $0.publicKey == key }.compactMap { $0.endpoint?.address }
            guard !ends.isEmpty else { continue }
            faces[name] = HostFace(
                node: name, underlay: Set(ends).sorted(), overlay: [], hardware: [])
        }
        return VerifyResolver(
            topology,
            VerifyInputs(
                documents: documents, formerTunnels: formerTunnels, addresses: addresses,
                unmanagedKeys: unmanagedKeys,
                faces: faces, clients: looks.mapValues(\.clients), nonce: nonce))
    }
}
