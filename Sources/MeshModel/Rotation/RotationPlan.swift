/// What one rotation is to do: which keys are replaced, from which set to which.
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

    /// The journal's name of the run.
    public var id: String
    /// The WireGuard keys and preshared keys, or nil where they stay.
    public var wireguard: Turn?
    /// The SSH keys of tunnels and their servers, or nil where they stay.
    public var ssh: Turn?
    /// Nodes that it goes on without: whoever is among them is cut off until it is brought up again.
    public var without: [String]
    /// How long connections through former tunnel sessions may go on. *Units:* seconds.
    public var drain: Double
    /// When it was begun. *Units:* seconds since 1970.
    public var began: Double

    /// Gathers the parts.
    public init(
        id: String, wireguard: Turn?, ssh: Turn?, without: [String] = [], drain: Double,
        began: Double
    ) {
        self.id = id
        self.wireguard = wireguard
        self.ssh = ssh
        self.without = without
        self.drain = drain
        self.began = began
    }

    /// What documents hold while `step` is taken, and after it.
    public func layout(at step: RotationStep, settled: KeyGenerations) -> RotationLayout {
        func pick(_ turn: Turn?, _ now: Int) -> (first: Int, beside: Int?) {
            guard let turn else { return (now, nil) }
            switch step.keys {
            case .old: return (turn.from, nil)
            case .oldFirst: return (turn.from, turn.to)
            case .newFirst: return (turn.to, turn.from)
            case .new: return (turn.to, nil)
            }
        }
        let mesh = pick(wireguard, settled.wireguard)
        let tunnels = pick(ssh, settled.ssh)
        return RotationLayout(
            wireguard: mesh.first, wireguardBeside: mesh.beside, ssh: tunnels.first,
            sshBeside: tunnels.beside)
    }

    /// The sets in use once it is through.
    public func result(_ settled: KeyGenerations, at now: Double) -> KeyGenerations {
        var result = settled
        if let wireguard {
            result.wireguard = wireguard.to
            result.wireguardSince = now
        }
        if let ssh {
            result.ssh = ssh.to
            result.sshSince = now
        }
        return result
    }
}

/// Which sets of keys the documents of a mesh hold.
public struct RotationLayout: Sendable, Equatable {
    /// The WireGuard set that routes go by.
    public var wireguard: Int
    /// A second one that stands beside it, with the same addresses and peers.
    public var wireguardBeside: Int?
    /// The SSH set that tunnels show and servers have.
    public var ssh: Int
    /// A second one that is accepted as well.
    public var sshBeside: Int?

    /// Gathers the parts.
    public init(
        wireguard: Int, wireguardBeside: Int? = nil, ssh: Int, sshBeside: Int? = nil
    ) {
        self.wireguard = wireguard
        self.wireguardBeside = wireguardBeside
        self.ssh = ssh
        self.sshBeside = sshBeside
    }

    /// Where no rotation is open.
    public init(settled: KeyGenerations) {
        self.init(wireguard: settled.wireguard, ssh: settled.ssh)
    }

    /// The WireGuard sets, the one that routes go by first.
    public var generations: [Int] { [wireguard] + [wireguardBeside].compactMap(\.self) }
}
