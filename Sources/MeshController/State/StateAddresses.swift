public import LinuxSystem
public import MeshModel
import StateStore

extension ControllerState {
    /// Every node's overlay addresses, new ones allocated and kept; those of nodes that are gone for long enough are
    /// given back.
    public func allocateAddresses(
        for topology: Topology, now: Double = Clocks.wall()
    ) throws(ControllerError) -> [String: [IPAddress]] {
        let registry = AddressRegistry(try storeForWriting())
        let (known, lapsed) = try knownAddresses(for: topology, now: now)
        let allocation = try allocate(topology, existing: known)
        try Self.translate {
            for node in lapsed.sorted() { try registry.release(node) }
            // An address is given up only where its network has left the topology.
            for (node, wanted) in allocation.addresses {
                if known[node, default: []].contains(where: { !wanted.contains($0) }) {
                    try registry.release(node)
                }
            }
            try registry.keep(allocation.addresses)
            for node in allocation.tombstones.keys { try registry.retire(node, at: now) }
        }
        return allocation.addresses
    }

    /// The addresses that ``allocateAddresses(for:now:)`` would give. Changes nothing.
    public func previewAddresses(
        for topology: Topology, now: Double = Clocks.wall()
    ) throws(ControllerError) -> [String: [IPAddress]] {
        try allocate(topology, existing: try knownAddresses(for: topology, now: now).known)
            .addresses
    }

    /// What is kept, without what lapses now.
    private func knownAddresses(
        for topology: Topology, now: Double
    ) throws(ControllerError) -> (known: [String: [IPAddress]], lapsed: Set<String>) {
        guard let store else { return ([:], []) }
        let all = try Self.translate { try AddressRegistry(store).all() }
        let present = Set(topology.nodes.map(\.name))
        let removed = all.filter { !present.contains($0.key) }.compactMapValues(\.retiredAt)
        let lapsed = OverlayAllocation.lapsed(removed, now: now)
        return (all.filter { !lapsed.contains($0.key) }.mapValues(\.addresses), lapsed)
    }

    private func allocate(
        _ topology: Topology, existing: [String: [IPAddress]]
    ) throws(ControllerError) -> OverlayAllocation {
        do { return try OverlayAllocation.allocate(topology, existing: existing) } catch {
            throw ControllerError(.state, error.description, hint: error.hint)
        }
    }
}
