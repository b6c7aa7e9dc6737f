import MeshModel

/// What resolving needs for every set of keys that documents hold.
struct LayoutInputs: Sendable {
    let layout: RotationLayout
    /// By the set's number.
    private let inputs: [Int: ResolverInputs]

    init(layout: RotationLayout, inputs: [Int: ResolverInputs]) {
        self.layout = layout
        self.inputs = inputs
    }

    /// For the set that every node has a key of, or is to make one of.
    var primary: ResolverInputs {
        inputs[layout.wireguard]
            ?? ResolverInputs(meshID: "", issuedAt: 0, addresses: [:], generation: layout.wireguard)
    }

    /// Every managed node's document, and its interfaces in the order that routes go by.
    func resolve(
        _ topology: Topology
    ) -> (documents: [NodeDocument], interfaces: [String: [DesiredInterface]]) {
        var documents: [NodeDocument] = []
        var interfaces: [String: [DesiredInterface]] = [:]
        for set in layout.sets {
            guard let inputs = inputs[set.generation] else { continue }
            let isPrimary = set.generation == layout.wireguard
            let holders = layout.holders(of: set.generation, in: topology)
            let resolved = Resolver.resolve(topology, inputs: inputs)
            if isPrimary { documents = resolved }
            for document in resolved where holders.contains(document.node) {
                // A node that has not made a further key stays without its interface.
                for var interface in document.interfaces
                where isPrimary || interface.publicKey != .zero {
                    interface.peers.removeAll { !set.carries(Peering(document.node, $0.node)) }
                    interfaces[document.node, default: []].append(interface)
                }
            }
        }
        return (documents, interfaces)
    }
}
