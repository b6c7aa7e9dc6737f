/// A node's guard as its kernel has it.
public struct ObservedGuard: Codable, Sendable, Equatable {
    /// What differs from the document that it was observed for, a line each; empty where nothing does.
    public var differences: [String]
    /// What it has dropped, in the order of ``GuardDrop/Reason``.
    public var drops: [GuardDrop]
    /// Why it cannot be looked at or made, with the fix; nil where it can.
    public var problem: String?

    /// Gathers the parts.
    public init(differences: [String], drops: [GuardDrop] = [], problem: String? = nil) {
        self.differences = differences
        self.drops = drops
        self.problem = problem
    }
}

/// What the guard dropped for one reason.
public struct GuardDrop: Codable, Sendable, Hashable {
    /// Why a packet is dropped; the raw value is the counter's name in the table.
    public enum Reason: String, Codable, Sendable, Hashable, CaseIterable {
        /// It came from the mesh, and no edge declares it.
        case undeclared
        /// It was for, or from, an overlay address and came by another interface than the mesh's.
        case weakHost = "weak-host"
        /// It was for a shielded port and came from outside the mesh.
        case shield
        /// It was for the overlay and about to leave by another interface than the mesh's.
        case failClosed = "fail-closed"
        /// It was about to be forwarded into the mesh, and no edge of this node declares it.
        case forward
    }

    /// Why.
    public var reason: Reason
    /// Packets, since the guard was first set.
    public var packets: UInt64
    /// Bytes of these packets.
    public var bytes: UInt64

    /// Gathers the parts.
    public init(_ reason: Reason, packets: UInt64, bytes: UInt64) {
        self.reason = reason
        self.packets = packets
        self.bytes = bytes
    }
}
