/// What one rotation is to do: which keys are replaced, from which set to which.
///
/// Where only some nodes' WireGuard keys are replaced, it takes two legs, each a rotation of its own: out to the next
/// set's number, with all peers of those nodes, and home again, with new keys for those nodes alone. So the whole mesh
/// is on one number afterwards, and no other peering was touched.
public struct RotationPlan: Codable, Sendable, Equatable {
    /// From one set of keys to the next.
    public struct Turn: Codable, Sendable, Equatable {
        /// The set that is in use.
        public var from: Int
        /// The set that is to be.
        public var to: Int

        /// Names both.
        public init(from: Int, to: Int) {
            self.from = from
            self.to = to
        }

        /// From a set to the one that follows it.
        public init(after generation: Int) {
            self.init(from: generation, to: KeyGenerations.next(after: generation))
        }
    }

    /// How long nodes that are not told by a command may go on with the keys that they have.
    public struct Grace: Codable, Sendable, Equatable {
        /// *Units:* seconds.
        public var seconds: Double
        /// Set when it begins. *Units:* seconds since 1970.
        public var until: Double?
        /// Who has not been seen with its new configuration yet, sorted.
        public var waiting: [String]

        /// Gathers the parts.
        public init(seconds: Double, until: Double? = nil, waiting: [String]) {
            self.seconds = seconds
            self.until = until
            self.waiting = waiting.sorted()
        }
    }

    /// The journal's name of the run.
    public var id: String
    /// The WireGuard keys, with new preshared keys, or nil where they stay.
    public var wireguard: Turn?
    /// The SSH keys of tunnels and their servers, or nil where they stay.
    public var ssh: Turn?
    /// The preshared keys alone, in place: `to` is the number that the new ones are kept under meanwhile.
    public var preshared: Turn?
    /// The part of the mesh that it is about, or nil for all of it.
    public var scope: PeeringScope?
    /// Whether it is the second leg of a rotation of some nodes' keys.
    public var isHome: Bool?
    /// For nodes without an agent and for those in ``byMail``; nil where there are none, or none is wanted.
    public var grace: Grace?
    /// Managed nodes that no command logs in to, sorted: each keeps its key, and fetches the others' new ones as mail while
    /// the grace period lasts. nil where there are none.
    public var byMail: [String]?
    /// Those of ``byMail`` that have their former key still, once that is over.
    public var kept: [String]?
    /// Nodes that it goes on without: whoever is among them is cut off until it is brought up again.
    public var without: [String]
    /// How long connections through former tunnel sessions may go on. *Units:* seconds.
    public var drain: Double
    /// When it was begun. *Units:* seconds since 1970.
    public var began: Double

    /// Gathers the parts.
    public init(
        id: String, wireguard: Turn? = nil, ssh: Turn? = nil, preshared: Turn? = nil,
        scope: PeeringScope? = nil, grace: Grace? = nil, without: [String] = [],
        drain: Double = 0, began: Double
    ) {
        self.id = id
        self.wireguard = wireguard
        self.ssh = ssh
        self.preshared = preshared
        self.scope = scope
        self.grace = grace
        self.without = without
        self.drain = drain
        self.began = began
    }

    // MARK: the way

    /// The steps on its way through.
    public var forward: [RotationStep] {
        if preshared != nil { return [.swap, .renew, .sweep, .finish] }
        guard grace != nil else { return RotationStep.forward }
        return RotationStep.forward.flatMap { $0 == .retire ? [.grace, .retire] : [$0] }
    }

    /// The steps on its way back; where nothing has moved yet, nothing has to be moved back.
    func back(hasMoved: Bool) -> [RotationStep] {
        if preshared != nil {
            return hasMoved ? [.swapBack, .renewBack, .sweepBack, .cancel] : [.sweepBack, .cancel]
        }
        return hasMoved ? RotationStep.back : Array(RotationStep.back.dropFirst(2))
    }

    /// The rotation that follows this one, or nil where its end is the end.
    public var next: RotationPlan? {
        guard let wireguard, scope != nil, isHome != true else { return nil }
        var home = self
        home.id += "-home"
        home.isHome = true
        home.wireguard = Turn(from: wireguard.to, to: wireguard.from)
        return home
    }

    // MARK: what documents hold

    /// What documents hold while `step` is taken, and after it.
    public func layout(at step: RotationStep, settled: KeyGenerations) -> RotationLayout {
        var layout = RotationLayout(settled: settled)
        if let ssh {
            switch step.keys {
            case .old: layout.ssh = ssh.from
            case .oldFirst: (layout.ssh, layout.sshBeside) = (ssh.from, ssh.to)
            case .newFirst: (layout.ssh, layout.sshBeside) = (ssh.to, ssh.from)
            case .grace, .new: layout.ssh = ssh.to
            }
        }
        if let preshared, step.keys == .new {
            layout.presharedAside = RotationLayout.Aside(slot: preshared.to, scope: scope)
        }
        guard let turn = wireguard else { return layout }
        layout.sets = sets(turn, step.keys)
        if scope == nil { layout.wireguard = layout.sets[0].generation }
        return layout
    }

    private func sets(_ turn: Turn, _ keys: RotationStep.Keys) -> [RotationLayout.KeySet] {
        typealias KeySet = RotationLayout.KeySet
        let (from, to) = (turn.from, turn.to)
        switch (scope, isHome ?? false, keys) {
        case (nil, _, .old): return [KeySet(from)]
        case (nil, _, .oldFirst): return [KeySet(from), KeySet(to)]
        case (nil, _, .newFirst): return [KeySet(to), KeySet(from)]
        case (nil, _, .grace):
            let waiting = PeeringScope(nodes: Set(grace?.waiting ?? []))
            return [KeySet(to)] + (waiting.nodes.isEmpty ? [] : [KeySet(from, .only(waiting))])
        case (nil, _, .new): return [KeySet(to)]
        case (_?, false, .old): return [KeySet(from)]
        case (let scope?, false, .oldFirst): return [KeySet(from), KeySet(to, .only(scope))]
        case (let scope?, false, .newFirst): return [KeySet(to, .only(scope)), KeySet(from)]
        case (let scope?, false, .grace), (let scope?, false, .new):
            return [KeySet(to, .only(scope)), KeySet(from, .besides(scope))]
        case (let scope?, true, .old):
            return [KeySet(from, .only(scope)), KeySet(to, .besides(scope))]
        case (let scope?, true, .oldFirst): return [KeySet(from, .only(scope)), KeySet(to)]
        case (let scope?, true, .newFirst): return [KeySet(to), KeySet(from, .only(scope))]
        case (_?, true, .grace), (_?, true, .new): return [KeySet(to)]
        }
    }

    /// The managed nodes that it contacts.
    public func participants(in topology: Topology) -> Set<String> {
        let managed = topology.managedNames.subtracting(without).subtracting(byMail ?? [])
        guard let scope else { return managed }
        let ends = topology.peerings().filter(scope.touches).flatMap { [$0.a, $0.b] }
        return managed.intersection(scope.nodes.union(ends))
    }

    /// The managed nodes that make a WireGuard key of the set that is to be.
    public func makers(in topology: Topology, settled: KeyGenerations) -> Set<String> {
        guard let wireguard else { return [] }
        func holders(_ step: RotationStep) -> Set<String> {
            layout(at: step, settled: settled).holders(of: wireguard.to, in: topology)
        }
        return holders(.beside).subtracting(holders(.prepare)).subtracting(without)
    }

    /// Whether a peering leaves the set that is taken away at `retire`.
    public func concerns(_ pair: Peering) -> Bool { scope?.touches(pair) ?? true }

    /// The sets in use once it is through.
    public func result(_ settled: KeyGenerations, at now: Double) -> KeyGenerations {
        var result = settled
        if let wireguard, let scope {
            if isHome == true {
                result.wireguard = wireguard.to
                for node in scope.nodes.subtracting(without) { result.nodesSince[node] = now }
            }
        } else if let wireguard {
            result.wireguard = wireguard.to
            result.wireguardSince = now
            result.nodesSince = [:]
            for name in kept ?? [] {
                result.nodesSince[name] = settled.nodesSince[name] ?? settled.wireguardSince
            }
            result.presharedSince = nil
        }
        if let ssh {
            result.ssh = ssh.to
            result.sshSince = now
        }
        if preshared != nil && scope == nil { result.presharedSince = now }
        return result
    }
}
