import LinuxSystem
public import MeshModel
import StateStore

extension ControllerState {
    /// Every node's overlay addresses, new ones allocated and kept.
    public func allocateAddresses(
        for topology: Topology
    ) throws(ControllerError) -> [String: [IPAddress]] {
        let registry = AddressRegistry(try storeForWriting())
        let known = try knownAddresses()
        let allocation = try allocate(topology, existing: known)
        try Self.translate {
            // An address is given up only where its network has left the topology.
            for (node, wanted) in allocation.addresses {
                if known[node, default: []].contains(where: { !wanted.contains($0) }) {
                    try registry.release(node)
                }
            }
            try registry.keep(allocation.addresses)
            for node in allocation.tombstones.keys {
                try registry.retire(node, at: Clocks.wall())
            }
        }
        return allocation.addresses
    }

    /// The addresses that ``allocateAddresses(for:)`` would give. Changes nothing.
    public func previewAddresses(
        for topology: Topology
    ) throws(ControllerError) -> [String: [IPAddress]] {
        try allocate(topology, existing: try knownAddresses()).addresses
    }

    private func knownAddresses() throws(ControllerError) -> [String: [IPAddress]] {
        guard let store else { return [:] }
        return try Self.translate {
            try AddressRegistry(store).all().mapValues(\.addresses)
        }
    }

    private func allocate(
        _ topology: Topology, existing: [String: [IPAddress]]
    ) throws(ControllerError) -> OverlayAllocation {
        do { return try OverlayAllocation.allocate(topology, existing: existing) } catch {
            throw ControllerError(.state, error.description, hint: error.hint)
        }
    }
}
