/// Which sets of keys the documents of a mesh hold.
public struct RotationLayout: Sendable, Equatable {
    /// Which peerings a set of WireGuard keys is for.
    public enum Reach: Sendable, Equatable {
        /// All; every node has its interface.
        case all
        /// These, and only nodes that have one have its interface.
        case only(PeeringScope)
        /// All but these; the nodes that they are told by have no interface of it.
        case besides(PeeringScope)
    }

    /// One set of WireGuard keys, which an interface of each node stands for.
    public struct KeySet: Sendable, Equatable {
        /// Its number, 0...9 in turn.
        public var generation: Int
        /// Which peerings it is for.
        public var reach: Reach

        /// Pairs the two.
        public init(_ generation: Int, _ reach: Reach = .all) {
            self.generation = generation
            self.reach = reach
        }

        /// Whether both ends of a peering are peers by this set.
        public func carries(_ pair: Peering) -> Bool {
            switch reach {
            case .all: true
            case .only(let scope): scope.touches(pair)
            case .besides(let scope): !scope.touches(pair)
            }
        }
    }

    /// The sets of WireGuard keys: where two carry a peering, its routes go by the first one.
    public var sets: [KeySet]
    /// The set that a node which is new makes its key of, and whose key stands for it.
    public var wireguard: Int
    /// The SSH set that tunnels show and servers have.
    public var ssh: Int
    /// A second one that is accepted as well.
    public var sshBeside: Int?
    /// Under which set's number the controller keeps the preshared keys of some pairs, where it is not their own.
    public var presharedAside: Aside?

    /// Preshared keys that are kept under another set's number until they have taken the place of the old ones.
    public struct Aside: Sendable, Equatable {
        /// The number that they are kept under.
        public var slot: Int
        /// Whose keys, or nil for all.
        public var scope: PeeringScope?
    }

    /// Gathers the parts.
    public init(
        sets: [KeySet], wireguard: Int, ssh: Int, sshBeside: Int? = nil,
        presharedAside: Aside? = nil
    ) {
        self.sets = sets
        self.wireguard = wireguard
        self.ssh = ssh
        self.sshBeside = sshBeside
        self.presharedAside = presharedAside
    }

    /// Where no rotation is open.
    public init(settled: KeyGenerations) {
        self.init(
            sets: [KeySet(settled.wireguard)], wireguard: settled.wireguard, ssh: settled.ssh)
    }

    /// The numbers of the WireGuard sets, the one that routes go by first.
    public var generations: [Int] { sets.map(\.generation) }

    /// The number that the preshared key of a pair in a set is kept under.
    public func presharedSlot(of pair: Peering, generation: Int) -> Int {
        guard let presharedAside, presharedAside.scope?.touches(pair) ?? true else {
            return generation
        }
        return presharedAside.slot
    }

    /// The managed nodes that have an interface of a set.
    public func holders(of generation: Int, in topology: Topology) -> Set<String> {
        guard let set = sets.first(where: { $0.generation == generation }) else { return [] }
        let managed = topology.managedNames
        switch set.reach {
        case .all: return managed
        case .besides(let scope): return managed.subtracting(scope.nodes)
        case .only(let scope):
            let ends = topology.peerings().filter(scope.touches).flatMap { [$0.a, $0.b] }
            return managed.intersection(scope.nodes.union(ends))
        }
    }
}
