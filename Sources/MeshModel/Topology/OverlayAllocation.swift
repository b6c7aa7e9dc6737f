/// Which overlay addresses each node has.
///
/// A node keeps its addresses for as long as its name is known: allocation adds, it never moves. The name of a
/// removed node stays as a tombstone for ``reservation``, so that nobody inherits its address while others may still
/// trust it.
public struct OverlayAllocation: Sendable, Equatable {
    /// The addresses of every node of the topology, IPv4 first, one a network.
    public let addresses: [String: [IPAddress]]
    /// The addresses of names that are no longer in the topology, still held back.
    public let tombstones: [String: [IPAddress]]
    /// Nodes whose addresses are new or differ from before, in the topology's order.
    public let changed: [String]

    /// How long the address of a removed node is kept from all but its own name. *Units:* seconds.
    ///
    /// A node that is away goes on sending to the removed node's key what is for that address, and lets in what comes from
    /// there. It is told as soon as it is back; thirty days are longer than machines of a mesh are away for holidays,
    /// repairs and moves, and short enough for a small network not to fill up with names that are gone.
    public static let reservation: Double = 30 * 86_400

    /// The names among removed ones whose addresses others may have now.
    ///
    /// - Parameter removed: since when each is gone. *Units:* seconds since 1970. A time that is still to come, by a clock
    ///   that was set back, lets nothing go.
    public static func lapsed(_ removed: [String: Double], now: Double) -> Set<String> {
        Set(removed.filter { now - $0.value >= reservation }.keys)
    }

    /// What to remember: nodes and tombstones together, to be handed in as `existing` next time.
    public var remembered: [String: [IPAddress]] {
        addresses.merging(tombstones) { current, _ in current }
    }

    /// Gives every node an address in every network of the mesh.
    ///
    /// In this order of strength: an address the operator pinned; the address the node already has, as long as it is
    /// still in the network; the address with the same number as the node's in the other family; the first free one.
    ///
    /// *Idempotency:* handing ``remembered`` back in gives the same addresses.
    /// *Throws:* ``AllocationError`` where a network is full, or an address is pinned that another node has.
    public static func allocate(
        _ topology: Topology, existing: [String: [IPAddress]] = [:]
    ) throws(AllocationError) -> OverlayAllocation {
        var allocator = Allocator(topology, existing: existing)
        try allocator.keepPinned()
        allocator.keepExisting()
        try allocator.fill()
        return allocator.result()
    }

    /// How many nodes a network can hold: its addresses without those that ``isUsable(_:in:)`` leaves out.
    ///
    /// *Units:* saturates at `UInt64.max`.
    public static func capacity(of network: IPPrefix) -> UInt64 {
        let bits = network.address.family.bits - Int(network.length)
        if bits >= 64 { return .max }
        let count = UInt64(1) << UInt64(bits)
        if network.address.family == .ipv6 { return count - 1 }
        // One .0 in each 256, and the broadcast address.
        let zeros = bits >= 8 ? count >> 8 : (network.network.address.low & 255 == 0 ? 1 : 0)
        let first: UInt64 = bits < 8 && network.network.address.low & 255 != 0 ? 1 : 0
        return count - min(count, zeros + first + 1)
    }

    /// Whether a node may have this address: in the network, and neither the network's own address, nor its
    /// broadcast address, nor an IPv4 address that ends in .0 (which some equipment still drops).
    public static func isUsable(_ address: IPAddress, in network: IPPrefix) -> Bool {
        guard network.contains(address), address != network.network.address else { return false }
        if address.family == .ipv6 { return true }
        let hostMask = (UInt64(1) << UInt64(32 - Int(network.length))) - 1
        return address.low & hostMask != hostMask && address.low & 255 != 0
    }
}

/// Why addresses could not be allocated.
public struct AllocationError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The kinds of failure.
    public enum Code: String, Sendable, Hashable {
        /// No free address is left in a network.
        case networkFull
        /// A pinned address already belongs to another node.
        case addressTaken
    }

    /// Which kind of failure.
    public let code: Code
    /// The node that could not be served.
    public let node: String
    /// The network that is full, or the address that is taken.
    public let subject: String
    /// What to do about it.
    public let hint: String

    /// What happened, to whom, and what to do.
    public var description: String {
        switch code {
        case .networkFull: "no overlay address is left for \(node) in \(subject); \(hint)"
        case .addressTaken: "\(node) cannot have the overlay address \(subject); \(hint)"
        }
    }
}
